//! Section 1.3: peers.

use super::Passes::{self, Always, Never, Perhaps};
use super::{address, block, connection, may_at_home, pairs, passes, pod, pods};
use crate::Direction::{Egress, Ingress};
use crate::connection::Endpoint;
use crate::port::{Port, Protocol};
use crate::rule::Operator::{DoesNotExist, Exists, In, NotIn};
use crate::rule::{Peer, PortEntry, Rule, Selector};
use crate::testing::domain::HOME;

fn any() -> Selector {
    Selector::default()
}

fn rule(peers: Vec<Peer>) -> Rule {
    Rule {
        peers,
        ports: vec![PortEntry::tcp(8200)],
    }
}

fn in_labelled_namespace(label: (&str, &str)) -> Endpoint {
    Endpoint::Pod {
        namespace: pairs(&[("kubernetes.io/metadata.name", "other"), label]),
        labels: pairs(&[]),
    }
}

fn ingress<const N: usize>(table: [(&str, Vec<Peer>, Endpoint, Passes); N]) {
    for (row, peers, from, expected) in table {
        let seen = connection(Ingress, from, Protocol::Tcp, Port::Number(8200));
        assert_eq!(passes(&rule(peers), &seen), expected, "{row} {seen}");
    }
}

fn both_ways<const N: usize>(table: [(&str, Vec<Peer>, &str, Passes); N]) {
    for (row, peers, peer, expected) in table {
        for direction in [Ingress, Egress] {
            let seen = connection(direction, address(peer), Protocol::Tcp, Port::Number(8200));
            assert_eq!(
                passes(&rule(peers.clone()), &seen),
                expected,
                "{row} {seen}"
            );
        }
    }
}

#[test]
fn c1_c3_to_c6_pods_are_selected_by_namespace_and_labels() {
    let team = Selector::labels([("team", "a")]);
    let web = Selector::labels([("app", "web")]);
    let web_pod = |namespace| pod(namespace, &[("app", "web")]);
    let of_team = in_labelled_namespace(("team", "a"));
    let table = [
        ("C1", vec![], pod("other", &[]), Always),
        ("C1", vec![], address("192.0.2.1"), Always),
        ("C1", vec![], address("2001:db8::1"), Always),
        (
            "C3",
            vec![pods(None, Some(web.clone()))],
            web_pod(HOME),
            Always,
        ),
        (
            "C3",
            vec![pods(None, Some(web.clone()))],
            web_pod("other"),
            Never,
        ),
        (
            "C3",
            vec![pods(None, Some(web.clone()))],
            pod(HOME, &[]),
            Never,
        ),
        (
            "A3 C4",
            vec![pods(Some(team.clone()), None)],
            of_team.clone(),
            Always,
        ),
        (
            "C4",
            vec![pods(Some(team.clone()), None)],
            pod(HOME, &[]),
            Never,
        ),
        (
            "C4 own",
            vec![pods(Some(Selector::namespace(HOME)), None)],
            pod(HOME, &[]),
            Always,
        ),
        (
            "C5 and",
            vec![pods(Some(team.clone()), Some(web.clone()))],
            of_team.clone(),
            Never,
        ),
        (
            "C5 and",
            vec![pods(Some(any()), Some(web.clone()))],
            web_pod("other"),
            Always,
        ),
        (
            "C5 or",
            vec![
                pods(Some(team.clone()), None),
                pods(None, Some(web.clone())),
            ],
            of_team.clone(),
            Always,
        ),
        (
            "C5 or",
            vec![pods(Some(team.clone()), None), pods(None, Some(web))],
            web_pod(HOME),
            Always,
        ),
        (
            "C6",
            vec![pods(Some(any()), None)],
            pod("other", &[("x", "y")]),
            Always,
        ),
        (
            "C6",
            vec![pods(Some(any()), None)],
            address("10.0.0.1"),
            Never,
        ),
    ];
    ingress(table);
}

#[test]
fn c7_c8_the_name_of_a_namespace_is_its_own_and_other_labels_are_anyones() {
    let name = "kubernetes.io/metadata.name";
    let of_team = in_labelled_namespace(("team", "a"));
    let table = [
        (
            "C7",
            vec![pods(Some(any().and(name, In, &["other"])), None)],
            pod("other", &[]),
            Always,
        ),
        (
            "C7",
            vec![pods(Some(any().and(name, NotIn, &["other"])), None)],
            pod("other", &[]),
            Never,
        ),
        (
            "C7",
            vec![pods(Some(any().and(name, NotIn, &["Not_A_Name"])), None)],
            pod("other", &[]),
            Always,
        ),
        (
            "C7",
            vec![pods(Some(any().and(name, Exists, &[])), None)],
            pod("other", &[]),
            Always,
        ),
        (
            "C7",
            vec![pods(Some(any().and(name, DoesNotExist, &[])), None)],
            pod("other", &[]),
            Never,
        ),
        (
            "C7",
            vec![pods(Some(Selector::namespace("Not_A_Name")), None)],
            pod("other", &[]),
            Never,
        ),
        (
            "C8",
            vec![pods(Some(any().and("team", NotIn, &["b"])), None)],
            of_team,
            Always,
        ),
        (
            "C8",
            vec![pods(Some(any().and("team", NotIn, &["b"])), None)],
            pod("other", &[]),
            Always,
        ),
    ];
    ingress(table);
}

#[test]
fn c10_to_c15_blocks_are_sets_of_addresses() {
    let table = [
        (
            "C10",
            vec![block("10.0.0.0/8", &["10.1.0.0/16"])],
            "10.1.2.3",
            Never,
        ),
        (
            "C10",
            vec![block("10.0.0.0/8", &["10.1.0.0/16"])],
            "10.2.0.0",
            Always,
        ),
        (
            "C10 put back",
            vec![
                block("10.0.0.0/8", &["10.1.0.0/16"]),
                block("10.1.0.0/24", &[]),
            ],
            "10.1.0.9",
            Always,
        ),
        (
            "C11",
            vec![block("10.0.0.0/8", &["10.0.0.0/9", "10.128.0.0/9"])],
            "10.0.0.1",
            Never,
        ),
        (
            "C12",
            vec![block("0.0.0.0/0", &[])],
            "255.255.255.255",
            Always,
        ),
        ("C12", vec![block("0.0.0.0/0", &[])], "2001:db8::1", Never),
        ("C12", vec![block("::/0", &[])], "192.0.2.1", Never),
        (
            "C12 halves",
            vec![block("0.0.0.0/1", &[]), block("128.0.0.0/1", &[])],
            "192.0.2.1",
            Always,
        ),
        (
            "C14",
            vec![block("203.0.113.7/32", &[])],
            "203.0.113.7",
            Always,
        ),
        (
            "C15",
            vec![block("192.0.2.77/24", &[])],
            "192.0.2.1",
            Always,
        ),
        ("C15", vec![block("192.0.2.77/24", &[])], "192.0.3.1", Never),
    ];
    both_ways(table);
}

#[test]
fn c16_to_c18_text_that_parsers_read_differently_is_everything_or_nothing() {
    let table = [
        ("C16", vec![block("012.0.0.0/8", &[])], "12.0.0.1", Perhaps),
        ("C16", vec![block("012.0.0.0/8", &[])], "10.0.0.1", Perhaps),
        (
            "C16",
            vec![block("012.0.0.0/8", &[])],
            "2001:db8::1",
            Perhaps,
        ),
        (
            "C16 except",
            vec![block("10.0.0.0/8", &["010.1.0.0/16"])],
            "10.1.0.1",
            Perhaps,
        ),
        (
            "C16 except",
            vec![block("10.0.0.0/8", &["010.1.0.0/16"])],
            "10.2.0.1",
            Perhaps,
        ),
        (
            "C16 except",
            vec![block("10.0.0.0/8", &["010.1.0.0/16"])],
            "11.0.0.1",
            Never,
        ),
        (
            "C17",
            vec![block("::ffff:192.0.2.0/120", &[])],
            "192.0.2.1",
            Perhaps,
        ),
        (
            "C17",
            vec![block("::ffff:192.0.2.0/120", &[])],
            "198.51.100.1",
            Perhaps,
        ),
        (
            "C17 except",
            vec![block("10.0.0.0/8", &["::ffff:10.1.0.0/112"])],
            "10.1.0.1",
            Perhaps,
        ),
        (
            "C16 C17 both",
            vec![block("012.0.0.0/8", &["012.1.0.0/16"])],
            "192.0.2.1",
            Perhaps,
        ),
        (
            "C16 carved",
            vec![block("012.0.0.0/8", &["12.1.0.0/16"])],
            "12.1.0.1",
            Never,
        ),
        ("C18", vec![block("10.0.0.0/08", &[])], "10.9.9.9", Always),
    ];
    both_ways(table);
}

/// C13: any endpoint with the address matches, including pods. So a pod range written as a block is a
/// block, and no pod selector in the ceiling permits it.
#[test]
fn attack_c13_pod_addresses_let_in_by_a_block_are_no_pods() {
    use crate::LabelSet;
    use crate::cover::{Budget, uncovered};
    let regions = |peers| rule(peers).regions(may_at_home(), Ingress, &LabelSet::any());
    let every_pod = regions(vec![pods(Some(any()), Some(any()))]);
    let pod_range = regions(vec![block("10.244.0.0/16", &[])]);
    let held = uncovered(&pod_range[0], &[&every_pod[0]], &mut Budget::new(100));
    assert_eq!(held, Ok(Some(pod_range[0].clone())));
    let declared = regions(vec![block("10.0.0.0/8", &[])]);
    let held = uncovered(&pod_range[0], &[&declared[0]], &mut Budget::new(100));
    assert_eq!(held, Ok(None));
}
