//! OBP302 and OBP305: open to everyone and to all addresses, however it is written.

use serde_json::{Value, json};

use super::super::support::row;
use super::{
    FIRST_EGRESS, FIRST_INGRESS, FIRST_PEER, NAME, api, asks, block, blocks, changed, declared,
    egress, from_bao, https, ingress, namespace, to_bao,
};
use crate::rules::Code::{Obp302, Obp305, Obp306, Obp402};
use crate::rules::Level::{Deny, Warn};

/// The 22 blocks with every IPv4 address except loopback and link-local ones.
pub(super) const ALL_BUT_UNSAFE: [&str; 22] = [
    "0.0.0.0/2",
    "64.0.0.0/3",
    "96.0.0.0/4",
    "112.0.0.0/5",
    "120.0.0.0/6",
    "124.0.0.0/7",
    "126.0.0.0/8",
    "128.0.0.0/3",
    "160.0.0.0/5",
    "168.0.0.0/8",
    "169.0.0.0/9",
    "169.128.0.0/10",
    "169.192.0.0/11",
    "169.224.0.0/12",
    "169.240.0.0/13",
    "169.248.0.0/14",
    "169.252.0.0/15",
    "169.255.0.0/16",
    "170.0.0.0/7",
    "172.0.0.0/6",
    "176.0.0.0/4",
    "192.0.0.0/2",
];

const STRANGER: &str = "a pod in namespace `another-namespace`";

/// Pod peers that admit a stranger, each with the stranger.
fn everyone() -> Vec<(Value, String)> {
    let spaces = |selector: Value| json!([{"namespaceSelector": selector}]);
    let pods = |selector: Value| json!([{"namespaceSelector": {}, "podSelector": selector}]);
    let labelled = |label: &str| format!("a pod labelled {label} in namespace `another-namespace`");
    let two_names = json!({"matchExpressions": [
        {"key": NAME, "operator": "Exists"},
        {"key": NAME, "operator": "NotIn", "values": ["another-namespace"]},
    ]});
    vec![
        (spaces(asks("unused", "DoesNotExist", &[])), STRANGER.into()),
        (spaces(asks("dummy", "NotIn", &["x"])), STRANGER.into()),
        (spaces(asks(NAME, "Exists", &[])), STRANGER.into()),
        (
            spaces(two_names),
            "a pod in namespace `another-namespace-2`".into(),
        ),
        (pods(asks("unused", "DoesNotExist", &[])), STRANGER.into()),
        (pods(asks("app", "NotIn", &["x", "y"])), STRANGER.into()),
        (
            pods(asks("pod-template-hash", "Exists", &[])),
            labelled("pod-template-hash=another-value"),
        ),
        (
            pods(asks("topology.kubernetes.io/zone", "Exists", &[])),
            labelled("topology.kubernetes.io/zone=another-value"),
        ),
        // One selector for those with a label, and one for those without it.
        (
            json!([
                {"namespaceSelector": asks("team", "Exists", &[])},
                {"namespaceSelector": asks("team", "DoesNotExist", &[])},
            ]),
            STRANGER.into(),
        ),
        (
            json!([
                {"namespaceSelector": {}, "podSelector": asks("app", "In", &["web"])},
                {"namespaceSelector": {}, "podSelector": asks("app", "NotIn", &["web"])},
            ]),
            STRANGER.into(),
        ),
    ]
}

#[test]
fn obp302_expressions_that_mean_everyone_are_denied() {
    for (from, source) in everyone() {
        let shown = to_bao(&source, "TCP 8200");
        let expected = [row(Obp302, Deny, FIRST_INGRESS, &shown)];
        assert_eq!(declared(&ingress(&from, &api())), expected, "{from}");
        // Each trusted peer is a rule on the API port.
        let peers = json!({"trustedIngressPeers": from});
        let findings = declared(&peers);
        assert!(
            findings
                .iter()
                .any(|found| (found.0, found.1, &found.3) == (Obp302, Deny, &Some(shown.clone()))),
            "{from}: {findings:?}"
        );
    }
}

#[test]
fn obp302_selectors_that_ask_for_something_are_declared_freely() {
    let accepted = [
        json!([{"namespaceSelector": asks("team", "Exists", &[])}]),
        json!([{"namespaceSelector": asks(NAME, "In", &["web", "shop"])}]),
        json!([{"namespaceSelector": {}, "podSelector": asks("app", "Exists", &[])}]),
        json!([{"namespaceSelector": {}, "podSelector": asks("pod-template-hash", "In", &["5d8f"])}]),
        // The cluster's own namespace is not a stranger's.
        json!([{"podSelector": {}}]),
        json!([{"podSelector": asks("unused", "DoesNotExist", &[])}]),
        // Contradictions select nothing.
        json!([{"namespaceSelector": {"matchLabels": {"team": "a"}, "matchExpressions": [
            {"key": "team", "operator": "DoesNotExist"}]}}]),
    ];
    for from in accepted {
        assert_eq!(declared(&ingress(&from, &api())), [], "{from}");
    }
}

#[test]
fn obp302_blocks_are_merged_over_rules_and_trusted_peers() {
    let refused = |network: &Value, path: &str, source: &str| {
        let expected = [row(Obp302, Deny, path, &to_bao(source, "TCP 8200"))];
        assert_eq!(declared(network), expected, "{network}");
    };
    let rules = |cidrs: &[&str]| -> Value {
        let rule = |cidr: &&str| json!({"from": [block(cidr)], "ports": api()});
        json!({"ingressRules": cidrs.iter().map(rule).collect::<Value>()})
    };
    let halves = ["198.0.0.0/8", "199.0.0.0/8"];
    refused(
        &ingress(&blocks(halves), &api()),
        FIRST_INGRESS,
        "198.51.100.1",
    );
    refused(&rules(&halves), FIRST_INGRESS, "198.51.100.1");
    let with_peers = json!({
        "trustedIngressPeers": [block("198.0.0.0/8")],
        "ingressRules": [{"from": [block("199.0.0.0/8")], "ports": api()}],
    });
    refused(&with_peers, FIRST_PEER, "198.51.100.1");
    // Other ports in addition to the shared one, and a range, change nothing.
    let ranges = json!({"ingressRules": [
        {"from": [block("198.0.0.0/8")], "ports": [{"port": 8000, "endPort": 8200}]},
        {"from": [block("199.0.0.0/8")], "ports": [{"port": 8200, "endPort": 8200}]},
    ]});
    refused(&ranges, FIRST_INGRESS, "198.51.100.1");
    let v6 = rules(&["2001:db8::/32", "2001:db9::/32"]);
    refused(&v6, FIRST_INGRESS, "2001:db8::1");
    // On two different ports, each is checked on its own.
    let apart = json!({"ingressRules": [
        {"from": [block("198.0.0.0/8")], "ports": api()},
        {"from": [block("199.0.0.0/8")], "ports": [{"port": 8300}]},
    ]});
    for accepted in [
        rules(&["198.0.0.0/8"]),
        // Neighbours that do not form an aligned block.
        rules(&["199.0.0.0/8", "200.0.0.0/8"]),
        rules(&["2001:db8::/32"]),
        apart,
    ] {
        assert_eq!(declared(&accepted), [], "{accepted}");
    }
}

#[test]
fn obp302_many_blocks_that_are_each_narrow_enough_are_denied_together() {
    // Every second /8, so that nothing merges: four make a /6, five are more.
    let odd = ["11.0.0.0/8", "13.0.0.0/8", "15.0.0.0/8", "17.0.0.0/8"];
    assert_eq!(declared(&ingress(&blocks(odd), &api())), []);
    let more = blocks(odd.into_iter().chain(["19.0.0.0/32"]));
    let expected = [row(
        Obp302,
        Deny,
        FIRST_INGRESS,
        &to_bao("11.0.0.0", "TCP 8200"),
    )];
    assert_eq!(declared(&ingress(&more, &api())), expected);
}

#[test]
fn the_union_of_22_blocks_and_all_of_global_ipv6_are_denied() {
    let cases = [
        (blocks(ALL_BUT_UNSAFE), "203.0.113.1"),
        (blocks(["2000::/3"]), "2001:db8::1"),
    ];
    for (peers, address) in cases {
        let in_expected = row(Obp302, Deny, FIRST_INGRESS, &to_bao(address, "TCP 8200"));
        let found = declared(&ingress(&peers, &api()));
        assert!(found.contains(&in_expected), "{found:?}");
        let out_expected = row(Obp305, Warn, FIRST_EGRESS, &from_bao(address, "TCP 443"));
        let found = declared(&egress(&peers, &https()));
        assert!(found.contains(&out_expected), "{found:?}");
        // One rule for each block has the same result.
        let each = |peer: &Value| json!({"from": [peer], "ports": api()});
        let peers = peers.as_array().expect("a list");
        let network = json!({"ingressRules": peers.iter().map(each).collect::<Value>()});
        let found = declared(&network);
        assert!(found.contains(&in_expected), "{found:?}");
    }
}

#[test]
fn obp305_egress_to_everywhere_warns_however_it_is_written() {
    for (to, destination) in everyone() {
        let shown = from_bao(&destination, "TCP 443");
        let expected = [row(Obp305, Warn, FIRST_EGRESS, &shown)];
        assert_eq!(declared(&egress(&to, &https())), expected, "{to}");
    }
    let addresses = [
        (blocks(["198.0.0.0/7"]), "198.51.100.1"),
        (blocks(["198.0.0.0/8", "199.0.0.0/8"]), "198.51.100.1"),
        (blocks(["2001:d00::/24"]), "2001:db8::1"),
    ];
    for (to, destination) in addresses {
        let shown = from_bao(destination, "TCP 443");
        let expected = [row(Obp305, Warn, FIRST_EGRESS, &shown)];
        assert_eq!(declared(&egress(&to, &https())), expected, "{to}");
    }
    for to in [
        json!([namespace("vault")]),
        blocks(["198.0.0.0/8"]),
        blocks(["2001:db8::/32"]),
        json!([{"namespaceSelector": asks("team", "Exists", &[])}]),
    ] {
        assert_eq!(declared(&egress(&to, &https())), [], "{to}");
    }
}

#[test]
fn a_declaration_that_names_no_peer_means_all_of_them() {
    let anyone = to_bao(STRANGER, "TCP 8200");
    let findings = declared(&ingress(&json!([]), &api()));
    assert!(
        findings.contains(&row(Obp302, Deny, FIRST_INGRESS, &anyone)),
        "{findings:?}"
    );
    let everywhere = row(Obp305, Warn, FIRST_EGRESS, &from_bao(STRANGER, "TCP 443"));
    let findings = declared(&egress(&json!([]), &https()));
    assert!(findings.contains(&everywhere), "{findings:?}");
}

#[test]
fn what_was_open_before_warns_and_a_further_block_denies() {
    let wide = ingress(&blocks(["198.0.0.0/7"]), &api());
    let shown = to_bao("198.51.100.1", "TCP 8200");
    let warned = [row(Obp302, Warn, FIRST_INGRESS, &shown)];
    assert_eq!(changed(&wide, &wide), warned);
    // An additional valid rule.
    let mut beside = wide.clone();
    let rules = beside["ingressRules"].as_array_mut().expect("rules");
    rules.push(json!({"from": [namespace("web")], "ports": api()}));
    assert_eq!(changed(&wide, &beside), warned);
    let narrower = ingress(&blocks(["198.0.0.0/8"]), &api());
    assert_eq!(changed(&wide, &narrower), []);
    let wider = ingress(&blocks(["198.0.0.0/7", "200.0.0.0/8"]), &api());
    // Alone the new block would be narrow enough. Merged with the old ones it is no wider block than before, so only the old
    // excess is reported again.
    assert_eq!(changed(&wide, &wider), warned);
    let doubled = ingress(&blocks(["196.0.0.0/6"]), &api());
    let denied = [row(
        Obp302,
        Deny,
        FIRST_INGRESS,
        &to_bao("196.0.0.0", "TCP 8200"),
    )];
    assert_eq!(changed(&wide, &doubled), denied);
    // A named port is every port, so it shares one with the other block.
    let named = json!({"ingressRules": [
        {"from": [block("198.0.0.0/8")], "ports": api()},
        {"from": [block("199.0.0.0/8")], "ports": [{"port": "api"}]},
    ]});
    let codes: Vec<_> = declared(&named).into_iter().map(|found| found.0).collect();
    assert!(codes.contains(&Obp302), "{codes:?}");
    assert!(!codes.contains(&Obp306), "{codes:?}");
}

#[test]
fn more_declared_rules_than_can_be_proved_are_denied() {
    let most = crate::config::SizeLimits::default().declared;
    let rules = |count| {
        let rule = ingress(&json!([namespace("monitoring")]), &api());
        let rules = rule["ingressRules"].as_array().cloned().unwrap_or_default();
        json!({"ingressRules": rules.into_iter().cycle().take(count).collect::<Vec<_>>()})
    };
    assert_eq!(declared(&rules(most)), []);
    let refused = [row(Obp402, Deny, "spec.network", "")];
    assert_eq!(declared(&rules(most + 1)), refused);
    // A few rules with very many peers take as much work.
    let block = |at: usize| block(&format!("10.0.{}.{}/32", at / 256, at % 256));
    let peers: Value = (0..=crate::config::SizeLimits::default().rules)
        .map(block)
        .collect();
    assert_eq!(declared(&ingress(&peers, &api())), refused);
}
