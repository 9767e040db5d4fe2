//! Tests of ordered policies: an enumeration of small worlds, laws, and the rows of their semantics.

mod conformance;
mod laws;
mod oracle;
mod questions;
mod rows;
mod scene;
mod vocabulary;
mod world;
