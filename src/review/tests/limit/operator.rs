//! The checks of a cluster's network by the newest operator's own admission, in its simple form: single
//! values, not sets.

use ipnet::IpNet;
use serde_json::Value;

const UNSAFE: [&str; 4] = ["127.0.0.0/8", "169.254.0.0/16", "::1/128", "fe80::/10"];

/// Returns true if the operator accepts the spec.
pub(super) fn accepts(spec: &Value) -> bool {
    let network = &spec["network"];
    let peers = list(&network["trustedIngressPeers"]);
    if spec["ingress"]["enabled"] == true && peers.is_empty() {
        return false;
    }
    if spec["profile"] != "Hardened" {
        return true;
    }
    let rules = list(&network["egressRules"]);
    let snapshots = !spec["backup"].is_null() || spec["upgrade"]["preUpgradeSnapshot"] == true;
    list(&network["ingressRules"]).is_empty()
        && peers.iter().all(is_explicit)
        && rules.iter().all(is_explicit_egress)
        && !(snapshots && rules.is_empty())
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

fn is_explicit_egress(rule: &Value) -> bool {
    let (to, ports) = (list(&rule["to"]), list(&rule["ports"]));
    !to.is_empty()
        && !ports.is_empty()
        && ports.iter().all(|entry| !entry["port"].is_null())
        && to.iter().all(is_explicit)
}

fn is_explicit(peer: &Value) -> bool {
    let (namespaces, pods) = (&peer["namespaceSelector"], &peer["podSelector"]);
    let block = &peer["ipBlock"];
    let by_namespace = counts_something(namespaces);
    let is_fine = (namespaces.is_null() || by_namespace)
        && (pods.is_null() || counts_something(pods) || by_namespace)
        && (block.is_null() || is_explicit_block(&block["cidr"]));
    is_fine && (by_namespace || counts_something(pods) || !block.is_null())
}

fn counts_something(selector: &Value) -> bool {
    let labels = selector["matchLabels"].as_object();
    labels.is_some_and(|labels| !labels.is_empty())
        || !list(&selector["matchExpressions"]).is_empty()
}

fn is_explicit_block(cidr: &Value) -> bool {
    let Some(net) = cidr.as_str().and_then(|text| text.parse::<IpNet>().ok()) else {
        return false;
    };
    let net = net.trunc();
    let overlaps = |block: &str| {
        let block: IpNet = block.parse().expect("a block");
        block.contains(&net) || net.contains(&block)
    };
    net.prefix_len() > 0 && !UNSAFE.into_iter().any(overlaps)
}
