//! The request: a user's write of an object.

use std::collections::BTreeSet;

use crate::code::EnforcementPoint;
use crate::inventory::{Cluster, Fact, Meta, ObjectRef, OtherPolicy, Policy, Restore};

/// The operation on the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `CREATE`.
    Create,
    /// `UPDATE`.
    Update,
    /// `DELETE`.
    Delete,
}

/// The user, as authenticated by the API server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Writer {
    /// Username.
    pub name: String,
    /// Groups.
    pub groups: Vec<String>,
    /// The OpenBaoClusters for which the API server confirmed the verb `maintenance`. It is checked only if
    /// needed.
    pub grants: BTreeSet<ObjectRef>,
}

/// An object before and after the write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit<T> {
    /// Reference to the object, as far as the request has it.
    pub object: ObjectRef,
    /// The old object, for update and delete.
    pub before: Option<Fact<T>>,
    /// The new object, for create and update.
    pub after: Option<Fact<T>>,
    /// True if the specs differ, compared as JSON, so that it is known for unreadable objects too. True for
    /// create and delete.
    pub spec_changed: bool,
}

/// The object that is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A NetworkPolicy.
    Policy(Edit<Policy>),
    /// An OpenBaoCluster.
    Cluster(Edit<Cluster>),
    /// An OpenBaoRestore.
    Restore(Edit<Restore>),
    /// An ordered policy: a ClusterNetworkPolicy, AdminNetworkPolicy or BaselineAdminNetworkPolicy.
    Ordered(Edit<OtherPolicy>),
}

/// One write to review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Operation.
    pub operation: Operation,
    /// Writer.
    pub writer: Writer,
    /// Enforcement point. Rules may have different levels there.
    pub point: EnforcementPoint,
    /// Object.
    pub subject: Subject,
}

impl Request {
    /// Reference to the object.
    pub(crate) const fn object(&self) -> &ObjectRef {
        match &self.subject {
            Subject::Policy(edit) => &edit.object,
            Subject::Cluster(edit) => &edit.object,
            Subject::Restore(edit) => &edit.object,
            Subject::Ordered(edit) => &edit.object,
        }
    }

    /// Returns true if the spec changes.
    pub(super) const fn spec_changed(&self) -> bool {
        match &self.subject {
            Subject::Policy(edit) => edit.spec_changed,
            Subject::Cluster(edit) => edit.spec_changed,
            Subject::Restore(edit) => edit.spec_changed,
            Subject::Ordered(edit) => edit.spec_changed,
        }
    }

    /// The object's metadata before and after the write.
    pub(super) fn metadata(&self) -> (Option<&Meta>, Option<&Meta>) {
        match &self.subject {
            Subject::Policy(edit) => (
                edit.before.as_ref().map(Fact::<Policy>::meta),
                edit.after.as_ref().map(Fact::<Policy>::meta),
            ),
            Subject::Cluster(edit) => (
                edit.before.as_ref().map(Fact::<Cluster>::meta),
                edit.after.as_ref().map(Fact::<Cluster>::meta),
            ),
            Subject::Restore(edit) => (
                edit.before.as_ref().map(Fact::<Restore>::meta),
                edit.after.as_ref().map(Fact::<Restore>::meta),
            ),
            Subject::Ordered(edit) => (
                edit.before.as_ref().map(Fact::<OtherPolicy>::meta),
                edit.after.as_ref().map(Fact::<OtherPolicy>::meta),
            ),
        }
    }
}

/// The two webhooks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WebhookKind {
    /// The validating webhook: reviews the final state and may deny.
    #[default]
    Validate,
    /// The mutating webhook: repairs, and never denies a write that it can read.
    Mutate,
}

impl WebhookKind {
    /// Both webhooks, in the order of the documentation.
    pub const ALL: [Self; 2] = [Self::Validate, Self::Mutate];

    /// The name in logs, metrics and flags.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Validate => "validate",
            Self::Mutate => "mutate",
        }
    }

    /// The path of the webhook in the registrations.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Validate => "/validate",
            Self::Mutate => "/mutate",
        }
    }
}
