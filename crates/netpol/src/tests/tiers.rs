//! Tests of ordered policies: an enumeration of small worlds, laws, and the rows of their semantics.

mod conformance;
mod laws;
mod oracle;
mod rows;
mod scene;
mod world;
