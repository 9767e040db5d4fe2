//! Remedies: changes after which a denied write is allowed.

mod cluster;
mod exclude;
pub(crate) mod ordered;
mod policy;
mod setting;

use serde_json::Value;

pub use cluster::{AddressList, ClusterEdit};
pub use exclude::{covers_other_pods, exclude};
pub use ordered::OrderedEdit;
pub use policy::PolicyEdit;
pub use setting::SettingEdit;

use super::paste::compact;
use crate::inventory::ObjectRef;
use netpol::Direction;
use netpol::port::{PortSet, Protocol};
use netpol::rule::{Peer, PortEntry, PortRange, Selector};

/// Kinds of remedies, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// Undoes a part of the write.
    PutBack,
    /// Fills the field for exactly this connection.
    Field,
    /// Narrows the ports of a rule, and keeps its peers.
    NarrowPorts,
    /// Narrows a rule to some of its peers, or to permitted peers.
    NarrowPeers,
    /// Excludes the OpenBao pods from the policy.
    Exclude,
    /// Narrows a rule to permitted peers, although it is for other pods too.
    NarrowShared,
    /// Declares a trusted peer.
    Trust,
    /// Declares a rule.
    Declare,
    /// Declares a client that the user has to fill in.
    Name,
    /// Permits it in the settings.
    Permit,
    /// Removes a part of the write.
    LeaveOut,
}

/// The object that a remedy changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A NetworkPolicy.
    Policy(ObjectRef, PolicyEdit),
    /// An OpenBaoCluster.
    Cluster(ObjectRef, ClusterEdit),
    /// An ordered policy.
    Ordered(ObjectRef, OrderedEdit),
    /// The settings of openbao-perimeter.
    Setting(SettingEdit),
}

/// A change after which a denied write is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remedy {
    /// Its rank.
    pub rank: Rank,
    /// Its effect, in a few words.
    pub action: String,
    /// The change.
    pub change: Change,
    /// The rule of the written policy that is removed too, since the operator opens the connection.
    pub leaves_out: Option<(Direction, usize)>,
}

/// Operation on the value at a field path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Elements are added to the list.
    Add,
    /// Elements are inserted before the element of a list.
    Insert,
    /// The keys of the object are set.
    Set,
    /// The value is replaced.
    Replace,
    /// The value is removed.
    Remove,
}

impl Verb {
    /// The name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Insert => "insert",
            Self::Set => "set",
            Self::Replace => "replace",
            Self::Remove => "remove",
        }
    }
}

/// The changed lines: field path, operation and value.
pub type Lines = (String, Verb, Value);

impl Remedy {
    /// A remedy that removes no other rule.
    pub fn new(rank: Rank, action: impl Into<String>, change: Change) -> Self {
        Self {
            rank,
            action: action.into(),
            change,
            leaves_out: None,
        }
    }

    /// The changed lines.
    pub fn lines(&self) -> Lines {
        match &self.change {
            Change::Policy(_, edit) => edit.lines(),
            Change::Cluster(_, edit) => edit.lines(),
            Change::Ordered(_, edit) => edit.lines(),
            Change::Setting(edit) => edit.lines(),
        }
    }

    /// The changed lines as YAML; empty if something is removed.
    pub fn yaml(&self) -> String {
        match self.lines() {
            (_, Verb::Remove, _) => String::new(),
            (_, _, value) => compact(&value),
        }
    }

    /// The changed object, for messages.
    pub fn target(&self) -> String {
        match &self.change {
            Change::Policy(object, _) | Change::Cluster(object, _) | Change::Ordered(object, _) => {
                object.to_string()
            }
            Change::Setting(_) => "the settings of openbao-perimeter".to_owned(),
        }
    }

    /// The remedy in one line, for the user who writes `written`. The YAML follows it.
    pub fn heading(&self, written: &ObjectRef) -> String {
        let (path, verb, _) = self.lines();
        let target = match &self.change {
            Change::Policy(object, _) | Change::Cluster(object, _) | Change::Ordered(object, _) => {
                if object == written {
                    String::new()
                } else {
                    format!(" of {object}")
                }
            }
            Change::Setting(_) => String::new(),
        };
        let out = self.leaves_out.map(Self::left_out);
        let out = out.unwrap_or_default();
        let action = &self.action;
        match verb {
            Verb::Add => format!("{action}{out}; add to {path}{target}:"),
            Verb::Insert => format!("{action}{out}; insert before {path}{target}:"),
            Verb::Set => format!("{action}{out}; set in {path}{target}:"),
            Verb::Replace => format!("{action}{out}; replace {path}{target} with:"),
            Verb::Remove => format!("{action}{out}; remove {path}{target}"),
        }
    }

    fn left_out((direction, at): (Direction, usize)) -> String {
        format!(" and leave {} out of this policy", rule_path(direction, at))
    }
}

/// Field path of a rule of a policy.
pub fn rule_path(direction: Direction, at: usize) -> String {
    format!("spec.{}[{at}]", direction.field())
}

/// A namespace that the reader has to fill in.
pub fn namespace_to_name() -> Peer {
    Peer::Pods {
        namespaces: Some(Selector::namespace("NAMESPACE")),
        pods: None,
    }
}

/// Maximum number of port entries in a remedy.
const MAX_PORTS: usize = 8;

/// Port entries for the numbers of a set; `None` if there are none or too many.
pub fn port_entries(ports: &PortSet) -> Option<Vec<PortEntry>> {
    let mut all = Vec::new();
    for protocol in Protocol::ALL {
        let numbers = ports.ports(protocol).numbers();
        all.extend(numbers.ranges().map(|range| {
            let ports = PortRange::Numbers(*range.start(), *range.end());
            PortEntry::new(protocol, ports)
        }));
    }
    (!all.is_empty() && all.len() <= MAX_PORTS).then_some(all)
}
