//! Evaluation of ordered policies on a single connection.
//!
//! This is a second, naive implementation of the rows about tiers: it loops over tiers, priorities,
//! policies and rules as they are written, and uses none of the engine's sets. It returns every verdict
//! that is possible under some reading, with each part that may decide so.
//!
//! ```
//! use netpol::connection::{Connection, Endpoint};
//! use netpol::label::labels;
//! use netpol::pod_space::OtherKeys;
//! use netpol::point::tiers::{StackView, outcomes};
//! use netpol::port::{Port, Protocol};
//! use netpol::rule::Selector;
//! use netpol::tier::{
//!     Action, Addresses, Decider, NamespaceLabels, PolicyKind, Subject, Tier, TierPeer, TierPolicy,
//!     TierRule, TierSettings, Verdict,
//! };
//! use netpol::{At, Direction, Reading};
//!
//! let deny = TierPolicy {
//!     name: "metadata".into(),
//!     kind: PolicyKind::ClusterNetworkPolicy,
//!     tier: Tier::Admin,
//!     priority: Some(0),
//!     subject: Subject::Namespaces(Selector::default().into()),
//!     ingress: vec![],
//!     egress: vec![TierRule {
//!         name: "".into(),
//!         action: Action::Deny,
//!         peers: vec![TierPeer::Networks(vec!["169.254.169.254/32".parse()?])],
//!         ports: vec![],
//!     }],
//! };
//! let stack = StackView {
//!     policies: &[&deny],
//!     namespace: &NamespaceLabels { known: labels(vec![]), others: OtherKeys::Free },
//!     network_policies: &[],
//!     has_unreadable: false,
//!     at: At { namespace: "bao", reading: Reading::May, tunnels: &[] },
//!     settings: &TierSettings::default(),
//!     addresses: Addresses::AreNoPods,
//! };
//! let connection = |address: [u8; 4]| Connection {
//!     direction: Direction::Egress,
//!     subject: vec![],
//!     peer: Endpoint::Address(address.into()),
//!     protocol: Protocol::Tcp,
//!     port: Port::Number(80),
//! };
//! let denied = (Verdict::Deny, Decider::Rule { policy: 0, rule: 0 });
//! assert_eq!(outcomes(&stack, &connection([169, 254, 169, 254])), [denied].into());
//! let allowed = (Verdict::Allow, Decider::Default);
//! assert_eq!(outcomes(&stack, &connection([192, 0, 2, 1])), [allowed].into());
//! # Ok::<(), netpol::address::InvalidCidr>(())
//! ```

mod rule;

use std::collections::BTreeSet;

use super::{PolicyView, holds_for, is_isolated, is_let_through, selects};
use crate::connection::{Connection, LabelPairs};
use crate::pod_space::OtherKeys;
use crate::rule::Selector;
use crate::tier::{
    Action, Addresses, Decider, NamespaceLabels, Subject, Tier, TierPolicy, TierSelector,
    TierSettings, Verdict,
};
use crate::{At, Reading};
use rule::rule_matches;

/// Everything that decides a connection of a pod, as written.
#[derive(Clone, Copy, Debug)]
pub struct StackView<'a> {
    /// The ordered policies, in any order.
    pub policies: &'a [&'a TierPolicy],
    /// Labels of the pod's namespace.
    pub namespace: &'a NamespaceLabels,
    /// The NetworkPolicies of the pod's namespace.
    pub network_policies: &'a [PolicyView<'a>],
    /// True if a NetworkPolicy of the namespace cannot be read. It may isolate the pod.
    pub has_unreadable: bool,
    /// Context in which NetworkPolicies are read. The reading itself is ignored: all count.
    pub at: At<'a>,
    /// Facts about the cluster.
    pub settings: &'a TierSettings,
    /// Whether a peer that is an address may be a pod.
    pub addresses: Addresses,
}

/// The extent to which a rule matches a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Match {
    No,
    /// Under some readings.
    Maybe,
    Yes,
}

use Match::{Maybe, No, Yes};

fn sure_or_possible(must: bool, may: bool) -> Match {
    match (must, may) {
        (true, _) => Yes,
        (false, true) => Maybe,
        (false, false) => No,
    }
}

/// The possible results of one policy, or of a tier.
#[derive(Default)]
struct Results {
    found: BTreeSet<(Verdict, Decider)>,
    passes: bool,
    /// True if nothing may match.
    falls: bool,
}

/// Every possible verdict about the connection, with each part that may decide so.
pub fn outcomes(stack: &StackView<'_>, connection: &Connection) -> BTreeSet<(Verdict, Decider)> {
    let Results {
        mut found,
        passes,
        falls,
    } = tier(stack, Tier::Admin, connection);
    if !(passes || falls) {
        return found;
    }
    let policies = stack.network_policies;
    let at = |reading| At {
        reading,
        ..stack.at
    };
    let allows = |reading| is_let_through(policies, connection, at(reading));
    if allows(Reading::Must) || allows(Reading::May) {
        found.insert((Verdict::Allow, Decider::NetworkPolicies));
    }
    if allows(Reading::Must) {
        return found;
    }
    let is_isolated = is_isolated(policies, connection.direction, &connection.subject);
    if is_isolated || stack.has_unreadable {
        found.insert((Verdict::Deny, Decider::Isolation));
    }
    if is_isolated {
        return found;
    }
    let last = tier(stack, Tier::Baseline, connection);
    found.extend(last.found);
    if last.passes || last.falls {
        found.insert((Verdict::Allow, Decider::Default));
    }
    found
}

fn tier(stack: &StackView<'_>, tier: Tier, connection: &Connection) -> Results {
    let own = || {
        let numbered = stack.policies.iter().enumerate();
        numbered.filter(|(_, policy)| policy.tier == tier)
    };
    let priorities: BTreeSet<_> = own().map(|(_, policy)| policy.position()).collect();
    let mut all = Results {
        falls: true,
        ..Results::default()
    };
    for priority in priorities {
        let mut falls = true;
        for (number, policy) in own().filter(|(_, policy)| policy.position() == priority) {
            let one = first_match(stack, (number, policy), connection);
            all.found.extend(one.found);
            all.passes |= one.passes;
            falls &= one.falls;
        }
        if !falls {
            all.falls = false;
            break;
        }
    }
    all
}

fn first_match(
    stack: &StackView<'_>,
    (number, policy): (usize, &TierPolicy),
    connection: &Connection,
) -> Results {
    let mut results = Results::default();
    let selected = subject(stack.namespace, &policy.subject, &connection.subject);
    for (rule, written) in policy.rules(connection.direction).iter().enumerate() {
        let decider = Decider::Rule {
            policy: number,
            rule,
        };
        for (action, matches) in rule_matches(stack, policy, written, connection) {
            let matches = matches.min(selected);
            if matches == No {
                continue;
            }
            match action {
                Action::Accept => drop(results.found.insert((Verdict::Allow, decider))),
                Action::Deny => drop(results.found.insert((Verdict::Deny, decider))),
                Action::Pass => results.passes = true,
            }
            if matches == Yes {
                return results;
            }
        }
    }
    results.falls = true;
    results
}

fn subject(namespace: &NamespaceLabels, subject: &Subject, pod: &LabelPairs) -> Match {
    match subject {
        Subject::Namespaces(namespaces) => of_namespace(namespaces, namespace),
        Subject::Pods { namespaces, pods } => {
            of_namespace(namespaces, namespace).min(of_labels(pods, pod))
        }
    }
}

fn of_labels(selector: &TierSelector, labels: &LabelPairs) -> Match {
    let selects = selects(selector.widest(), labels);
    sure_or_possible(selects && selector.is_valid(), selects)
}

/// Tries every value of each label that is not known.
fn of_namespace(selector: &TierSelector, namespace: &NamespaceLabels) -> Match {
    let Selector {
        labels,
        expressions,
    } = selector.widest();
    let (mut must, mut may) = (selector.is_valid(), true);
    let keys = expressions.iter().map(|asked| &asked.key);
    for key in keys.chain(labels.iter().map(|(key, _)| key)) {
        let of_key = || expressions.iter().filter(|asked| asked.key == *key);
        let equal = labels.get(key).map(AsRef::as_ref);
        let holds = |value: Option<&str>| {
            let is_equal = equal.is_none() || equal == value;
            is_equal && of_key().all(|asked| holds_for(asked, value))
        };
        if let Some(value) = namespace.known.get(key) {
            must &= holds(Some(value));
            may &= holds(Some(value));
        } else if namespace.others == OtherKeys::Absent {
            must &= holds(None);
            may &= holds(None);
        } else {
            let fresh = [None, Some("a value that no selector lists")];
            let listed = of_key()
                .flat_map(|asked| &asked.values)
                .map(|value| Some(&**value));
            let possible = || listed.clone().chain(fresh).chain([equal]);
            must &= possible().all(holds);
            may &= possible().any(holds);
        }
    }
    sure_or_possible(must && may, may)
}
