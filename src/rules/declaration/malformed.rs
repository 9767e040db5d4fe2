//! OBP301: a declared value that the NetworkPolicy API rejects. The operator copies it into its policy, the
//! API server denies that policy, and the reconcile stops before the StatefulSet.

use super::Declaration;
use crate::baseline::{self, Facts};
use crate::inventory::network::{Declared, DeclaredAt, DeclaredList};
use crate::inventory::{Cluster, Malformed};
use crate::rules::remedy::{ClusterEdit, Rank, Remedy};
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
        let declared = problems(cluster).map(|(at, problem)| (Some(at), problem.clone()));
        let rendered = rendered(declaration, cluster).into_iter();
        let others = rendered.chain(profile(cluster));
        declared
            .chain(others.map(|problem| (None, problem)))
            .collect::<Vec<(Option<DeclaredAt>, Malformed)>>()
    };
    let known = before.map(all).unwrap_or_default();
    let is_known = |problem: &Malformed| {
        known
            .iter()
            .any(|(_, known)| known.value == problem.value && known.problem == problem.problem)
    };
    all(after)
        .into_iter()
        .map(|(at, problem)| Finding {
            remedies: leave_out(declaration, at, &problem),
            reason: format!("{}: {}", effect(&problem), problem.problem),
            help: help(&problem),
            ..declaration.finding(
                Cause::MalformedRule,
                Onset::of(is_known(&problem)),
                problem.path,
            )
        })
        .collect()
}

/// Field of the profile.
const PROFILE: &str = "spec.profile";

/// The effect of a problem.
fn effect(problem: &Malformed) -> &'static str {
    if problem.path == PROFILE {
        "the API server rejects this, and the contract for Hardened clusters is not checked"
    } else {
        "the NetworkPolicy API rejects this, so the operator could not write its policies"
    }
}

/// The problem with a profile that the CRD does not have.
fn profile(cluster: &Cluster) -> Option<Malformed> {
    let found = cluster.unknown_profile.as_ref()?;
    let shown: String = found.chars().take(63).collect();
    Some(Malformed {
        path: PROFILE.to_owned(),
        value: format!("`{shown}`"),
        problem: format!("expected `Hardened` or `Development`, found `{shown}`"),
    })
}

fn help(problem: &Malformed) -> String {
    if problem.path == NAME {
        return "create the OpenBaoCluster under a name of at most 63 characters: the operator writes it into labels"
            .to_owned();
    }
    format!("correct the value {}", problem.value)
}

/// Only the writer knows the right value, so the entry is left out.
fn leave_out(
    declaration: &Declaration<'_>,
    at: Option<DeclaredAt>,
    problem: &Malformed,
) -> Vec<Remedy> {
    let leave_out = |at| {
        let action = format!(
            "correct the value {}, or leave the entry out",
            problem.value
        );
        declaration.remedy(Rank::LeaveOut, action, ClusterEdit::LeaveOut(at))
    };
    at.map(leave_out).into_iter().collect()
}

/// The problems with declared rules and peers, each with its entry.
fn problems(cluster: &Cluster) -> impl Iterator<Item = (DeclaredAt, &Malformed)> {
    let network = &cluster.network;
    let ingress = of_list(DeclaredList::IngressRules, &network.ingress_rules);
    let egress = of_list(DeclaredList::EgressRules, &network.egress_rules);
    let peers = of_list(DeclaredList::TrustedPeers, &network.trusted_ingress_peers);
    ingress.chain(egress).chain(peers)
}

fn of_list<T>(
    list: DeclaredList,
    entries: &[Declared<T>],
) -> impl Iterator<Item = (DeclaredAt, &Malformed)> {
    let entries = entries.iter().enumerate();
    entries.flat_map(move |(at, entry)| {
        let problems = entry.as_ref().err().into_iter().flatten();
        problems.map(move |problem| (DeclaredAt { list, at }, problem))
    })
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
