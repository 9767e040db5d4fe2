//! The reports that should exist, as the audits leave them. The writer takes the namespaces that changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use super::report::{Report, Results};
use crate::config::ReviewConfig;
use crate::rules::Finding;

/// An audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Audit {
    /// Stored objects.
    Objects,
    /// Labels of stored pods and Namespaces.
    Labels,
}

/// Audit, and true for its findings about cluster-scoped objects.
type Part = (Audit, bool);

/// The results of all namespaces.
#[derive(Clone, Debug)]
pub(crate) struct ReportStore(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Namespace of the server. Its report has the findings about cluster-scoped objects.
    own: Arc<str>,
    state: Mutex<State>,
    changed: Notify,
    is_complete: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct State {
    results: BTreeMap<Arc<str>, BTreeMap<Part, Results>>,
    changed: BTreeSet<Arc<str>>,
    /// Namespaces whose policies are not read yet. Their reports stay as they are.
    unknown: BTreeSet<Arc<str>>,
}

impl ReportStore {
    /// A store without findings. `own` is the namespace of the server; empty if it is unknown.
    pub(crate) fn new(own: Arc<str>) -> Self {
        Self(Arc::new(Shared {
            own,
            state: Mutex::default(),
            changed: Notify::new(),
            is_complete: watch::channel(false).0,
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let state = self.0.state.lock();
        state.unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the findings of an audit about a namespace, or about cluster-scoped objects if it is empty.
    pub(crate) fn enter(
        &self,
        audit: Audit,
        namespace: &Arc<str>,
        findings: &[Finding],
        config: &ReviewConfig,
    ) {
        let part = (audit, namespace.is_empty());
        let namespace = if namespace.is_empty() {
            &self.0.own
        } else {
            namespace
        };
        if namespace.is_empty() {
            return;
        }
        let results = Results::of(findings, config);
        let mut state = self.state();
        if !part.1 {
            state.unknown.remove(namespace);
        }
        let mut parts = state.results.remove(namespace).unwrap_or_default();
        let before = if results.is_empty() {
            parts.remove(&part)
        } else {
            parts.insert(part, results.clone())
        };
        if !parts.is_empty() {
            state.results.insert(namespace.clone(), parts);
        }
        if before.unwrap_or_default() != results {
            state.changed.insert(namespace.clone());
            self.0.changed.notify_one();
        }
    }

    /// Notes that a namespace could not be audited yet.
    pub(crate) fn unknown(&self, namespace: &Arc<str>) {
        self.state().unknown.insert(namespace.clone());
    }

    /// Notes that each namespace was audited.
    pub(crate) fn complete(&self) {
        self.0.is_complete.send_replace(true);
    }

    /// Waits until each namespace was audited once.
    pub(crate) async fn completed(&self) {
        let mut is_complete = self.0.is_complete.subscribe();
        // The sender lives as long as the store.
        let _ended = is_complete.wait_for(|is_complete| *is_complete).await;
    }

    /// Waits for another change.
    pub(crate) async fn changed(&self) {
        self.0.changed.notified().await;
    }

    /// The namespaces whose reports changed since the last call.
    pub(crate) fn take_changed(&self) -> BTreeSet<Arc<str>> {
        std::mem::take(&mut self.state().changed)
    }

    /// The report of a namespace; `None` if it should have none.
    pub(crate) fn report(&self, namespace: &str) -> Option<Report> {
        let state = self.state();
        let parts = state.results.get(namespace)?;
        Some(Report::new(namespace, &Results::merged(parts.values())))
    }

    /// True if nothing is known about a namespace yet.
    pub(crate) fn is_unknown(&self, namespace: &str) -> bool {
        self.state().unknown.contains(namespace)
    }

    /// The namespaces that should have a report.
    pub(crate) fn namespaces(&self) -> Vec<Arc<str>> {
        self.state().results.keys().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{Kind, ObjectRef};
    use crate::rules::{Code, Level};

    fn finding(namespace: &str) -> Finding {
        let object = ObjectRef {
            kind: Kind::NetworkPolicy,
            namespace: namespace.into(),
            name: "web".into(),
        };
        Finding::new(Code::Obp201, Level::Deny, &object, "spec")
    }

    fn changed(store: &ReportStore) -> Vec<String> {
        let changed = store.take_changed().into_iter();
        changed.map(|name| name.to_string()).collect()
    }

    #[test]
    fn a_namespace_changes_when_its_findings_do_and_has_a_report_while_it_has_some() {
        let store = ReportStore::new("own".into());
        let config = ReviewConfig::default();
        let bao: Arc<str> = "bao".into();
        let enter = |audit, namespace: &Arc<str>, findings: &[Finding]| {
            store.enter(audit, namespace, findings, &config);
        };
        enter(Audit::Objects, &bao, &[]);
        assert_eq!(changed(&store), [""; 0]);
        enter(Audit::Objects, &bao, &[finding("bao")]);
        assert_eq!(changed(&store), ["bao"]);
        enter(Audit::Objects, &bao, &[finding("bao")]);
        assert_eq!(changed(&store), [""; 0]);
        enter(Audit::Labels, &bao, &[finding("bao")]);
        enter(Audit::Objects, &bao, &[]);
        assert_eq!(changed(&store), ["bao"]);
        let report = store.report("bao").unwrap();
        assert_eq!(report.value["summary"]["fail"], 1);
        enter(Audit::Labels, &bao, &[]);
        assert_eq!(
            (changed(&store), store.report("bao")),
            (vec!["bao".to_owned()], None)
        );
        assert!(store.namespaces().is_empty());
    }

    #[test]
    fn findings_about_cluster_scoped_objects_are_in_the_report_of_our_own_namespace() {
        let config = ReviewConfig::default();
        let nowhere: Arc<str> = Arc::default();
        let store = ReportStore::new("own".into());
        store.enter(Audit::Objects, &nowhere, &[finding("")], &config);
        store.enter(Audit::Objects, &"own".into(), &[finding("own")], &config);
        assert_eq!(store.report("own").unwrap().value["summary"]["fail"], 2);
        store.enter(Audit::Objects, &"own".into(), &[], &config);
        assert_eq!(store.report("own").unwrap().value["summary"]["fail"], 1);
        let unknown = ReportStore::new(Arc::default());
        unknown.enter(Audit::Objects, &nowhere, &[finding("")], &config);
        assert!(unknown.namespaces().is_empty());
    }

    #[test]
    fn a_namespace_that_was_not_read_is_unknown_until_it_is_audited() {
        let store = ReportStore::new("own".into());
        let bao: Arc<str> = "bao".into();
        store.unknown(&bao);
        assert!(store.is_unknown("bao"));
        store.enter(Audit::Objects, &bao, &[], &ReviewConfig::default());
        assert!(!store.is_unknown("bao"));
    }
}
