//! The review: one pure, total function from a request and the facts to a verdict.

#![deny(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::disallowed_types
)]

mod advice;
mod cluster;
mod isolation;
mod level;
pub mod maintenance;
mod metadata;
pub mod offline;
mod policy;
pub mod render;
mod repair;
mod replay;
pub mod request;
mod restore;
#[cfg(test)]
mod tests;
pub mod verdict;
mod world;

pub use isolation::isolation;
pub use level::{SYSTEM_WRITERS, WriterClass};
pub use repair::repair;
pub use request::{Edit, Operation, Point, Request, Subject, Writer};
pub use verdict::{Outcome, Repair, Repairs, Verdict};
pub use world::World;

use crate::posture::Posture;
use crate::rules::input;

/// Judges one write: all findings, in a stable order.
pub fn review(world: &World, request: &Request) -> Verdict {
    let class = WriterClass::of(&request.writer, &world.posture);
    let findings = match &request.subject {
        Subject::Policy(edit) => policy::findings(world, request, class, edit),
        Subject::Cluster(edit) => cluster::findings(world, edit),
        Subject::Restore(edit) => restore::findings(world, edit),
    };
    level::settle(&world.posture, request, class, findings)
}

/// The verdict while the facts are not complete or too old: refused, except for writers whom no
/// verdict stops, and writes that change neither a spec nor what makes a policy a managed one.
pub fn not_ready(posture: &Posture, request: &Request) -> Verdict {
    let object = match &request.subject {
        Subject::Policy(edit) => &edit.object,
        Subject::Cluster(edit) => &edit.object,
        Subject::Restore(edit) => &edit.object,
    };
    let class = WriterClass::of(&request.writer, posture);
    let finding = if metadata::may_leave_its_manager(request) {
        input::not_ready_for_metadata(object)
    } else {
        input::not_ready(object)
    };
    level::settle(posture, request, class, vec![finding])
}
