//! Rows K, A and B of the semantics of ordered policies, profile `kubernetes`, as tables.

mod fields;
mod order;
mod ports;
