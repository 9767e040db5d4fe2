//! A cluster with sensible declarations is accepted in every baseline, and so are its rendered policies.

use std::sync::Arc;

use serde_json::{Value, json};

use super::support::{
    cluster_named, cluster_request, compiled_under, config_of, operator, owned, policy_request,
    tenant,
};
use crate::code::EnforcementPoint;
use crate::config::Baseline;
use crate::inventory::{Cluster, Fact, Policy};
use crate::review::{CompiledSnapshot, Request, isolation, review};
use crate::rules::default_deny_absent::Missing;
use crate::rules::{Finding, Level};
use netpol::testing::dice::{Dice, hold};

const NAME: &str = "kubernetes.io/metadata.name";

fn namespace(name: &str) -> Value {
    json!({"namespaceSelector": {"matchLabels": {NAME: name}}})
}

fn peer(dice: &mut Dice<'_>) -> Value {
    dice.pick(&[
        namespace("web"),
        json!({"ipBlock": {"cidr": "192.0.2.0/24", "except": ["192.0.2.128/25"]}}),
        json!({"podSelector": {"matchLabels": {"app": "web"}}}),
        json!({"ipBlock": {"cidr": "2001:db8::/64"}}),
        json!({"namespaceSelector": {"matchExpressions": [{"key": NAME, "operator": "In", "values": ["a", "b"]}]},
            "podSelector": {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["c"]}]}}),
    ])
}

fn egress_rule(dice: &mut Dice<'_>) -> Value {
    let ports = dice.pick(&[
        json!([{"port": 443}]),
        json!([{"port": 9000, "endPort": 9100}, {"port": 123, "protocol": "UDP"}]),
    ]);
    let to: Vec<Value> = std::iter::once(peer(dice))
        .chain(dice.some(1, peer))
        .collect();
    json!({"to": to, "ports": ports})
}

fn network(dice: &mut Dice<'_>, profile: &str) -> Value {
    let mut network = json!({
        "trustedIngressPeers": dice.some(2, peer),
        "egressRules": dice.some(2, egress_rule),
        "dnsEndpointIPs": dice.pick(&[json!([]), json!(["169.254.20.10"]), json!([" ", "fd00::53", "10.96.0.10"])]),
        "apiServerEndpointIPs": dice.pick(&[json!([]), json!(["192.168.1.2"]), json!(["192.168.1.2", "fd00::2"])]),
    });
    let texts = [
        (
            "apiServerCIDR",
            ["", "10.96.0.1/32", "10.96.0.7/16", "fd00::1/112"],
        ),
        ("dnsNamespace", ["", "kube-system", "", "openshift-dns"]),
    ];
    for (field, values) in texts {
        network[field] = json!(dice.pick(&values));
    }
    // Another DNS namespace violates the contract for Hardened clusters.
    if profile == "Hardened" && network["dnsNamespace"] == json!("openshift-dns") {
        network["dnsNamespace"] = json!("kube-system");
    }
    if profile != "Hardened" {
        let rule = |dice: &mut Dice<'_>| json!({"from": [peer(dice)], "ports": [{"port": 8200}]});
        network["ingressRules"] = json!(dice.some(2, rule));
    }
    network
}

/// A spec without findings in any baseline.
fn spec(dice: &mut Dice<'_>) -> Value {
    let profile = dice.pick(&["Development", "Hardened", ""]);
    let mut network = network(dice, profile);
    let trusts = network["trustedIngressPeers"] != json!([]);
    if network["egressRules"] == json!([]) && dice.roll(2) == 0 {
        network["egressRules"] = json!([egress_rule(dice)]);
    }
    let leaves = network["egressRules"] != json!([]);
    let gateway = dice.pick(&[
        json!({"enabled": false}),
        json!({"enabled": true, "gatewayRef": {"name": "gw"}}),
        json!({"enabled": true, "gatewayRef": {"name": "gw", "namespace": "edge"}}),
    ]);
    let metrics = dice.pick(&[
        json!({}),
        json!({"enabled": true, "scrapeProfile": "AllNodes"}),
        json!({"enabled": true, "metricsOnlyListener": {"enabled": true, "port": 9102}}),
    ]);
    let mut spec = json!({
        "profile": (!profile.is_empty()).then_some(profile),
        "gateway": gateway,
        "ingress": {"enabled": trusts && dice.roll(2) == 1},
        "observability": {"metrics": metrics},
        "network": network,
    });
    if leaves && dice.roll(2) == 1 {
        spec["backup"] = json!({"target": {"workloadIdentity": {"podLabels": {"identity": "on"}}}});
    }
    spec
}

/// Unexpected findings of a request.
fn wrong(
    compiled: &CompiledSnapshot,
    request: &Request,
    is_wrong: impl Fn(&Finding) -> bool,
) -> Result<(), String> {
    let verdict = review(compiled, request);
    let mut findings = verdict.findings.iter();
    let found = findings.find(|finding| is_wrong(finding));
    found.map_or(Ok(()), |finding| {
        Err(format!("{}: {finding:#?}", compiled.config.baseline))
    })
}

/// The policies that the operator renders for the only cluster of a snapshot.
fn rendered(compiled: &CompiledSnapshot) -> Vec<Arc<Policy>> {
    let zones = compiled
        .perimeters("bao")
        .iter()
        .flat_map(|cluster| &cluster.zones);
    zones
        .filter_map(|zone| Some(Arc::new(owned(Policy::clone(zone.rendered.as_ref()?)))))
        .collect()
}

fn holds(baseline: Baseline, cluster: &Arc<Cluster>) -> Result<(), String> {
    let clusters = std::slice::from_ref(cluster);
    let compiled =
        |policies: &[Fact<Policy>]| compiled_under(config_of(baseline), clusters, policies);
    let alone = compiled(&[]);
    let policies = rendered(&alone);
    let stored: Vec<_> = policies.iter().cloned().map(Fact::Read).collect();
    let all = compiled(&stored);
    for compiled in [&alone, &all] {
        let is_refused = |finding: &Finding| {
            let violations = finding.code.as_str().starts_with("OBP2");
            finding.level == Level::Deny || violations
        };
        wrong(compiled, &cluster_request(None, cluster), is_refused)?;
        for policy in &policies {
            for writer in [tenant(), operator()] {
                let written = Some(Fact::Read(policy.clone()));
                let request = policy_request(writer, &policy.meta.name, None, written);
                wrong(compiled, &request, |_| true)?;
            }
        }
    }
    let mut bare = all
        .perimeters("bao")
        .iter()
        .flat_map(|cluster| isolation(&all, cluster, EnforcementPoint::Audit, Missing::Absent));
    bare.next()
        .map_or(Ok(()), |finding| Err(format!("{baseline}: {finding:#?}")))
}

#[test]
fn sensible_clusters_and_their_rendered_policies_are_accepted_in_every_baseline() {
    hold("baselines", 300, spec, |spec| {
        let cluster = cluster_named("bao", spec);
        let mut baselines = Baseline::ALL.into_iter();
        baselines.try_for_each(|baseline| holds(baseline, &cluster))
    });
}
