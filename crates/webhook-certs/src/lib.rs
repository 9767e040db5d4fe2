//! Certificates of our own: what is made, when it is renewed, and what has to be trusted meanwhile.
//!
//! [`rotation`] decides, purely: the time, what is kept and what the registrations say come in, the
//! next step comes out. [`foundry`] makes keys and certificates, [`secret`] writes down what is
//! kept, [`cluster`] is the edge: one Secret, two registrations.

pub mod cluster;
pub mod foundry;
pub mod life;
pub mod pem;
pub mod rotation;
pub mod secret;
pub mod x509;

pub use life::{Length, Life, Moment};
pub use pem::Pair;
