//! The CEL expressions of the net. One that fails lets the write pass.

use std::collections::BTreeSet;

use super::{Clusters, Net};
use crate::baseline::infra_labels;
use crate::review::maintenance;
use crate::validating_policy::{list, quoted};

/// Maximum number of rules of a policy that the net judges. The review may leave longer ones undecided.
const MAX_RULES: usize = 64;

/// Denies a policy that opens the Raft port.
pub(super) const INGRESS: &str = "!(variables.ingress && variables.narrowBefore)";
/// Denies a policy that opens egress.
pub(super) const EGRESS: &str = "!(variables.egress && variables.fewBefore)";

/// Conditions under which a write is judged: it is by no account of the operator or of Kubernetes, it is not marked as
/// maintenance, and the policy is none that the operator manages.
pub(super) fn conditions(operator: &BTreeSet<String>) -> [(&'static str, String); 3] {
    let user = "request.userInfo.username";
    let operator = list(&Vec::from_iter(operator));
    let annotation = maintenance::ANNOTATION;
    [
        (
            "not-trusted",
            format!(
                "!({user} in {operator}) && (!{user}.startsWith('system:') ||\n\
                 {user}.startsWith('system:serviceaccount:') && !{user}.startsWith('system:serviceaccount:kube-system:'))"
            ),
        ),
        (
            "not-maintenance",
            format!("!('{annotation}' in object.metadata.?annotations.orValue({{}}))"),
        ),
        (
            "not-managed",
            "!object.metadata.?name.orValue('').endsWith('-network-policy')".to_owned(),
        ),
    ]
}

/// The variables, in the order in which they depend on each other.
pub(super) fn variables(net: &Net) -> [(&'static str, String); 8] {
    let raft = net.raft;
    let tunnels = net.tunnels.iter().map(u16::to_string);
    let singled = [raft.to_string()].into_iter().chain(tunnels);
    let singled: Vec<String> = singled.collect();
    let singled = singled.join(", ");
    let everyone = |rule: &str, peers: &str| {
        format!(
            "(size({rule}.?{peers}.orValue([])) == 0 || {rule}.{peers}.exists(peer, has(peer.ipBlock) &&\n  \
             peer.ipBlock.cidr in ['0.0.0.0/0', '::/0'] && size(peer.ipBlock.?except.orValue([])) == 0))"
        )
    };
    let of_port = format!(
        "port.?protocol.orValue('TCP') == 'TCP' && (!has(port.port) || type(port.port) == int &&\n    \
         (port.port == {raft} || has(port.endPort) && port.port <= {raft} && {raft} <= port.endPort))"
    );
    let single = "has(port.port) && type(port.port) == int && !has(port.endPort)";
    let before = |direction: &str, port: &str| {
        format!(
            "request.operation == 'CREATE' || oldObject.spec.?{direction}.orValue([]).all(rule,\n  \
             size(rule.?ports.orValue([])) > 0 && rule.ports.all(port, {port}))"
        )
    };
    let judged = |direction: &str, policy_type: &str, rule: String| {
        format!(
            "variables.{direction}Selected && '{policy_type}' in object.spec.?policyTypes.orValue([]) &&\n\
             size(object.spec.?{direction}.orValue([])) <= {MAX_RULES} && object.spec.?{direction}.orValue([]).exists(rule,\n  \
             {rule})"
        )
    };
    [
        (
            "labels",
            "object.spec.?podSelector.?matchLabels.orValue({})".to_owned(),
        ),
        (
            "plain",
            "size(object.spec.?podSelector.?matchExpressions.orValue([])) == 0".to_owned(),
        ),
        ("ingressSelected", selected(&net.ingress)),
        ("egressSelected", selected(&net.egress)),
        (
            "ingress",
            judged(
                "ingress",
                "Ingress",
                format!(
                    "{} &&\n  (size(rule.?ports.orValue([])) == 0 || rule.ports.exists(port, {of_port}))",
                    everyone("rule", "from")
                ),
            ),
        ),
        (
            "egress",
            judged(
                "egress",
                "Egress",
                format!(
                    "{} &&\n  size(rule.?ports.orValue([])) == 0",
                    everyone("rule", "to")
                ),
            ),
        ),
        (
            "narrowBefore",
            before(
                "ingress",
                &format!("{single} && !(port.port in [{singled}])"),
            ),
        ),
        ("fewBefore", before("egress", single)),
    ]
}

/// True if the policy surely selects the servers of one of the clusters.
fn selected(clusters: &Clusters) -> String {
    let namespaces = clusters.iter().map(|(namespace, names)| {
        let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
        format!("'{namespace}': [{}]", names.join(", "))
    });
    let namespaces: Vec<String> = namespaces.collect();
    let labels = infra_labels("").map(|(key, value)| {
        let value = if value.is_empty() {
            "cluster".to_owned()
        } else {
            format!("'{value}'")
        };
        format!("key == '{key}' && variables.labels[key] == {value}")
    });
    format!(
        "variables.plain && {{{}}}[?request.namespace].orValue([]).exists(cluster,\n  \
         variables.labels.all(key, {}))",
        namespaces.join(", "),
        labels.join(" ||\n    ")
    )
}
