//! Views of a perimeter: the policies that a declaration asks for, and each row of the allowlist with
//! its state, as data, picture and page.

#![deny(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::disallowed_types
)]

pub mod conditions;
pub mod html;
pub mod manifests;
pub mod mermaid;
mod picture;
mod svg;
mod tiers;
pub mod view;
mod words;
pub(crate) mod zone;
