//! Declarations that only the operator's contract for Hardened clusters denies: in `v0.4` they deny,
//! elsewhere they warn.

use serde_json::{Value, json};

use super::super::support::{
    cluster_named, cluster_request, compiled_under, config_of, created, row, servers,
};
use super::operator::accepts;
use super::{
    FIRST_EGRESS, NAME, asks, block, blocks, egress, from_bao, hardened, hardened_spec, https,
    namespace, passes_the_operator, refused, specified,
};
use crate::config::Baseline::{Classic, V01, V04};
use crate::review::review;
use crate::rules::Code::{Obp305, Obp306, Obp310, Obp318};
use crate::rules::Level::{self, Deny, Warn};
use netpol::testing::dice::{Dice, hold};

fn development(network: &Value) -> Value {
    json!({"profile": "Development", "network": network})
}

#[test]
fn wide_and_unsafe_egress_denies_for_hardened_clusters_of_the_newest_edition() {
    let metadata = "169.254.169.254";
    let table = [
        (Obp305, blocks(["198.0.0.0/7"]), "198.51.100.1"),
        (Obp306, blocks(["169.254.169.254/32"]), metadata),
    ];
    for (code, to, address) in table {
        let network = egress(&to, &https());
        let shown = |level: Level| row(code, level, FIRST_EGRESS, &from_bao(address, "TCP 443"));
        for (baseline, level) in [(Classic, Warn), (V01, Warn), (V04, Deny)] {
            let found = hardened(baseline, &network);
            assert!(found.contains(&shown(level)), "{baseline}: {found:?}");
            let found = specified(config_of(baseline), None, &development(&network));
            assert!(found.contains(&shown(Warn)), "{baseline}: {found:?}");
        }
    }
    let fine = egress(&blocks(["198.0.0.0/8"]), &https());
    assert_eq!(hardened(V04, &fine), []);
}

#[test]
fn a_cluster_that_becomes_hardened_is_held_to_the_contract_from_then_on() {
    let wide = egress(&blocks(["198.0.0.0/7"]), &https());
    let shown = |level: Level| {
        row(
            Obp305,
            level,
            FIRST_EGRESS,
            &from_bao("198.51.100.1", "TCP 443"),
        )
    };
    let written = |before: &Value, after: &Value| specified(config_of(V04), Some(before), after);
    let becomes = written(&development(&wide), &hardened_spec(&wide));
    assert_eq!(becomes, [shown(Deny)]);
    // Earlier declarations of a Hardened cluster are not new.
    let mut beside = hardened_spec(&wide);
    beside["network"]["egressRules"]
        .as_array_mut()
        .expect("rules")
        .push(json!({"to": [block("192.0.2.7/32")], "ports": https()}));
    assert_eq!(written(&hardened_spec(&wide), &beside), [shown(Warn)]);
    let softened = row(Obp318, Warn, "spec.profile", "");
    assert_eq!(
        written(&hardened_spec(&wide), &development(&wide)),
        [shown(Warn), softened]
    );
}

#[test]
fn a_denied_policy_is_told_to_be_declared_where_the_contract_takes_it() {
    let spec = hardened_spec(&json!({}));
    let bao = [cluster_named("bao", &spec)];
    let open = |from: Value| json!({"podSelector": servers(), "ingress": [{"from": from, "ports": [{"port": 8200}]}]});
    let remedies_of = |baseline, from: Value| {
        let compiled = compiled_under(config_of(baseline), &bao, &[]);
        let verdict = created(&compiled, "open", &open(from));
        let remedies = verdict.findings[0].remedies.iter();
        let lines = remedies.map(|remedy| (remedy.lines().0, remedy.yaml()));
        lines.collect::<Vec<_>>()
    };
    let named = |field: &str, name: &str| {
        let yaml = format!(
            "- namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {name}}}}}"
        );
        (format!("spec.network.{field}"), yaml)
    };
    let web = json!([namespace("web")]);
    for baseline in [V04, V01] {
        let trusted = remedies_of(baseline, web.clone());
        let expected = named("trustedIngressPeers", "web");
        assert!(trusted.contains(&expected), "{trusted:?}");
    }
    let any = json!([{"namespaceSelector": asks("unused", "DoesNotExist", &[]), "podSelector": {"matchLabels": {"app": "a"}}}]);
    let narrowed = remedies_of(V04, any);
    let expected = named("trustedIngressPeers", "NAMESPACE");
    assert!(narrowed.contains(&expected), "{narrowed:?}");
}

/// Random parts of a network: explicit, bare and disguised.
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
        let refused = refused(V04, spec);
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
            let found = specified(config_of(baseline), before, &spec).into_iter();
            let found = found.filter(|found| found.0 == Obp310);
            found.map(|found| (found.1, found.2)).collect()
        };
        assert_eq!(of_contract(V04, None), [(Deny, path.clone())], "{network}");
        assert_eq!(of_contract(V01, None), [(Warn, path.clone())], "{network}");
        assert_eq!(
            of_contract(V04, Some(&spec)),
            [(Warn, path.clone())],
            "{network}"
        );
        assert_eq!(of_contract(V01, Some(&spec)), [], "{network}");
        let mut relaxed = spec.clone();
        relaxed["profile"] = json!("Development");
        assert_eq!(
            of_contract(V04, Some(&relaxed)),
            [(Deny, path)],
            "{network}"
        );
        assert_eq!(refused(V04, &relaxed), [], "{network}");
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
    assert_eq!(refused(V04, &spec), []);
    let found = specified(config_of(V04), None, &spec);
    assert!(found.iter().all(|found| found.0 != Obp310), "{found:?}");
}

#[test]
fn raw_ingress_rules_are_told_to_be_trusted_peers_that_the_contract_takes() {
    let help = |from: Value| {
        let rule = |from: &Value| json!({"from": from, "ports": [{"port": 8200}]});
        let rules = [rule(&json!([{"podSelector": {}}])), rule(&from)];
        let spec = hardened_spec(&json!({"ingressRules": rules}));
        let compiled = compiled_under(config_of(V04), &[], &[]);
        let verdict = review(
            &compiled,
            &cluster_request(None, &cluster_named("bao", &spec)),
        );
        let mut findings = verdict.findings.into_iter();
        let found = findings.find(|finding| finding.path == "spec.network.ingressRules");
        found
            .expect("a finding")
            .remedies
            .first()
            .map(crate::rules::remedy::Remedy::yaml)
    };
    let ends = |yaml: Option<String>, name: &str| {
        let named = format!("kubernetes.io/metadata.name: {name}}}}}");
        assert!(
            yaml.as_ref().is_some_and(|yaml| yaml.ends_with(&named)),
            "{yaml:?}"
        );
    };
    ends(help(json!([namespace("web")])), "web");
    ends(
        help(json!([{"namespaceSelector": asks("unused", "DoesNotExist", &[])}])),
        "NAMESPACE",
    );
}

#[test]
fn an_ingress_needs_a_trusted_peer_and_a_backup_an_egress_rule() {
    let ingress = |profile: &str| json!({"profile": profile, "ingress": {"enabled": true}});
    let backup = |profile: &str| json!({"profile": profile, "upgrade": {"blueGreen": {"preUpgradeSnapshot": true}}});
    for profile in ["Hardened", "Development"] {
        let spec = ingress(profile);
        assert_eq!(refused(V04, &spec), [Obp310], "{profile}");
        assert_eq!(refused(V01, &spec), [], "{profile}");
        let off = json!({"profile": profile});
        let mut switched_on = specified(config_of(V04), Some(&off), &spec);
        // The missing proxy is separate advice.
        switched_on.retain(|found| found.0 != crate::rules::Code::Obp606);
        assert_eq!(switched_on.len(), 1);
        assert_eq!((switched_on[0].0, switched_on[0].1), (Obp310, Deny));
    }
    assert_eq!(refused(V04, &backup("Hardened")), [Obp310]);
    assert_eq!(refused(V01, &backup("Hardened")), []);
    assert_eq!(specified(config_of(V04), None, &backup("Development")), []);
    let known = specified(
        config_of(V04),
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
