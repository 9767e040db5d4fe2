//! Tests of the engine against the rows of the NetworkPolicy semantics, the laws of sets, and an
//! enumeration of small worlds.

mod address;
mod carried;
mod cover;
mod implementations;
mod laws;
mod oracle;
mod pod_space;
mod rows;
mod rule;
mod tiers;
mod witness;
