//! Changes of connections, with what causes them.

use crate::baseline::{Selected, Zone};
use crate::inventory::{Kind, ObjectRef};
use netpol::{Connection, Difference, Direction};

/// Effect of a change on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// It was not allowed before, and is now.
    Opened,
    /// It was allowed before, and is no longer allowed.
    Closed,
}

impl Effect {
    /// The name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Closed => "closed",
        }
    }
}

/// The part of a policy that allows or isolates.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// This rule allows the connection: after the change if it is opened, before it if it is closed.
    Rule {
        /// The policy.
        policy: ObjectRef,
        /// Field path of the rule.
        path: String,
        /// True if the policy is in no file and counts as the operator renders it.
        rendered: bool,
    },
    /// No policy isolates the pods in this direction: after the change if the connection is opened, before it
    /// if it is closed.
    NotIsolated,
}

/// Connections of one cluster that a change opens or closes in one direction, for one cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectivityChange {
    /// Opened or closed.
    pub effect: Effect,
    /// The cluster. For the operator's pods, their Namespace.
    pub cluster: ObjectRef,
    /// The pods of the cluster, those of the example first.
    pub pods: Vec<Zone>,
    /// Direction, seen from the pods.
    pub direction: Direction,
    /// The rule, or missing isolation.
    pub cause: Cause,
    /// The rule of an ordered policy that denies the connection: before the change if it is opened, after it if
    /// it is closed.
    pub denied: Option<Denied>,
    /// An example.
    pub example: Connection,
    /// The reading on which it depends that the example is allowed.
    pub depends: Option<Difference>,
}

/// A rule of an ordered policy that denies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Denied {
    /// The policy.
    pub policy: ObjectRef,
    /// Field path of the rule.
    pub path: String,
}

impl Cause {
    pub(super) fn of(namespace: &str, policy: &Selected, direction: Direction, at: usize) -> Self {
        Self::Rule {
            policy: ObjectRef {
                kind: Kind::NetworkPolicy,
                namespace: namespace.into(),
                name: policy.name.clone(),
            },
            path: format!("spec.{}[{at}]", direction.field()),
            rendered: policy.rendered,
        }
    }
}
