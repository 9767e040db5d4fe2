//! Findings: rule, object, evidence and remedy.

use std::ops::Range;
use std::sync::Arc;

use super::remedy::Remedy;
use super::text::groups_of;
use super::{Cause, Code, Level};
use crate::baseline::{ClusterPerimeter, Zone};
use crate::config::Waiver;
use crate::inventory::ObjectRef;
use crate::inventory::network::DeclaredAt;
use netpol::pod_space::PodSpace;
use netpol::{Connection, Difference, Direction, Region};

/// Well-known TCP ports: the API and Raft ports of OpenBao, and HTTPS.
const KNOWN_PORTS: [u16; 3] = [8200, 8201, 443];

/// An example connection in a region, on a well-known port if possible.
pub(crate) fn witness(
    direction: Direction,
    zone: &PodSpace,
    region: &Region,
) -> Option<Connection> {
    netpol::witness::connection(direction, zone, region, &KNOWN_PORTS)
}

/// The origin of a problem. Only a problem that the write introduces may deny it, whatever the configured
/// level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Onset {
    /// The write introduces it.
    Introduced,
    /// It existed before, or another object causes it: at most a warning.
    PreExisting,
}

impl Onset {
    /// The onset of a problem that may have existed before.
    pub(crate) const fn of(existed: bool) -> Self {
        if existed {
            Self::PreExisting
        } else {
            Self::Introduced
        }
    }
}

/// The part of the object that a finding is about, as far as it affects decisions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// The spec, or the object as a whole.
    #[default]
    Spec,
    /// Metadata that defines the owner of the object. A write with an unchanged spec can change it.
    Metadata,
    /// A rule of the written policy, by direction and index.
    Rule(Direction, usize),
    /// A declared rule or peer of the written OpenBaoCluster.
    Declared(DeclaredAt),
}

/// Identity of a finding: rule, object, cluster and field path. A different reason does not make it a new one.
pub type FindingKey = (Code, ObjectRef, Option<ObjectRef>, String);

/// One problem with a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Rule.
    pub code: Code,
    /// Effect on the write: the level of the rule, until the settings are applied.
    pub level: Level,
    /// Origin.
    pub onset: Onset,
    /// The object with the problem.
    pub object: ObjectRef,
    /// The OpenBaoCluster whose perimeter is affected; `None` if it is no single one.
    pub cluster: Option<ObjectRef>,
    /// Affected pods of the cluster; empty if the finding is not about pods.
    pub pods: Vec<Zone>,
    /// Field path in the object; empty for the object as a whole.
    pub path: String,
    /// The part of the object at the path.
    pub place: Place,
    /// One complete sentence: the problem and its effect.
    pub reason: String,
    /// The waiver by which it does not deny.
    pub waiver: Option<Arc<Waiver>>,
    /// Byte range in the reason that names the pods.
    pub names_pods: Option<Range<usize>>,
    /// True if the same finding about other pods of the cluster is merged into this one.
    pub merges: bool,
    /// True if it replaces a finding whose connection was not confirmed, which is a bug.
    pub is_unreplayed: bool,
    /// Example connection, for rules about connections.
    pub witness: Option<Connection>,
    /// Label of the example connection.
    pub example_label: &'static str,
    /// Condition of the connection that not every implementation does; `None` where it exists under
    /// every reading.
    pub only_if: Option<Difference>,
    /// For a finding about NetworkPolicies, the ordered policy that decides the connection at the moment, in a clause.
    pub effective: Option<String>,
    /// Advice where no remedy is known, in a sentence.
    pub help: String,
    /// Changes after which nothing denies the write, the best first. What a rule proposes here is tried out
    /// before it is shown.
    pub remedies: Vec<Remedy>,
}

impl Finding {
    /// A finding without reason and remedy, for a cluster whose operator has no stricter contract.
    pub(crate) fn of(
        cause: Cause,
        onset: Onset,
        object: &ObjectRef,
        path: impl Into<String>,
    ) -> Self {
        Self::weighed(cause, onset, false, object, path)
    }

    /// The identity of the finding.
    pub fn key(&self) -> FindingKey {
        let Self {
            code,
            object,
            cluster,
            path,
            ..
        } = self;
        (*code, object.clone(), cluster.clone(), path.clone())
    }

    /// The same. `operator_denies` is true if the operator does not accept it for this cluster.
    pub(crate) fn weighed(
        cause: Cause,
        onset: Onset,
        operator_denies: bool,
        object: &ObjectRef,
        path: impl Into<String>,
    ) -> Self {
        let level = match onset {
            Onset::Introduced => cause.level(operator_denies),
            // Levels are ordered, the strictest first.
            Onset::PreExisting => cause.level(operator_denies).max(Level::Warn),
        };
        Self {
            onset,
            ..Self::new(cause.code(), level, object, path)
        }
    }

    /// A finding of this level. The problem is introduced if the level is `deny`, and otherwise pre-existing.
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
            waiver: None,
            names_pods: None,
            merges: false,
            is_unreplayed: false,
            witness: None,
            example_label: "for example",
            only_if: None,
            effective: None,
            help: String::new(),
            remedies: Vec::new(),
        }
    }

    /// Sets the reason.
    #[must_use]
    pub fn because(self, reason: String) -> Self {
        Self {
            reason,
            names_pods: None,
            ..self
        }
    }

    /// Sets a reason with the names of its pods between two texts.
    #[must_use]
    pub fn about_pods(self, before: &str, cluster: &ClusterPerimeter, after: &str) -> Self {
        let pods = groups_of(cluster, &self.pods);
        Self {
            reason: format!("{before}{pods}{after}"),
            names_pods: Some(before.len()..before.len() + pods.len()),
            ..self
        }
    }

    /// Adds affected pods.
    pub fn include(&mut self, cluster: &ClusterPerimeter, pods: &[Zone]) {
        let others = pods.iter().copied();
        let others: Vec<Zone> = others.filter(|pods| !self.pods.contains(pods)).collect();
        self.pods.extend(&others);
        if let Some(named) = self.names_pods.take() {
            let all = groups_of(cluster, &self.pods);
            self.names_pods = Some(named.start..named.start + all.len());
            self.reason.replace_range(named, &all);
        } else {
            self.reason.push_str("; the same holds for ");
            self.reason.push_str(&groups_of(cluster, &others));
        }
    }
}
