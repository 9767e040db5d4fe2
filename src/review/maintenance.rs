//! Breaking the glass: a write that the rules refuse, made on purpose by somebody who may.
//!
//! Two things have to be there. The object says so itself, by the annotation
//! `openbao.org/maintenance: "true"`; and the writer belongs to `system:masters`, or holds the verb
//! `maintenance` on each OpenBaoCluster that has a finding, as the operator's own lock asks it. Whether
//! it does is asked outside, after a refusal ([`appeal`]), and comes back as
//! [`Writer::grants`](super::Writer).

use std::collections::BTreeSet;

use super::level::WriterClass;
use super::request::{Operation, Request, Subject};
use super::verdict::{Repairs, Verdict};
use super::world::World;
use crate::inventory::{Kind, Meta, ObjectRef};
use crate::rules::{Finding, Level};

/// The annotation that a maintenance write carries.
pub const ANNOTATION: &str = "openbao.org/maintenance";

/// The group that needs no grant.
const MASTERS: &str = "system:masters";

impl Request {
    /// Whether the object says that this is maintenance: the new or the old one, for a deletion the
    /// old one.
    pub fn is_maintenance(&self) -> bool {
        let says = |meta: &Meta| {
            meta.annotations
                .get(ANNOTATION)
                .is_some_and(|value| &**value == "true")
        };
        let (before, after) = match &self.subject {
            Subject::Policy(edit) => (
                edit.before.as_ref().map(|fact| says(fact.meta())),
                edit.after.as_ref().map(|fact| says(fact.meta())),
            ),
            Subject::Cluster(edit) => (
                edit.before.as_ref().map(|fact| says(fact.meta())),
                edit.after.as_ref().map(|fact| says(fact.meta())),
            ),
            Subject::Restore(edit) => (
                edit.before.as_ref().map(|fact| says(fact.meta())),
                edit.after.as_ref().map(|fact| says(fact.meta())),
            ),
        };
        before == Some(true) || (self.operation != Operation::Delete && after == Some(true))
    }

    /// Whether the write may do what a finding says, since it is maintenance by somebody who may.
    pub(super) fn breaks_glass(&self, class: WriterClass, finding: &Finding) -> bool {
        if class != WriterClass::Everyone || !self.is_maintenance() {
            return false;
        }
        let granted = match &finding.cluster {
            Some(cluster) => self.writer.grants.contains(cluster),
            // What is about no single cluster was asked about all of the namespace.
            None => !self.writer.grants.is_empty(),
        };
        self.is_by_masters() || granted
    }

    fn is_by_masters(&self) -> bool {
        self.writer.groups.iter().any(|group| group == MASTERS)
    }
}

/// The OpenBaoClusters on which the writer has to hold the verb `maintenance` for a refused write to
/// pass; `None` where no grant would let it pass.
pub fn appeal(world: &World, request: &Request, verdict: &Verdict) -> Option<BTreeSet<ObjectRef>> {
    let denied = verdict.findings.iter();
    let mut denied = denied
        .filter(|finding| finding.level == Level::Deny)
        .peekable();
    denied.peek()?;
    if !request.is_maintenance() {
        return None;
    }
    let mut asked = BTreeSet::new();
    for finding in denied {
        match &finding.cluster {
            Some(cluster) => {
                asked.insert(cluster.clone());
            }
            None => asked.extend(clusters_of(world, &finding.object)),
        }
    }
    can_be_asked(asked)
}

/// The same for a write that the mutating webhook would repair.
pub fn appeal_repairs(
    world: &World,
    request: &Request,
    repairs: &Repairs,
) -> Option<BTreeSet<ObjectRef>> {
    if repairs.repairs.is_empty() || !request.is_maintenance() {
        return None;
    }
    let Subject::Policy(edit) = &request.subject else {
        return None;
    };
    let clusters = clusters_of(world, &edit.object);
    let managed = world.perimeters(&edit.object.namespace).iter();
    let managed: BTreeSet<ObjectRef> = managed
        .filter(|cluster| cluster.managed(&edit.object.name).is_some())
        .map(|cluster| cluster.object.clone())
        .collect();
    can_be_asked(
        clusters
            .into_iter()
            .filter(|cluster| managed.contains(cluster))
            .collect(),
    )
}

/// Whether nothing is to be repaired, since the writer may do what it does.
pub(super) fn leaves_alone(request: &Request, cluster: &ObjectRef) -> bool {
    request.is_maintenance() && (request.is_by_masters() || request.writer.grants.contains(cluster))
}

fn clusters_of(world: &World, object: &ObjectRef) -> Vec<ObjectRef> {
    let perimeters = world.perimeters(&object.namespace).iter();
    perimeters.map(|cluster| cluster.object.clone()).collect()
}

/// A grant is for a named OpenBaoCluster: there is none for the operator's own pods, nor for a
/// cluster whose name is still to come.
fn can_be_asked(asked: BTreeSet<ObjectRef>) -> Option<BTreeSet<ObjectRef>> {
    let named =
        |cluster: &ObjectRef| cluster.kind == Kind::OpenBaoCluster && !cluster.name.is_empty();
    (!asked.is_empty() && asked.iter().all(named)).then_some(asked)
}
