//! One finding: which rule, about what, proved by which connection, and what to do.

use std::ops::Range;

use super::remedy::Remedy;
use super::text::groups_of;
use super::{Code, Level};
use crate::baseline::{ClusterPerimeter, Pods};
use crate::inventory::ObjectRef;
use crate::inventory::network::DeclaredAt;
use netpol::zone::Zone;
use netpol::{Connection, Difference, Direction, Region};

/// TCP ports that people know: the API and Raft ports of OpenBao, and HTTPS.
const KNOWN_PORTS: [u16; 3] = [8200, 8201, 443];

/// A connection in a region, on a port that people know where the region has one.
pub(super) fn witness(direction: Direction, zone: &Zone, region: &Region) -> Option<Connection> {
    netpol::witness::connection(direction, zone, region, &KNOWN_PORTS)
}

/// Whether the write introduces the fault. Only such a fault may deny the write, whatever level the settings
/// give the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Onset {
    /// The write introduces it.
    Introduced,
    /// It was there before, or another object does it: a warning at most.
    PreExisting,
}

/// Part of the object that a finding is about, where that decides something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// The spec, or the object as a whole.
    #[default]
    Spec,
    /// Metadata that decide whose the object is. A write that leaves the spec as it is can still be to blame.
    Metadata,
    /// A rule of the written policy, by its number.
    Rule(Direction, usize),
    /// A declared rule or peer of the written OpenBaoCluster.
    Declared(DeclaredAt),
}

/// One thing that is wrong with a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Rule.
    pub code: Code,
    /// Effect on the write: the level of the rule, until the settings are applied.
    pub level: Level,
    /// Whether the write introduces it.
    pub onset: Onset,
    /// The object at fault.
    pub object: ObjectRef,
    /// The OpenBaoCluster whose perimeter it is about; `None` where it is about no single one.
    pub cluster: Option<ObjectRef>,
    /// Groups of the cluster's pods that it is about; none where it is not about pods.
    pub pods: Vec<Pods>,
    /// Field path in that object; empty for the object as a whole.
    pub path: String,
    /// The part of the object that the path means.
    pub place: Place,
    /// One line, complete by itself: what happens and why it is wrong.
    pub reason: String,
    /// The bytes of the reason that name the groups of pods.
    pub names_pods: Option<Range<usize>>,
    /// Whether the same finding about other pods of the cluster becomes part of this one.
    pub merges: bool,
    /// Whether it stands for a finding whose connection did not replay, which is a bug of ours.
    pub is_unreplayed: bool,
    /// The connection that proves it, for rules about connections.
    pub witness: Option<Connection>,
    /// Condition of the connection that not every implementation does; `None` where it exists under
    /// every reading.
    pub only_if: Option<Difference>,
    /// Advice where no remedy is known, in a sentence.
    pub help: String,
    /// Changes after which nothing denies the write, the best first. What a rule proposes here is tried out before it
    /// is shown.
    pub remedies: Vec<Remedy>,
}

impl Finding {
    /// A finding without its words, to be completed. What denies is introduced by the write; what only warns was
    /// there before, unless [`advice`](Self::advice) says otherwise.
    pub fn new(code: Code, level: Level, object: &ObjectRef, path: impl Into<String>) -> Self {
        Self {
            code,
            level,
            onset: if level == Level::Deny {
                Onset::Introduced
            } else {
                Onset::PreExisting
            },
            object: object.clone(),
            cluster: None,
            pods: Vec::new(),
            path: path.into(),
            place: Place::Spec,
            reason: String::new(),
            names_pods: None,
            merges: false,
            is_unreplayed: false,
            witness: None,
            only_if: None,
            help: String::new(),
            remedies: Vec::new(),
        }
    }

    /// A finding about what the write does, which only warns by default; the settings may let it
    /// deny.
    pub fn advice(code: Code, object: &ObjectRef, path: impl Into<String>) -> Self {
        Self {
            onset: Onset::Introduced,
            ..Self::new(code, Level::Warn, object, path)
        }
    }

    /// The same for another reason.
    #[must_use]
    pub fn because(self, reason: String) -> Self {
        Self {
            reason,
            names_pods: None,
            ..self
        }
    }

    /// The same with a reason that names its groups of pods between two texts.
    #[must_use]
    pub fn about_pods(self, before: &str, cluster: &ClusterPerimeter, after: &str) -> Self {
        let pods = groups_of(cluster, &self.pods);
        Self {
            reason: format!("{before}{pods}{after}"),
            names_pods: Some(before.len()..before.len() + pods.len()),
            ..self
        }
    }

    /// Adds groups of pods to those that it is about.
    pub fn include(&mut self, cluster: &ClusterPerimeter, pods: &[Pods]) {
        let others = pods.iter().copied();
        let others: Vec<Pods> = others.filter(|pods| !self.pods.contains(pods)).collect();
        self.pods.extend(&others);
        match self.names_pods.take() {
            Some(named) => {
                let all = groups_of(cluster, &self.pods);
                self.names_pods = Some(named.start..named.start + all.len());
                self.reason.replace_range(named, &all);
            }
            None => {
                self.reason.push_str("; the same holds for ");
                self.reason.push_str(&groups_of(cluster, &others));
            }
        }
    }
}
