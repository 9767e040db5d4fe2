//! What people are shown of a perimeter beside verdicts: the policies that a declaration asks for.

#![deny(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::disallowed_types
)]

pub mod manifests;
