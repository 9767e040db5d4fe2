//! The rules' codes and what a finding says.

#![deny(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::disallowed_types
)]

pub mod code;
pub mod finding;

pub use code::Code;
pub use finding::{Finding, Level};
