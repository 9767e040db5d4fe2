//! Findings of the background audit, by namespace.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::Waiver;
use crate::rules::{Code, Finding, FindingKey, Level};

/// Maximum number of findings stored per namespace. Some are reported even if a namespace has more.
const MAX_FINDINGS: usize = 1_000;

/// The current findings.
#[derive(Clone, Debug, Default)]
pub(crate) struct FindingStore {
    namespaces: BTreeMap<Arc<str>, BTreeMap<FindingKey, Finding>>,
}

/// Difference between new and old findings of a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Diff {
    /// Findings that were not there before.
    pub(crate) new: Vec<Finding>,
    /// Findings that are no longer there.
    pub(crate) gone: Vec<Finding>,
}

impl FindingStore {
    /// Replaces the findings of a namespace.
    pub(crate) fn enter(&mut self, namespace: &Arc<str>, findings: Vec<Finding>) -> Diff {
        let mut now: BTreeMap<FindingKey, Finding> = BTreeMap::new();
        for finding in findings.into_iter().take(MAX_FINDINGS) {
            // They are sorted: of equal ones, the strictest comes first.
            now.entry(finding.key()).or_insert(finding);
        }
        let before = if now.is_empty() {
            self.namespaces.remove(namespace)
        } else {
            self.namespaces.insert(namespace.clone(), now.clone())
        };
        let before = before.unwrap_or_default();
        let only_in = |here: &BTreeMap<FindingKey, Finding>,
                       there: &BTreeMap<FindingKey, Finding>| {
            let only = here.iter().filter(|(key, _)| !there.contains_key(*key));
            only.map(|(_, finding)| finding.clone()).collect()
        };
        Diff {
            new: only_in(&now, &before),
            gone: only_in(&before, &now),
        }
    }

    /// Number of these waivers that no finding has.
    pub(crate) fn unused(&self, waivers: &[Arc<Waiver>]) -> usize {
        let findings = self.namespaces.values().flat_map(BTreeMap::values);
        let used = findings.filter_map(|finding| finding.waiver.as_ref());
        let used: Vec<&Arc<Waiver>> = used.collect();
        let unused = waivers.iter().filter(|waiver| !used.contains(waiver));
        unused.count()
    }

    /// Number of findings by rule and level.
    pub(crate) fn counts(&self) -> BTreeMap<(Code, Level), usize> {
        let mut counts = BTreeMap::new();
        for finding in self.namespaces.values().flat_map(BTreeMap::values) {
            *counts.entry((finding.code, finding.level)).or_default() += 1;
        }
        counts
    }

    /// The namespaces with findings.
    pub(crate) fn namespaces(&self) -> impl Iterator<Item = &Arc<str>> {
        self.namespaces.keys()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{Kind, ObjectRef};

    fn finding(name: &str, reason: &str) -> Finding {
        let object = ObjectRef {
            kind: Kind::NetworkPolicy,
            namespace: "bao".into(),
            name: name.into(),
        };
        Finding {
            reason: reason.to_owned(),
            ..Finding::new(Code::Obp201, Level::Deny, &object, "spec.ingress[0]")
        }
    }

    fn names(findings: &[Finding]) -> Vec<&str> {
        findings
            .iter()
            .map(|finding| &*finding.object.name)
            .collect()
    }

    #[test]
    fn a_finding_is_new_once_and_gone_once() {
        let mut finding_store = FindingStore::default();
        let bao: Arc<str> = "bao".into();
        let turn = finding_store.enter(&bao, vec![finding("a", "x"), finding("b", "x")]);
        assert_eq!(
            (names(&turn.new), names(&turn.gone)),
            (vec!["a", "b"], vec![])
        );
        let turn = finding_store.enter(
            &bao,
            vec![finding("b", "in other words"), finding("c", "x")],
        );
        assert_eq!(
            (names(&turn.new), names(&turn.gone)),
            (vec!["c"], vec!["a"])
        );
        assert_eq!(
            finding_store.counts(),
            [((Code::Obp201, Level::Deny), 2)].into()
        );
        let turn = finding_store.enter(&bao, Vec::new());
        assert_eq!(
            (names(&turn.new), names(&turn.gone)),
            (vec![], vec!["b", "c"])
        );
        assert!(finding_store.counts().is_empty());
        assert_eq!(finding_store.namespaces().count(), 0);
    }
}
