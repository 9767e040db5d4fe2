//! The rules: one file per rule, each a function from a [`policy_change::PolicyChange`] or a declaration to findings.

#![deny(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::disallowed_types
)]

pub mod ambiguous_cidr;
pub mod beyond_ceiling;
pub mod core_connection_cut;
pub mod declaration;
pub mod default_deny_absent;
pub(crate) mod excluded_namespace;
pub mod existing_policy;
pub mod explicit_egress;
pub mod finding;
pub mod input;
pub mod inside_ceiling;
pub mod isolation_lost;
pub(crate) mod layers;
pub mod left_open;
pub mod managed_policy;
pub(crate) mod namespace_counts;
pub(crate) mod ordered;
pub mod paste;
pub(crate) mod pod_labels;
pub mod policy_change;
pub mod policy_name;
pub mod policy_not_judged;
pub mod policy_owner;
pub(crate) mod proof;
pub mod remedy;
pub mod size;
pub(crate) mod stored_pod;
pub mod text;
mod undecided;
pub mod unknown_field;
pub(crate) mod waivers;

pub(crate) use crate::code::Cause;
pub use crate::code::{Code, Level};
pub(crate) use finding::witness;
pub use finding::{Finding, FindingKey, Onset, Place};
