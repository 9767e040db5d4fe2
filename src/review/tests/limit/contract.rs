//! What only the operator's contract for Hardened clusters refuses: in `next` it denies, and advises
//! elsewhere.

use serde_json::{Value, json};

use super::super::support::{cluster_named, created, edition, row, servers, world_under};
use super::{
    FIRST_EGRESS, asks, block, blocks, egress, from_bao, hardened, hardened_spec, https, namespace,
    specified,
};
use crate::posture::Edition::{Classic, Next, V01};
use crate::rules::Code::{Obp305, Obp306};
use crate::rules::Level::{self, Deny, Warn};

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
        for (baseline, level) in [(Classic, Warn), (V01, Warn), (Next, Deny)] {
            let found = hardened(baseline, &network);
            assert!(found.contains(&shown(level)), "{baseline}: {found:?}");
            let found = specified(edition(baseline), None, &development(&network));
            assert!(found.contains(&shown(Warn)), "{baseline}: {found:?}");
        }
    }
    let fine = egress(&blocks(["198.0.0.0/8"]), &https());
    assert_eq!(hardened(Next, &fine), []);
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
    let written = |before: &Value, after: &Value| specified(edition(Next), Some(before), after);
    let becomes = written(&development(&wide), &hardened_spec(&wide));
    assert_eq!(becomes, [shown(Deny)]);
    // What a Hardened cluster declared already is no new harm.
    let mut beside = hardened_spec(&wide);
    beside["network"]["egressRules"]
        .as_array_mut()
        .expect("rules")
        .push(json!({"to": [block("192.0.2.7/32")], "ports": https()}));
    assert_eq!(written(&hardened_spec(&wide), &beside), [shown(Warn)]);
    assert_eq!(
        written(&hardened_spec(&wide), &development(&wide)),
        [shown(Warn)]
    );
}

#[test]
fn a_refused_policy_is_told_to_be_declared_where_the_contract_takes_it() {
    let spec = hardened_spec(&json!({}));
    let bao = [cluster_named("bao", &spec)];
    let open = |from: Value| json!({"podSelector": servers(), "ingress": [{"from": from, "ports": [{"port": 8200}]}]});
    let help = |baseline, from: Value| {
        let verdict = created(
            &world_under(edition(baseline), &bao, &[]),
            "open",
            &open(from),
        );
        verdict.findings[0].help.clone()
    };
    let web = json!([namespace("web")]);
    let trusted = help(Next, web.clone());
    let paste = "the operator opens it:\n- namespaceSelector:\n    matchLabels:\n      \
                 kubernetes.io/metadata.name: web";
    assert!(trusted.contains(paste), "{trusted}");
    assert!(
        trusted.contains("under spec.network.trustedIngressPeers"),
        "{trusted}"
    );
    let raw = help(V01, web);
    assert!(raw.contains("spec.network.ingressRules"), "{raw}");
    let any = json!([{"namespaceSelector": asks("unused", "DoesNotExist", &[]), "podSelector": {"matchLabels": {"app": "a"}}}]);
    let narrowed = help(Next, any);
    assert!(narrowed.contains("OBP310 hardened-contract"), "{narrowed}");
}
