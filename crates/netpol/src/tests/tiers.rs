//! Tests of ordered policies: an enumeration of small worlds, laws, and the rows of their semantics.

mod oracle;
mod rows;
mod scene;
mod world;
