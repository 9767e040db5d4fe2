//! The edge: the Secret that replicas share, and the registrations that have to know its CAs.

pub mod registrations;
pub mod vault;

pub use registrations::Registrations;
pub use vault::{SecretRef, Vault};
