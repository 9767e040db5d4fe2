//! The managed policies exactly as the operator writes them: the [`rendered`] policies with owner reference
//! and provenance, or everything that would stop the operator.
//!
//! A review continues without values that it cannot read. The operator does not: a malformed address, or an
//! API server without an address, ends its reconcile before it writes a policy.

use super::expand::known_addresses;
use super::{Facts, Peers, Renderer, Row, Zone, expand, rendered, rows, selector};
use crate::inventory::meta::GENERATED;
use crate::inventory::{Cluster, Declared, Fact, Kind, Malformed, ObjectRef, Owner, Policy};
use crate::inventory::{read, render};
use netpol::Direction;
use netpol::address::Cidr;
use netpol::label::is_dns_label;
use netpol::rule::Rule;

/// Annotation with the owner's uid, by which the newest operator recognises its objects.
pub(crate) const OWNER_UID: &str = "openbao.org/owner-uid";

/// The `apiVersion` in the operator's owner references.
pub(crate) const OWNER_API_VERSION: &str = "openbao.org/v1alpha1";

/// A reason for which the operator writes no policy for a cluster.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot render {object}, {path}: {problem}")]
pub struct Obstacle {
    /// The cluster.
    pub(crate) object: ObjectRef,
    /// Field path in the cluster.
    pub(crate) path: String,
    /// Description of the problem, and the expected value.
    pub(crate) problem: String,
}

/// The managed policies of a cluster, in the order in which the operator writes them. There are none for a
/// cluster that the operator restores into.
///
/// # Errors
/// Everything that would stop the operator, or that the API server would deny in its policies.
pub fn written(facts: &Facts<'_>) -> Result<Vec<Policy>, Vec<Obstacle>> {
    if !facts.cluster.is_rendered(facts.config.baseline) {
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
    let invalid_values = invalid_values(facts);
    if !invalid_values.is_empty() {
        let obstacles = invalid_values.into_iter().map(|value| {
            let problem = format!("the API server would reject the policy: {}", value.problem);
            obstacle(facts.cluster, &value.path, problem)
        });
        return Err(obstacles.collect());
    }
    let zones = Zone::of_cluster(facts.config.baseline).iter();
    Ok(zones
        .filter_map(|pods| rendered(*pods, facts))
        .map(|policy| owned(policy, facts))
        .collect())
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

/// Problems with the values that the rows of this baseline use.
fn stops(facts: &Facts<'_>) -> Vec<Malformed> {
    let network = &facts.cluster.network;
    let mut found = Vec::new();
    for pods in Zone::of_cluster(facts.config.baseline) {
        for direction in Direction::ALL {
            let rows = rows(*pods, direction, facts.config);
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

/// Problems with the API server's address.
fn api_server(facts: &Facts<'_>) -> Vec<Malformed> {
    let problem = match &facts.cluster.network.api_server_cidr {
        Some(Err(problems)) => return problems.clone(),
        Some(Ok(cidr)) if cidr.canonical().is_none() => ambiguous(cidr),
        Some(Ok(_)) => return Vec::new(),
        None if !known_addresses(facts).is_empty() => return Vec::new(),
        None => "expected an API server address here, in the setting `--api-server-address` or in a Service \
                 default/kubernetes, found none"
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
        "expected a block that every parser reads the same way, found `{cidr}`, which is read {readings}"
    )
}

/// The policy with its owner reference. Without a uid there is no owner.
fn owned(mut policy: Policy, facts: &Facts<'_>) -> Policy {
    let cluster = facts.cluster;
    let Some(uid) = &cluster.uid else {
        return policy;
    };
    policy.meta.owners = vec![Owner {
        api_version: OWNER_API_VERSION.into(),
        kind: Kind::OpenBaoCluster.as_str().into(),
        name: cluster.meta.name.clone(),
        uid: uid.clone(),
        controller: true,
    }];
    if facts.config.baseline.features().marks_owner {
        let annotations = &mut policy.meta.annotations;
        annotations.insert(OWNER_UID.into(), uid.clone());
    }
    policy
}

/// Values that the operator copies from the cluster and that the API server would deny in the managed
/// policies, one problem per field. Declared rules and peers are checked elsewhere.
pub(crate) fn invalid_values(facts: &Facts<'_>) -> Vec<Malformed> {
    let cluster = facts.cluster;
    let mut found: Vec<Malformed> = Vec::new();
    if !cluster.is_rendered(facts.config.baseline) {
        return found;
    }
    for pods in Zone::of_cluster(facts.config.baseline) {
        let named = Policy {
            pods: selector(*pods, &cluster.meta.name),
            ..Policy::default()
        };
        found.extend(problem(&named, NAME));
        let mut all = Policy::default();
        let mut each = Vec::new();
        for (direction, row) in copied(*pods, facts) {
            for expansion in expand(row, facts) {
                rules(&mut all, direction).push(expansion.rule.clone());
                each.push((direction, row.peers, expansion.rule));
            }
        }
        // Most clusters have no problem.
        let is_invalid = problem(&all, "").is_some();
        for (direction, peers, rule) in each {
            let mut one = Policy::default();
            rules(&mut one, direction).push(rule);
            let denied = is_invalid.then(|| problem(&one, field(peers)));
            let denied = denied.flatten();
            found.extend(denied.or_else(|| no_namespace(peers, cluster)));
        }
    }
    if cluster.meta.name.contains(GENERATED) {
        // The API server shortens what it generates.
        found.retain(|problem| problem.path != NAME);
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found.dedup_by(|a, b| a.path == b.path);
    found
}

const NAME: &str = "metadata.name";

/// The rows whose rules are made from single values of the cluster other than its name, which is in the selector too.
fn copied<'a>(
    pods: Zone,
    facts: &'a Facts<'_>,
) -> impl Iterator<Item = (Direction, &'static Row)> + 'a {
    let of = move |direction| {
        let rows = rows(pods, direction, facts.config);
        let rows = rows.filter(|row| {
            let is_value = matches!(
                row.peers,
                Peers::GatewayNamespace | Peers::Dns | Peers::ApiServer
            );
            row.renderer == Renderer::Operator && is_value
        });
        rows.map(move |row| (direction, row))
    };
    Direction::ALL.into_iter().flat_map(of)
}

/// The field of the cluster with the peers of a row.
const fn field(peers: Peers) -> &'static str {
    match peers {
        Peers::GatewayNamespace => "spec.gateway.gatewayRef.namespace",
        Peers::Dns => "spec.network.dnsNamespace",
        Peers::ApiServer => "spec.network.apiServerCIDR",
        _ => "spec",
    }
}

/// The problem with the namespace of a Gateway that no namespace can have. A label can have more values.
fn no_namespace(peers: Peers, cluster: &Cluster) -> Option<Malformed> {
    let name = cluster.gateway_namespace.as_ref()?;
    (peers == Peers::GatewayNamespace && !is_dns_label(name)).then(|| Malformed {
        path: field(peers).to_owned(),
        value: format!("`{name}`"),
        problem: format!(
            "expected a namespace, a DNS label (up to 63 of `a-z`, `0-9` and `-`), found `{name}`"
        ),
    })
}

fn rules(policy: &mut Policy, direction: Direction) -> &mut Vec<Rule> {
    match direction {
        Direction::Ingress => &mut policy.ingress,
        Direction::Egress => &mut policy.egress,
    }
}

/// The first problem for which the API server would deny a policy, at the field that causes it.
fn problem(policy: &Policy, path: &str) -> Option<Malformed> {
    let written = render::policy(policy);
    let nameless = ObjectRef {
        kind: Kind::NetworkPolicy,
        namespace: "".into(),
        name: "".into(),
    };
    let Fact::Unreadable(broken) = read::policy_of(&written, &nameless) else {
        return None;
    };
    let first = broken.problems.first()?;
    Some(Malformed {
        path: path.to_owned(),
        ..first.clone()
    })
}
