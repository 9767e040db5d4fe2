//! Advice: findings that only warn, about declarations that will not work as intended. They do not protect
//! the perimeter.

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
