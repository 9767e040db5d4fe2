//! OBP313: a peer is selected by labels that other people can set: labels of its namespace, or of pods in any
//! namespace.
//!
//! The API server sets `kubernetes.io/metadata.name`. Anyone who can edit a namespace can set its other
//! labels, and anyone who can create a pod can set its labels.

use std::collections::BTreeSet;

use super::everyone::{self, fits_any_namespace};
use super::{Declaration, DeclaredRule};
use crate::rules::{Cause, Finding, Onset};
use netpol::LabelSet;
use netpol::label::NAMESPACE_NAME;
use netpol::rule::{Peer, Selector};

/// One finding for each such peer that the write adds. Rules that `found` reports as open to everyone are
/// skipped, and so are selectors that were already reported.
pub(crate) fn check(declaration: &Declaration<'_>, found: &[Finding]) -> Vec<Finding> {
    let reported: BTreeSet<&str> = found.iter().map(|finding| finding.path.as_str()).collect();
    let about = found
        .iter()
        .filter(|found| everyone::CODES.contains(&found.code));
    let about: BTreeSet<&str> = about.map(|finding| finding.path.as_str()).collect();
    let is_reported = |rule: &&DeclaredRule| about.contains(rule.path.as_str());
    let rules = declaration.after.iter().filter(|rule| !is_reported(rule));
    let findings = rules.flat_map(|rule| of_rule(declaration, rule));
    let is_new = |finding: &Finding| !reported.contains(finding.path.as_str());
    findings.filter(is_new).collect()
}

fn of_rule<'a>(
    declaration: &'a Declaration<'_>,
    rule: &'a DeclaredRule,
) -> impl Iterator<Item = Finding> + 'a {
    let is_old = |peer: &Peer| {
        let mut old = declaration.before.iter();
        let peers = old.clone().map(|old| old.rule.peers.len()).sum();
        // If the budget is not enough, the peer counts as new.
        rule.is_kept || (declaration.spend(peers) && old.any(|old| old.rule.peers.contains(peer)))
    };
    let peers = rule.rule.peers.iter().enumerate();
    peers.filter_map(move |(at, peer)| {
        let loose = Loose::of(peer).filter(|_| !is_old(peer))?;
        Some(Finding {
            reason: loose.reason(),
            help: format!(
                "name the namespaces, for example:\nnamespaceSelector:\n  matchLabels:\n    {NAMESPACE_NAME}: NAMESPACE"
            ),
            ..declaration.finding(
                Cause::SettableNamespaceLabel,
                Onset::Introduced,
                format!("{}.namespaceSelector", rule.peer_path(declaration.direction, at)),
            )
        })
    })
}

/// The labels that select a peer, if other people can set all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Loose {
    /// Labels of pods in any namespace.
    Pods(Vec<String>),
    /// Labels of a namespace.
    Namespace(Vec<String>),
}

impl Loose {
    fn of(peer: &Peer) -> Option<Self> {
        let Peer::Pods {
            namespaces: Some(selector),
            pods,
        } = peer
        else {
            return None;
        };
        let set = selector.label_set().and_then(LabelSet::on_namespaces)?;
        if fits_any_namespace(&set) {
            // A pod selector that contradicts itself selects no pod.
            let pods = pods.as_ref().filter(|pods| pods.label_set().is_some())?;
            return named(keys(pods)).map(Self::Pods);
        }
        if set.namespace_names().is_some() {
            return None;
        }
        let keys = keys(selector);
        named(keys.into_iter().filter(|key| key != NAMESPACE_NAME)).map(Self::Namespace)
    }

    fn reason(&self) -> String {
        match self {
            Self::Pods(keys) => format!(
                "selects pods of any namespace by the label {}, which anyone who can create a pod can set",
                keys.join(", ")
            ),
            Self::Namespace(keys) => format!(
                "selects by the namespace label {}, which anyone who can edit a namespace can set",
                keys.join(", ")
            ),
        }
    }
}

/// The keys in back-quotes, unique and in order; `None` if there are none.
fn named(keys: impl IntoIterator<Item = String>) -> Option<Vec<String>> {
    let mut keys: Vec<String> = keys.into_iter().map(|key| format!("`{key}`")).collect();
    keys.sort();
    keys.dedup();
    (!keys.is_empty()).then_some(keys)
}

fn keys(selector: &Selector) -> Vec<String> {
    let labels = selector.labels.keys();
    let expressions = selector.expressions.iter().map(|asked| &asked.key);
    labels.chain(expressions).map(ToString::to_string).collect()
}
