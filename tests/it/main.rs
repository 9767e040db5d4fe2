//! One integration binary; a module per subject.
mod inventory;
mod sources;
