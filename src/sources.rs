//! Sources of facts: a folder of manifests, or watches of a Kubernetes cluster.
//!
//! A source publishes snapshots through a [`tokio::sync::watch`] channel: `None` until all facts are known
//! for the first time, then a new [`Snapshot`] on every change.

pub mod files;
pub mod kube;

use std::sync::Arc;

use tokio::sync::watch;

use crate::inventory::Snapshot;

/// Channel for snapshots: `None` until the facts are complete for the first time.
pub(crate) type Updates = watch::Sender<Option<Arc<Snapshot>>>;
