//! Edits of a NetworkPolicy.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Lines, Verb, rule_path};
use crate::inventory::{Owner, Policy, render};
use netpol::Direction;
use netpol::rule::{Peer, PortEntry, Requirement, Rule, Selector};

/// One edit of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyEdit {
    /// Sets the ports of a rule.
    Ports(Direction, usize, Vec<PortEntry>),
    /// Sets the peers of a rule.
    Peers(Direction, usize, Vec<Peer>),
    /// Adds a rule.
    Add(Direction, Arc<Rule>),
    /// Removes a rule.
    LeaveOut(Direction, usize),
    /// Excludes pods.
    Exclude(Vec<Requirement>),
    /// Sets the podSelector.
    Selector(Selector),
    /// Sets the policy types.
    Types(Vec<Direction>),
    /// Sets a label.
    Label(Arc<str>, Arc<str>),
    /// Sets the owners.
    Owners(Vec<Owner>),
}

impl PolicyEdit {
    /// Adds a type to the types of a policy.
    pub fn types_with(policy: &Policy, direction: Direction) -> Self {
        let types = Direction::ALL.into_iter();
        Self::Types(
            types
                .filter(|at| *at == direction || policy.isolates(*at))
                .collect(),
        )
    }

    /// The policy with all of these edits, without duplicates. Rules keep their indexes until all edits are
    /// done.
    pub fn apply(edits: &[&Self], policy: &Policy) -> Policy {
        let mut edited = policy.clone();
        let mut done: Vec<&Self> = Vec::new();
        let mut left_out = BTreeSet::new();
        for edit in edits {
            if done.contains(edit) {
                continue;
            }
            done.push(edit);
            match edit {
                Self::Ports(direction, at, ports) => {
                    if let Some(rule) = rules(&mut edited, *direction).get_mut(*at) {
                        rule.ports.clone_from(ports);
                    }
                }
                Self::Peers(direction, at, peers) => {
                    if let Some(rule) = rules(&mut edited, *direction).get_mut(*at) {
                        rule.peers.clone_from(peers);
                    }
                }
                Self::Add(direction, rule) => rules(&mut edited, *direction).push((**rule).clone()),
                Self::LeaveOut(direction, at) => {
                    left_out.insert((*direction as usize, *at));
                }
                Self::Exclude(pods) => edited.pods.expressions.extend(pods.iter().cloned()),
                Self::Selector(pods) => edited.pods = pods.clone(),
                Self::Types(types) => edited.policy_types = Some(types.clone()),
                Self::Label(key, value) => {
                    edited.meta.labels.insert(key.clone(), value.clone());
                }
                Self::Owners(owners) => edited.meta.owners.clone_from(owners),
            }
        }
        for direction in Direction::ALL {
            let mut at = 0;
            rules(&mut edited, direction).retain(|_| {
                at += 1;
                !left_out.contains(&(direction as usize, at - 1))
            });
        }
        // The API server would derive the default from the rules, of which there may be none now.
        if edited.policy_types.is_none() {
            let types = Direction::ALL.into_iter();
            edited.policy_types = Some(types.filter(|at| policy.isolates(*at)).collect());
        }
        edited
    }

    pub(super) fn lines(&self) -> Lines {
        match self {
            Self::Ports(direction, at, ports) => (
                rule_path(*direction, *at),
                Verb::Set,
                json!({"ports": list(ports, render::port)}),
            ),
            Self::Peers(direction, at, peers) => {
                let field = direction.peers_field();
                let peers = list(peers, render::peer);
                (rule_path(*direction, *at), Verb::Set, json!({field: peers}))
            }
            Self::Add(direction, rule) => (
                format!("spec.{}", direction.field()),
                Verb::Add,
                json!([render::rule(rule, *direction)]),
            ),
            Self::LeaveOut(direction, at) => {
                (rule_path(*direction, *at), Verb::Remove, Value::Null)
            }
            Self::Exclude(pods) => {
                let selector = render::selector(&Selector {
                    expressions: pods.clone(),
                    ..Selector::default()
                });
                let path = "spec.podSelector.matchExpressions".to_owned();
                (path, Verb::Add, selector["matchExpressions"].clone())
            }
            Self::Selector(pods) => (
                "spec".to_owned(),
                Verb::Set,
                json!({"podSelector": render::selector(pods)}),
            ),
            Self::Types(types) => {
                let types = list(types, |direction| direction.policy_type().into());
                ("spec".to_owned(), Verb::Set, json!({"policyTypes": types}))
            }
            Self::Label(key, value) => (
                "metadata.labels".to_owned(),
                Verb::Set,
                json!({&**key: &**value}),
            ),
            Self::Owners(owners) => {
                let owners = list(owners, render::owner);
                let owners = json!({"ownerReferences": owners});
                ("metadata".to_owned(), Verb::Set, owners)
            }
        }
    }
}

fn rules(policy: &mut Policy, direction: Direction) -> &mut Vec<Rule> {
    match direction {
        Direction::Ingress => &mut policy.ingress,
        Direction::Egress => &mut policy.egress,
    }
}

/// Elements as a list.
pub(super) fn list<T>(elements: &[T], value: impl Fn(&T) -> Value) -> Value {
    elements.iter().map(value).collect()
}
