//! Where the facts come from: a folder of manifests, or a cluster's watches.
//!
//! A source publishes whole snapshots through a [`tokio::sync::watch`] channel: `None` until it
//! knows everything once, then a new [`Snapshot`] on every change.

pub mod files;
pub mod kube;

use std::sync::Arc;

use tokio::sync::watch;

use crate::inventory::Snapshot;

/// Where a source publishes: `None` until its facts are complete for the first time.
pub type Updates = watch::Sender<Option<Arc<Snapshot>>>;
