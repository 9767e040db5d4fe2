//! To be written.

pub mod crds;
