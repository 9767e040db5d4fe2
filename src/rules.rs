//! The rules: one file each, from a [`case::Case`] or a declaration to findings.

#![deny(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::disallowed_types
)]

pub mod ambiguous_cidr;
pub mod beyond_ceiling;
pub mod case;
pub mod certificate;
pub mod checkpoint;
pub mod core_connection_cut;
pub mod declaration;
pub mod declaration_opens;
pub mod default_deny_absent;
pub mod endpoint_not_covered;
pub mod existing_policy;
pub mod explicit_egress;
pub mod fallback_ended;
pub mod finding;
pub mod input;
pub mod isolation_lost;
pub mod left_open;
pub mod managed_policy;
pub mod nobody_admitted;
pub mod opened;
pub mod paste;
pub mod policy_name;
pub mod policy_owner;
mod proof;
pub mod size;
pub mod text;
mod undecided;
pub mod unknown_field;
pub mod without_effect;

pub use crate::code::{Code, Level};
pub use finding::{Finding, Onset, Place};
