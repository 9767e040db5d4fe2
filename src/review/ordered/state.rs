//! Stored ordered policies: under which a new cluster comes, and in the audit.

use netpol::cover::Budget;

use super::proposals::exclude;
use super::words::decided;
use super::{OrderedReview, groups, shown, undecided};
use crate::baseline::{ClusterPerimeter, ZonePerimeter};
use crate::code::EnforcementPoint;
use crate::review::cluster::{self, ClusterReview};
use crate::review::compiled::CompiledSnapshot;
use crate::review::level;
use crate::rules::layers::rule;
use crate::rules::ordered::{Problem, Side};
use crate::rules::{Cause, Code, Finding, Onset};

/// OBP204: ordered policies under which a new cluster comes, or one whose pods get other labels.
pub(in crate::review) fn of_cluster(write: &ClusterReview<'_>, _: &[Finding]) -> Vec<Finding> {
    let compiled = write.compiled;
    if compiled.ordered.is_empty() {
        return Vec::new();
    }
    let Some((before, cluster)) = cluster::perimeters(compiled, write.edit) else {
        return Vec::new();
    };
    let moved = |zone: &ZonePerimeter| {
        let old = before
            .as_ref()
            .and_then(|before| before.zones.iter().find(|old| old.pods == zone.pods));
        old.is_none_or(|old| !zone.space.is_subset(&old.space))
    };
    let (none, all) = (Side::default(), compiled.all_ordered());
    let mut left = write.budget.get();
    let (groups, unseen) = groups(
        compiled,
        &[&cluster],
        (&none, &all),
        |_, zone| moved(zone),
        &mut left,
    );
    write.budget.set(left);
    let undecided = (unseen > 0).then(|| undecided(write.object, unseen));
    let found = groups.iter().map(|group| {
        let problem = match group.found.problem {
            Problem::Cuts(entry) => format!("denies their core connection `{}`", entry.row.id),
            Problem::Opens => format!(
                "allows {} that neither baseline {} nor spec.network permits",
                group.found.direction.field(),
                compiled.config.baseline
            ),
            Problem::Tie => {
                "has the same priority as another policy that decides differently".to_owned()
            }
        };
        let decider = group.found.decider();
        let policy = decider.and_then(|decider| rule(&all.policies, decider));
        let home = write.object.home();
        let finding = Finding {
            remedies: policy
                .map(|(own, _)| exclude(own, &[home]))
                .into_iter()
                .collect(),
            reason: format!(
                "the pods of {} come under {}, which {problem}",
                write.object,
                decided(&group.found, &all)
            ),
            help: "change that policy first, or ask the platform team to".to_owned(),
            ..Finding::weighed(
                Cause::ClusterUnderOrderedPolicy,
                Onset::Introduced,
                write.point == EnforcementPoint::Check,
                write.object,
                "",
            )
        };
        shown(finding, group)
    });
    found.chain(undecided).collect()
}

/// Findings about the stored ordered policies.
pub(in crate::review) fn of_state(
    compiled: &CompiledSnapshot,
    point: EnforcementPoint,
    budget: &mut Budget,
) -> Vec<Finding> {
    if compiled.ordered.is_empty() {
        return Vec::new();
    }
    let clusters: Vec<&ClusterPerimeter> = compiled.perimeters_near("").collect();
    of_perimeters(compiled, &clusters, point, budget)
}

/// Findings about connections that the stored ordered policies open to the pods of one cluster.
pub(crate) fn violations(
    compiled: &CompiledSnapshot,
    perimeter: &ClusterPerimeter,
) -> Vec<Finding> {
    if compiled.ordered.is_empty() {
        return Vec::new();
    }
    let mut budget = Budget::new(compiled.config.proof_budget);
    let point = EnforcementPoint::Check;
    let mut found = of_perimeters(compiled, &[perimeter], point, &mut budget);
    found.retain(|finding| matches!(finding.code, Code::Obp211 | Code::Obp212));
    found
}

fn of_perimeters(
    compiled: &CompiledSnapshot,
    clusters: &[&ClusterPerimeter],
    point: EnforcementPoint,
    budget: &mut Budget,
) -> Vec<Finding> {
    let (none, all) = (Side::default(), compiled.all_ordered());
    let (groups, unseen) = groups(compiled, clusters, (&none, &all), |_, _| true, budget);
    let review = OrderedReview {
        config: &compiled.config,
        point,
        written: None,
        after: &all,
        groups,
    };
    let mut findings = review.findings();
    if let Some(first) = all.policies.first().filter(|_| unseen > 0) {
        findings.push(undecided(&first.object, unseen));
    }
    level::of_state(&compiled.config, point, findings)
}
