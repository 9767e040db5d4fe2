//! Declarations that are suggested for a finding, apart from the denial of a write.

use std::cell::Cell;

use super::{Denied, cuts_off, opens_too_much, policies, written};
use crate::code::EnforcementPoint;
use crate::inventory::{Fact, Policy};
use crate::review::compiled::CompiledSnapshot;
use crate::review::level::WriterClass;
use crate::review::request::{Operation, Request, Subject, Writer};
use crate::review::verdict::Verdict;
use crate::rules::Finding;
use crate::rules::remedy::Remedy;
use netpol::cover::Budget;

/// The remedies of a finding, and the declarations for its rule of a policy. Nobody has tried the latter.
pub(in crate::review) fn declarations(
    compiled: &CompiledSnapshot,
    finding: &Finding,
    policy: Option<&Fact<Policy>>,
) -> Vec<Remedy> {
    let Some(fact) = policy else {
        return finding.remedies.clone();
    };
    let request = Request {
        operation: Operation::Create,
        writer: Writer::default(),
        point: EnforcementPoint::Check,
        subject: Subject::Policy(written(&finding.object, None, fact.clone())),
    };
    let budget = Cell::new(Budget::new(compiled.config.proof_budget));
    let denied = Denied {
        compiled,
        request: &request,
        class: WriterClass::Everyone,
        budget: &budget,
    };
    // Of the same rank, those without peers that are permitted already come first.
    let mut all = match fact.read() {
        Some(policy) => policies::declarations(&denied, finding, policy),
        None => Vec::new(),
    };
    all.extend(finding.remedies.iter().cloned());
    all.sort_by_key(|remedy| remedy.rank);
    all
}

/// Returns true if declarations open a cluster to everyone, or close the way to an endpoint. They are never suggested.
pub(in crate::review) fn overreaches(verdict: &Verdict) -> bool {
    opens_too_much(verdict) || cuts_off(verdict)
}
