//! The rows of semantics 1.1 to 1.4 and 1.6 that are about reading a NetworkPolicy.

use netpol::Direction;
use netpol::address::CidrReading;
use netpol::rule::{Operator, Peer, Rule, Selector};
use openbao_perimeter::inventory::{Kind, read};
use serde_json::{Value, json};

use super::{paths, readable, reference, with_peers};

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
fn a6_to_a10_malformed_selectors_are_rejected_where_they_are_wrong() {
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
fn b6_more_than_two_or_unknown_policy_types_are_rejected() {
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
    // C11: exceptions that leave nothing are valid.
    let halves = json!({"cidr": "10.0.0.0/8", "except": ["10.0.0.0/9", "10.128.0.0/9"]});
    let rules = readable(&with_peers(&json!([{"ipBlock": halves}]))).ingress;
    assert!(matches!(&rules[0].peers[..], [Peer::Block { except, .. }] if except.len() == 2));
}

#[test]
fn c12_to_c18_cidr_text_is_canonical_ambiguous_or_rejected() {
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
    // C17: it is unknown whether one of them is inside the other.
    let mapped = json!({"cidr": "10.0.0.0/8", "except": ["::ffff:10.1.0.0/112"]});
    readable(&with_peers(&json!([{"ipBlock": mapped}])));
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
