//! OBP313: a peer is selected by a label of its namespace that others may set.
//!
//! The API server itself sets `kubernetes.io/metadata.name`. Every other label of a namespace is
//! whatever somebody who may edit namespaces made it.

use super::{Declaration, DeclaredRule};
use crate::perimeter::label::NAMESPACE_NAME;
use crate::perimeter::rule::{Peer, Selector};
use crate::rules::{Code, Finding};

/// One finding for each such peer that the write adds. A rule that `found` calls open to everyone is
/// left out, since no label keeps anybody out of it, and so is a selector that is told of already.
pub fn check(declaration: &Declaration<'_>, found: &[Finding]) -> Vec<Finding> {
    let everyone = [Code::Obp302, Code::Obp305];
    let is_told = |rule: &&DeclaredRule| {
        let mut about = found.iter().filter(|finding| finding.path == rule.path);
        about.any(|finding| everyone.contains(&finding.code))
    };
    let rules = declaration.after.iter().filter(|rule| !is_told(rule));
    let findings = rules.flat_map(|rule| of_rule(declaration, rule));
    let is_new = |finding: &Finding| found.iter().all(|told| told.path != finding.path);
    findings.filter(is_new).collect()
}

fn of_rule<'a>(
    declaration: &'a Declaration<'_>,
    rule: &'a DeclaredRule,
) -> impl Iterator<Item = Finding> + 'a {
    let is_old = |peer: &Peer| {
        let mut old = declaration.before.iter();
        old.any(|old| old.rule.peers.contains(peer))
    };
    let peers = rule.rule.peers.iter().enumerate();
    let new = peers.filter(move |(_, peer)| !is_old(peer));
    new.filter_map(move |(at, peer)| {
        let keys = settable(peer)?;
        Some(Finding {
            reason: format!(
                "selects by the namespace label {}, which everyone may set who may edit a namespace",
                keys.join(", ")
            ),
            help: format!(
                "name the namespaces, for example:\nnamespaceSelector:\n  matchLabels:\n    {NAMESPACE_NAME}: NAMESPACE"
            ),
            ..declaration.advice(
                Code::Obp313,
                format!("{}.namespaceSelector", rule.peer_path(declaration.direction, at)),
            )
        })
    })
}

/// The keys of a namespace selector that is not tied to names; `None` where there is none, or where
/// it selects nobody.
fn settable(peer: &Peer) -> Option<Vec<String>> {
    let Peer::Pods {
        namespaces: Some(selector),
        ..
    } = peer
    else {
        return None;
    };
    let set = selector.label_set()?.on_namespaces()?;
    if set.namespace_names().is_some() {
        return None;
    }
    let keys = keys(selector);
    (!keys.is_empty()).then_some(keys)
}

fn keys(selector: &Selector) -> Vec<String> {
    let labels = selector.labels.keys();
    let expressions = selector.expressions.iter().map(|asked| &asked.key);
    let mut keys: Vec<String> = labels
        .chain(expressions)
        .filter(|key| &***key != NAMESPACE_NAME)
        .map(|key| format!("`{key}`"))
        .collect();
    keys.sort();
    keys.dedup();
    keys
}
