//! The example connection of a region: inside the region, and as readable as possible.

use std::sync::Arc;

use crate::address::{AddressSet, Cidr};
use crate::connection::{Connection, Endpoint, LabelPairs};
use crate::label::{NAMESPACE_NAME, Values};
use crate::pod_space::{OtherKeys, PodSpace};
use crate::port::{Port, PortSet, Protocol};
use crate::{Direction, LabelSet, PeerSet, Region, witness};

type Key = (&'static str, Values);
type Pair = (&'static str, &'static str);

fn labels(keys: &[Key]) -> LabelSet {
    let mut keys = keys.iter();
    keys.try_fold(LabelSet::any(), |set, (key, values)| {
        set.and(*key, values.clone())
    })
    .expect("satisfiable")
}

fn pairs(pairs: &[(&str, &str)]) -> LabelPairs {
    let pair = |(key, value): &(&str, &str)| (Arc::from(*key), Arc::from(*value));
    pairs.iter().map(pair).collect()
}

/// Pods with label `app`, possibly `role`, and any value of `run`.
fn zone() -> PodSpace {
    let known = [
        ("role", Values::one_of(["a", "b"]).or_absent()),
        ("app", Values::one_of(["bao"])),
    ];
    PodSpace::new(known, vec!["run".into()], OtherKeys::Absent)
}

fn shown(subject: LabelSet, peer: PeerSet, ports: PortSet) -> Option<Connection> {
    let region = Region {
        subject,
        peer,
        ports,
    };
    witness::connection(Direction::Ingress, &zone(), &region, &[])
}

fn address(addresses: &AddressSet) -> String {
    let peer = PeerSet::v4(addresses.v4.clone()).or_else(|| PeerSet::v6(addresses.v6.clone()));
    let shown = shown(LabelSet::any(), peer.expect("addresses"), PortSet::all());
    shown.expect("a connection").peer.to_string()
}

fn without(from: &str, except: &[&str]) -> AddressSet {
    let of = |text: &str| {
        let cidr: Cidr = text.parse().expect("a block");
        AddressSet::of(cidr.canonical().expect("canonical"))
    };
    except
        .iter()
        .fold(of(from), |left, text| left.minus(&of(text)))
}

#[test]
fn an_address_is_a_well_known_example_else_the_first_usable_one() {
    let examples = ["203.0.113.1/32", "198.51.100.1/32", "192.0.2.1/32"];
    let table: &[(&str, &[&str], &str)] = &[
        ("0.0.0.0/0", &[], "203.0.113.1"),
        ("0.0.0.0/0", &examples[..1], "198.51.100.1"),
        ("0.0.0.0/0", &examples[..2], "192.0.2.1"),
        ("0.0.0.0/0", &examples, "1.0.0.1"),
        ("0.0.0.0/0", &["0.0.0.0/1", "192.0.0.0/2"], "128.0.0.0"),
        ("10.0.0.0/8", &[], "10.0.0.0"),
        // No address is usable, so the first one is taken.
        ("0.0.0.0/8", &[], "0.0.0.0"),
        ("255.255.255.255/32", &[], "255.255.255.255"),
        ("::/0", &[], "2001:db8::1"),
        ("::/0", &["2001:db8::/32"], "2000::1"),
        ("fd00::/8", &[], "fd00::"),
        ("::/16", &[], "::"),
        (
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128",
            &[],
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        ),
    ];
    for (from, except, expected) in table {
        assert_eq!(
            address(&without(from, except)),
            *expected,
            "{from} {except:?}"
        );
    }
}

fn port(ports: &PortSet) -> (Protocol, Port) {
    let everyone = PeerSet::everyone().swap_remove(1);
    let shown = shown(LabelSet::any(), everyone, ports.clone()).expect("a connection");
    (shown.protocol, shown.port)
}

#[test]
fn a_port_is_the_first_number_else_a_name() {
    use Protocol::{Sctp, Tcp, Udp};
    let named = |name: &str| Port::Named(name.into());
    let name = |protocol| PortSet::name(protocol, "b").union(&PortSet::name(protocol, "a"));
    let (tcp, udp) = (PortSet::range(Tcp, 80, 90), PortSet::range(Udp, 53, 54));
    assert_eq!(port(&PortSet::all()), (Tcp, Port::Number(1)));
    assert_eq!(port(&udp.union(&tcp)), (Tcp, Port::Number(80)));
    assert_eq!(port(&udp.union(&name(Tcp))), (Udp, Port::Number(53)));
    assert_eq!(port(&name(Sctp)), (Sctp, named("a")));
    assert_eq!(port(&name(Sctp).union(&name(Udp))), (Udp, named("a")));
    // A set of names that are not listed, as a proof can produce it.
    let mut left = PortSet::protocol(Tcp)
        .minus(&PortSet::range(Tcp, 2, 65535))
        .minus(&PortSet::number(Tcp, 1));
    for fresh in ["another-port", "another-port-2", "another-port-3"] {
        assert_eq!(port(&left), (Tcp, named(fresh)));
        left = left.minus(&PortSet::name(Tcp, fresh));
    }
}

fn subject(part: &[Key]) -> Option<LabelPairs> {
    let everyone = PeerSet::everyone().swap_remove(1);
    shown(labels(part), everyone, PortSet::all()).map(|shown| shown.subject)
}

#[test]
fn a_protected_pod_has_the_labels_that_it_must_have_and_no_others() {
    let table: &[(&[Key], &[Pair])] = &[
        (&[], &[("app", "bao")]),
        (&[("role", Values::absent())], &[("app", "bao")]),
        (
            &[("role", Values::present())],
            &[("app", "bao"), ("role", "a")],
        ),
        (
            &[("role", Values::one_of(["c", "b"]))],
            &[("app", "bao"), ("role", "b")],
        ),
        (&[("run", Values::any())], &[("app", "bao")]),
        (
            &[("run", Values::one_of(["y", "x"]))],
            &[("app", "bao"), ("run", "x")],
        ),
        (
            &[("run", Values::present())],
            &[("app", "bao"), ("run", "another-value")],
        ),
    ];
    for (part, expected) in table {
        assert_eq!(subject(part), Some(pairs(expected)), "{part:?}");
    }
    // Sorted by key, whether the zone knows the key or not.
    let both = subject(&[("run", Values::present()), ("aaa", Values::any())]);
    assert_eq!(both.expect("a pod").len(), 2);
    // No pod of the zone has the value or the key.
    assert_eq!(subject(&[("app", Values::one_of(["web"]))]), None);
    assert_eq!(subject(&[("other", Values::present())]), None);
}

#[test]
fn a_peer_pod_has_a_namespace_with_a_name_and_the_labels_that_it_must_have() {
    let table: &[(&[Key], &[Key], Endpoint)] = &[
        (
            &[],
            &[],
            Endpoint::Pod {
                namespace: pairs(&[(NAMESPACE_NAME, "another-namespace")]),
                labels: vec![],
            },
        ),
        (
            &[
                (NAMESPACE_NAME, Values::one_of(["web", "db"])),
                ("team", Values::one_of(["t"])),
                ("tier", Values::none_of_or_absent(["x"])),
            ],
            &[("app", Values::present()), ("run", Values::absent())],
            Endpoint::Pod {
                namespace: pairs(&[(NAMESPACE_NAME, "db"), ("team", "t")]),
                labels: pairs(&[("app", "another-value")]),
            },
        ),
        (
            &[(
                NAMESPACE_NAME,
                Values::none_of_or_absent(["another-namespace"]),
            )],
            &[],
            Endpoint::Pod {
                namespace: pairs(&[(NAMESPACE_NAME, "another-namespace-2")]),
                labels: vec![],
            },
        ),
    ];
    for (namespaces, pods, expected) in table {
        let peer = PeerSet::pods(labels(namespaces), labels(pods)).expect("a namespace");
        let shown = shown(LabelSet::any(), peer, PortSet::all());
        assert_eq!(shown.map(|shown| shown.peer).as_ref(), Some(expected));
    }
}
