//! The background audit: after each change, the stored objects of the changed namespaces are checked again.
//!
//! Admission sees one write at a time. Two concurrent writes do not see each other, and writes while no
//! server runs are not reviewed. The audit finds both.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::finding_store::{Diff, FindingStore};
use super::{EventQueue, Metrics};
use crate::review::{CompiledSnapshot, audit_namespace};
use crate::rules::Finding;

/// Delay that collects several changes into one audit.
const PAUSE: Duration = Duration::from_millis(200);

/// Channel of published facts.
pub(crate) type CompiledSnapshots = watch::Receiver<Option<Arc<CompiledSnapshot>>>;

/// Checks stored objects, again after each change, until the channel is closed. One namespace at a time, in
/// `spawn_blocking`.
pub(crate) async fn follow(
    mut worlds: CompiledSnapshots,
    metrics: Arc<Metrics>,
    events: Option<EventQueue>,
) {
    let mut finding_store = FindingStore::default();
    let mut audited: Option<Arc<CompiledSnapshot>> = None;
    while worlds.changed().await.is_ok() {
        tokio::time::sleep(PAUSE).await;
        let Some(world) = worlds.borrow_and_update().clone() else {
            continue;
        };
        for namespace in touched(audited.as_deref(), &world, &finding_store) {
            if world.is_unread(&namespace) {
                // It is checked once its policies were read, which is another change of it.
                continue;
            }
            let (facts, name) = (Arc::clone(&world), Arc::clone(&namespace));
            let audit = move || audit_namespace(&facts, &name);
            match tokio::task::spawn_blocking(audit).await {
                Ok(findings) => {
                    let diff = finding_store.enter(&namespace, findings);
                    report(&diff, events.as_ref());
                }
                Err(error) => {
                    tracing::error!(%namespace, %error, "audit of a namespace failed, keeping the old findings");
                }
            }
        }
        metrics.cluster.audited(&finding_store.counts());
        audited = Some(world);
    }
}

/// The namespaces to check. After a change that concerns all namespaces, these are all.
fn touched(
    audited: Option<&CompiledSnapshot>,
    world: &CompiledSnapshot,
    finding_store: &FindingStore,
) -> Vec<Arc<str>> {
    let same = |known: &&CompiledSnapshot| {
        known.config == world.config && known.snapshot.api_server == world.snapshot.api_server
    };
    if let Some(known) = audited.filter(same) {
        return world.snapshot.touched(&known.snapshot);
    }
    let all = world
        .snapshot
        .namespaces
        .keys()
        .chain(finding_store.namespaces());
    let all: BTreeSet<&Arc<str>> = all.collect();
    all.into_iter().cloned().collect()
}

fn report(diff: &Diff, events: Option<&EventQueue>) {
    for finding in &diff.new {
        tracing::warn!(
            code = finding.code.as_str(),
            level = finding.level.as_str(),
            object = %finding.object,
            path = finding.path,
            cluster = cluster(finding),
            "new audit finding"
        );
        if let Some(events) = events {
            events.found(finding);
        }
    }
    for finding in &diff.gone {
        tracing::info!(
            code = finding.code.as_str(),
            object = %finding.object,
            path = finding.path,
            cluster = cluster(finding),
            "resolved audit finding"
        );
    }
}

fn cluster(finding: &Finding) -> String {
    finding
        .cluster
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default()
}
