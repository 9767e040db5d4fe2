//! Maintenance: a write that the rules deny, made on purpose by a user with permission.
//!
//! Two conditions must hold. The object has the annotation `openbao.org/maintenance: "true"`. And the user is
//! in the group `system:masters`, or has the verb `maintenance` on the subresource `perimeter` of each
//! OpenBaoCluster with a finding, and of each whose pods a new policy selects. The permission is checked
//! outside of the review, after a denial ([`MissingPermission`]), and passed back as [`Writer::grants`](super::Writer).

use std::collections::BTreeSet;
use std::fmt;

use super::compiled::CompiledSnapshot;
use super::level::WriterClass;
use super::request::{Operation, Request, Subject, Writer};
use super::verdict::Verdict;
use crate::baseline::ZonePerimeter;
use crate::inventory::{Fact, Kind, Meta, ObjectRef};
use crate::rules::{Finding, Level};

/// The annotation of a maintenance write.
pub(crate) const ANNOTATION: &str = "openbao.org/maintenance";

/// The verb for maintenance.
pub(crate) const VERB: &str = "maintenance";

/// The resource for the verb. The operator's admin role grants all verbs on the resource itself, including
/// this one, so the verb is checked on the subresource.
pub(crate) const RESOURCE: &str = "openbaoclusters";
/// The subresource for the verb.
pub(crate) const SUBRESOURCE: &str = "perimeter";

/// The group that needs no permission.
const MASTERS: &str = "system:masters";

/// Maximum number of OpenBaoClusters named in a message.
const NAMED: usize = 10;

/// Permission that the user of a denied maintenance write lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MissingPermission {
    /// The verb on each of these OpenBaoClusters.
    Verb(BTreeSet<ObjectRef>),
    /// Membership in `system:masters`, since the write concerns more than OpenBaoClusters with a name.
    Masters,
}

impl MissingPermission {
    /// Permission to maintain these objects. Permission is for a named OpenBaoCluster. There is none for the
    /// operator's own pods, nor for a cluster whose name is generated.
    fn of(objects: BTreeSet<ObjectRef>) -> Self {
        let is_named =
            |object: &ObjectRef| object.kind == Kind::OpenBaoCluster && !object.is_generated();
        if !objects.is_empty() && objects.iter().all(is_named) {
            Self::Verb(objects)
        } else {
            Self::Masters
        }
    }

    /// The OpenBaoClusters for which the API server can check the verb.
    pub(crate) fn clusters(&self) -> Option<&BTreeSet<ObjectRef>> {
        match self {
            Self::Verb(clusters) => Some(clusters),
            Self::Masters => None,
        }
    }
}

impl fmt::Display for MissingPermission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the annotation {ANNOTATION} counts only for a writer ")?;
        let clusters = match self {
            Self::Masters => return write!(f, "in the group `{MASTERS}` here"),
            Self::Verb(clusters) => clusters,
        };
        write!(f, "with the verb `{VERB}` on {RESOURCE}/{SUBRESOURCE} of ")?;
        for (at, cluster) in clusters.iter().take(NAMED).enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{}/{}", cluster.namespace, cluster.name)?;
        }
        match clusters.len().saturating_sub(NAMED) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// Returns true if the object is marked as maintenance.
pub(super) fn is_marked(meta: &Meta) -> bool {
    let value = meta.annotations.get(ANNOTATION);
    value.is_some_and(|value| &**value == "true")
}

/// Returns true for a user that needs no permission.
pub(super) fn is_by_masters(writer: &Writer) -> bool {
    writer.groups.iter().any(|group| group == MASTERS)
}

impl Request {
    /// Returns true if the object is marked as maintenance: the new or the old one; for a deletion the old
    /// one.
    pub(crate) fn is_maintenance(&self) -> bool {
        let (before, after) = self.metadata();
        let (before, after) = (before.map(is_marked), after.map(is_marked));
        before == Some(true) || (self.operation != Operation::Delete && after == Some(true))
    }

    fn is_by_masters(&self) -> bool {
        is_by_masters(&self.writer)
    }
}

/// Findings that maintenance permits.
#[derive(Clone, Copy, Debug)]
pub(super) enum Allowance<'a> {
    /// None.
    Nothing,
    /// All.
    Everything,
    /// Those about OpenBaoClusters that the user may maintain.
    Granted(&'a CompiledSnapshot, &'a BTreeSet<ObjectRef>),
}

impl<'a> Allowance<'a> {
    /// The allowance of the user of a request. Without facts the affected clusters are unknown.
    pub(super) fn of(
        compiled: Option<&'a CompiledSnapshot>,
        request: &'a Request,
        class: WriterClass,
    ) -> Self {
        if class != WriterClass::Everyone || !request.is_maintenance() {
            return Self::Nothing;
        }
        if request.is_by_masters() {
            return Self::Everything;
        }
        let grants = &request.writer.grants;
        let Some(compiled) = compiled else {
            return Self::Nothing;
        };
        if selected(compiled, request).is_subset(grants) {
            Self::Granted(compiled, grants)
        } else {
            Self::Nothing
        }
    }

    /// Returns true if it permits a finding.
    pub(super) fn covers(self, finding: &Finding) -> bool {
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::Granted(compiled, grants) => {
                let concerned = concerned(compiled, finding);
                !concerned.is_empty() && concerned.is_subset(grants)
            }
        }
    }
}

/// Permission that the user of a maintenance write lacks; `None` if nothing is denied or the write is not
/// marked.
pub(super) fn missing_permission(
    compiled: Option<&CompiledSnapshot>,
    request: &Request,
    class: WriterClass,
    verdict: &Verdict,
) -> Option<MissingPermission> {
    let is_asked = class == WriterClass::Everyone && request.is_maintenance();
    let denied = verdict.findings.iter();
    let mut denied = denied
        .filter(|finding| finding.level == Level::Deny)
        .peekable();
    if !is_asked || denied.peek().is_none() {
        return None;
    }
    let Some(compiled) = compiled else {
        return Some(MissingPermission::Masters);
    };
    let mut needed = selected(compiled, request);
    needed.extend(denied.flat_map(|finding| concerned(compiled, finding)));
    Some(MissingPermission::of(needed))
}

/// The same for a write that the mutating webhook repairs.
pub(super) fn missing_permission_to_keep(
    request: &Request,
    clusters: impl Iterator<Item = ObjectRef>,
) -> Option<MissingPermission> {
    request
        .is_maintenance()
        .then(|| MissingPermission::of(clusters.collect()))
}

/// Returns true if nothing is repaired, since the user has permission.
pub(super) fn leaves_alone(request: &Request, cluster: &ObjectRef) -> bool {
    request.is_maintenance() && (request.is_by_masters() || request.writer.grants.contains(cluster))
}

/// The objects that a finding is about: its cluster, or else every cluster of the namespace.
fn concerned(compiled: &CompiledSnapshot, finding: &Finding) -> BTreeSet<ObjectRef> {
    match &finding.cluster {
        Some(cluster) => [cluster.clone()].into(),
        None if finding.object.kind == Kind::OpenBaoCluster => [finding.object.clone()].into(),
        None => {
            let perimeters = compiled.perimeters(&finding.object.namespace).iter();
            perimeters.map(|cluster| cluster.object.clone()).collect()
        }
    }
}

/// The clusters whose pods a new policy may select. The annotation stays on the policy and applies to later
/// writes of it, so permission for one cluster is not enough.
fn selected(compiled: &CompiledSnapshot, request: &Request) -> BTreeSet<ObjectRef> {
    let (Subject::Policy(edit), Operation::Create) = (&request.subject, request.operation) else {
        return BTreeSet::new();
    };
    let read = edit.after.as_ref().and_then(Fact::read);
    let pods = read.map(|policy| policy.pods.label_set());
    let is_selected = |zone: &ZonePerimeter| match &pods {
        // A policy that cannot be read may select any pod.
        None => true,
        Some(pods) => pods
            .as_ref()
            .is_some_and(|pods| zone.space.select(pods).is_some()),
    };
    let perimeters = compiled.perimeters(&edit.object.namespace).iter();
    perimeters
        .filter(|cluster| cluster.is_cluster() && cluster.zones.iter().any(is_selected))
        .map(|cluster| cluster.object.clone())
        .collect()
}
