//! The background audit: after each change, the stored objects of the changed namespaces are checked again.
//!
//! Admission sees one write at a time. Two concurrent writes do not see each other, and writes while no
//! server runs are not reviewed. The audit finds both.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::finding_store::{Diff, FindingStore};
use super::log::reason;
use super::metrics::BaselineDoubt;
use super::report_store::{Audit, ReportStore};
use super::shapes::Shapes;
use super::{EventQueue, Metrics};
use crate::review::{CompiledSnapshot, audit_namespace, other_shape};
use crate::rules::Finding;

/// Delay that collects several changes into one audit.
const PAUSE: Duration = Duration::from_millis(200);

/// Pause before a namespace is checked again, as a multiple of the time that its last check took. A tenant
/// who writes all the time keeps less than a tenth of a core busy.
const PACE: u32 = 10;

/// Channel of published facts.
pub(crate) type CompiledSnapshots = watch::Receiver<Option<Arc<CompiledSnapshot>>>;

/// Checks stored objects, again after each change, until the channel is closed. One namespace at a time, in
/// `spawn_blocking`.
pub(crate) async fn follow(
    mut published: CompiledSnapshots,
    metrics: Arc<Metrics>,
    events: Option<EventQueue>,
    reports: Option<ReportStore>,
    notify: impl Fn(Option<&str>),
) {
    let mut finding_store = FindingStore::default();
    let mut shapes = Shapes::default();
    let mut seen: Option<Arc<CompiledSnapshot>> = None;
    let mut pending = Pending::default();
    loop {
        let next = pending.next();
        tokio::select! {
            changed = published.changed() => match changed {
                Ok(()) => sleep(PAUSE).await,
                Err(_ended) => return,
            },
            () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
        }
        let Some(compiled) = published.borrow_and_update().clone() else {
            continue;
        };
        let touched = touched(seen.as_deref(), &compiled, &finding_store);
        pending.namespaces.extend(touched);
        seen = Some(Arc::clone(&compiled));
        for namespace in pending.take_due(Instant::now()) {
            let start = Instant::now();
            let stores = (&mut finding_store, &mut shapes);
            let (events, reports) = (events.as_ref(), reports.as_ref());
            check(&compiled, &namespace, stores, events, reports).await;
            pending.checked(namespace, start.elapsed(), Instant::now());
        }
        metrics.cluster.audited(&finding_store.counts());
        shapes.report(compiled.config.baseline, |notice| {
            metrics.baseline_doubt(BaselineDoubt::Policies, notice.is_some());
            notify(notice);
        });
        if pending.namespaces.is_empty() {
            metrics.unused_waivers(finding_store.unused(&compiled.config.waivers));
            if let Some(reports) = &reports {
                reports.complete();
            }
        }
    }
}

/// Namespaces to check.
#[derive(Debug, Default)]
struct Pending {
    namespaces: BTreeSet<Arc<str>>,
    /// Namespaces whose last check took long, and when they may be checked again.
    earliest: BTreeMap<Arc<str>, Instant>,
}

impl Pending {
    /// Time at which the first of the namespaces that wait may be checked.
    fn next(&self) -> Option<Instant> {
        let times = self.namespaces.iter();
        times
            .filter_map(|name| self.earliest.get(name))
            .min()
            .copied()
    }

    /// Removes and returns the namespaces that may be checked now.
    fn take_due(&mut self, now: Instant) -> BTreeSet<Arc<str>> {
        self.earliest.retain(|_, earliest| *earliest > now);
        let (later, due) = std::mem::take(&mut self.namespaces)
            .into_iter()
            .partition(|name| self.earliest.contains_key(name));
        self.namespaces = later;
        due
    }

    /// Records how long a check took.
    fn checked(&mut self, namespace: Arc<str>, took: Duration, now: Instant) {
        if took > PAUSE {
            self.earliest.insert(namespace, now + took * PACE);
        }
    }
}

/// Checks one namespace, and reports what changed.
async fn check(
    compiled: &Arc<CompiledSnapshot>,
    namespace: &Arc<str>,
    (finding_store, shapes): (&mut FindingStore, &mut Shapes),
    events: Option<&EventQueue>,
    reports: Option<&ReportStore>,
) {
    if compiled.is_unread(namespace) {
        if let Some(reports) = reports {
            reports.unknown(namespace);
        }
        // It is checked once its policies were read, which is another change of it.
        return;
    }
    let (facts, name) = (Arc::clone(compiled), Arc::clone(namespace));
    let audit = move || (audit_namespace(&facts, &name), other_shape(&facts, &name));
    match tokio::task::spawn_blocking(audit).await {
        Ok((findings, shape)) => {
            if let Some(reports) = reports {
                reports.enter(Audit::Objects, namespace, &findings, &compiled.config);
            }
            report(&finding_store.enter(namespace, findings), events);
            shapes.enter(namespace, shape);
        }
        Err(error) => {
            tracing::error!(%namespace, %error, "audit of a namespace failed, keeping the old findings");
        }
    }
}

/// The namespaces to check. After a change that concerns all namespaces, these are all.
fn touched(
    seen: Option<&CompiledSnapshot>,
    compiled: &CompiledSnapshot,
    finding_store: &FindingStore,
) -> Vec<Arc<str>> {
    let same = |known: &&CompiledSnapshot| {
        let (old, new) = (&known.snapshot, &compiled.snapshot);
        known.config == compiled.config
            && old.api_server == new.api_server
            && old.services == new.services
    };
    if let Some(known) = seen.filter(same) {
        let mut touched = compiled.snapshot.touched(&known.snapshot);
        let is_cluster_scoped = touched.iter().any(|name| name.is_empty());
        let is_complete = known.snapshot.completeness == compiled.snapshot.completeness;
        // A cluster-scoped policy may select pods of any namespace.
        if !(is_cluster_scoped || touched.is_empty() && is_complete) {
            touched.push("".into());
        }
        return touched;
    }
    let all = compiled
        .snapshot
        .namespaces
        .keys()
        .chain(finding_store.namespaces());
    let cluster_scoped = Arc::default();
    let all: BTreeSet<&Arc<str>> = all.chain([&cluster_scoped]).collect();
    all.into_iter().cloned().collect()
}

pub(super) fn report(diff: &Diff, events: Option<&EventQueue>) {
    for finding in &diff.new {
        tracing::warn!(
            code = finding.code.as_str(),
            level = finding.level.as_str(),
            object = %finding.object,
            path = finding.path,
            cluster = cluster(finding),
            reason = &*reason(&finding.reason),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_whose_check_took_long_waits_and_others_do_not() {
        let (slow, quick): (Arc<str>, Arc<str>) = ("slow".into(), "quick".into());
        let start = Instant::now();
        let long = PAUSE * 2;
        let mut pending = Pending::default();
        let both = || BTreeSet::from([Arc::clone(&slow), Arc::clone(&quick)]);
        pending.namespaces = both();
        assert_eq!(pending.take_due(start), both());
        pending.checked(Arc::clone(&slow), long, start);
        pending.checked(Arc::clone(&quick), PAUSE, start);
        assert_eq!(pending.next(), None);

        pending.namespaces = both();
        assert_eq!(
            pending.take_due(start),
            BTreeSet::from([Arc::clone(&quick)])
        );
        let end = start + long * PACE;
        assert_eq!(pending.next(), Some(end));
        assert!(pending.take_due(end - Duration::from_millis(1)).is_empty());
        assert_eq!(pending.take_due(end), BTreeSet::from([slow]));
        assert_eq!(pending.next(), None);
    }
}
