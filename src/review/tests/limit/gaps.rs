//! Gaps of the operator's own checks, each by a spec that passes them and is refused here.

use serde_json::{Value, json};

use super::super::support::{Found, edition};
use super::everyone::ALL_BUT_UNSAFE;
use super::operator::accepts;
use super::{
    FIRST_EGRESS, NAME, asks, block, blocks, egress, hardened_spec, https, namespace, specified,
};
use crate::code::Door;
use crate::perimeter::tests::dice::{Dice, hold};
use crate::posture::Edition::{self, Classic, Next, V01};
use crate::rules::Code::{self, Obp301, Obp302, Obp305, Obp307, Obp308, Obp309, Obp310};
use crate::rules::Level::{Deny, Warn};

/// The codes that refuse a spec when a cluster is created with it.
fn refused(baseline: Edition, spec: &Value) -> Vec<Code> {
    let found = specified(edition(baseline), None, spec).into_iter();
    let mut codes: Vec<Code> = found
        .filter(|found| found.1 == Deny)
        .map(|found| found.0)
        .collect();
    codes.dedup();
    codes
}

fn passes_the_operator(spec: &Value) {
    assert!(accepts(spec), "the operator itself refuses {spec}");
}

fn trusted(peers: &Value) -> Value {
    hardened_spec(&json!({"trustedIngressPeers": peers}))
}

#[test]
fn g8_an_api_server_block_of_any_width() {
    for cidr in ["0.0.0.0/0", "10.0.0.0/8", "::/0"] {
        let spec = hardened_spec(&json!({"apiServerCIDR": cidr}));
        passes_the_operator(&spec);
        for baseline in Edition::ALL {
            assert_eq!(refused(baseline, &spec), [Obp307], "{baseline} {cidr}");
        }
    }
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
        for baseline in Edition::ALL {
            assert_eq!(refused(baseline, &spec), [code], "{baseline} {network}");
        }
    }
    // What may be meant so is told, and refused where the platform's owner says so.
    let doubtful = [
        (Obp308, json!({"dnsEndpointIPs": ["8.8.8.8"]})),
        (Obp308, json!({"apiServerEndpointIPs": ["8.8.8.8"]})),
        (Obp309, json!({"dnsNamespace": "tenant"})),
    ];
    for (code, network) in doubtful {
        let spec = hardened_spec(&network);
        passes_the_operator(&spec);
        for baseline in Edition::ALL {
            let mut posture = edition(baseline);
            let told = |found: Vec<Found>| -> Vec<_> {
                found.into_iter().map(|found| (found.0, found.1)).collect()
            };
            let found = specified(posture.clone(), None, &spec);
            assert_eq!(told(found), [(code, Warn)], "{baseline} {network}");
            posture.levels.set(code, Door::Webhook, Deny);
            let found = specified(posture, None, &spec);
            assert_eq!(told(found), [(code, Deny)], "{baseline} {network}");
        }
    }
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
        for baseline in [V01, Next] {
            assert!(
                refused(baseline, &spec).contains(&Obp302),
                "{baseline} {peers}"
            );
        }
        let spec = hardened_spec(&egress(&peers, &https()));
        passes_the_operator(&spec);
        assert!(refused(Next, &spec).contains(&Obp305), "{peers}");
        for baseline in [Classic, V01] {
            assert_eq!(refused(baseline, &spec), [], "{baseline} {peers}");
        }
    }
    // The plain halves overlap what is unsafe, which the operator sees as well.
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
        for baseline in [V01, Next] {
            assert_eq!(refused(baseline, &spec), [Obp302], "{baseline} {selector}");
        }
        let spec = hardened_spec(&egress(&any, &https()));
        passes_the_operator(&spec);
        assert_eq!(refused(Next, &spec), [Obp305], "{selector}");
        // With a podSelector beside it is not everyone, and not explicit either.
        let labelled = json!([{"namespaceSelector": selector, "podSelector": {"matchLabels": {"app": "web"}}}]);
        for spec in [
            trusted(&labelled),
            hardened_spec(&egress(&labelled, &https())),
        ] {
            passes_the_operator(&spec);
            assert_eq!(refused(Next, &spec), [Obp310], "{spec}");
            assert_eq!(refused(V01, &spec), [], "{spec}");
        }
    }
    let any_pod = trusted(&json!([{"podSelector": asks("unused", "DoesNotExist", &[])}]));
    passes_the_operator(&any_pod);
    assert_eq!(refused(Next, &any_pod), [Obp310]);
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
        assert_eq!(refused(Next, &spec), [Obp310], "{ports}");
        assert_eq!(refused(V01, &spec), [], "{ports}");
    }
    // Split over rules.
    let rule =
        |first: u16, last: u16| json!({"to": to, "ports": [{"port": first, "endPort": last}]});
    let split = json!({"egressRules": [rule(1, 30_000), rule(30_001, 60_000)]});
    passes_the_operator(&hardened_spec(&split));
    assert_eq!(refused(Next, &hardened_spec(&split)), [Obp310]);
    for ports in [
        https(),
        json!([{"port": 30000, "endPort": 32767}, {"port": 53, "protocol": "UDP"}]),
    ] {
        let spec = hardened_spec(&egress(&to, &ports));
        passes_the_operator(&spec);
        assert_eq!(refused(Next, &spec), [], "{ports}");
    }
}

#[test]
fn g13_rules_that_the_networkpolicy_api_refuses() {
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
        for baseline in Edition::ALL {
            assert_eq!(refused(baseline, &spec), [Obp301], "{baseline} {network}");
        }
    }
}

/// Parts of a network, explicit, bare and dressed up.
fn peer(dice: &mut Dice<'_>) -> Value {
    let selectors = [
        json!({"matchLabels": {NAME: "web"}}),
        json!({"matchLabels": {"app": "web"}}),
        json!({}),
        asks("unused", "DoesNotExist", &[]),
        asks(NAME, "In", &["web", "db"]),
        json!({"matchLabels": {}, "matchExpressions": []}),
    ];
    let selector = |dice: &mut Dice<'_>| dice.pick(&selectors);
    match dice.roll(5) {
        0 => json!({"namespaceSelector": selector(dice)}),
        1 => json!({"podSelector": selector(dice)}),
        2 => json!({"namespaceSelector": selector(dice), "podSelector": selector(dice)}),
        _ => {
            let cidr = dice.pick(&[
                "192.0.2.0/24",
                "0.0.0.0/0",
                "168.0.0.0/6",
                "127.0.0.1/32",
                "fe80::/64",
                "fd00::/48",
                "::/0",
            ]);
            let except: &[&str] = dice.pick(&[&[], &["169.254.0.0/16"]]);
            json!({"ipBlock": {"cidr": cidr, "except": except}})
        }
    }
}

fn network(dice: &mut Dice<'_>) -> Value {
    let ports = [
        json!([{"port": 443}]),
        json!([]),
        json!([{"port": 443}, {"protocol": "UDP"}]),
        json!([{"port": 1, "endPort": 65535}]),
        json!([{"port": "https"}]),
    ];
    let egress =
        |dice: &mut Dice<'_>| json!({"to": dice.some(2, peer), "ports": dice.pick(&ports)});
    let ingress =
        |dice: &mut Dice<'_>| json!({"from": dice.some(1, peer), "ports": [{"port": 8200}]});
    json!({
        "trustedIngressPeers": dice.some(2, peer),
        "egressRules": dice.some(2, egress),
        "ingressRules": if dice.once_in(4) { dice.some(1, ingress) } else { Vec::new() },
    })
}

#[test]
fn what_is_accepted_here_is_accepted_by_the_operator() {
    let spec = |dice: &mut Dice<'_>| {
        json!({
            "profile": dice.pick(&["Hardened", "Development"]),
            "ingress": {"enabled": dice.once_in(4)},
            "upgrade": {"preUpgradeSnapshot": dice.once_in(4)},
            "network": network(dice),
        })
    };
    hold("contract", 2_000, spec, |spec| {
        let refused = refused(Next, spec);
        if refused.is_empty() && !accepts(spec) {
            Err("refused by the operator only".to_owned())
        } else {
            Ok(())
        }
    });
}

#[test]
fn every_single_breach_of_the_contract_is_named_with_its_place() {
    let web = namespace("web");
    let rule = |to: Value, ports: Value| json!({"egressRules": [{"to": to, "ports": ports}]});
    let first = "spec.network.trustedIngressPeers[0]";
    let table = [
        (
            json!({"trustedIngressPeers": [{"podSelector": {}}]}),
            format!("{first}.podSelector"),
        ),
        (
            json!({"trustedIngressPeers": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "a"}}}]}),
            format!("{first}.namespaceSelector"),
        ),
        (
            json!({"trustedIngressPeers": [{"ipBlock": {"cidr": "169.0.0.0/8", "except": ["169.254.0.0/16"]}}]}),
            format!("{first}.ipBlock.cidr"),
        ),
        (
            rule(json!([web]), json!([])),
            format!("{FIRST_EGRESS}.ports"),
        ),
        (
            rule(json!([web]), json!([{"port": 443}, {"protocol": "UDP"}])),
            format!("{FIRST_EGRESS}.ports[1]"),
        ),
        (
            rule(json!([web, {"podSelector": {}}]), https()),
            format!("{FIRST_EGRESS}.to[1].podSelector"),
        ),
        (
            rule(
                json!([{"ipBlock": {"cidr": "169.254.0.0/15", "except": ["169.254.0.0/16"]}}]),
                https(),
            ),
            format!("{FIRST_EGRESS}.to[0].ipBlock.cidr"),
        ),
        (
            json!({"ingressRules": [{"from": [web], "ports": [{"port": 8200}]}]}),
            "spec.network.ingressRules".to_owned(),
        ),
    ];
    for (network, path) in table {
        let spec = hardened_spec(&network);
        assert!(!accepts(&spec), "{network}");
        let of_contract = |baseline, before: Option<&Value>| -> Vec<_> {
            let found = specified(edition(baseline), before, &spec).into_iter();
            let found = found.filter(|found| found.0 == Obp310);
            found.map(|found| (found.1, found.2)).collect()
        };
        assert_eq!(of_contract(Next, None), [(Deny, path.clone())], "{network}");
        assert_eq!(of_contract(V01, None), [(Warn, path.clone())], "{network}");
        assert_eq!(
            of_contract(Next, Some(&spec)),
            [(Warn, path.clone())],
            "{network}"
        );
        assert_eq!(of_contract(V01, Some(&spec)), [], "{network}");
        let mut relaxed = spec.clone();
        relaxed["profile"] = json!("Development");
        assert_eq!(
            of_contract(Next, Some(&relaxed)),
            [(Deny, path)],
            "{network}"
        );
        assert_eq!(refused(Next, &relaxed), [], "{network}");
    }
}

#[test]
fn a_hardened_cluster_with_explicit_peers_and_ports_is_accepted() {
    let spec = json!({
        "profile": "Hardened",
        "ingress": {"enabled": true},
        "backup": {"schedule": "0 3 * * *"},
        "network": {
            "trustedIngressPeers": [namespace("ingress"), {"podSelector": {"matchLabels": {"app": "web"}}},
                {"namespaceSelector": {"matchLabels": {NAME: "web"}}, "podSelector": {}}, block("192.0.2.0/24")],
            "egressRules": [{"to": [namespace("storage"), block("198.51.100.7/32")], "ports": https()}],
        },
    });
    passes_the_operator(&spec);
    assert_eq!(refused(Next, &spec), []);
    let found = specified(edition(Next), None, &spec);
    assert!(found.iter().all(|found| found.0 != Obp310), "{found:?}");
}

#[test]
fn an_ingress_needs_a_trusted_peer_and_a_backup_an_egress_rule() {
    let ingress = |profile: &str| json!({"profile": profile, "ingress": {"enabled": true}});
    let backup = |profile: &str| json!({"profile": profile, "upgrade": {"blueGreen": {"preUpgradeSnapshot": true}}});
    for profile in ["Hardened", "Development"] {
        let spec = ingress(profile);
        assert_eq!(refused(Next, &spec), [Obp310], "{profile}");
        assert_eq!(specified(edition(V01), None, &spec), [], "{profile}");
        let off = json!({"profile": profile});
        let mut switched_on = specified(edition(Next), Some(&off), &spec);
        // That nobody is admitted now is advice of its own.
        switched_on.retain(|found| found.0 != Code::Obp606);
        assert_eq!(switched_on.len(), 1);
        assert_eq!((switched_on[0].0, switched_on[0].1), (Obp310, Deny));
    }
    assert_eq!(refused(Next, &backup("Hardened")), [Obp310]);
    assert_eq!(refused(V01, &backup("Hardened")), []);
    assert_eq!(specified(edition(Next), None, &backup("Development")), []);
    let known = specified(
        edition(Next),
        Some(&backup("Hardened")),
        &backup("Hardened"),
    );
    let known: Vec<_> = known
        .into_iter()
        .map(|found| (found.0, found.1, found.2))
        .collect();
    assert_eq!(
        known,
        [(Obp310, Warn, "spec.network.egressRules".to_owned())]
    );
}
