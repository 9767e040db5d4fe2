//! The review: one pure, total function from a request and the facts to a verdict.

#![deny(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::disallowed_types
)]

mod advice;
mod cluster;
mod doubt;
mod isolation;
mod level;
pub mod maintenance;
mod merged;
mod metadata;
pub mod offline;
mod policy;
pub mod render;
mod repair;
mod replay;
pub mod request;
mod restore;
mod restore_target;
mod standing;
#[cfg(test)]
mod tests;
pub mod verdict;
mod world;
mod written;

pub use doubt::{Doubt, doubt, namespaces};
pub use isolation::isolation;
pub use level::{SYSTEM_WRITERS, WriterClass};
pub use repair::repair;
pub use request::{Edit, Operation, Point, Request, Subject, Writer};
pub use standing::standing;
pub use verdict::{Outcome, Repair, Repairs, Verdict};
pub use world::World;

use std::cell::Cell;

use crate::inventory::ObjectRef;
use crate::posture::Posture;
use crate::rules::{Finding, input, unknown_field};
use maintenance::Allowance;
use netpol::cover::Budget;

/// Judges one write: all findings, in a stable order.
pub fn review(world: &World, request: &Request) -> Verdict {
    review_as(
        world,
        request,
        WriterClass::of(&request.writer, &world.posture),
    )
}

/// Judges one write by a writer of this class.
fn review_as(world: &World, request: &Request, class: WriterClass) -> Verdict {
    let budget = Cell::new(Budget::new(world.posture.proof_budget));
    let mut findings = match &request.subject {
        Subject::Policy(edit) => policy::findings(world, request, class, edit, &budget),
        Subject::Cluster(edit) => cluster::findings(world, class, edit, &budget),
        Subject::Restore(edit) => restore::findings(world, edit, &budget),
    };
    let unknown = unknown_fields(request, &mut findings);
    findings.extend(unknown);
    let allowance = Allowance::of(Some(world), request, class);
    let verdict = level::settle(&world.posture, request, class, allowance, findings);
    Verdict {
        work: budget.get().work(),
        ran_out: budget.get().ran_out(),
        lacking: maintenance::lacking(Some(world), request, class, &verdict),
        ..verdict
    }
}

/// Findings about unknown fields of what is written, which are named where they may be why it is denied.
fn unknown_fields(request: &Request, findings: &mut [Finding]) -> Vec<Finding> {
    let (before, after) = request.metadata();
    let Some(after) = after else {
        return Vec::new();
    };
    let is_kept = before.is_some_and(|before| before.unknown == after.unknown);
    if is_kept && !request.spec_changed() {
        return Vec::new();
    }
    unknown_field::name_in(findings, request.object(), &after.unknown);
    unknown_field::check(request.object(), after, before)
}

/// The verdict while the facts are not complete or too old: refused, except for writers whom no
/// verdict stops, and writes that change neither a spec nor what makes a policy a managed one.
pub fn not_ready(posture: &Posture, request: &Request) -> Verdict {
    without_facts(posture, request, |object| {
        if metadata::may_leave_its_manager(request, posture.baseline) {
            input::not_ready_for_metadata(object)
        } else {
            input::not_ready(object)
        }
    })
}

/// The verdict about a write that was in doubt, whether there is a cluster or what policies say that were not read,
/// where the doubt could not be settled.
pub fn not_read(posture: &Posture, request: &Request) -> Verdict {
    without_facts(posture, request, input::not_read)
}

fn without_facts(
    posture: &Posture,
    request: &Request,
    finding: impl Fn(&ObjectRef) -> Finding,
) -> Verdict {
    let class = WriterClass::of(&request.writer, posture);
    let findings = vec![finding(request.object())];
    let allowance = Allowance::of(None, request, class);
    let verdict = level::settle(posture, request, class, allowance, findings);
    Verdict {
        lacking: maintenance::lacking(None, request, class, &verdict),
        ..verdict
    }
}
