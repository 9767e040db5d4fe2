//! Sections 1.1 and 1.2: the pods that a policy selects and isolates.

use super::{address, connection, pairs, passes, pod, pods};
use crate::Direction::{Egress, Ingress};
use crate::connection::LabelPairs;
use crate::label::Values;
use crate::pod_space::{OtherKeys, PodSpace};
use crate::point::{At, PolicyView, is_isolated, selects};
use crate::point::{is_let_through, passes as side_passes};
use crate::port::{Port, Protocol};
use crate::rule::Operator::{DoesNotExist, Exists, In, NotIn};
use crate::rule::{PortEntry, Rule, Selector};
use crate::testing::domain::HOME;
use crate::{LabelSet, Reading};

fn any() -> Selector {
    Selector::default()
}

#[test]
fn a1_a5_to_a9_a_selector_selects_as_its_requirements_say() {
    let (absent, empty, x, y) = (
        &[][..],
        &[("k", "")][..],
        &[("k", "x")][..],
        &[("k", "y")][..],
    );
    // The pods have no label `k`, an empty one, `k=x` and `k=y`.
    let table = [
        ("A1", any(), [true, true, true, true]),
        ("A5", Selector::labels([("k", "x"), ("l", "z")]), [false; 4]),
        (
            "A5",
            Selector::labels([("k", "x")]).and("k", In, &["x", "y"]),
            [false, false, true, false],
        ),
        (
            "A5",
            Selector::labels([("k", "x")]).and("k", DoesNotExist, &[]),
            [false; 4],
        ),
        (
            "A5",
            any().and("k", In, &["x"]).and("k", NotIn, &["x"]),
            [false; 4],
        ),
        (
            "A5",
            any().and("k", In, &["x"]).and("k", In, &["y"]),
            [false; 4],
        ),
        (
            "A6",
            any().and("k", In, &["x", ""]),
            [false, true, true, false],
        ),
        (
            "A7",
            any().and("k", NotIn, &["x"]),
            [true, true, false, true],
        ),
        (
            "A7",
            any().and("k", NotIn, &["x", "y"]),
            [true, true, false, false],
        ),
        ("A8", any().and("k", Exists, &[]), [false, true, true, true]),
        (
            "A8",
            any().and("k", DoesNotExist, &[]),
            [true, false, false, false],
        ),
        (
            "A9",
            Selector::labels([("k", "")]),
            [false, true, false, false],
        ),
        (
            "A9",
            any().and("k", Exists, &[]).and("k", NotIn, &[""]),
            [false, false, true, true],
        ),
    ];
    for (row, selector, expected) in table {
        let set = selector.label_set();
        let selected = [absent, empty, x, y].map(|labels| {
            let pod = pairs(labels);
            let engine = set
                .as_ref()
                .is_some_and(|set| set.matches(&pod.iter().cloned().collect()));
            assert_eq!(engine, selects(&selector, &pod), "{row} {selector:?}");
            engine
        });
        assert_eq!(selected, expected, "{row} {selector:?}");
    }
}

#[test]
fn a5_contradictory_requirements_are_known_to_select_nothing() {
    for selector in [
        any().and("k", In, &["x"]).and("k", NotIn, &["x"]),
        any().and("k", Exists, &[]).and("k", DoesNotExist, &[]),
        any()
            .and("k", In, &["x", "y"])
            .and("k", NotIn, &["x"])
            .and("k", NotIn, &["y"]),
    ] {
        assert_eq!(selector.label_set(), None, "{selector:?}");
    }
    let left = any()
        .and("k", In, &["x", "y"])
        .and("k", NotIn, &["x"])
        .label_set();
    assert_eq!(left, LabelSet::any().and("k", Values::one_of(["y"])));
}

#[test]
fn a4_c3_a_pod_peer_without_namespaces_is_of_the_namespace_of_the_policy() {
    let rule = Rule {
        peers: vec![pods(None, Some(any()))],
        ports: vec![],
    };
    let from = |namespace| connection(Ingress, pod(namespace, &[]), Protocol::Tcp, Port::Number(1));
    assert_eq!(passes(&rule, &from(HOME)), super::Always);
    assert_eq!(passes(&rule, &from("other")), super::Never);
}

#[test]
fn a11_pods_on_the_host_network_are_addresses_and_no_selector_means_them() {
    let rule = Rule {
        peers: vec![pods(Some(any()), Some(any()))],
        ports: vec![],
    };
    let node = connection(
        Ingress,
        address("192.0.2.10"),
        Protocol::Tcp,
        Port::Number(8200),
    );
    assert_eq!(passes(&rule, &node), super::Never);
}

/// A policy for a zone that exists before any of its pods does.
#[test]
fn attack_a_policy_for_pods_that_do_not_exist_yet_selects_them() {
    let zone = PodSpace::new(
        [("app", Values::one_of(["bao"]))],
        vec!["openbao-*".into()],
        OtherKeys::Absent,
    );
    let table = [
        (Selector::labels([("openbao-active", "true")]), true),
        (any().and("openbao-sealed", Exists, &[]), true),
        (any().and("tier", NotIn, &["web"]), true),
        (Selector::labels([("tier", "web")]), false),
        (Selector::labels([("app", "web")]), false),
    ];
    for (selector, selected) in table {
        let set = selector.label_set().expect("satisfiable");
        assert_eq!(zone.select(&set).is_some(), selected, "{selector:?}");
    }
}

fn view<'a>(pods: &'a Selector, isolates: [bool; 2], rules: [&'a [Rule]; 2]) -> PolicyView<'a> {
    PolicyView {
        pods,
        isolates,
        rules,
    }
}

#[test]
fn b1_to_b4_b7_to_b12_isolation_and_the_union_of_rules() {
    let (all, web) = (any(), Selector::labels([("app", "web")]));
    let open = [Rule::default()];
    let api = [Rule {
        peers: vec![],
        ports: vec![PortEntry::tcp(8200)],
    }];
    let both_ports = [Rule {
        peers: vec![],
        ports: vec![PortEntry::tcp(8200), PortEntry::tcp(8201)],
    }];
    let deny = view(&all, [true, false], [&[], &[]]);
    let inert = view(&all, [false, true], [&open, &[]]);
    let opened = view(&all, [true, false], [&open, &[]]);
    let with_api = view(&all, [true, false], [&api, &[]]);
    let with_both = view(&all, [true, false], [&both_ports, &[]]);
    let for_web = view(&web, [true, false], [&open, &[]]);
    // Expected: isolated for ingress, 8200 allowed, 8201 allowed.
    let table: [(&str, &[PolicyView<'_>], [bool; 3]); 10] = [
        ("B9", &[], [false, true, true]),
        ("B9 other pods", &[for_web], [false, true, true]),
        ("B3 B4 inert rules", &[inert], [false, true, true]),
        ("B4 with another", &[inert, deny], [true, false, false]),
        ("B7", &[deny], [true, false, false]),
        ("B8", &[opened], [true, true, true]),
        ("B10 union", &[deny, with_api], [true, true, false]),
        (
            "B10 order",
            &[with_both, with_api, with_api, deny],
            [true, true, true],
        ),
        (
            "B11 without the last one",
            &[inert, for_web],
            [false, true, true],
        ),
        ("B12 with the first one", &[with_api], [true, true, false]),
    ];
    let at = At {
        namespace: HOME,
        reading: Reading::Must,
        tunnels: &[],
    };
    for (row, policies, expected) in table {
        let on = |port| connection(Ingress, pod("x", &[]), Protocol::Tcp, Port::Number(port));
        let isolated = is_isolated(policies, Ingress, &on(1).subject);
        let found = [
            isolated,
            side_passes(policies, &on(8200), at),
            side_passes(policies, &on(8201), at),
        ];
        assert_eq!(found, expected, "{row}");
    }
}

#[test]
fn b1_b2_b5_b13_the_directions_are_independent() {
    let all = any();
    let ingress_only = view(&all, [true, false], [&[], &[]]);
    let pod: LabelPairs = pairs(&[("app", "bao")]);
    assert!(
        is_isolated(&[ingress_only], Ingress, &pod),
        "B1, B5: stored as [Ingress]"
    );
    assert!(!is_isolated(&[ingress_only], Egress, &pod), "B2");
    // B13: the reply to an allowed connection needs no rule of the other direction.
    let open = [Rule::default()];
    let both = view(&all, [true, true], [&open, &[]]);
    let at = At {
        namespace: HOME,
        reading: Reading::Must,
        tunnels: &[],
    };
    let with = |direction| {
        connection(
            direction,
            address("192.0.2.1"),
            Protocol::Tcp,
            Port::Number(8200),
        )
    };
    assert!(is_let_through(&[both], &with(Ingress), at));
    assert!(!is_let_through(&[both], &with(Egress), at));
}
