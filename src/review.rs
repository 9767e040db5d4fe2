//! The review: a pure function from a request and the facts to a verdict. Every request has one.

#![deny(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::disallowed_types
)]

mod advice;
mod audit_namespace;
mod cluster;
mod compiled;
pub mod connectivity;
mod isolation;
mod level;
mod live_read;
pub mod maintenance;
mod merged;
mod metadata;
pub mod offline;
mod ordered;
mod other_policies;
mod other_shape;
mod policy;
mod remedies;
pub mod render;
mod repair;
mod replay;
pub mod request;
mod restore;
mod restore_target;
pub mod rules;
pub(crate) mod stored_labels;
pub mod suggest;
#[cfg(test)]
mod tests;
pub mod verdict;
mod waivers;
mod workload;
mod written;

pub use audit_namespace::audit_namespace;
pub use compiled::CompiledSnapshot;
pub(crate) use compiled::Tiers;
pub use isolation::isolation;
pub use level::{SYSTEM_WRITERS, WriterClass};
pub use live_read::{NeedsLiveRead, live_read, namespaces};
pub(crate) use ordered::violations as ordered_violations;
pub(crate) use other_policies::lines as other_policies_of;
pub(crate) use other_shape::{OtherShape, other_shape};
pub use repair::repair;
pub use request::{Edit, Operation, Request, Subject, WebhookKind, Writer};
pub use verdict::{Outcome, Repair, Repairs, Verdict};
pub use waivers::waivers;
pub(crate) use workload::stored_pods;

use std::cell::Cell;

use crate::config::ReviewConfig;
use crate::inventory::ObjectRef;
use crate::rules::{Finding, Level, Onset, input, unknown_field};
use maintenance::Allowance;
use metadata::MetadataReview;
use netpol::cover::Budget;
use rules::Check;

/// Reviews one write. Returns all findings in a stable order.
pub fn review(compiled: &CompiledSnapshot, request: &Request) -> Verdict {
    review_as(
        compiled,
        request,
        WriterClass::of(&request.writer, &compiled.config),
    )
}

/// Reviews one write by a user of this class.
fn review_as(compiled: &CompiledSnapshot, request: &Request, class: WriterClass) -> Verdict {
    let budget = Cell::new(match request.subject {
        Subject::Ordered(_) => compiled.ordered_budget(),
        _ => Budget::new(compiled.config.proof_budget),
    });
    let mut verdict = evaluate(compiled, request, class, &budget);
    remedies::attach(compiled, request, class, &mut verdict, &budget);
    Verdict {
        work: budget.get().work(),
        ran_out: budget.get().ran_out(),
        missing_permission: maintenance::missing_permission(
            Some(compiled),
            request,
            class,
            &verdict,
        ),
        ..verdict
    }
}

/// The verdict, with remedies that the rules propose and nobody has tried.
fn evaluate(
    compiled: &CompiledSnapshot,
    request: &Request,
    class: WriterClass,
    budget: &Cell<Budget>,
) -> Verdict {
    let mut findings = match &request.subject {
        Subject::Policy(edit) => policy::findings(compiled, request, class, edit, budget),
        Subject::Cluster(edit) => cluster::findings(compiled, edit, request.point, budget),
        Subject::Restore(edit) => restore::findings(compiled, edit, budget),
        Subject::Ordered(edit) => ordered::findings(compiled, edit, request.point, budget),
    };
    match &request.subject {
        Subject::Policy(edit) => ordered::add_effects(compiled, Some(edit), &mut findings),
        Subject::Cluster(edit) => {
            let after = ordered::with_cluster(compiled, edit, &findings);
            let compiled = after.as_ref().unwrap_or(compiled);
            ordered::add_effects(compiled, None, &mut findings);
        }
        Subject::Restore(_) => ordered::add_effects(compiled, None, &mut findings),
        Subject::Ordered(_) => {}
    }
    if let (before, Some(after)) = request.metadata() {
        let config = &compiled.config;
        let write = MetadataReview {
            request,
            config,
            class,
            before,
            after,
        };
        if write.has_new_fields() {
            unknown_field::name_in(&mut findings, request.object(), &after.unknown);
        }
        for check in rules::checks() {
            if let Check::Metadata(check) = check {
                findings.extend(check(&write));
            }
        }
    }
    let allowance = Allowance::of(Some(compiled), request, class);
    level::apply_levels(&compiled.config, request, class, allowance, findings)
}

/// The verdict while facts are incomplete or too old: a denial, except for exempt users and for writes that
/// change neither a spec nor the metadata that makes a policy a managed one.
pub fn not_ready(config: &ReviewConfig, request: &Request) -> Verdict {
    without_facts(config, request, |object| {
        if metadata::may_leave_its_manager(request, config.baseline) {
            input::not_ready_for_metadata(object)
        } else {
            input::not_ready(object)
        }
    })
}

/// The verdict about a write that needed a live read which failed: it depends on an unknown cluster, or on
/// policies that were not read.
pub fn not_read(config: &ReviewConfig, request: &Request) -> Verdict {
    without_facts(config, request, input::not_read)
}

fn without_facts(
    config: &ReviewConfig,
    request: &Request,
    finding: impl Fn(&ObjectRef) -> Finding,
) -> Verdict {
    let class = WriterClass::of(&request.writer, config);
    let mut findings = vec![finding(request.object())];
    if let Subject::Ordered(_) = &request.subject {
        // Such a policy concerns the whole cluster, and the webhook only warns about what it does.
        for finding in &mut findings {
            (finding.onset, finding.level) = (Onset::PreExisting, Level::Warn);
        }
    }
    let allowance = Allowance::of(None, request, class);
    let verdict = level::apply_levels(config, request, class, allowance, findings);
    Verdict {
        missing_permission: maintenance::missing_permission(None, request, class, &verdict),
        ..verdict
    }
}
