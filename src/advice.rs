//! Advice: findings that warn about what will not work, or not as it is meant. Nothing here guards the perimeter.

#![deny(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::disallowed_types
)]

pub mod checkpoint;
pub mod declaration_opens;
pub mod endpoint_not_covered;
pub mod fallback_ended;
pub mod nobody_admitted;
pub mod opened;
pub mod without_effect;
