//! Advice: findings that only warn, about declarations that will not work as intended. They do not protect
//! the perimeter.

#![deny(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::disallowed_types
)]

pub(crate) mod checkpoint;
pub(crate) mod declaration_opens;
pub(crate) mod endpoint_not_covered;
pub(crate) mod fallback_ended;
pub(crate) mod nobody_admitted;
pub(crate) mod opened;
pub(crate) mod without_effect;
