//! Words that several rules need: whose pods are meant, and what to do.

use serde_json::json;

use super::case::Case;
use super::declaration;
use super::paste::{paste_peers, paste_rule, yaml};
use crate::baseline::{
    CLUSTER_LABEL, COMPONENT_LABEL, ClusterPerimeter, JOB_COMPONENTS, NAME_LABEL, OPERATOR_NAME,
    Pods,
};
use crate::config::ReviewConfig;
use crate::inventory::dependencies::StorageFault;
use netpol::Direction;
use netpol::label::Values;
use netpol::rule::{Peer, PortEntry, Rule, Selector};

/// A group of a cluster's pods, for a sentence.
pub fn pods_of(cluster: &ClusterPerimeter, pods: Pods) -> String {
    groups_of(cluster, &[pods])
}

/// Several groups of a cluster's pods, for a sentence.
pub fn groups_of(cluster: &ClusterPerimeter, pods: &[Pods]) -> String {
    let names: Vec<&str> = pods.iter().map(|pods| pods.as_str()).collect();
    format!("the {} pods of {}", names.join(", "), cluster.object)
}

/// The `matchExpressions` entry that takes a cluster's pods out of the policy; `None` where the
/// policy is about exactly such pods, so that nothing would be left.
pub(super) fn take_pods_out(case: &Case<'_>) -> Option<String> {
    let selector = case.after.policy?.pods.label_set()?;
    let not_in = |key: &str, values: &[&'static str]| {
        selector
            .clone()
            .and(key, Values::none_of_or_absent(values.iter().copied()))?;
        Some(json!([{ "key": key, "operator": "NotIn", "values": values }]))
    };
    let entry = match case.zone.pods {
        Pods::Workload => {
            selector.clone().and(CLUSTER_LABEL, Values::absent())?;
            json!([{ "key": CLUSTER_LABEL, "operator": "DoesNotExist" }])
        }
        Pods::Jobs => not_in(COMPONENT_LABEL, &JOB_COMPONENTS)?,
        Pods::Controller => not_in(NAME_LABEL, &[OPERATOR_NAME])?,
    };
    let (pods, entry) = (case.zone.pods.as_str(), yaml(&entry));
    Some(format!(
        "take the {pods} pods out of the policy, under spec.podSelector.matchExpressions:\n{entry}"
    ))
}

/// The `spec.network` entry that declares the rule, where it may be declared; else why not. Nothing
/// declares for the operator's own pods, nor ingress for jobs: there the platform's owner has the word.
pub(super) fn declare(case: &Case<'_>, direction: Direction, rule: &Rule) -> String {
    let cluster = &case.cluster.object;
    let jobs_ingress = case.zone.pods == Pods::Jobs && direction == Direction::Ingress;
    if jobs_ingress || !case.cluster.is_cluster() {
        return format!(
            "if it is wanted, ask the platform's owner to permit it in the setting `review.platform`, under `{}`:\n{}",
            direction.field(),
            paste_rule(rule, direction)
        );
    }
    let trusts = direction == Direction::Ingress
        && declaration::is_under_contract(case.config, case.cluster.profile);
    let field = match direction {
        Direction::Ingress if trusts => "trustedIngressPeers",
        Direction::Ingress => "ingressRules",
        Direction::Egress => "egressRules",
    };
    let paste = |rule: &Rule| {
        if trusts {
            paste_peers(rule)
        } else {
            paste_rule(rule, direction)
        }
    };
    let refused = declaration::refused(rule, direction, case);
    match refused {
        Some(code) => format!(
            "declare who needs it in {cluster} under spec.network.{field}, for example as below (the rule as it stands \
             would be refused there too: {code} {}{}):\n{}",
            code.name(),
            tunnel_note(case.config, direction, rule),
            paste(&narrowed(case.config))
        ),
        None => format!(
            "if it is wanted, declare it in {cluster} under spec.network.{field} and leave it out of {}, also where \
             one release has both, since the operator opens it:\n{}",
            case.object,
            paste(rule)
        ),
    }
}

/// The note that a rule opens a tunnel port, which only the platform's owner permits.
fn tunnel_note(config: &ReviewConfig, direction: Direction, rule: &Rule) -> String {
    let tunnel = rule.port_set().tunnel(&config.tunnel_ports);
    match tunnel.filter(|_| direction == Direction::Ingress) {
        Some(tunnel) => format!(
            "; tunnel port {tunnel} counts as every TCP port, and where a service mesh needs it the platform's owner \
             permits it in the setting `review.platform`"
        ),
        None => String::new(),
    }
}

/// Several ways out, the first one first.
pub(super) fn ways_out(ways: impl IntoIterator<Item = Option<String>>) -> String {
    ways.into_iter().flatten().collect::<Vec<_>>().join(OR)
}

/// The ways out that a help text names.
pub fn ways(help: &str) -> impl Iterator<Item = &str> {
    help.split(OR)
}

const OR: &str = "\nor ";

/// What may always be declared: one namespace, to be filled in, on the API port.
fn narrowed(config: &ReviewConfig) -> Rule {
    let namespaces = Some(Selector::namespace("NAMESPACE-OF-THE-CLIENT"));
    let peers = vec![Peer::Pods {
        namespaces,
        pods: None,
    }];
    Rule {
        peers,
        ports: vec![PortEntry::tcp(config.api_port)],
    }
}

/// On egress: what is allowed on the ports of the rule, to narrow it to.
pub(super) fn nearest(case: &Case<'_>, direction: Direction, rule: &Rule) -> Option<String> {
    if direction == Direction::Ingress {
        return None;
    }
    let ports = rule.port_set();
    let mut entries = case.zone.ceiling(direction).iter();
    let entry = entries.find(|entry| ports.is_subset(&entry.region.ports))?;
    Some(format!(
        "narrow the rule to what is allowed on its ports (`{}`: {}):\n{}",
        entry.row.id,
        entry.row.reason,
        paste_rule(&entry.rule, direction)
    ))
}

/// What a Hardened cluster minds about an object storage, as a clause.
pub(crate) fn minded(what: &StorageFault) -> String {
    match what {
        StorageFault::Unverified => {
            "the certificate of the object storage is not verified".to_owned()
        }
        StorageFault::Scheme(scheme) if scheme.is_empty() => {
            "the object storage's URL has no scheme, where `https` or `s3` is expected".to_owned()
        }
        StorageFault::Scheme(scheme) => {
            format!(
                "the object storage's URL has the scheme `{scheme}`, where `https` or `s3` is expected"
            )
        }
        StorageFault::PlainToService => {
            "the object storage is a Service that is reached over plain HTTP".to_owned()
        }
    }
}
