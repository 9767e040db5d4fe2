//! Reading and writing manifests: what is refused and where, what is defaulted, what is kept.

use std::sync::Arc;

use openbao_perimeter::cli::crds;
use openbao_perimeter::inventory::{
    Change, Cluster, Fact, Kind, Malformed, Object, ObjectRef, Owner, Policy, Profile, Snapshot,
    read, render,
};
use openbao_perimeter::perimeter::Direction;
use openbao_perimeter::perimeter::address::CidrReading;
use openbao_perimeter::perimeter::port::Protocol;
use openbao_perimeter::perimeter::rule::{
    Operator, Peer, PortEntry, PortRange, Requirement, Rule, Selector,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn reference(kind: Kind) -> ObjectRef {
    ObjectRef {
        kind,
        namespace: "bao".into(),
        name: "it".into(),
    }
}

fn policy(spec: &Value) -> Fact<Policy> {
    let json = json!({"metadata": {"name": "web", "namespace": "bao"}, "spec": spec}).to_string();
    read::policy(json.as_bytes(), &reference(Kind::NetworkPolicy))
}

fn readable(spec: &Value) -> Policy {
    match policy(spec) {
        Fact::Read(policy) => Arc::unwrap_or_clone(policy),
        Fact::Unreadable(broken) => panic!("{spec} is refused: {broken:?}"),
    }
}

fn problems(spec: &Value) -> Vec<Malformed> {
    match policy(spec) {
        Fact::Read(policy) => panic!("{spec} is read as {policy:?}"),
        Fact::Unreadable(broken) => broken.problems.clone(),
    }
}

fn paths(spec: &Value) -> Vec<String> {
    let problems = problems(spec);
    problems.into_iter().map(|problem| problem.path).collect()
}

/// The single rule of a policy with these peers.
fn with_peers(peers: &Value) -> Value {
    json!({"ingress": [{"from": peers}]})
}

/// The single rule of a policy with these ports.
fn with_ports(ports: &Value) -> Value {
    json!({"ingress": [{"ports": ports}]})
}

fn cluster(spec: &Value) -> Cluster {
    let json = json!({"metadata": {"name": "bao", "namespace": "bao"}, "spec": spec}).to_string();
    match read::cluster(json.as_bytes(), &reference(Kind::OpenBaoCluster)) {
        Fact::Read(cluster) => Arc::unwrap_or_clone(cluster),
        Fact::Unreadable(broken) => panic!("{spec} is refused: {broken:?}"),
    }
}

#[test]
fn a1_a2_a_missing_null_or_empty_pod_selector_selects_every_pod() {
    for spec in [
        json!({}),
        json!({"podSelector": null}),
        json!({"podSelector": {}}),
        json!({"podSelector": {"matchLabels": null, "matchExpressions": null}}),
    ] {
        assert_eq!(readable(&spec).pods, Selector::default(), "{spec}");
    }
    let bare = read::policy(b"{}", &reference(Kind::NetworkPolicy));
    assert_eq!(bare.read().map(|bare| &*bare.meta.name), Some("it"));
}

#[test]
fn a3_a_null_selector_in_a_peer_is_absent() {
    let beside = with_peers(&json!([{"podSelector": null, "namespaceSelector": {}}]));
    let all_namespaces = Peer::Pods {
        namespaces: Some(Selector::default()),
        pods: None,
    };
    assert_eq!(readable(&beside).ingress[0].peers, [all_namespaces]);
    let alone = with_peers(&json!([{"podSelector": null}]));
    assert_eq!(paths(&alone), ["spec.ingress[0].from[0]"]);
}

#[test]
fn a5_to_a9_selectors_are_read_as_written() {
    let written = json!({
        "matchLabels": {"empty": "", "openbao.org/cluster": "bao"},
        "matchExpressions": [
            {"key": "a", "operator": "In", "values": ["x", ""]},
            {"key": "a", "operator": "NotIn", "values": ["x"]},
            {"key": "b", "operator": "Exists"},
            {"key": "c", "operator": "DoesNotExist", "values": []},
        ],
    });
    let expected = Selector::labels([("empty", ""), ("openbao.org/cluster", "bao")])
        .and("a", Operator::In, &["x", ""])
        .and("a", Operator::NotIn, &["x"])
        .and("b", Operator::Exists, &[])
        .and("c", Operator::DoesNotExist, &[]);
    assert_eq!(readable(&json!({"podSelector": written})).pods, expected);
}

#[test]
fn a6_to_a10_malformed_selectors_are_refused_where_they_are_wrong() {
    let long = "x".repeat(64);
    let table = [
        (json!({"key": "a", "operator": "In"}), "values"),
        (
            json!({"key": "a", "operator": "NotIn", "values": []}),
            "values",
        ),
        (
            json!({"key": "a", "operator": "Exists", "values": ["x"]}),
            "values",
        ),
        (
            json!({"key": "a", "operator": "DoesNotExist", "values": [""]}),
            "values",
        ),
        (
            json!({"key": "a", "operator": "Gt", "values": ["1"]}),
            "operator",
        ),
        (
            json!({"key": "a", "operator": "Lt", "values": ["1"]}),
            "operator",
        ),
        (
            json!({"key": "a", "operator": "in", "values": ["1"]}),
            "operator",
        ),
        (json!({"key": "a"}), "operator"),
        (json!({"operator": "Exists"}), "key"),
        (json!({"key": "-a", "operator": "Exists"}), "key"),
        (json!({"key": "a/b/c", "operator": "Exists"}), "key"),
        (json!({"key": "/a", "operator": "Exists"}), "key"),
        (json!({"key": "UPPER.io/a", "operator": "Exists"}), "key"),
        (json!({"key": long, "operator": "Exists"}), "key"),
        (
            json!({"key": "a", "operator": "In", "values": ["ok", "no spaces"]}),
            "values[1]",
        ),
        (
            json!({"key": "a", "operator": "In", "values": [long]}),
            "values[0]",
        ),
    ];
    for (expression, field) in table {
        let spec = json!({"podSelector": {"matchExpressions": [expression]}});
        let expected = format!("spec.podSelector.matchExpressions[0].{field}");
        assert_eq!(paths(&spec), [expected], "{spec}");
    }
    let labels = json!({"podSelector": {"matchLabels": {"bad key": "v", "k": "bad value"}}});
    assert_eq!(
        paths(&labels),
        [
            "spec.podSelector.matchLabels",
            "spec.podSelector.matchLabels[k]"
        ]
    );
    for key in ["a", "A_b.c-d", "openbao.org/cluster", "0.a-b.io/x"] {
        let spec = json!({"podSelector": {"matchLabels": {key: "v"}}});
        assert_eq!(readable(&spec).pods, Selector::labels([(key, "v")]));
    }
}

#[test]
fn b1_to_b8_policy_types_are_kept_or_defaulted() {
    use Direction::{Egress, Ingress};
    type Row = (Value, Option<Vec<Direction>>, [bool; 2]);
    let table: [Row; 9] = [
        (json!({}), None, [true, false]),
        (json!({"policyTypes": null}), None, [true, false]),
        (json!({"policyTypes": []}), None, [true, false]),
        (
            json!({"policyTypes": [], "egress": [{}]}),
            None,
            [true, true],
        ),
        (json!({"egress": []}), None, [true, false]),
        (
            json!({"policyTypes": ["Ingress"], "egress": [{}]}),
            Some(vec![Ingress]),
            [true, false],
        ),
        (
            json!({"policyTypes": ["Egress"], "ingress": [{}]}),
            Some(vec![Egress]),
            [false, true],
        ),
        (
            json!({"policyTypes": ["Ingress", "Ingress"]}),
            Some(vec![Ingress, Ingress]),
            [true, false],
        ),
        (
            json!({"policyTypes": ["Egress", "Ingress"]}),
            Some(vec![Egress, Ingress]),
            [true, true],
        ),
    ];
    for (spec, types, isolates) in table {
        let policy = readable(&spec);
        assert_eq!(policy.policy_types, types, "{spec}");
        assert_eq!(
            Direction::ALL.map(|side| policy.isolates(side)),
            isolates,
            "{spec}"
        );
        for side in Direction::ALL
            .into_iter()
            .filter(|side| !policy.isolates(*side))
        {
            assert!(policy.effective_rules(side).is_empty(), "{spec}");
        }
    }
}

#[test]
fn b6_more_than_two_or_unknown_policy_types_are_refused() {
    let three = json!({"policyTypes": ["Ingress", "Egress", "Ingress"]});
    assert_eq!(paths(&three), ["spec.policyTypes"]);
    for word in ["ingress", "", "Both"] {
        let spec = json!({"policyTypes": ["Egress", word]});
        assert_eq!(paths(&spec), ["spec.policyTypes[1]"], "{spec}");
    }
}

#[test]
fn b7_b8_c1_d1_missing_null_and_empty_lists_are_the_same() {
    for field in ["from", "ports"] {
        for list in [Value::Null, json!([])] {
            let spec = json!({"ingress": [{field: list}]});
            assert_eq!(readable(&spec).ingress, [Rule::default()], "{spec}");
        }
    }
    assert_eq!(
        readable(&json!({"ingress": [{}]})).ingress,
        [Rule::default()]
    );
    for list in [Value::Null, json!([])] {
        assert!(readable(&json!({"ingress": list})).ingress.is_empty());
    }
}

#[test]
fn c2_c9_a_peer_has_selectors_or_a_block_and_never_both_or_none() {
    let block = json!({"cidr": "192.0.2.0/24"});
    for peer in [
        json!({}),
        json!({"ipBlock": null}),
        json!({"ipBlock": block, "podSelector": {}}),
        json!({"ipBlock": block, "namespaceSelector": {}}),
    ] {
        let spec = json!({"egress": [{}, {"to": [{"podSelector": {}}, peer]}]});
        assert_eq!(paths(&spec), ["spec.egress[1].to[1]"], "{spec}");
    }
}

#[test]
fn c3_to_c6_selectors_of_peers_are_kept_apart() {
    let spec = with_peers(&json!([
        {"podSelector": {}},
        {"namespaceSelector": {"matchLabels": {"a": "b"}}},
        {"namespaceSelector": {}, "podSelector": {"matchLabels": {"c": "d"}}},
    ]));
    let pods = |namespaces, pods| Peer::Pods { namespaces, pods };
    assert_eq!(
        readable(&spec).ingress[0].peers,
        [
            pods(None, Some(Selector::default())),
            pods(Some(Selector::labels([("a", "b")])), None),
            pods(
                Some(Selector::default()),
                Some(Selector::labels([("c", "d")]))
            ),
        ]
    );
}

#[test]
fn c10_except_has_to_lie_strictly_inside() {
    let table = [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.0.0.0/8", "10.0.0.0/7"),
        ("10.0.0.0/8", "11.0.0.0/16"),
        ("10.0.0.0/8", "2001:db8::/32"),
        ("::/0", "10.0.0.0/8"),
        ("10.1.0.0/16", "0.0.0.0/0"),
        ("10.0.0.0/8", ""),
        ("10.0.0.0/8", "10.1.0.0"),
        ("10.0.0.0/8", "10.1.0.0/33"),
    ];
    for (cidr, except) in table {
        let spec = with_peers(&json!([{"ipBlock": {"cidr": cidr, "except": [except]}}]));
        assert_eq!(
            paths(&spec),
            ["spec.ingress[0].from[0].ipBlock.except[0]"],
            "{spec}"
        );
    }
    // C11: exceptions that leave nothing are legal.
    let halves = json!({"cidr": "10.0.0.0/8", "except": ["10.0.0.0/9", "10.128.0.0/9"]});
    let rules = readable(&with_peers(&json!([{"ipBlock": halves}]))).ingress;
    assert!(matches!(&rules[0].peers[..], [Peer::Block { except, .. }] if except.len() == 2));
}

#[test]
fn c12_to_c18_cidr_text_is_canonical_ambiguous_or_refused() {
    let reading = |text: &str| {
        let spec = with_peers(&json!([{"ipBlock": {"cidr": text}}]));
        let policy = readable(&spec);
        match &policy.ingress[0].peers[..] {
            [Peer::Block { cidr, .. }] => cidr.clone(),
            other => panic!("{other:?} is no block"),
        }
    };
    for (text, canonical) in [
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("::/0", "::/0"),
        ("192.0.2.77/24", "192.0.2.0/24"),
        ("10.0.0.0/08", "10.0.0.0/8"),
    ] {
        let cidr = reading(text);
        assert_eq!(cidr.text(), text, "the text stays as written");
        assert!(
            matches!(cidr.reading(), CidrReading::Canonical(net) if net.to_string() == canonical)
        );
    }
    for text in ["012.0.0.0/8", "::ffff:192.0.2.0/120"] {
        assert_eq!(*reading(text).reading(), CidrReading::Ambiguous, "{text}");
    }
    for text in [
        "",
        "10.0.0.0",
        "10.0.0/8",
        "10.0.0.0/-1",
        "10.0.0.0/33",
        "::/129",
        "a/8",
        " ::/0",
    ] {
        let spec = with_peers(&json!([{"ipBlock": {"cidr": text}}]));
        assert_eq!(
            paths(&spec),
            ["spec.ingress[0].from[0].ipBlock.cidr"],
            "{text}"
        );
    }
    // C17: nobody can say whether one of them is inside the other.
    let mapped = json!({"cidr": "10.0.0.0/8", "except": ["::ffff:10.1.0.0/112"]});
    readable(&with_peers(&json!([{"ipBlock": mapped}])));
}

#[test]
fn d2_to_d7_ports_are_read_with_their_defaults() {
    let entry = |protocol, ports| PortEntry { protocol, ports };
    let table = [
        (json!({}), entry(Protocol::Tcp, PortRange::All)),
        (
            json!({"port": null, "endPort": null}),
            entry(Protocol::Tcp, PortRange::All),
        ),
        (
            json!({"protocol": "UDP"}),
            entry(Protocol::Udp, PortRange::All),
        ),
        (
            json!({"protocol": "SCTP"}),
            entry(Protocol::Sctp, PortRange::All),
        ),
        (json!({"port": 1}), PortEntry::tcp(1)),
        (
            json!({"port": 65535, "protocol": null}),
            PortEntry::tcp(65535),
        ),
        (json!({"port": 80, "endPort": 80}), PortEntry::tcp(80)),
        (
            json!({"port": 80, "endPort": 90}),
            entry(Protocol::Tcp, PortRange::Numbers(80, 90)),
        ),
        (
            json!({"port": "api"}),
            entry(Protocol::Tcp, PortRange::Named("api".into())),
        ),
        (
            json!({"port": "8a-b"}),
            entry(Protocol::Tcp, PortRange::Named("8a-b".into())),
        ),
        (
            json!({"port": "fifteen-letters"}),
            entry(Protocol::Tcp, PortRange::Named("fifteen-letters".into())),
        ),
    ];
    for (written, expected) in table {
        let rules = readable(&with_ports(&json!([written]))).ingress;
        assert_eq!(rules[0].ports, [expected], "{written}");
    }
}

#[test]
fn d3_to_d6_malformed_ports_are_refused_where_they_are_wrong() {
    let table = [
        (json!({"port": 0}), "port"),
        (json!({"port": -1}), "port"),
        (json!({"port": 65536}), "port"),
        (json!({"port": "80"}), "port"),
        (json!({"port": ""}), "port"),
        (json!({"port": "sixteen-letters-"}), "port"),
        (json!({"port": "sixteen-lettersx"}), "port"),
        (json!({"port": "a--b"}), "port"),
        (json!({"port": "-a"}), "port"),
        (json!({"port": "a-"}), "port"),
        (json!({"port": "API"}), "port"),
        (json!({"port": "a_b"}), "port"),
        (json!({"endPort": 90}), "endPort"),
        (json!({"port": "api", "endPort": 90}), "endPort"),
        (json!({"port": 80, "endPort": 79}), "endPort"),
        (json!({"port": 80, "endPort": 65536}), "endPort"),
        (json!({"protocol": "tcp"}), "protocol"),
        (json!({"protocol": ""}), "protocol"),
        (json!({"protocol": "ICMP"}), "protocol"),
        (json!({"port": 4_294_967_296_u64}), "port"),
        (json!({"port": 80.5}), "port"),
        (json!({"port": true}), "port"),
    ];
    for (written, field) in table {
        let spec = with_ports(&json!([{"port": 8200}, written]));
        let expected = format!("spec.ingress[0].ports[1].{field}");
        assert_eq!(paths(&spec), [expected], "{written}");
    }
}

#[test]
fn every_problem_is_reported_in_field_order() {
    let spec = json!({
        "policyTypes": ["Sideways"],
        "egress": [{"to": [{}], "ports": [{"port": 0, "protocol": "X"}]}],
        "ingress": [{"from": [{"ipBlock": {"cidr": "x", "except": ["y"]}}]}],
        "podSelector": {"matchLabels": {"a": "-"}},
    });
    assert_eq!(
        paths(&spec),
        [
            "spec.podSelector.matchLabels[a]",
            "spec.ingress[0].from[0].ipBlock.cidr",
            "spec.ingress[0].from[0].ipBlock.except[0]",
            "spec.egress[0].to[0]",
            "spec.egress[0].ports[0].port",
            "spec.egress[0].ports[0].protocol",
            "spec.policyTypes[0]",
        ]
    );
}

#[test]
fn what_does_not_decode_names_place_value_and_expectation() {
    let broken = |path: &str, value: &str, problem: &str| {
        vec![Malformed {
            path: path.to_owned(),
            value: value.to_owned(),
            problem: problem.to_owned(),
        }]
    };
    assert_eq!(
        problems(&json!({"ingress": [{"from": "all"}]})),
        broken(
            "spec.ingress[0].from",
            r#""all""#,
            r#"expected a sequence, found string "all""#
        )
    );
    let cut = read::policy(b"{\"spec\": ", &reference(Kind::NetworkPolicy));
    let Fact::Unreadable(cut) = cut else {
        panic!("half an object is read");
    };
    assert_eq!(&*cut.meta.name, "it");
    assert_eq!(
        cut.problems[0].problem,
        "EOF while parsing a value at line 1 column 9"
    );
}

#[test]
fn a_list_is_no_object() {
    let fallback = reference(Kind::NetworkPolicy);
    for text in [&b"[]"[..], b" [{}, {}]"] {
        let Fact::Unreadable(broken) = read::policy(text, &fallback) else {
            panic!("a list is read as a policy");
        };
        assert_eq!(
            broken.problems[0].problem,
            "expected an object, found sequence"
        );
    }
}

#[test]
fn metadata_survives_where_the_rest_does_not_decode() {
    let json = json!({
        "metadata": {"name": "web", "namespace": "bao", "labels": {"a": "b"}, "ownerReferences": 7},
        "spec": 7,
    });
    let read = read::policy(json.to_string().as_bytes(), &reference(Kind::NetworkPolicy));
    let Fact::Unreadable(broken) = read else {
        panic!("a number is read as a spec");
    };
    assert_eq!(
        (&*broken.meta.name, &*broken.meta.namespace),
        ("web", "bao")
    );
    assert_eq!(broken.meta.labels.get("a").map(AsRef::as_ref), Some("b"));
}

#[test]
fn only_metadata_that_rules_look_at_is_kept() {
    let json = json!({
        "metadata": {
            "name": "web",
            "annotations": {
                "openbao.org/maintenance": "true",
                "kubectl.kubernetes.io/last-applied-configuration": "{}",
            },
            "deletionTimestamp": "2026-01-01T00:00:00Z",
            "managedFields": [{"manager": "kubectl"}],
            "ownerReferences": [
                {"apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster", "name": "bao",
                 "uid": "1", "controller": true, "blockOwnerDeletion": true},
            ],
        },
    });
    let read = read::policy(json.to_string().as_bytes(), &reference(Kind::NetworkPolicy));
    let meta = &read.read().expect("readable").meta;
    assert_eq!(meta.annotations.len(), 1);
    assert_eq!(
        meta.annotations
            .get("openbao.org/maintenance")
            .map(AsRef::as_ref),
        Some("true")
    );
    assert!(meta.deleting);
    assert_eq!(
        meta.owners,
        [Owner {
            kind: "OpenBaoCluster".into(),
            name: "bao".into(),
            uid: "1".into(),
            controller: true,
        }]
    );
}

#[test]
fn a_cluster_without_anything_is_read() {
    for spec in [
        Value::Null,
        json!({}),
        json!({"network": null, "unknown": {"x": 1}}),
    ] {
        let cluster = cluster(&spec);
        assert_eq!(
            cluster.network,
            openbao_perimeter::inventory::Network::default()
        );
        assert_eq!((cluster.profile, cluster.gateway_namespace), (None, None));
    }
}

#[test]
fn a_clusters_texts_are_trimmed_and_blank_ones_skipped() {
    let cluster = cluster(&json!({"network": {
        "apiServerCIDR": " 10.43.0.1/16 ",
        "apiServerEndpointIPs": [" ", " 192.0.2.1 ", "::ffff:192.0.2.2", "example.org", "10.0.0.1/32"],
        "dnsNamespace": " openshift-dns ",
        "dnsEndpointIPs": ["", "169.254.20.10", "2001:db8::53"],
    }}));
    let network = cluster.network;
    let cidr = network
        .api_server_cidr
        .expect("declared")
        .expect("readable");
    assert_eq!(
        cidr.canonical().map(|net| net.to_string()).as_deref(),
        Some("10.43.0.0/16")
    );
    assert_eq!(network.dns_namespace.as_deref(), Some("openshift-dns"));
    let read: Vec<Result<String, Vec<String>>> = network
        .api_server_endpoints
        .into_iter()
        .map(|entry| {
            entry
                .map(|address| address.to_string())
                .map_err(|problems| problems.into_iter().map(|problem| problem.path).collect())
        })
        .collect();
    assert_eq!(
        read,
        [
            Ok("192.0.2.1".to_owned()),
            Ok("192.0.2.2".to_owned()),
            Err(vec!["spec.network.apiServerEndpointIPs[3]".to_owned()]),
            Err(vec!["spec.network.apiServerEndpointIPs[4]".to_owned()]),
        ]
    );
    assert_eq!(network.dns_endpoints.len(), 2);
    let blank = self::cluster(&json!({"network": {"apiServerCIDR": " ", "dnsNamespace": ""}}));
    assert_eq!(
        (blank.network.api_server_cidr, blank.network.dns_namespace),
        (None, None)
    );
}

#[test]
fn what_is_wrong_with_one_declaration_stays_with_it() {
    let cluster = cluster(&json!({"network": {
        "apiServerCIDR": "everywhere",
        "ingressRules": [{"ports": [{"port": 8200}]}, {"from": [{"ipBlock": {"cidr": "::/0"}, "podSelector": {}}]}],
        "egressRules": [{"to": [{"ipBlock": {"cidr": "nowhere"}}, {}], "ports": [{"endPort": 1}]}],
        "trustedIngressPeers": [{"namespaceSelector": {}}, {}],
    }}));
    let paths = |problems: &[Malformed]| -> Vec<String> {
        problems
            .iter()
            .map(|problem| problem.path.clone())
            .collect()
    };
    let network = &cluster.network;
    let cidr = network.api_server_cidr.as_ref().expect("declared");
    assert_eq!(
        paths(cidr.as_ref().unwrap_err()),
        ["spec.network.apiServerCIDR"]
    );
    assert!(network.ingress_rules[0].is_ok());
    assert_eq!(
        paths(network.ingress_rules[1].as_ref().unwrap_err()),
        ["spec.network.ingressRules[1].from[0]"]
    );
    assert_eq!(
        paths(network.egress_rules[0].as_ref().unwrap_err()),
        [
            "spec.network.egressRules[0].to[0].ipBlock.cidr",
            "spec.network.egressRules[0].to[1]",
            "spec.network.egressRules[0].ports[0].endPort",
        ]
    );
    assert!(network.trusted_ingress_peers[0].is_ok());
    assert_eq!(
        paths(network.trusted_ingress_peers[1].as_ref().unwrap_err()),
        ["spec.network.trustedIngressPeers[1]"]
    );
}

#[test]
fn a_clusters_zone_fields_are_read() {
    let spec = json!({
        "profile": "Hardened",
        "podMetadata": {"labels": {"team": "a"}},
        "readReplicas": {"replicas": 2, "template": {"metadata": {"labels": {"tier": "read"}}}},
        "backup": {"target": {"workloadIdentity": {"podLabels": {"identity": "on"}}}},
        "gateway": {"enabled": true, "gatewayRef": {"name": "gw", "namespace": " edge "}},
        "ingress": {"enabled": true},
    });
    let read = cluster(&spec);
    assert_eq!(read.profile, Some(Profile::Hardened));
    assert_eq!(read.pod_labels.len(), 2);
    assert_eq!(
        read.job_labels.get("identity").map(AsRef::as_ref),
        Some("on")
    );
    assert_eq!(read.gateway_namespace.as_deref(), Some("edge"));
    assert!(read.ingress_enabled);

    let off = cluster(
        &json!({"profile": "Relaxed", "gateway": {"enabled": false, "gatewayRef": {"namespace": "edge"}}}),
    );
    assert_eq!(
        (off.profile, off.gateway_namespace, off.ingress_enabled),
        (None, None, false)
    );
    let own = cluster(&json!({"gateway": {"enabled": true, "gatewayRef": {"name": "gw"}}}));
    assert_eq!(
        own.gateway_namespace.as_deref(),
        Some("bao"),
        "the cluster's own by default"
    );
}

#[test]
fn objects_are_known_by_group_and_kind() {
    let object = |version: &str, kind: &str, name: &str, extra: Value| {
        let mut value = json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}});
        value
            .as_object_mut()
            .expect("an object")
            .extend(extra.as_object().cloned().unwrap_or_default());
        read::object(&value)
    };
    let none = || json!({});
    assert!(matches!(
        object("networking.k8s.io/v1", "NetworkPolicy", "a", none()),
        Some(Object::Policy(_))
    ));
    assert!(matches!(
        object("openbao.org/v1beta1", "OpenBaoCluster", "a", none()),
        Some(Object::Cluster(_))
    ));
    for (version, kind) in [
        ("crd.projectcalico.org/v1", "NetworkPolicy"),
        ("v1", "NetworkPolicy"),
        ("v1", "ConfigMap"),
        ("example.org/v1", "Namespace"),
    ] {
        assert_eq!(object(version, kind, "a", none()), None, "{version} {kind}");
    }
    let terminating = |extra| match object("v1", "Namespace", "a", extra) {
        Some(Object::Namespace(Fact::Read(namespace))) => namespace.terminating,
        other => panic!("{other:?} is no namespace"),
    };
    assert!(!terminating(json!({"status": {"phase": "Active"}})));
    assert!(terminating(json!({"status": {"phase": "Terminating"}})));
    assert!(terminating(
        json!({"metadata": {"name": "a", "deletionTimestamp": "2026-01-01T00:00:00Z"}})
    ));
}

#[test]
fn only_the_api_servers_own_service_is_kept() {
    let service = |namespace: &str, name: &str, spec: Value| {
        let metadata = json!({"name": name, "namespace": namespace});
        read::object(
            &json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}),
        )
    };
    let addresses = |spec| match service("default", "kubernetes", spec) {
        Some(Object::ApiServer(addresses)) => addresses
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        other => panic!("{other:?} is not the API server's service"),
    };
    assert_eq!(
        addresses(json!({"clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1", "fd00::1"]})),
        ["10.96.0.1", "fd00::1"]
    );
    assert_eq!(addresses(json!({"clusterIP": "10.96.0.1"})), ["10.96.0.1"]);
    assert!(addresses(json!({"clusterIP": "None", "clusterIPs": ["None"]})).is_empty());
    assert_eq!(
        service("bao", "kubernetes", json!({"clusterIP": "10.96.0.1"})),
        None
    );
    assert_eq!(
        service("default", "web", json!({"clusterIP": "10.96.0.1"})),
        None
    );
}

fn policy_object(namespace: &str, name: &str, spec: &Value) -> Object {
    let metadata = json!({"name": name, "namespace": namespace});
    let value = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec,
    });
    read::object(&value).expect("a policy")
}

#[test]
fn a_snapshot_shares_every_namespace_that_did_not_change() {
    let set = |namespace, name| Change::Set(policy_object(namespace, name, &json!({})));
    let first = Snapshot::default().apply([set("a", "x"), set("b", "x"), set("c", "x")]);
    let remove = Change::Remove(policy_object("c", "x", &json!({})).reference());
    let second = first.apply([set("a", "y"), set("b", "x"), remove]);
    let same = |name: &str| {
        let (before, after) = (first.namespace(name), second.namespace(name));
        before
            .zip(after)
            .map(|(before, after)| Arc::ptr_eq(before, after))
    };
    assert_eq!(same("a"), Some(false));
    assert_eq!(same("b"), Some(true), "the same state is no change");
    assert_eq!(same("c"), None, "nothing is left of it");
    assert_eq!(
        (
            first.count(Kind::NetworkPolicy),
            second.count(Kind::NetworkPolicy)
        ),
        (3, 3)
    );
    let reread = Snapshot::default()
        .apply([set("a", "x"), set("a", "y"), set("b", "z")])
        .sharing(&second);
    let kept = |name: &str| {
        let (before, after) = (second.namespace(name), reread.namespace(name));
        before
            .zip(after)
            .map(|(before, after)| Arc::ptr_eq(before, after))
    };
    assert_eq!((kept("a"), kept("b")), (Some(true), Some(false)));
}

#[test]
fn an_unreadable_object_stays_in_the_snapshot() {
    let broken = policy_object("a", "x", &json!({"ingress": [{"from": [{}]}]}));
    let snapshot = Snapshot::default().apply([Change::Set(broken.clone())]);
    let listed: Vec<_> = snapshot.unreadable().collect();
    assert!(matches!(&listed[..], [(Kind::NetworkPolicy, broken)] if &*broken.meta.name == "x"));
    assert!(snapshot.policy("a", "x").is_some());
    assert_eq!(
        snapshot.references(Kind::NetworkPolicy),
        [broken.reference()]
    );
}

#[test]
fn the_schema_is_structural_and_keeps_what_it_does_not_know() {
    let yaml = crds::yaml().expect("yaml");
    let crd: Value = serde_saphyr::from_str(&yaml).expect("yaml again");
    assert_eq!(crd["metadata"]["name"], "openbaoclusters.openbao.org");
    assert_eq!(crd["spec"]["names"]["shortNames"], json!(["bao", "baoc"]));
    let version = &crd["spec"]["versions"][0];
    assert_eq!(version["name"], "v1alpha1");
    assert_eq!(version["subresources"]["status"], json!({}));
    let schema = &version["schema"]["openAPIV3Schema"]["properties"];
    for block in [
        &schema["spec"],
        &schema["status"],
        &schema["spec"]["properties"]["network"],
    ] {
        assert_eq!(
            block["x-kubernetes-preserve-unknown-fields"],
            json!(true),
            "{block}"
        );
        assert_eq!(block["type"], "object", "{block}");
    }
    let network = &schema["spec"]["properties"]["network"]["properties"];
    for field in [
        "apiServerCIDR",
        "apiServerEndpointIPs",
        "dnsNamespace",
        "dnsEndpointIPs",
        "egressRules",
        "ingressRules",
        "trustedIngressPeers",
    ] {
        assert!(network[field].is_object(), "{field}");
    }
    let port =
        &network["ingressRules"]["items"]["properties"]["ports"]["items"]["properties"]["port"];
    assert_eq!(port["x-kubernetes-int-or-string"], json!(true));
    for word in ["$ref", "anyOf", "oneOf", "\"enum\"", "definitions"] {
        assert!(!crd.to_string().contains(word), "{word} in {yaml}");
    }
}

prop_compose! {
    fn name()(name in "[a-z]([a-z0-9]{0,6}[a-z])?") -> Arc<str> { name.into() }
}

fn any_selector() -> impl Strategy<Value = Selector> {
    let requirement =
        (name(), prop::collection::vec(name(), 1..3), 0..4_usize).prop_map(|(key, values, at)| {
            let operator = [
                Operator::In,
                Operator::NotIn,
                Operator::Exists,
                Operator::DoesNotExist,
            ][at];
            let values = if at < 2 { values } else { Vec::new() };
            Requirement {
                key,
                operator,
                values,
            }
        });
    (
        prop::collection::btree_map(name(), name(), 0..3),
        prop::collection::vec(requirement, 0..3),
    )
        .prop_map(|(labels, expressions)| Selector {
            labels,
            expressions,
        })
}

fn any_peer() -> impl Strategy<Value = Peer> {
    let pods = (
        any_selector(),
        prop::option::of(any_selector()),
        any::<bool>(),
    )
        .prop_map(|(first, second, swap)| {
            let (namespaces, pods) = if swap {
                (second, Some(first))
            } else {
                (Some(first), second)
            };
            Peer::Pods { namespaces, pods }
        });
    let block =
        (any::<u8>(), prop::collection::vec(any::<u8>(), 0..3)).prop_map(|(net, carved)| {
            let cidr = format!("{net}.0.0.0/8").parse().expect("a block");
            let except = carved
                .into_iter()
                .map(|part| format!("{net}.{part}.0.7/16").parse().expect("a block"))
                .collect();
            Peer::Block { cidr, except }
        });
    let ambiguous = Just(Peer::Block {
        cidr: "::ffff:10.0.0.0/104".parse().expect("a block"),
        except: vec!["010.0.0.0/9".parse().expect("a block")],
    });
    prop_oneof![3 => pods, 2 => block, 1 => ambiguous]
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let range = prop_oneof![
        Just(PortRange::All),
        (1..=u16::MAX, 1..=u16::MAX).prop_map(|(a, b)| PortRange::Numbers(a.min(b), a.max(b))),
        name().prop_map(PortRange::Named),
    ];
    let port = (0..3_usize, range).prop_map(|(at, ports)| PortEntry {
        protocol: Protocol::ALL[at],
        ports,
    });
    (
        prop::collection::vec(any_peer(), 0..3),
        prop::collection::vec(port, 0..3),
    )
        .prop_map(|(peers, ports)| Rule { peers, ports })
}

prop_compose! {
    fn any_policy()(
        labels in prop::collection::btree_map(name(), name(), 0..3),
        owner in prop::option::of(name()),
        controller in any::<bool>(),
        pods in any_selector(),
        types in prop::collection::vec(0..2_usize, 0..3),
        ingress in prop::collection::vec(any_rule(), 0..3),
        egress in prop::collection::vec(any_rule(), 0..3),
    ) -> Policy {
        let owners = owner.into_iter().map(|name| Owner {
            kind: "OpenBaoCluster".into(),
            uid: name.clone(),
            name,
            controller,
        });
        let mut policy = Policy { pods, ingress, egress, ..Policy::default() };
        policy.meta.name = "web".into();
        policy.meta.namespace = "bao".into();
        policy.meta.labels = labels;
        policy.meta.annotations.insert("openbao.org/maintenance".into(), "true".into());
        policy.meta.owners = owners.collect();
        let types: Vec<Direction> = types.into_iter().map(|at| Direction::ALL[at]).collect();
        policy.policy_types = (!types.is_empty()).then_some(types);
        policy
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let words = [
        "metadata",
        "spec",
        "ingress",
        "egress",
        "from",
        "to",
        "ports",
        "port",
        "endPort",
        "ipBlock",
        "cidr",
        "except",
        "podSelector",
        "matchLabels",
        "matchExpressions",
        "values",
        "network",
        "ingressRules",
        "labels",
        "ownerReferences",
        "name",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 48, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(words.to_vec()), inner), 0..5).prop_map(
                |fields| fields
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), value))
                    .collect()
            ),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_rendered_reads_as_the_same_policy(policy in any_policy()) {
        let text = render::policy(&policy).to_string();
        let read = read::policy(text.as_bytes(), &reference(Kind::NetworkPolicy));
        prop_assert_eq!(read, Fact::Read(Arc::new(policy)), "{}", text);
    }

    #[test]
    fn decoding_any_json_never_panics_and_both_ways_agree(value in any_json()) {
        let text = value.to_string();
        // Floats lose a bit on the way through text.
        let value: Value = serde_json::from_str(&text).expect("JSON");
        for kind in [Kind::NetworkPolicy, Kind::OpenBaoCluster, Kind::Namespace, Kind::Service] {
            let mut named = value.clone();
            if let Some(fields) = named.as_object_mut() {
                let version = format!("{}/v1", kind.group());
                fields.insert("apiVersion".into(), version.trim_start_matches('/').into());
                fields.insert("kind".into(), kind.as_str().into());
            }
            read::object(&named);
        }
        let fallback = ObjectRef { kind: Kind::NetworkPolicy, namespace: "default".into(), name: "".into() };
        let read = read::policy(text.as_bytes(), &fallback);
        prop_assert_eq!(read::object_of(Kind::NetworkPolicy, &value), Some(Object::Policy(read)));
        let read = read::cluster(text.as_bytes(), &fallback);
        prop_assert_eq!(read::object_of(Kind::OpenBaoCluster, &value), Some(Object::Cluster(read)));
    }

    #[test]
    fn decoding_any_bytes_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let read = read::policy(&bytes, &reference(Kind::NetworkPolicy));
        prop_assert!(read.read().is_none() || serde_json::from_slice::<Value>(&bytes).is_ok());
    }

    #[test]
    fn decoding_a_cut_or_damaged_manifest_never_panics(policy in any_policy(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut text = render::policy(&policy).to_string().into_bytes();
        let at = at.index(text.len());
        read::policy(&text[..at], &reference(Kind::NetworkPolicy));
        text[at] = byte;
        if let Fact::Unreadable(broken) = read::policy(&text, &reference(Kind::NetworkPolicy)) {
            prop_assert!(!broken.problems.is_empty());
        }
    }
}
