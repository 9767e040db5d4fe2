//! Size of a policy, compared with the limits for proofs.

use std::collections::BTreeSet;

use super::Policy;
use crate::config::SizeLimits;
use netpol::Direction;
use netpol::rule::{Peer, Rule, Selector};

/// A part of a policy that is larger than its limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TooLarge {
    /// Field path.
    pub(crate) path: String,
    /// Name of the elements that are counted.
    pub what: &'static str,
    /// Number of elements.
    pub(crate) found: usize,
    /// Maximum number of elements.
    pub(crate) cap: usize,
}

/// All parts that are larger than their limits, in field order. Paths are formatted only for those, since
/// this runs for every policy.
pub(crate) fn too_large(policy: &Policy, caps: &SizeLimits) -> Vec<TooLarge> {
    let mut walk = Walk {
        caps,
        found: Vec::new(),
        requirements: 0,
    };
    walk.selector(&policy.pods, &|| "spec.podSelector".to_owned());
    for direction in Direction::ALL {
        let rules = policy.rules(direction);
        let field = || format!("spec.{}", direction.field());
        walk.count("rules", rules.len(), caps.rules, &field);
        for (at, rule) in rules.iter().enumerate() {
            walk.rule(direction, rule, &|| format!("{}[{at}]", field()));
        }
    }
    // There are at most as many keys as requirements, and few policies have as many as the limit.
    if walk.requirements > caps.label_keys {
        let keys = label_keys(policy).len();
        walk.count("label keys", keys, caps.label_keys, &|| "spec".to_owned());
    }
    walk.found
}

/// The label keys of all selectors.
fn label_keys(policy: &Policy) -> BTreeSet<&str> {
    let rules = policy.ingress.iter().chain(&policy.egress);
    let peers = rules.flat_map(|rule| &rule.peers);
    let selectors = peers.flat_map(|peer| match peer {
        Peer::Block { .. } => [None, None],
        Peer::Pods { namespaces, pods } => [namespaces.as_ref(), pods.as_ref()],
    });
    let selectors = selectors.flatten().chain([&policy.pods]);
    let keys = selectors.flat_map(|selector| {
        let expressions = selector.expressions.iter();
        let keys = expressions.map(|requirement| &requirement.key);
        selector.labels.keys().chain(keys)
    });
    keys.map(AsRef::as_ref).collect()
}

/// Memory of a policy in bytes. An estimate that separates ordinary policies from very large ones.
pub(crate) fn weight(policy: &Policy) -> usize {
    let rules = policy.ingress.iter().chain(&policy.egress);
    let rules = rules.map(|rule| {
        let peers = rule.peers.iter().map(|peer| match peer {
            Peer::Block { except, .. } => 2 * except.len() + 1,
            Peer::Pods { namespaces, pods } => {
                let selectors = [namespaces, pods].into_iter().flatten();
                selectors.map(parts).sum::<usize>() + 2
            }
        });
        1 + rule.ports.len() + peers.sum::<usize>()
    });
    let labels = policy.meta.labels.len() + policy.meta.owners.len();
    (4 + labels + parts(&policy.pods) + rules.sum::<usize>()) * PART
}

/// Bytes of one part of a policy: a label, a value, half a peer.
const PART: usize = 64;

/// Number of such parts in a selector.
pub(crate) fn parts(selector: &Selector) -> usize {
    let values = selector.expressions.iter();
    let values: usize = values.map(|requirement| requirement.values.len() + 2).sum();
    // A map node has room for eleven labels.
    let labels = selector.labels.len().div_ceil(11) * 6 + selector.labels.len();
    labels + values
}

/// Formats a field path when it is needed.
type Path<'a> = &'a dyn Fn() -> String;

struct Walk<'a> {
    caps: &'a SizeLimits,
    found: Vec<TooLarge>,
    requirements: usize,
}

impl Walk<'_> {
    fn count(&mut self, what: &'static str, found: usize, cap: usize, path: Path<'_>) {
        if found > cap {
            self.found.push(TooLarge {
                path: path(),
                what,
                found,
                cap,
            });
        }
    }

    fn rule(&mut self, direction: Direction, rule: &Rule, path: Path<'_>) {
        let field = || format!("{}.{}", path(), direction.peers_field());
        let caps = self.caps;
        self.count("peers", rule.peers.len(), caps.elements, &field);
        let ports = || format!("{}.ports", path());
        self.count("ports", rule.ports.len(), caps.elements, &ports);
        for (at, peer) in rule.peers.iter().enumerate() {
            self.peer(peer, &|| format!("{}[{at}]", field()));
        }
    }

    fn peer(&mut self, peer: &Peer, path: Path<'_>) {
        match peer {
            Peer::Block { except, .. } => {
                let path = || format!("{}.ipBlock.except", path());
                self.count("exceptions", except.len(), self.caps.excepts, &path);
            }
            Peer::Pods { namespaces, pods } => {
                for (selector, field) in [(namespaces, "namespaceSelector"), (pods, "podSelector")]
                {
                    if let Some(selector) = selector {
                        self.selector(selector, &|| format!("{}.{field}", path()));
                    }
                }
            }
        }
    }

    fn selector(&mut self, selector: &Selector, path: Path<'_>) {
        let requirements = selector.labels.len() + selector.expressions.len();
        self.count("requirements", requirements, self.caps.requirements, path);
        for (at, requirement) in selector.expressions.iter().enumerate() {
            let path = || format!("{}.matchExpressions[{at}].values", path());
            let values = requirement.values.len();
            self.count("values", values, self.caps.values, &path);
        }
        self.requirements += requirements;
    }
}
