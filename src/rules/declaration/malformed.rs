//! OBP301: a declared value that the NetworkPolicy API rejects. The operator copies it into its policy, the
//! API server denies that policy, and the reconcile stops before the StatefulSet.

use super::Declaration;
use crate::baseline::{self, Facts};
use crate::inventory::{Cluster, Malformed};
use crate::rules::{Cause, Finding, Onset};

/// The field that names the cluster.
const NAME: &str = "metadata.name";

/// One finding for each problem. A problem that existed before the write warns.
pub(crate) fn check(
    declaration: &Declaration<'_>,
    after: &Cluster,
    before: Option<&Cluster>,
) -> Vec<Finding> {
    let all = |cluster: &Cluster| {
        let mut all: Vec<Malformed> = problems(cluster).cloned().collect();
        all.extend(rendered(declaration, cluster));
        all
    };
    let known = before.map(all).unwrap_or_default();
    let is_known = |problem: &Malformed| {
        known
            .iter()
            .any(|known| known.value == problem.value && known.problem == problem.problem)
    };
    all(after)
        .into_iter()
        .map(|problem| Finding {
            reason: format!(
                "the NetworkPolicy API denies this, and the operator would stall on it: {}",
                problem.problem
            ),
            help: help(&problem),
            ..declaration.finding(
                Cause::MalformedRule,
                Onset::of(is_known(&problem)),
                problem.path,
            )
        })
        .collect()
}

fn help(problem: &Malformed) -> String {
    if problem.path == NAME {
        return "create the OpenBaoCluster under a name of at most 63 characters: the operator writes it into labels"
            .to_owned();
    }
    format!("correct the value {}", problem.value)
}

/// The problems with declared rules and peers.
fn problems(cluster: &Cluster) -> impl Iterator<Item = &Malformed> {
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
    rules.chain(peers).flatten()
}

/// Problems with names that the operator writes into labels and selectors.
fn rendered(declaration: &Declaration<'_>, cluster: &Cluster) -> Vec<Malformed> {
    baseline::invalid_values(&Facts {
        cluster,
        config: declaration.config,
        api_server: &[],
        observed: &[],
    })
}
