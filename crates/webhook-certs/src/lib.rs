#![doc = include_str!("../README.md")]

pub mod cluster;
pub mod data;
pub mod issuer;
pub mod pem;
pub mod rotation;
pub mod validity;
pub mod x509;

pub use jiff::Timestamp;
pub use pem::Pair;
pub use validity::{Validity, now};
