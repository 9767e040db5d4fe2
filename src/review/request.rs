//! What is asked: who writes what.

use std::collections::BTreeSet;

use crate::code::EnforcementPoint;
use crate::inventory::{Cluster, Fact, Meta, ObjectRef, Policy, Restore};

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

/// Who writes, as the API server authenticated it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Writer {
    /// Username.
    pub name: String,
    /// Groups.
    pub groups: Vec<String>,
    /// The OpenBaoClusters on which the API server said that it holds the verb `maintenance`; asked
    /// only for a write that needs it.
    pub grants: BTreeSet<ObjectRef>,
}

/// An object before and after the write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit<T> {
    /// Which object, named as well as the request allows.
    pub object: ObjectRef,
    /// The old object: update and delete.
    pub before: Option<Fact<T>>,
    /// The new object: create and update.
    pub after: Option<Fact<T>>,
    /// Whether the two differ in their spec, compared as JSON values, so that it is known of
    /// unreadable objects too. True for create and delete.
    pub spec_changed: bool,
}

/// What is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A NetworkPolicy.
    Policy(Edit<Policy>),
    /// An OpenBaoCluster.
    Cluster(Edit<Cluster>),
    /// An OpenBaoRestore.
    Restore(Edit<Restore>),
}

/// One write to be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Operation.
    pub operation: Operation,
    /// Writer.
    pub writer: Writer,
    /// Where it is asked: rules may have another level there.
    pub point: EnforcementPoint,
    /// Object.
    pub subject: Subject,
}

impl Request {
    /// Which object it is about.
    pub const fn object(&self) -> &ObjectRef {
        match &self.subject {
            Subject::Policy(edit) => &edit.object,
            Subject::Cluster(edit) => &edit.object,
            Subject::Restore(edit) => &edit.object,
        }
    }

    /// Whether the spec changes.
    pub(super) const fn spec_changed(&self) -> bool {
        match &self.subject {
            Subject::Policy(edit) => edit.spec_changed,
            Subject::Cluster(edit) => edit.spec_changed,
            Subject::Restore(edit) => edit.spec_changed,
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
        }
    }
}

/// Which of the two webhooks is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WebhookKind {
    /// The validating webhook: judges the final state, may refuse.
    #[default]
    Validate,
    /// The mutating webhook: repairs, never refuses a write that it can read.
    Mutate,
}

impl WebhookKind {
    /// Both, in the order of the documentation.
    pub const ALL: [Self; 2] = [Self::Validate, Self::Mutate];

    /// The word in logs, metrics and flags.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Validate => "validate",
            Self::Mutate => "mutate",
        }
    }

    /// The path of the webhook, as the registrations name it.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Validate => "/validate",
            Self::Mutate => "/mutate",
        }
    }
}
