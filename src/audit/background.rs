//! The background audit: after each change, what is stored in the namespaces that it touched is
//! judged again.
//!
//! Admission sees one write at a time. Two that are in flight together cannot see each other, and
//! nobody sees what is written while no server runs: both show here.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::finding_store::{Diff, FindingStore};
use super::{EventQueue, Metrics};
use crate::review::{CompiledSnapshot, audit_namespace};
use crate::rules::Finding;

/// Changes that come together are judged together.
const PAUSE: Duration = Duration::from_millis(200);

/// The facts, as they are published.
pub type CompiledSnapshots = watch::Receiver<Option<Arc<CompiledSnapshot>>>;

/// Judges what is stored, again after each change, until nothing is published any more. One
/// namespace at a time, off the threads that serve.
pub async fn follow(
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
                // Judged as soon as its policies are read, which is a change of it.
                continue;
            }
            let (judged, name) = (Arc::clone(&world), Arc::clone(&namespace));
            let judge = move || audit_namespace(&judged, &name);
            match tokio::task::spawn_blocking(judge).await {
                Ok(findings) => {
                    let turn = finding_store.enter(&namespace, findings);
                    tell(&turn, events.as_ref());
                }
                Err(error) => tracing::error!(%namespace, %error, "Keeping the old findings"),
            }
        }
        metrics.cluster.audited(&finding_store.counts());
        audited = Some(world);
    }
}

/// The namespaces to be judged: all of them after a change that concerns each.
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

fn tell(turn: &Diff, events: Option<&EventQueue>) {
    for finding in &turn.new {
        tracing::warn!(
            code = finding.code.as_str(),
            level = finding.level.as_str(),
            object = %finding.object,
            path = finding.path,
            cluster = cluster(finding),
            "Found by the audit"
        );
        if let Some(events) = events {
            events.found(finding);
        }
    }
    for finding in &turn.gone {
        tracing::info!(
            code = finding.code.as_str(),
            object = %finding.object,
            path = finding.path,
            cluster = cluster(finding),
            "Not found by the audit any more"
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
