//! Gaps of the operator's own checks: specs that it accepts and that are denied here.

use serde_json::{Value, json};

use super::super::support::{Found, config_of};
use super::everyone::ALL_BUT_UNSAFE;
use super::operator::accepts;
use super::{
    NAME, asks, blocks, egress, hardened_spec, https, namespace, passes_the_operator, refused,
    specified,
};
use crate::code::EnforcementPoint;
use crate::config::Baseline::{self, Classic, V01, V04};
use crate::rules::Code::{self, Obp301, Obp302, Obp305, Obp307, Obp308, Obp309, Obp310};
use crate::rules::Level::{Deny, Warn};

fn trusted(peers: &Value) -> Value {
    hardened_spec(&json!({"trustedIngressPeers": peers}))
}

#[test]
fn g8_an_api_server_block_of_any_width() {
    for cidr in ["0.0.0.0/0", "10.0.0.0/8", "::/0"] {
        let spec = hardened_spec(&json!({"apiServerCIDR": cidr}));
        passes_the_operator(&spec);
        for baseline in Baseline::ALL {
            assert_eq!(refused(baseline, &spec), [Obp307], "{baseline} {cidr}");
        }
    }
}

/// Returns true if the operator of this baseline has no such field. The oldest one uses a fixed DNS
/// namespace.
fn is_ignored(baseline: Baseline, network: &Value) -> bool {
    let fields = ["dnsNamespace", "dnsEndpointIPs"];
    baseline == Classic && fields.iter().any(|field| network.get(field).is_some())
}

#[test]
fn g9_dns_anywhere_and_endpoints_of_the_internet() {
    let broken = [
        (Obp308, json!({"dnsEndpointIPs": ["dns.example.org"]})),
        (Obp308, json!({"apiServerEndpointIPs": ["10.0.0.1/32"]})),
        (Obp309, json!({"dnsNamespace": "Not_A_Name"})),
    ];
    for (code, network) in broken {
        let spec = hardened_spec(&network);
        passes_the_operator(&spec);
        for baseline in Baseline::ALL {
            let mut expected = vec![code];
            expected.retain(|_| !is_ignored(baseline, &network));
            assert_eq!(refused(baseline, &spec), expected, "{baseline} {network}");
        }
    }
    // Possibly intended values warn, and deny under the contract or by configuration.
    let doubtful = [
        (Obp308, json!({"dnsEndpointIPs": ["8.8.8.8"]})),
        (Obp308, json!({"apiServerEndpointIPs": ["8.8.8.8"]})),
        (Obp309, json!({"dnsNamespace": "tenant"})),
    ];
    for (code, network) in doubtful {
        let spec = hardened_spec(&network);
        passes_the_operator(&spec);
        for baseline in Baseline::ALL {
            let mut config = config_of(baseline);
            let levels = |found: Vec<Found>| -> Vec<_> {
                found.into_iter().map(|found| (found.0, found.1)).collect()
            };
            let found = specified(config.clone(), None, &spec);
            if is_ignored(baseline, &network) {
                assert_eq!(levels(found), [], "{baseline} {network}");
                continue;
            }
            let level = if baseline == V04 { Deny } else { Warn };
            assert_eq!(levels(found), [(code, level)], "{baseline} {network}");
            config.levels.set(code, EnforcementPoint::Webhook, Deny);
            let found = specified(config, None, &spec);
            assert_eq!(levels(found), [(code, Deny)], "{baseline} {network}");
        }
    }
    // An endpoint in the configuration is accepted.
    let mut config = config_of(V04);
    config.api_server_endpoints = vec!["8.8.8.8".parse().expect("an address")];
    let named = hardened_spec(&json!({"apiServerEndpointIPs": ["8.8.8.8"]}));
    assert_eq!(specified(config, None, &named), []);
    // For a cluster that becomes Hardened, the contract applies to all declarations.
    let spec = |profile: &str| json!({"profile": profile, "network": {"dnsNamespace": "tenant", "dnsEndpointIPs": ["8.8.8.8"]}});
    let found = specified(
        config_of(V04),
        Some(&spec("Development")),
        &spec("Hardened"),
    );
    let denied = found.iter().filter(|found| found.1 == Deny);
    let codes: Vec<Code> = denied.map(|found| found.0).collect();
    assert_eq!(codes, [Obp308, Obp309]);
}

#[test]
fn g10_unions_that_are_nearly_every_address() {
    for peers in [
        blocks(ALL_BUT_UNSAFE),
        blocks(["2000::/3"]),
        blocks(["0.0.0.0/2", "64.0.0.0/3", "192.0.0.0/2"]),
    ] {
        let spec = trusted(&peers);
        passes_the_operator(&spec);
        for baseline in [V01, V04] {
            assert!(
                refused(baseline, &spec).contains(&Obp302),
                "{baseline} {peers}"
            );
        }
        let spec = hardened_spec(&egress(&peers, &https()));
        passes_the_operator(&spec);
        assert!(refused(V04, &spec).contains(&Obp305), "{peers}");
        for baseline in [Classic, V01] {
            assert_eq!(refused(baseline, &spec), [], "{baseline} {peers}");
        }
    }
    // The plain halves overlap unsafe addresses, which the operator detects too.
    let halves = trusted(&blocks(["0.0.0.0/1", "128.0.0.0/1"]));
    assert!(!accepts(&halves) && refused(V01, &halves).contains(&Obp302));
}

#[test]
fn g11_wildcards_dressed_as_expressions() {
    let dressed = [
        asks("unused", "DoesNotExist", &[]),
        asks("dummy", "NotIn", &["x"]),
        asks(NAME, "Exists", &[]),
        asks(NAME, "NotIn", &["kube-system"]),
    ];
    for selector in dressed {
        let any = json!([{"namespaceSelector": selector}]);
        let spec = trusted(&any);
        passes_the_operator(&spec);
        for baseline in [V01, V04] {
            assert_eq!(refused(baseline, &spec), [Obp302], "{baseline} {selector}");
        }
        let spec = hardened_spec(&egress(&any, &https()));
        passes_the_operator(&spec);
        assert_eq!(refused(V04, &spec), [Obp305], "{selector}");
        // With an additional podSelector it is not everyone, and not explicit either.
        let labelled = json!([{"namespaceSelector": selector, "podSelector": {"matchLabels": {"app": "web"}}}]);
        for spec in [
            trusted(&labelled),
            hardened_spec(&egress(&labelled, &https())),
        ] {
            passes_the_operator(&spec);
            assert_eq!(refused(V04, &spec), [Obp310], "{spec}");
            assert_eq!(refused(V01, &spec), [], "{spec}");
        }
    }
    let any_pod = trusted(&json!([{"podSelector": asks("unused", "DoesNotExist", &[])}]));
    passes_the_operator(&any_pod);
    assert_eq!(refused(V04, &any_pod), [Obp310]);
}

#[test]
fn g12_ports_that_are_named_and_mean_all() {
    let to = json!([namespace("egress")]);
    let wide = [
        json!([{"port": 1, "endPort": 65535}]),
        json!([{"port": 1, "endPort": 40000, "protocol": "UDP"}]),
        json!([{"port": 1, "endPort": 20000}, {"port": 20001, "endPort": 65535}]),
        json!([{"port": 443}, {"port": "proxy"}]),
    ];
    for ports in wide {
        let spec = hardened_spec(&egress(&to, &ports));
        passes_the_operator(&spec);
        assert_eq!(refused(V04, &spec), [Obp310], "{ports}");
        assert_eq!(refused(V01, &spec), [], "{ports}");
    }
    // Split into several rules.
    let rule =
        |first: u16, last: u16| json!({"to": to, "ports": [{"port": first, "endPort": last}]});
    let split = json!({"egressRules": [rule(1, 30_000), rule(30_001, 60_000)]});
    passes_the_operator(&hardened_spec(&split));
    assert_eq!(refused(V04, &hardened_spec(&split)), [Obp310]);
    for ports in [
        https(),
        json!([{"port": 30000, "endPort": 32767}, {"port": 53, "protocol": "UDP"}]),
    ] {
        let spec = hardened_spec(&egress(&to, &ports));
        passes_the_operator(&spec);
        assert_eq!(refused(V04, &spec), [], "{ports}");
    }
}

#[test]
fn g13_rules_that_the_networkpolicy_api_rejects() {
    let outside = json!([{"ipBlock": {"cidr": "192.0.2.0/24", "except": ["198.51.100.0/24"]}}]);
    let both = json!([{"ipBlock": {"cidr": "192.0.2.0/24"}, "podSelector": {"matchLabels": {"app": "a"}}}]);
    let operator = json!([{"podSelector": asks("app", "Near", &["x"])}]);
    let web = json!([namespace("web")]);
    let malformed = [
        json!({"trustedIngressPeers": outside}),
        json!({"trustedIngressPeers": both}),
        json!({"trustedIngressPeers": operator}),
        egress(&web, &json!([{"port": 443, "endPort": 80}])),
        egress(&web, &json!([{"port": "https", "endPort": 444}])),
        egress(&web, &json!([{"port": 0}])),
        egress(&web, &json!([{"port": 70000}])),
        egress(&web, &json!([{"port": 443, "protocol": "tcp"}])),
    ];
    for network in malformed {
        let spec = hardened_spec(&network);
        passes_the_operator(&spec);
        for baseline in Baseline::ALL {
            assert_eq!(refused(baseline, &spec), [Obp301], "{baseline} {network}");
        }
    }
}
