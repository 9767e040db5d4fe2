//! Access to the Secret that replicas share, and to the webhook configurations that trust its CAs.

pub mod registrations;
pub mod secret;

pub use registrations::Registrations;
pub use secret::{CertificateSecret, SecretRef};
