//! OBP301: a declared rule that the NetworkPolicy API refuses. The operator copies it into its
//! policy, the API server refuses that policy, and the reconcile stops before the StatefulSet.

use super::Declaration;
use crate::inventory::{Cluster, Malformed};
use crate::rules::{Code, Finding, Level};

/// One finding for each problem; one that was there before the write warns.
pub fn check(
    declaration: &Declaration<'_>,
    after: &Cluster,
    before: Option<&Cluster>,
) -> Vec<Finding> {
    let known: Vec<&Malformed> = before.map(problems).unwrap_or_default();
    let is_known = |problem: &Malformed| {
        known
            .iter()
            .any(|known| known.value == problem.value && known.problem == problem.problem)
    };
    problems(after)
        .into_iter()
        .map(|problem| Finding {
            reason: format!(
                "the NetworkPolicy API refuses this, and the operator would stall on it: {}",
                problem.problem
            ),
            help: format!("correct the value {}", problem.value),
            ..declaration.finding(
                Code::Obp301,
                if is_known(problem) {
                    Level::Warn
                } else {
                    Level::Deny
                },
                problem.path.clone(),
            )
        })
        .collect()
}

fn problems(cluster: &Cluster) -> Vec<&Malformed> {
    let network = &cluster.network;
    let rules = network
        .ingress_rules
        .iter()
        .chain(&network.egress_rules)
        .filter_map(|rule| rule.as_ref().err());
    let peers = network
        .trusted_ingress_peers
        .iter()
        .filter_map(|peer| peer.as_ref().err());
    rules.chain(peers).flatten().collect()
}
