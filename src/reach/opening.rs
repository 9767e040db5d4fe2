//! The smallest change that lets connections through.

use std::sync::Arc;

use super::end::{Destination, End};
use super::side::Side;
use super::{Resolved, resolved};
use crate::baseline::{Zone, selector};
use crate::inventory::{Change, Cluster, Fact, Kind, Meta, Object, ObjectRef, Policy, render};
use crate::review::offline::{Objects, edit_between};
use crate::review::{CompiledSnapshot, Writer};
use crate::rules::paste;
use crate::rules::remedy::{self, ClusterEdit, Remedy};
use crate::rules::{Finding, Level};
use netpol::Direction;
use netpol::address::Cidr;
use netpol::cover::Budget;
use netpol::label::NAMESPACE_NAME;
use netpol::rule::{Peer, Rule, Selector};

/// A change, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// One sentence.
    pub heading: String,
    /// The changed lines.
    pub yaml: String,
}

/// The smallest change after which the side allows all connections of the question. A policy that does is
/// reviewed: where it is denied, the remedy of the denial is the change, which is a declaration where one does.
pub(super) fn smallest(
    compiled: &CompiledSnapshot,
    (from, to): (&End, &Destination),
    side: &Side<'_>,
    direction: Direction,
) -> Option<Opening> {
    let other = match direction {
        Direction::Ingress => from,
        Direction::Egress => &to.end,
    };
    let rule = Rule {
        peers: peers(other),
        ports: to.port.iter().cloned().collect(),
    };
    let policy = policy(side, direction, rule);
    let object = Object::Policy(Fact::Read(Arc::new(policy.clone())));
    let reference = object.reference();
    let snapshot = compiled.snapshot.apply([Change::Set(object.clone())]);
    let after =
        CompiledSnapshot::compile(Some(compiled), Arc::new(snapshot), compiled.config.clone());
    let is_open = |compiled: &CompiledSnapshot| allows(compiled, (from, to), direction);
    if !is_open(&after) {
        return None;
    }
    let objects = Objects::from([(reference.clone(), object)]);
    let reviewed = edit_between(
        &after,
        &Writer::default(),
        &Objects::new(),
        &objects,
        &std::collections::BTreeSet::new(),
    );
    let findings = reviewed
        .iter()
        .flat_map(|reviewed| &reviewed.verdict.findings);
    let denials: Vec<&Finding> = findings
        .filter(|found| found.level == Level::Deny)
        .collect();
    if denials.is_empty() {
        return Some(Opening {
            heading: format!("add this policy to namespace {}:", side.namespace),
            yaml: paste::yaml(&render::policy(&policy)),
        });
    }
    let remedies = || denials.iter().flat_map(|found| &found.remedies);
    let declared = remedies().find(|remedy| match &remedy.change {
        remedy::Change::Cluster(cluster, edit) => {
            declaring(compiled, cluster, edit).is_some_and(|compiled| is_open(&compiled))
        }
        remedy::Change::Policy(..) | remedy::Change::Ordered(..) | remedy::Change::Setting(_) => {
            false
        }
    });
    let set = || remedies().find(|remedy| matches!(remedy.change, remedy::Change::Setting(_)));
    let remedy = declared.or_else(set)?;
    let alone = Remedy {
        leaves_out: None,
        ..remedy.clone()
    };
    Some(Opening {
        heading: alone.heading(&reference),
        yaml: alone.yaml(),
    })
}

/// The facts after a declaration, with the managed policies as the operator renders them then.
fn declaring(
    compiled: &CompiledSnapshot,
    object: &ObjectRef,
    edit: &ClusterEdit,
) -> Option<CompiledSnapshot> {
    let cluster = compiled
        .snapshot
        .cluster(&object.namespace, &object.name)?
        .read()?;
    let cluster: Cluster = ClusterEdit::apply(&[edit], cluster);
    let managed = [Zone::Workload, Zone::Jobs].into_iter();
    let managed = managed.filter_map(|pods| pods.policy_name(&object.name));
    let managed = managed.map(|name| {
        Change::Remove(ObjectRef {
            kind: Kind::NetworkPolicy,
            namespace: object.namespace.clone(),
            name: name.into(),
        })
    });
    let declared = Change::Set(Object::Cluster(Fact::Read(Arc::new(cluster))));
    let snapshot = compiled
        .snapshot
        .apply([declared].into_iter().chain(managed));
    let config = compiled.config.clone();
    Some(CompiledSnapshot::compile(
        Some(compiled),
        Arc::new(snapshot),
        config,
    ))
}

/// Returns true if the side of this direction allows all connections of the question.
fn allows(
    compiled: &CompiledSnapshot,
    (from, to): (&End, &Destination),
    direction: Direction,
) -> bool {
    let (Ok(from), Ok(end)) = (resolved(compiled, from), resolved(compiled, &to.end)) else {
        return false;
    };
    let (own, other) = match direction {
        Direction::Ingress => (&end, &from),
        Direction::Egress => (&from, &end),
    };
    let Resolved::Side(side) = own else {
        return false;
    };
    let mut budget = Budget::new(compiled.config.proof_budget);
    let (ports, budget) = (to.port_set(), &mut budget);
    let Ok(leaves) = side.leaves(direction, other, &ports, budget) else {
        return false;
    };
    let missing = side.missing(direction, other, &ports, leaves.as_deref(), budget);
    missing.is_ok_and(|missing| missing.is_none())
}

/// The peers of a rule for an end; none for everyone.
fn peers(end: &End) -> Vec<Peer> {
    let named = |namespace: &str| Selector::labels([(NAMESPACE_NAME, namespace)]);
    match end {
        End::Everyone => Vec::new(),
        End::Address(address) => vec![Peer::Block {
            cidr: Cidr::host(*address),
            except: Vec::new(),
        }],
        End::Pods { namespace, labels } => {
            let labels = labels.iter().map(|(key, value)| (&**key, &**value));
            let pods = Selector::labels(labels);
            vec![Peer::Pods {
                namespaces: Some(named(namespace)),
                pods: (!pods.labels.is_empty()).then_some(pods),
            }]
        }
        End::Cluster {
            namespace,
            name,
            pods,
        } => vec![Peer::Pods {
            namespaces: Some(named(namespace)),
            pods: Some(selector(*pods, name)),
        }],
    }
}

fn policy(side: &Side<'_>, direction: Direction, rule: Rule) -> Policy {
    let mut policy = Policy {
        meta: Meta {
            namespace: side.namespace.clone(),
            name: "allow-connection".into(),
            ..Meta::default()
        },
        pods: side.selector(),
        policy_types: Some(vec![direction]),
        ..Policy::default()
    };
    match direction {
        Direction::Ingress => policy.ingress.push(rule),
        Direction::Egress => policy.egress.push(rule),
    }
    policy
}
