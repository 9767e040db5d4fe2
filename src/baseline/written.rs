//! The managed policies as the operator writes them: what [`rendered`] gives, with the owner
//! reference and its provenance, or everything that would stop the operator.
//!
//! The review goes on without what it cannot read. The operator does not: an address that is none, or
//! an API server that nothing names, ends its reconcile before it writes a policy.

use super::expand::known_addresses;
use super::{Facts, Peers, Pods, Renderer, rendered, rows};
use crate::inventory::{Cluster, Declared, Fact, Kind, Malformed, ObjectRef, Owner, Policy};
use crate::inventory::{read, render};
use crate::perimeter::Direction;
use crate::perimeter::address::Cidr;
use crate::posture::Edition;

/// The annotation with the owner's uid, by which the newest operator tells its own objects.
pub const OWNER_UID: &str = "openbao.org/owner-uid";

/// One reason why the operator writes no policy for a cluster.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot render {object}, {path}: {problem}")]
pub struct Obstacle {
    /// The cluster.
    pub object: ObjectRef,
    /// Field path in the cluster.
    pub path: String,
    /// What is wrong there, and what was expected.
    pub problem: String,
}

/// The managed policies of a cluster, in the order in which the operator writes them; none for one
/// that it restores into.
///
/// # Errors
/// Everything that would stop the operator, or that the API server would refuse in its policies.
pub fn written(facts: &Facts<'_>) -> Result<Vec<Policy>, Vec<Obstacle>> {
    if !facts.cluster.is_rendered(facts.posture.baseline) {
        return Ok(Vec::new());
    }
    let mut obstacles = Vec::new();
    for problem in stops(facts) {
        let obstacle = obstacle(facts.cluster, &problem.path, problem.problem.clone());
        if !obstacles.contains(&obstacle) {
            obstacles.push(obstacle);
        }
    }
    if !obstacles.is_empty() {
        return Err(obstacles);
    }
    let zones = Pods::of_cluster(facts.posture.baseline).iter();
    let policies: Vec<Policy> = zones
        .filter_map(|pods| rendered(*pods, facts))
        .map(|policy| owned(policy, facts))
        .collect();
    let refused = policies.iter().flat_map(|policy| refused(policy, facts));
    let refused: Vec<Obstacle> = refused.collect();
    if refused.is_empty() {
        Ok(policies)
    } else {
        Err(refused)
    }
}

fn obstacle(cluster: &Cluster, path: &str, problem: String) -> Obstacle {
    Obstacle {
        object: ObjectRef {
            kind: Kind::OpenBaoCluster,
            namespace: cluster.meta.namespace.clone(),
            name: cluster.meta.name.clone(),
        },
        path: path.to_owned(),
        problem,
    }
}

/// The problems with the values that this edition's rows look at.
fn stops(facts: &Facts<'_>) -> Vec<Malformed> {
    let network = &facts.cluster.network;
    let mut found = Vec::new();
    for pods in Pods::of_cluster(facts.posture.baseline) {
        for direction in Direction::ALL {
            let rows = rows(*pods, direction, facts.posture);
            for row in rows.filter(|row| row.renderer == Renderer::Operator) {
                match row.peers {
                    Peers::ApiServer => {
                        found.extend(api_server(facts));
                        found.extend(problems(&network.api_server_endpoints));
                    }
                    Peers::Dns => found.extend(problems(&network.dns_endpoints)),
                    Peers::TrustedPeers => found.extend(problems(&network.trusted_ingress_peers)),
                    Peers::Declared if direction == Direction::Ingress => {
                        found.extend(problems(&network.ingress_rules));
                    }
                    Peers::Declared => found.extend(problems(&network.egress_rules)),
                    _ => {}
                }
            }
        }
    }
    found
}

fn problems<T>(declared: &[Declared<T>]) -> impl Iterator<Item = Malformed> {
    let wrong = declared.iter().filter_map(|value| value.as_ref().err());
    wrong.flatten().cloned()
}

/// What is wrong with the API server's address.
fn api_server(facts: &Facts<'_>) -> Vec<Malformed> {
    let problem = match &facts.cluster.network.api_server_cidr {
        Some(Err(problems)) => return problems.clone(),
        Some(Ok(cidr)) if cidr.canonical().is_none() => ambiguous(cidr),
        Some(Ok(_)) => return Vec::new(),
        None if !known_addresses(facts).is_empty() => return Vec::new(),
        None => "expected the API server's block, or its address in the setting \
                 `--api-server-address` or in a Service default/kubernetes, found none of them"
            .to_owned(),
    };
    vec![Malformed {
        path: "spec.network.apiServerCIDR".to_owned(),
        value: String::new(),
        problem,
    }]
}

fn ambiguous(cidr: &Cidr) -> String {
    let readings = cidr.readings().join(", ");
    format!(
        "expected a block that every parser reads alike, found `{cidr}`, which is read {readings}"
    )
}

/// The policy with what makes it the cluster's own; without a uid nothing can be its owner.
fn owned(mut policy: Policy, facts: &Facts<'_>) -> Policy {
    let cluster = facts.cluster;
    let Some(uid) = &cluster.uid else {
        return policy;
    };
    policy.meta.owners = vec![Owner {
        api_version: "openbao.org/v1alpha1".into(),
        kind: Kind::OpenBaoCluster.as_str().into(),
        name: cluster.meta.name.clone(),
        uid: uid.clone(),
        controller: true,
    }];
    if facts.posture.baseline == Edition::Next {
        let annotations = &mut policy.meta.annotations;
        annotations.insert(OWNER_UID.into(), uid.clone());
    }
    policy
}

/// What the NetworkPolicy API refuses in a policy made of names and namespaces that nothing checked.
fn refused(policy: &Policy, facts: &Facts<'_>) -> Vec<Obstacle> {
    let json = render::policy(policy).to_string();
    let object = ObjectRef {
        kind: Kind::NetworkPolicy,
        namespace: policy.meta.namespace.clone(),
        name: policy.meta.name.clone(),
    };
    let Fact::Unreadable(broken) = read::policy(json.as_bytes(), &object) else {
        return Vec::new();
    };
    let problems = broken.problems.iter();
    problems
        .map(|problem| {
            let problem = format!(
                "the API server would refuse {object}, {}: {}",
                problem.path, problem.problem
            );
            obstacle(facts.cluster, "spec", problem)
        })
        .collect()
}
