//! OBP304, OBP313 and OBP314: declarations that are possible but not recommended. They are reported once.

use serde_json::{Value, json};

use super::super::support::{Found, cluster, cluster_request, config_of, found, plain, row};
use super::{
    FIRST_EGRESS, FIRST_INGRESS, FIRST_PEER, NAME, api, asks, block, egress, hardened_spec, https,
    ingress, namespace, reasons, specified,
};
use crate::config::Baseline::{Classic, V01, V04};
use crate::review::review;
use crate::rules::Code::{self, Obp303, Obp304, Obp313, Obp314};
use crate::rules::Level::{Deny, Warn};

fn of(code: Code, findings: Vec<Found>) -> Vec<Found> {
    findings
        .into_iter()
        .filter(|found| found.0 == code)
        .collect()
}

/// Advice when a cluster gets this network, at creation or by a change.
fn advised(code: Code, before: Option<&Value>, after: &Value) -> Vec<Found> {
    let before = before.map(cluster);
    let request = cluster_request(before.as_ref(), &cluster(after));
    of(code, found(&review(&plain(), &request)))
}

fn warned(code: Code, paths: &[&str]) -> Vec<Found> {
    paths.iter().map(|path| row(code, Warn, path, "")).collect()
}

#[test]
fn obp304_ports_without_a_listener_are_reported() {
    let web = json!([namespace("web")]);
    let path = "spec.network.ingressRules[0].ports";
    for ports in [
        json!([{"port": 9000}]),
        json!([{"port": 8200, "endPort": 8200}, {"port": 8202, "endPort": 9000}]),
        json!([{"port": 8200, "protocol": "UDP"}]),
        json!([{"port": 8201, "protocol": "SCTP"}]),
        json!([{"port": "api", "protocol": "UDP"}]),
        json!([{"protocol": "SCTP"}]),
    ] {
        let network = ingress(&web, &ports);
        let expected = warned(Obp304, &[path]);
        assert_eq!(advised(Obp304, None, &network), expected, "{ports}");
        assert_eq!(advised(Obp304, Some(&network), &network), [], "{ports}");
        // The same ports for other peers are new.
        let others = ingress(&json!([namespace("db")]), &ports);
        assert_eq!(
            advised(Obp304, Some(&network), &others),
            expected,
            "{ports}"
        );
    }
    for ports in [
        api(),
        json!([{"port": 8200, "endPort": 8200}]),
        // The Raft port is denied by its own rule, however it is opened.
        json!([{"port": 8201}]),
        json!([{"port": 8000, "endPort": 9000}]),
        json!([{"port": "api"}]),
        json!([]),
    ] {
        let network = ingress(&web, &ports);
        assert_eq!(advised(Obp304, None, &network), [], "{ports}");
    }
    assert_eq!(advised(Obp304, None, &egress(&web, &https())), []);
}

#[test]
fn obp304_the_metrics_listener_counts_where_the_operator_opens_it() {
    let spec = |profile: &str| {
        json!({
            "profile": profile,
            "observability": {"metrics": {"enabled": true, "scrapeProfile": "AllNodes"}},
            "network": ingress(&json!([namespace("monitoring")]), &json!([{"port": 8202}])),
        })
    };
    let path = "spec.network.ingressRules[0].ports";
    let levels = |baseline, spec: &Value| of(Obp304, specified(config_of(baseline), None, spec));
    for profile in ["Hardened", "Development"] {
        assert_eq!(levels(Classic, &spec(profile)), warned(Obp304, &[path]));
        assert_eq!(levels(V01, &spec(profile)), warned(Obp304, &[path]));
        assert_eq!(levels(V04, &spec(profile)), []);
    }
    let mut quiet = spec("Hardened");
    quiet["observability"] = json!({});
    let refused = [row(Obp304, Deny, path, "")];
    assert_eq!(levels(V04, &quiet), refused);
    // Known for a Hardened cluster, and new for one that becomes Hardened.
    let mut relaxed = quiet.clone();
    relaxed["profile"] = json!("Development");
    let changed = |before: &Value| of(Obp304, specified(config_of(V04), Some(before), &quiet));
    assert_eq!(changed(&quiet), warned(Obp304, &[path]));
    assert_eq!(changed(&relaxed), refused);
}

#[test]
fn obp313_peers_by_labels_that_others_set_are_reported() {
    let team = json!({"namespaceSelector": {"matchLabels": {"team": "a"}}});
    let exists = json!({"namespaceSelector": asks("team", "Exists", &[])});
    let narrowed = json!({"namespaceSelector": {"matchLabels": {NAME: "web", "team": "a"}}});
    let not_named = json!({"namespaceSelector": {"matchLabels": {"team": "a"}, "matchExpressions": [
        {"key": NAME, "operator": "NotIn", "values": ["web"]}]}});
    let pods = json!({"podSelector": {"matchLabels": {"app": "web"}}});
    let table = [
        (
            ingress(&json!([namespace("web"), team]), &api()),
            vec![format!("{FIRST_INGRESS}.from[1].namespaceSelector")],
        ),
        (
            egress(&json!([exists]), &https()),
            vec![format!("{FIRST_EGRESS}.to[0].namespaceSelector")],
        ),
        (
            json!({"trustedIngressPeers": [team]}),
            vec![format!("{FIRST_PEER}.namespaceSelector")],
        ),
        (
            ingress(&json!([not_named]), &api()),
            vec![format!("{FIRST_INGRESS}.from[0].namespaceSelector")],
        ),
        (
            ingress(&json!([narrowed, pods, block("192.0.2.0/24")]), &api()),
            vec![],
        ),
        // In any namespace, labels of pods exclude no peer.
        (
            ingress(
                &json!([
                    {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "x"}}},
                    {
                        "namespaceSelector": asks(NAME, "NotIn", &["kube-system"]),
                        "podSelector": asks("app", "Exists", &[]),
                    },
                    {
                        "namespaceSelector": asks("unused", "DoesNotExist", &[]),
                        "podSelector": asks("app", "In", &["x", "y"]),
                    },
                ]),
                &api(),
            ),
            (0..3)
                .map(|at| format!("{FIRST_INGRESS}.from[{at}].namespaceSelector"))
                .collect(),
        ),
        (
            ingress(
                &json!([
                    {"namespaceSelector": asks(NAME, "In", &["web"]), "podSelector": asks("app", "Exists", &[])},
                    // This peer selects no pod.
                    {"namespaceSelector": {}, "podSelector": {
                        "matchLabels": {"app": "x"},
                        "matchExpressions": [{"key": "app", "operator": "DoesNotExist"}],
                    }},
                ]),
                &api(),
            ),
            vec![],
        ),
        // Everyone is another finding.
        (
            ingress(
                &json!([{"namespaceSelector": asks("team", "DoesNotExist", &[])}]),
                &api(),
            ),
            vec![],
        ),
        (
            ingress(
                &json!([{"namespaceSelector": asks(NAME, "Exists", &[])}]),
                &api(),
            ),
            vec![],
        ),
    ];
    for (network, paths) in table {
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        assert_eq!(
            advised(Obp313, None, &network),
            warned(Obp313, &paths),
            "{network}"
        );
        assert_eq!(advised(Obp313, Some(&network), &network), [], "{network}");
    }
    // A peer that moves to another rule is not new. An additional one is.
    let old = ingress(&json!([team]), &api());
    let moved = json!({"trustedIngressPeers": [team, exists]});
    let second = "spec.network.trustedIngressPeers[1].namespaceSelector";
    assert_eq!(
        advised(Obp313, Some(&old), &moved),
        warned(Obp313, &[second])
    );
}

#[test]
fn obp313_says_which_labels_others_may_set() {
    let reasons_of = |peer: Value| {
        let found = reasons(&ingress(&json!([peer]), &api())).into_iter();
        let found = found.filter(|found| found.0 == Obp313);
        found.map(|found| found.1).collect::<Vec<_>>()
    };
    let pods = reasons_of(
        json!({"namespaceSelector": {}, "podSelector": {"matchLabels": {"b": "x", "a": "y"}}}),
    );
    assert_eq!(
        pods,
        [
            "selects pods of any namespace by the label `a`, `b`, which anyone who can create a pod can set"
        ]
    );
    let namespaces = reasons_of(json!({"namespaceSelector": {"matchLabels": {"team": "a"}}}));
    assert_eq!(
        namespaces,
        ["selects by the namespace label `team`, which anyone who can edit a namespace can set"]
    );
}

/// Ingress rules on the API port, one for each list of peers.
fn rules(all: &[Value]) -> Value {
    let rule = |from: &Value| json!({"from": from, "ports": api()});
    json!({"ingressRules": all.iter().map(rule).collect::<Value>()})
}

#[test]
fn obp314_a_rule_that_opens_nothing_is_reported() {
    let own = json!([{"podSelector": {"matchLabels": {
        "app.kubernetes.io/instance": "bao", "app.kubernetes.io/managed-by": "openbao-operator",
        "app.kubernetes.io/name": "openbao", "openbao.org/cluster": "bao"}}}]);
    let web = json!([namespace("web")]);
    let teams = |operator: &str| json!([{"namespaceSelector": {"matchLabels": {NAME: "web"}}, "podSelector": asks("team", operator, &[])}]);
    let second = "spec.network.ingressRules[1]";
    let third = "spec.network.ingressRules[2]";
    let mut trusting = rules(std::slice::from_ref(&web));
    trusting["trustedIngressPeers"] = web.clone();
    let nobody = json!([{"podSelector": {"matchLabels": {"app": "a"}, "matchExpressions": [
        {"key": "app", "operator": "DoesNotExist"}]}}]);
    let table: [(Value, &[&str]); 9] = [
        (rules(std::slice::from_ref(&own)), &[FIRST_INGRESS]),
        (
            ingress(&own, &json!([{"port": 8200}, {"port": 8201}])),
            &[FIRST_INGRESS],
        ),
        (
            rules(&[web.clone(), web.clone(), web.clone()]),
            &[second, third],
        ),
        (trusting, &[FIRST_INGRESS]),
        // Only both of the others together contain it.
        (
            rules(&[teams("Exists"), teams("DoesNotExist"), web.clone()]),
            &[third],
        ),
        (
            rules(&[
                json!([block("192.0.2.0/25"), block("192.0.2.128/25")]),
                json!([block("192.0.2.0/24")]),
            ]),
            &[second],
        ),
        (rules(&[nobody]), &[FIRST_INGRESS]),
        (rules(&[web.clone(), teams("Exists")]), &[second]),
        (
            rules(&[
                web.clone(),
                json!([namespace("db")]),
                json!([block("192.0.2.0/24")]),
            ]),
            &[],
        ),
    ];
    for (network, paths) in table {
        assert_eq!(
            advised(Obp314, None, &network),
            warned(Obp314, paths),
            "{network}"
        );
        assert_eq!(advised(Obp314, Some(&network), &network), [], "{network}");
    }
    let twice = rules(&[web.clone(), web.clone()]);
    assert_eq!(
        advised(Obp314, Some(&rules(&[web])), &twice),
        warned(Obp314, &[second])
    );
}

#[test]
fn obp314_egress_is_open_where_it_is_open_to_servers_and_jobs() {
    let dns = json!([{"port": 53, "protocol": "UDP"}]);
    let api_server = egress(&json!([block("10.96.0.1/32")]), &https());
    let raft = egress(
        &json!([{"podSelector": {"matchLabels": {
            "app.kubernetes.io/instance": "bao", "app.kubernetes.io/managed-by": "openbao-operator",
            "app.kubernetes.io/name": "openbao", "openbao.org/cluster": "bao"}}}]),
        &json!([{"port": 8201}]),
    );
    let advice = |network: &Value| advised(Obp314, None, network);
    let first = warned(Obp314, &[FIRST_EGRESS]);
    assert_eq!(
        advice(&egress(&json!([namespace("kube-system")]), &dns)),
        first
    );
    assert_eq!(advice(&api_server), first);
    assert_eq!(advice(&egress(&json!([namespace("dns")]), &dns)), []);
    // The jobs reach the API port of the servers only.
    assert_eq!(advice(&raft), []);
    let old = specified(config_of(Classic), None, &json!({"network": raft}));
    assert_eq!(of(Obp314, old), first, "jobs are open there");
}

#[test]
fn advice_may_be_raised_by_the_settings() {
    let team = json!([{"namespaceSelector": {"matchLabels": {"team": "a"}}}]);
    let mut network = ingress(&team, &json!([{"port": 9000}]));
    network["ingressRules"]
        .as_array_mut()
        .expect("rules")
        .push(json!({"from": team, "ports": [{"port": 9000}]}));
    let mut config = config_of(V01);
    for code in [Obp303, Obp304, Obp313, Obp314] {
        config
            .levels
            .set(code, crate::code::EnforcementPoint::Webhook, Deny);
    }
    let spec = hardened_spec(&network);
    let codes = |before: Option<&Value>| -> Vec<_> {
        let found = specified(config.clone(), before, &spec);
        let denied = found.into_iter().filter(|found| found.1 == Deny);
        denied.map(|found| found.0).collect()
    };
    assert_eq!(codes(None), [Obp304, Obp304, Obp313, Obp313, Obp314]);
    assert_eq!(codes(Some(&spec)), []);
}
