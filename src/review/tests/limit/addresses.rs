//! OBP306, OBP307 and OBP315: unsafe addresses, blocks that are too wide, and ambiguous text.

use serde_json::{Value, json};

use super::super::support::{Found, config_of, created, plain, policy, row, updated};
use super::{
    FIRST_EGRESS, FIRST_INGRESS, FIRST_PEER, api, block, blocks, changed, declared, egress,
    from_bao, https, ingress, specified, to_bao,
};
use crate::config::{Baseline, ReviewConfig};
use crate::review::tests::support::found;
use crate::rules::Code::{Obp302, Obp305, Obp306, Obp307, Obp315};
use crate::rules::Level::{self, Deny, Warn};

const METADATA: &str = "169.254.169.254";

#[test]
fn obp306_unsafe_addresses_are_found_however_a_block_is_cut() {
    let carved =
        |cidr: &str, except: &[&str]| json!([{"ipBlock": {"cidr": cidr, "except": except}}]);
    let refused = [
        (blocks(["169.254.169.254/32"]), METADATA),
        (blocks(["127.0.0.0/8"]), "127.0.0.0"),
        (blocks(["168.63.129.16/32"]), "168.63.129.16"),
        (blocks(["fe80::/64"]), "fe80::"),
        (blocks(["fd00:ec2::254/128"]), "fd00:ec2::254"),
        // All of link-local in two halves, each in its own block.
        (
            carved("169.254.0.0/16", &["169.254.0.0/17"]),
            "169.254.128.0",
        ),
        (
            carved("169.254.169.252/30", &["169.254.169.252/31"]),
            METADATA,
        ),
        // Excluded here, and included by another block.
        (
            json!([
                {"ipBlock": {"cidr": "169.0.0.0/8", "except": ["169.254.0.0/16"]}},
                block("169.254.169.254/32"),
            ]),
            METADATA,
        ),
    ];
    for (peers, address) in refused {
        let expected = [row(
            Obp306,
            Deny,
            FIRST_INGRESS,
            &to_bao(address, "TCP 8200"),
        )];
        assert_eq!(declared(&ingress(&peers, &api())), expected, "{peers}");
        let expected = [row(
            Obp306,
            Warn,
            FIRST_EGRESS,
            &from_bao(address, "TCP 443"),
        )];
        assert_eq!(declared(&egress(&peers, &https())), expected, "{peers}");
    }
    let trusted = json!({"trustedIngressPeers": [block("169.254.169.254/32")]});
    let expected = [row(Obp306, Deny, FIRST_PEER, &to_bao(METADATA, "TCP 8200"))];
    assert_eq!(declared(&trusted), expected);
    for peers in [
        carved("169.0.0.0/8", &["169.254.0.0/16"]),
        blocks(["169.255.0.0/16", "128.0.0.0/9"]),
        carved(
            "169.254.169.254/31",
            &["169.254.169.254/32", "169.254.169.255/32"],
        ),
        blocks(["fec0::/32"]),
    ] {
        assert_eq!(declared(&ingress(&peers, &api())), [], "{peers}");
    }
    // An address that was declared before warns. Another unsafe address denies.
    let old = ingress(&blocks(["169.254.169.254/32"]), &api());
    let same = [row(
        Obp306,
        Warn,
        FIRST_INGRESS,
        &to_bao(METADATA, "TCP 8200"),
    )];
    assert_eq!(changed(&old, &old), same);
    let more = ingress(&blocks(["169.254.169.254/32", "127.0.0.1/32"]), &api());
    let denied = [row(
        Obp306,
        Deny,
        FIRST_INGRESS,
        &to_bao("127.0.0.1", "TCP 8200"),
    )];
    assert_eq!(changed(&old, &more), denied);
}

#[test]
fn obp307_the_api_server_block_has_a_width_of_its_own() {
    let network = |cidr: &str| json!({"apiServerCIDR": cidr});
    let path = "spec.network.apiServerCIDR";
    let refused = [
        "10.96.0.0/11",
        "0.0.0.0/0",
        "0.0.0.0/1",
        "fd00::/63",
        "::/0",
        "10.96.0.1",
        "kubernetes.default",
        "10.96.0.0/33",
    ];
    for cidr in refused {
        let expected = [row(Obp307, Deny, path, "")];
        assert_eq!(declared(&network(cidr)), expected, "{cidr}");
        let known = [row(Obp307, Warn, path, "")];
        assert_eq!(changed(&network(cidr), &network(cidr)), known, "{cidr}");
    }
    for cidr in [
        "10.96.0.0/12",
        "fd00::/64",
        "10.96.0.1/32",
        " 10.96.0.1/32 ",
    ] {
        assert_eq!(declared(&network(cidr)), [], "{cidr}");
    }
    // A narrower block that is still too wide is another declaration.
    let narrowed = changed(&network("0.0.0.0/0"), &network("10.0.0.0/11"));
    assert_eq!(narrowed, [row(Obp307, Warn, path, "")]);
}

#[test]
fn obp306_a_rule_for_everybody_names_no_address() {
    for rule in [json!({}), json!({"ports": []}), json!({"ports": api()})] {
        for (field, code) in [("ingressRules", Obp302), ("egressRules", Obp305)] {
            let found = declared(&json!({field: [rule]}));
            let codes: Vec<_> = found.iter().map(|found| found.0).collect();
            assert!(codes.contains(&code), "{field} {rule}: {codes:?}");
            assert!(!codes.contains(&Obp306), "{field} {rule}: {codes:?}");
        }
    }
}

#[test]
fn obp307_unsafe_addresses_in_the_block_are_denied() {
    let network = |cidr: &str| json!({"apiServerCIDR": cidr});
    let path = "spec.network.apiServerCIDR";
    for cidr in [
        "169.254.169.254/32",
        "169.240.0.0/12",
        "127.0.0.1/32",
        "0.0.0.0/32",
        "100.100.100.200/32",
        "168.63.129.16/32",
        "::1/128",
        "::/128",
        "fe80::/64",
        "fd00:ec2::/64",
    ] {
        let refused = [row(Obp307, Deny, path, "")];
        assert_eq!(declared(&network(cidr)), refused, "{cidr}");
        let known = [row(Obp307, Warn, path, "")];
        assert_eq!(changed(&network(cidr), &network(cidr)), known, "{cidr}");
        assert_eq!(
            changed(&network("10.96.0.1/32"), &network(cidr)),
            refused,
            "{cidr}"
        );
        let allowed = ReviewConfig {
            unsafe_egress_allowed: vec!["::/0".parse().unwrap(), "0.0.0.0/0".parse().unwrap()],
            ..ReviewConfig::default()
        };
        let found = specified(allowed, None, &json!({"network": network(cidr)}));
        assert!(
            found.iter().all(|found| found.1 == Warn),
            "{cidr}: {found:?}"
        );
    }
    for cidr in [
        "10.96.0.0/12",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/13",
        "198.18.0.0/15",
        "fd00::/64",
    ] {
        assert_eq!(declared(&network(cidr)), [], "{cidr}");
    }
}

#[test]
fn obp307_a_public_block_is_reported_once_unless_the_settings_name_it() {
    let network = |cidr: &str| json!({"apiServerCIDR": cidr});
    let path = "spec.network.apiServerCIDR";
    let warned = [row(Obp307, Warn, path, "")];
    for cidr in [
        "8.0.0.0/12",
        "8.8.8.8/32",
        "100.128.0.0/12",
        "172.32.0.0/12",
        "2606:4700::/64",
    ] {
        assert_eq!(declared(&network(cidr)), warned, "{cidr}");
        assert_eq!(changed(&network(cidr), &network(cidr)), [], "{cidr}");
        assert_eq!(
            changed(&network("10.96.0.1/32"), &network(cidr)),
            warned,
            "{cidr}"
        );
    }
    assert_eq!(
        changed(&network("8.0.0.0/12"), &network("8.8.8.8/32")),
        [],
        "narrowed"
    );
    let of = |config: ReviewConfig, before: Option<&Value>, cidr: &str| {
        let spec = json!({"profile": "Hardened", "network": network(cidr)});
        let found = specified(config, before, &spec).into_iter();
        found.filter(|found| found.0 == Obp307).collect::<Vec<_>>()
    };
    let denied = [row(Obp307, Deny, path, "")];
    let development = json!({"profile": "Development", "network": network("8.8.8.8/32")});
    let hardened = json!({"profile": "Hardened", "network": network("8.8.8.8/32")});
    let next = || config_of(Baseline::V04);
    assert_eq!(of(config_of(Baseline::V01), None, "8.8.8.8/32"), warned);
    assert_eq!(of(next(), None, "8.8.8.8/32"), denied);
    assert_eq!(of(next(), Some(&development), "8.8.8.8/32"), denied);
    assert_eq!(of(next(), Some(&hardened), "8.8.8.8/32"), []);
    let address = || vec!["8.8.8.8".parse().unwrap()];
    let named = [
        ReviewConfig {
            api_server_addresses: address(),
            ..next()
        },
        ReviewConfig {
            api_server_endpoints: address(),
            ..next()
        },
    ];
    for config in named {
        assert_eq!(of(config.clone(), None, "8.8.8.8/32"), []);
        assert_eq!(
            of(config, None, "8.8.8.8/31"),
            denied,
            "the other half is nobody's"
        );
    }
}

/// The OBP315 findings of a list.
fn text_findings(findings: Vec<Found>) -> Vec<(Level, String)> {
    let text = findings.into_iter().filter(|found| found.0 == Obp315);
    text.map(|found| (found.1, found.2)).collect()
}

#[test]
fn obp315_text_that_parsers_read_differently_is_denied_in_policies() {
    let from = "spec.ingress[0].from[0].ipBlock";
    let spec = |cidr: &str, except: &[&str]| -> Value {
        let peers = json!([{"ipBlock": {"cidr": cidr, "except": except}}]);
        json!({"podSelector": {}, "ingress": [{"from": peers, "ports": api()}]})
    };
    let table: [(&str, &[&str], &str, Option<Level>); 8] = [
        ("012.0.0.0/8", &[], "cidr", Some(Deny)),
        ("10.010.0.0/16", &[], "cidr", Some(Deny)),
        ("::ffff:192.0.2.0/120", &[], "cidr", Some(Deny)),
        ("10.0.0.0/8", &["10.001.0.0/16"], "except[0]", Some(Deny)),
        (
            "10.0.0.0/8",
            &["10.1.0.0/16", "::ffff:10.2.0.0/112"],
            "except[1]",
            Some(Deny),
        ),
        ("192.0.2.77/24", &[], "cidr", Some(Warn)),
        ("10.0.0.0/08", &[], "cidr", Some(Warn)),
        ("10.0.0.0/8", &["10.1.0.0/16"], "", None),
    ];
    for (cidr, except, field, level) in table {
        let expected: Vec<_> = level
            .map(|level| (level, format!("{from}.{field}")))
            .into_iter()
            .collect();
        let after = spec(cidr, except);
        let findings = found(&created(&plain(), "text", &after));
        assert_eq!(text_findings(findings), expected, "{after}");
        // The API server accepts text that was there before, and so does the review.
        let stored = policy("text", &after);
        let known: Vec<_> = level
            .map(|_| (Warn, format!("{from}.{field}")))
            .into_iter()
            .collect();
        let findings = found(&updated(&plain(), "text", stored.clone(), stored));
        assert_eq!(text_findings(findings), known, "{after}");
    }
}

#[test]
fn obp315_text_that_parsers_read_differently_is_denied_in_clusters() {
    let with = |field: &str, value: Value| json!({field: value});
    let bad = "012.0.0.0/8";
    let carved = json!({"ipBlock": {"cidr": "10.0.0.0/16", "except": ["10.0.001.0/24"]}});
    let table = [
        (
            ingress(&json!([block(bad)]), &api()),
            format!("{FIRST_INGRESS}.from[0].ipBlock.cidr"),
        ),
        (
            egress(&json!([carved]), &https()),
            format!("{FIRST_EGRESS}.to[0].ipBlock.except[0]"),
        ),
        (
            with("trustedIngressPeers", json!([carved])),
            format!("{FIRST_PEER}.ipBlock.except[0]"),
        ),
        (
            with("apiServerCIDR", json!("010.96.0.1/32")),
            "spec.network.apiServerCIDR".to_owned(),
        ),
    ];
    for (network, path) in table {
        let created = text_findings(declared(&network));
        assert_eq!(created, [(Deny, path.clone())], "{network}");
        let kept = text_findings(changed(&network, &network));
        assert_eq!(kept, [(Warn, path)], "{network}");
    }
    for (cidr, path) in [
        ("10.96.0.1/24", "spec.network.apiServerCIDR"),
        ("10.96.0.0/012", "spec.network.apiServerCIDR"),
    ] {
        let expected = [row(Obp315, Warn, path, "")];
        assert_eq!(
            declared(&json!({"apiServerCIDR": cidr})),
            expected,
            "{cidr}"
        );
    }
    assert_eq!(declared(&json!({"apiServerCIDR": "10.96.0.0/12"})), []);
}
