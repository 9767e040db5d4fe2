//! One finding: which rule, about what, proved by which connection, and what to do.

use super::Code;
use crate::inventory::ObjectRef;
use crate::perimeter::{Connection, Difference};

/// What a finding does to the write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The write is refused.
    Deny,
    /// The writer is warned.
    Warn,
}

/// One thing that is wrong with a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Rule.
    pub code: Code,
    /// What it does to the write.
    pub level: Level,
    /// The object at fault.
    pub object: ObjectRef,
    /// Field path in that object; empty for the object as a whole.
    pub path: String,
    /// One line, complete by itself: what happens and why it is wrong.
    pub reason: String,
    /// The connection that proves it, for rules about connections.
    pub witness: Option<Connection>,
    /// What the connection takes that not every implementation does; `None` where it exists under
    /// every reading.
    pub only_if: Option<Difference>,
    /// What to do, as text to paste; may have several lines.
    pub help: String,
}

impl Finding {
    /// A finding without its words, to be completed.
    pub fn new(code: Code, level: Level, object: &ObjectRef, path: impl Into<String>) -> Self {
        Self {
            code,
            level,
            object: object.clone(),
            path: path.into(),
            reason: String::new(),
            witness: None,
            only_if: None,
            help: String::new(),
        }
    }
}
