//! The two readings of a rule: a connection that is allowed in only one of them has a condition, and one that
//! is allowed in both is preferred as example.

use serde_json::{Value, json};

use super::super::support::{
    cluster, cluster_request, compiled, created, managed, plain, policy, updated,
};
use super::{api, block, changed, egress, https, ingress, namespace};
use crate::baseline::Zone;
use crate::inventory::Fact;
use crate::review::{Verdict, render, review};
use crate::rules::Code::{self, Obp101, Obp201, Obp202, Obp203, Obp302, Obp303, Obp306};
use crate::rules::Level::{self, Deny, Warn};
use netpol::Difference::{self, AmbiguousCidr, UndeclaredPortName};
use netpol::rule::Peer;

/// The conditions of the connections in findings of this code.
fn only_if(verdict: &Verdict, code: Code) -> Vec<Option<Difference>> {
    assert_eq!(verdict.unreplayed, 0, "{verdict:?}");
    let of_code = verdict
        .findings
        .iter()
        .filter(|finding| finding.code == code);
    of_code.map(|finding| finding.only_if).collect()
}

fn rule(direction: &str, peers: &Value, ports: &Value) -> Value {
    let (policy_type, field) = match direction {
        "egress" => ("Egress", "to"),
        _ => ("Ingress", "from"),
    };
    json!({"podSelector": {}, "policyTypes": [policy_type], direction: [{field: peers, "ports": ports}]})
}

#[test]
fn a_rule_of_a_policy_says_what_its_connection_takes() {
    let health = json!([namespace("kube-system")]);
    let dns = json!([{"port": 53}]);
    let carved = json!([{"ipBlock": {"cidr": "192.0.2.0/24", "except": ["192.0.002.0/24"]}}]);
    let table = [
        (Obp201, rule("ingress", &json!([]), &api()), None),
        (
            Obp201,
            rule("ingress", &json!([block("192.000.2.0/24")]), &api()),
            Some(AmbiguousCidr),
        ),
        (
            Obp201,
            rule("ingress", &carved, &api()),
            Some(AmbiguousCidr),
        ),
        (
            Obp201,
            rule("ingress", &health, &json!([{"port": "api"}])),
            Some(UndeclaredPortName),
        ),
        // A certain connection is preferred to a possible one.
        (
            Obp201,
            rule(
                "ingress",
                &health,
                &json!([{"port": "api"}, {"port": 8201}]),
            ),
            None,
        ),
        (
            Obp201,
            rule(
                "ingress",
                &json!([block("192.000.2.0/24"), block("198.51.100.0/24")]),
                &api(),
            ),
            None,
        ),
        (
            Obp202,
            rule("egress", &json!([block("::ffff:192.0.2.0/120")]), &https()),
            Some(AmbiguousCidr),
        ),
        (
            Obp202,
            rule(
                "egress",
                &health,
                &json!([{"port": "dns", "protocol": "UDP"}]),
            ),
            Some(UndeclaredPortName),
        ),
        (
            Obp202,
            rule("egress", &json!([namespace("web")]), &dns),
            None,
        ),
    ];
    for (code, spec, expected) in table {
        let verdict = created(&plain(), "open", &spec);
        assert_eq!(only_if(&verdict, code), [expected], "{spec}");
    }
}

#[test]
fn a_declaration_says_what_its_connection_takes() {
    let web = json!([namespace("web")]);
    let named = json!([{"port": "cluster"}]);
    let everyone = json!([{"namespaceSelector": {}}]);
    let ambiguous = json!([block("198.051.100.0/24")]);
    let table = [
        (Obp303, ingress(&web, &json!([{"port": 8201}])), None),
        (Obp303, ingress(&web, &named), Some(UndeclaredPortName)),
        (
            Obp303,
            ingress(&web, &json!([{"port": "cluster"}, {"port": 8201}])),
            None,
        ),
        (Obp302, ingress(&everyone, &named), Some(UndeclaredPortName)),
        (
            Obp302,
            ingress(&everyone, &json!([{"port": "api"}, {"port": 8200}])),
            None,
        ),
        (Obp302, ingress(&ambiguous, &api()), Some(AmbiguousCidr)),
        (
            Obp302,
            ingress(&json!([block("0.0.0.0/0"), ambiguous[0]]), &api()),
            None,
        ),
        (Obp306, ingress(&ambiguous, &api()), Some(AmbiguousCidr)),
        (
            Obp306,
            ingress(&json!([ambiguous[0], block("127.0.0.1/32")]), &api()),
            None,
        ),
        (
            Code::Obp305,
            egress(&ambiguous, &https()),
            Some(AmbiguousCidr),
        ),
    ];
    for (code, network, expected) in table {
        let request = cluster_request(None, &cluster(&network));
        let verdict = review(&plain(), &request);
        assert_eq!(only_if(&verdict, code), [expected], "{network}");
    }
}

#[test]
fn an_existing_policy_that_violates_in_one_reading_warns_and_says_so() {
    let bao = cluster(&json!({}));
    let table = [
        (
            json!([block("192.000.2.0/24")]),
            api(),
            1,
            Some(AmbiguousCidr),
        ),
        (
            json!([namespace("kube-system")]),
            json!([{"port": "api"}]),
            0,
            Some(UndeclaredPortName),
        ),
        (
            json!([block("192.000.2.0/24"), block("198.51.100.0/24")]),
            api(),
            0,
            None,
        ),
    ];
    for (from, ports, level, expected) in table {
        let spec = rule("ingress", &from, &ports);
        let beside = compiled(&[], &[policy("other", &spec)]);
        let verdict = review(&beside, &cluster_request(None, &bao));
        assert_eq!(only_if(&verdict, Obp203), [expected], "{spec}");
        let levels = [crate::rules::Level::Deny, crate::rules::Level::Warn];
        assert_eq!(verdict.findings[0].level, levels[level], "{spec}");
    }
}

#[test]
fn a_core_connection_that_ambiguous_text_may_still_allow_says_so() {
    let own = managed(&cluster(&json!({})), Zone::Workload);
    let rewritten = |text: Option<&str>| {
        let mut after = own.clone();
        for peer in after.egress.iter_mut().flat_map(|rule| &mut rule.peers) {
            if let (Peer::Block { cidr, .. }, Some(text)) = (peer, text) {
                *cidr = text.parse().expect("a block");
            }
        }
        if text.is_none() {
            let is_block = |peer: &Peer| matches!(peer, Peer::Block { .. });
            after.egress.retain(|rule| !rule.peers.iter().any(is_block));
        }
        Fact::Read(after.into())
    };
    let cut = |text| {
        let before = Fact::Read(own.clone().into());
        let verdict = updated(&plain(), "bao-network-policy", before, rewritten(text));
        only_if(&verdict, Obp101)
    };
    assert_eq!(cut(Some("10.096.0.1/32")), [Some(AmbiguousCidr)]);
    assert_eq!(cut(Some("10.97.0.1/32")), [None]);
    assert_eq!(cut(None), [None]);
}

#[test]
fn messages_and_warnings_say_what_a_connection_takes() {
    let spec = rule("ingress", &json!([block("192.000.2.0/24")]), &api());
    let verdict = created(&plain(), "open", &spec);
    let finding = verdict
        .findings
        .iter()
        .find(|finding| finding.code == Obp201);
    let finding = finding.expect("a finding");
    let connection = "203.0.113.1 -> a pod of OpenBaoCluster `bao`, TCP 8200";
    let only_where = "only where a CIDR that parsers read differently is read so";
    let text = render::long(finding);
    let line = format!("\n  for example: {connection}, {only_where}\n");
    assert!(text.contains(&line), "{text}");
    let warning = render::warning(finding);
    assert!(
        warning.ends_with(&format!("({connection}, {only_where})")),
        "{warning}"
    );
    let sure = created(&plain(), "open", &rule("ingress", &json!([]), &api()));
    let text = render::long(&sure.findings[0]);
    assert!(!text.contains("only where"), "{text}");
}

/// The levels of a code's findings about a change of what a cluster declares.
fn levels_of(code: Code, before: &Value, after: &Value) -> Vec<Level> {
    let found = changed(before, after).into_iter();
    let of_code = found.filter(|found| found.0 == code);
    of_code.map(|found| found.1).collect()
}

#[test]
fn what_a_declaration_may_have_allowed_excuses_nothing_that_is_sure() {
    let octal = ingress(&json!([block("012.0.0.0/8")]), &api());
    let mapped = ingress(&json!([block("::ffff:192.0.2.0/120")]), &api());
    let everyone = |cidr: &str| ingress(&json!([block(cidr)]), &api());
    for (before, after) in [
        (&octal, everyone("0.0.0.0/0")),
        (&octal, everyone("::/0")),
        (&mapped, everyone("0.0.0.0/0")),
        (
            &octal,
            ingress(&json!([block("012.0.0.0/8"), block("0.0.0.0/0")]), &api()),
        ),
    ] {
        assert_eq!(levels_of(Obp302, before, &after), [Deny], "{after}");
    }
    let clients = |port: Value| ingress(&json!([namespace("team")]), &json!([{"port": port}]));
    let named = clients(json!("web"));
    assert_eq!(levels_of(Obp303, &named, &clients(json!(8201))), [Deny]);
    // What stays, or gets narrower, was there.
    let both = ingress(
        &json!([namespace("team"), namespace("other")]),
        &json!([{"port": "web"}]),
    );
    assert_eq!(levels_of(Obp303, &named, &named), [Warn]);
    assert_eq!(levels_of(Obp303, &both, &named), [Warn]);
}
