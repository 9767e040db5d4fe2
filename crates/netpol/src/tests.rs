//! The engine held against the rows of the NetworkPolicy semantics, against the laws of sets, and
//! against an enumeration of small worlds.

mod address;
mod carried;
mod cover;
mod implementations;
mod laws;
mod oracle;
mod rows;
mod rule;
mod witness;
mod zone;
