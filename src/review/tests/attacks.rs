//! Attempts to get around the perimeter.

use std::sync::Arc;

use serde_json::{Value, json};

use super::support::{
    cluster, cluster_named, compiled, created, denied, found, managed, plain, plain_with, policy,
    policy_request, row, servers, tenant, updated,
};
use crate::baseline::Zone;
use crate::inventory::{Fact, Policy, render};
use crate::review::{Operation, Request, Subject, review};
use crate::rules::Code::{Obp101, Obp102, Obp103, Obp104, Obp201, Obp202, Obp315, Obp317};
use crate::rules::Level::Warn;
use netpol::Direction;

/// A policy that opens the pods of this selector to everyone.
fn open(selector: &Value) -> Value {
    json!({"podSelector": selector, "ingress": [{}]})
}

fn expression(key: &str, operator: &str, values: &Value) -> Value {
    json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]})
}

#[test]
fn selectors_that_hide_the_openbao_pods_are_seen_through() {
    let none = json!([]);
    let reaching = [
        json!({}),
        json!({"matchLabels": {"openbao.org/cluster": "bao"}}),
        json!({"matchLabels": {"openbao-active": "true"}}),
        json!({"matchLabels": {"statefulset.kubernetes.io/pod-name": "bao-0"}}),
        expression("openbao.org/cluster", "Exists", &none),
        expression("topology.kubernetes.io/zone", "Exists", &none),
        expression("app", "DoesNotExist", &none),
        expression("app", "NotIn", &json!(["web", "db"])),
        expression("app.kubernetes.io/name", "NotIn", &json!(["Openbao"])),
        expression("openbao.org/component", "DoesNotExist", &none),
        expression("openbao.org/component", "NotIn", &json!(["backup"])),
        expression("openbao.org/cluster", "In", &json!(["other", "bao"])),
        json!({"matchLabels": {"openbao.org/cluster": "bao", "openbao.org/component": "backup"}}),
        expression("batch.kubernetes.io/job-name", "Exists", &none),
    ];
    for selector in reaching {
        assert_eq!(
            denied(&created(&plain(), "open", &open(&selector))),
            [Obp201],
            "{selector}"
        );
    }
    let missing = [
        json!({"matchLabels": {"openbao.org/cluster": "Bao"}}),
        json!({"matchLabels": {"openbao.org/cluster": "bao", "openbao.org/component": "other-jobs",
            "app.kubernetes.io/name": "web"}}),
        expression("openbao.org/cluster", "DoesNotExist", &none),
        expression("app", "Exists", &none),
        json!({"matchLabels": {"openbao.org/cluster": "bao"}, "matchExpressions": [
            {"key": "openbao.org/cluster", "operator": "NotIn", "values": ["bao"]}]}),
    ];
    for selector in missing {
        assert_eq!(
            found(&created(&plain(), "fine", &open(&selector))),
            [],
            "{selector}"
        );
    }
}

#[test]
fn a_policy_may_not_turn_from_other_pods_to_the_openbao_pods() {
    let before = policy("moves", &open(&json!({"matchLabels": {"app": "web"}})));
    let after = policy("moves", &open(&json!({})));
    let known = plain_with(std::slice::from_ref(&before));
    assert_eq!(
        denied(&updated(&known, "moves", before.clone(), after.clone())),
        [Obp201]
    );
    assert_eq!(found(&updated(&known, "moves", after, before)), []);
}

#[test]
fn inert_rules_count_from_the_moment_they_are_switched_on() {
    let spec = |types: Value| json!({"podSelector": {}, "policyTypes": types, "egress": [{}], "ingress": [{}]});
    let off = policy(
        "sleeper",
        &json!({"podSelector": {}, "policyTypes": ["Ingress"], "egress": [{}]}),
    );
    let known = plain_with(std::slice::from_ref(&off));
    let on = policy(
        "sleeper",
        &json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "egress": [{}]}),
    );
    assert_eq!(
        found(&created(
            &plain(),
            "sleeper",
            &json!({"podSelector": {}, "policyTypes": ["Ingress"], "egress": [{}]})
        )),
        [row(Obp317, Warn, "spec.egress", "")]
    );
    assert_eq!(denied(&updated(&known, "sleeper", off, on)), [Obp202]);
    assert_eq!(
        denied(&created(
            &plain(),
            "both",
            &spec(json!(["Ingress", "Egress"]))
        )),
        [Obp201, Obp202]
    );
    assert_eq!(
        denied(&created(&plain(), "egress", &spec(json!(["Egress"])))),
        [Obp202]
    );
    assert_eq!(
        denied(&created(&plain(), "defaulted", &spec(json!([])))),
        [Obp201, Obp202]
    );
}

#[test]
fn every_cluster_of_a_namespace_is_reviewed_and_names_that_collide_protect_both() {
    let clusters = ["x", "x-jobs"].map(|name| cluster_named(name, &json!({})));
    let own = |at: usize, pods| Fact::Read(Arc::new(managed(&clusters[at], pods)));
    // `x-jobs-network-policy` is the jobs policy of `x` and the workload policy of `x-jobs`.
    let shared = own(1, Zone::Workload);
    let both = compiled(
        &clusters,
        &[own(0, Zone::Workload), shared.clone(), own(1, Zone::Jobs)],
    );
    let gone = policy_request(
        tenant(),
        "x-jobs-network-policy",
        Some(shared.clone()),
        None,
    );
    assert!(denied(&review(&both, &gone)).contains(&Obp103));
    let mut dying = Arc::unwrap_or_clone(clusters[0].clone());
    dying.meta.deleting = true;
    let half = compiled(&[dying.into(), clusters[1].clone()], &[shared]);
    assert!(
        denied(&review(&half, &gone)).contains(&Obp103),
        "`x-jobs` lives"
    );
    // Declarations of one cluster open nothing for the other.
    let rule =
        json!([{"from": [{"ipBlock": {"cidr": "192.0.2.0/24"}}], "ports": [{"port": 8200}]}]);
    let declares = cluster_named("a", &json!({"network": {"ingressRules": rule}}));
    let two = compiled(&[declares, cluster_named("b", &json!({}))], &[]);
    let repeat = |selector: Value| json!({"podSelector": selector, "ingress": rule});
    assert_eq!(denied(&created(&two, "all", &repeat(servers()))), [Obp201]);
    let mut only_a = servers();
    only_a["matchLabels"] = json!({"openbao.org/cluster": "a"});
    let only_a = repeat(only_a);
    assert_eq!(found(&created(&two, "only-a", &only_a)), []);
}

#[test]
fn a_managed_label_or_a_name_still_to_come_confers_nothing() {
    let spec = open(&json!({}));
    for name in [
        "",
        "bao-network-policy-2",
        "xbao-network-policy",
        "bao-jobs-network-policy2",
        "network-policy",
    ] {
        assert_eq!(
            denied(&created(&plain(), name, &spec)),
            [Obp201],
            "`{name}`"
        );
    }
    let Fact::Read(unnamed) = policy("", &spec) else {
        panic!("readable")
    };
    let mut labelled = Arc::unwrap_or_clone(unnamed);
    labelled.meta.labels = managed(&cluster(&json!({})), Zone::Workload).meta.labels;
    let request = policy_request(tenant(), "", None, Some(Fact::Read(labelled.into())));
    assert_eq!(denied(&review(&plain(), &request)), [Obp201]);
}

#[test]
fn an_update_without_its_old_object_is_reviewed_as_a_creation() {
    let after = policy("open", &open(&json!({})));
    let mut request = policy_request(tenant(), "open", None, Some(after.clone()));
    request.operation = Operation::Update;
    // An equally bad stored policy is no excuse if it is not in the request.
    assert_eq!(denied(&review(&plain_with(&[after]), &request)), [Obp201]);
    let own = "bao-network-policy";
    let emptied = policy(
        own,
        &json!({"podSelector": {"matchLabels": {"app": "web"}}}),
    );
    let mut request: Request = policy_request(tenant(), own, None, Some(emptied));
    request.operation = Operation::Update;
    let codes = denied(&review(&plain(), &request));
    assert!(
        codes.contains(&Obp104) && codes.contains(&Obp102),
        "{codes:?}"
    );
}

#[test]
fn a_finalizer_can_always_be_removed_and_a_deletion_timestamp_excuses_nothing() {
    let bad = policy("open", &open(&json!({})));
    let Fact::Read(stored) = &bad else {
        panic!("readable")
    };
    let mut dying = (**stored).clone();
    dying.meta.deleting = true;
    let known = plain_with(std::slice::from_ref(&bad));
    let after = Fact::Read(Arc::new(dying.clone()));
    assert_eq!(denied(&updated(&known, "open", bad.clone(), after)), []);
    let Fact::Read(wider) = policy(
        "open",
        &json!({"podSelector": {}, "ingress": [{}], "egress": [{}]}),
    ) else {
        panic!("readable")
    };
    dying.egress.clone_from(&wider.egress);
    let after = Fact::Read(Arc::new(dying));
    assert_eq!(denied(&updated(&known, "open", bad, after)), [Obp202]);
}

#[test]
fn blocks_and_ports_at_the_edges_of_what_is_declared() {
    let rule = |cidr: &str, ports: Value| json!([{"from": [{"ipBlock": {"cidr": cidr, "except": ["192.0.2.128/25"]}}], "ports": ports}]);
    let network = json!({"ingressRules": rule("192.0.2.0/24", json!([{"port": 8200}, {"port": 9000, "endPort": 9010}]))});
    let declared = compiled(&[cluster(&network)], &[]);
    let write = |from: Value, ports: Value| {
        let spec = json!({"podSelector": servers(), "ingress": [{"from": from, "ports": ports}]});
        denied(&created(&declared, "edge", &spec))
    };
    let block = |cidr: &str| json!([{"ipBlock": {"cidr": cidr}}]);
    let api = json!([{"port": 8200}]);
    assert_eq!(write(block("192.0.2.0/25"), api.clone()), []);
    assert_eq!(
        write(
            block("192.0.2.0/25"),
            json!([{"port": 9000, "endPort": 9010}])
        ),
        []
    );
    assert_eq!(
        write(block("192.0.2.0/24"), api.clone()),
        [Obp201],
        "the exception is not declared"
    );
    assert_eq!(write(block("192.0.2.128/32"), api.clone()), [Obp201]);
    assert_eq!(
        write(
            block("192.0.2.0/25"),
            json!([{"port": 9000, "endPort": 9011}])
        ),
        [Obp201]
    );
    assert_eq!(
        write(
            block("192.0.2.0/25"),
            json!([{"port": 8200, "protocol": "SCTP"}])
        ),
        [Obp201]
    );
    assert_eq!(
        write(block("192.0.2.0/25"), json!([{"port": "api"}])),
        [Obp201]
    );
    assert_eq!(
        write(block("::ffff:192.0.2.0/121"), api.clone()),
        [Obp201, Obp315]
    );
    assert_eq!(write(block("192.000.2.0/25"), api), [Obp201, Obp315]);
}

#[test]
fn a_default_deny_cuts_nothing_and_two_halves_cover_as_well_as_one() {
    let deny = json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]});
    let not_rendered = compiled(&[cluster(&json!({}))], &[]);
    for known in [plain(), not_rendered] {
        assert_eq!(found(&created(&known, "default-deny", &deny)), []);
    }
    // Two policies that each allow one protocol of DNS replace the managed rule.
    let half = |protocol: &str| {
        json!({"podSelector": {}, "policyTypes": ["Egress"], "egress": [{
            "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}],
            "ports": [{"port": 53, "protocol": protocol}]}]})
    };
    let (tcp, udp) = (policy("tcp", &half("TCP")), policy("udp", &half("UDP")));
    let mut own = managed(&cluster(&json!({})), Zone::Workload);
    let before = Fact::Read(Arc::new(own.clone()));
    own.egress.remove(0);
    let after = Fact::Read(Arc::new(own));
    let covered = plain_with(&[tcp.clone(), udp.clone()]);
    assert_eq!(
        found(&updated(
            &covered,
            "bao-network-policy",
            before.clone(),
            after.clone()
        )),
        []
    );
    for one in [tcp, udp] {
        let known = plain_with(&[one]);
        assert_eq!(
            denied(&updated(
                &known,
                "bao-network-policy",
                before.clone(),
                after.clone()
            )),
            [Obp101]
        );
    }
}

#[test]
fn policies_that_each_have_half_of_a_port_range_cover_a_core_connection_together() {
    // The managed policy allows the cluster's own pods to connect to each other on ports 8200 and 8201.
    let own = managed(&cluster(&json!({})), Zone::Workload);
    let from = render::rule(&own.ingress[0], Direction::Ingress)["from"].clone();
    let half = |name: &str, first: u16, last: u16| {
        let ports = json!([{"port": first, "endPort": last}]);
        let ingress = json!([{"from": from, "ports": ports}]);
        let spec = json!({"podSelector": {}, "policyTypes": ["Ingress"], "ingress": ingress});
        policy(name, &spec)
    };
    let (low, high) = (half("low", 8_000, 8_200), half("high", 8_201, 8_300));
    let mut without = own.clone();
    without.ingress.remove(0);
    let known = |others: &[Fact<Policy>]| {
        let others = [&[Fact::Read(Arc::new(without.clone()))], others].concat();
        compiled(&[cluster(&json!({}))], &others)
    };
    let (own, without) = [own, without.clone()]
        .map(|own| Fact::Read(Arc::new(own)))
        .into();
    let both = plain_with(&[low.clone(), high.clone()]);
    assert_eq!(
        found(&updated(&both, "bao-network-policy", own, without)),
        []
    );
    // A user who then removes one half is denied.
    let known = known(&[low.clone(), high]);
    let gone = policy_request(tenant(), "low", Some(low), None);
    let verdict = review(&known, &gone);
    assert_eq!(denied(&verdict), [Obp101]);
    let finding = &verdict.findings[0];
    assert_eq!(&*finding.object.name, "low");
    let shown = finding.witness.as_ref().map(ToString::to_string);
    assert!(shown.is_some_and(|shown| shown.ends_with("TCP 8200")));
}

#[test]
fn requests_about_other_namespaces_are_not_affected() {
    let mut request = policy_request(
        tenant(),
        "open",
        None,
        Some(policy("open", &open(&json!({})))),
    );
    let Subject::Policy(edit) = &mut request.subject else {
        panic!("a policy")
    };
    edit.object.namespace = "elsewhere".into();
    assert_eq!(found(&review(&plain(), &request)), []);
}
