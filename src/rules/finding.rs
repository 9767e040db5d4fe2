//! One finding: which rule, about what, proved by which connection, and what to do.

use super::{Code, Level};
use crate::baseline::Pods;
use crate::inventory::ObjectRef;
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

/// One thing that is wrong with a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Rule.
    pub code: Code,
    /// What it does to the write: the rule's own word, until the settings have theirs.
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
    /// One line, complete by itself: what happens and why it is wrong.
    pub reason: String,
    /// The connection that proves it, for rules about connections.
    pub witness: Option<Connection>,
    /// What the connection takes that not every implementation does; `None` where it exists under
    /// every reading.
    pub only_if: Option<Difference>,
    /// What to do, as text to paste; may have several lines.
    pub help: String,
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
            reason: String::new(),
            witness: None,
            only_if: None,
            help: String::new(),
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
}
