//! Section 1.4: ports.

use super::{Always, Never, address, connection, passes, pod, ports};
use crate::perimeter::Direction::{Egress, Ingress};
use crate::perimeter::cover::{Budget, uncovered};
use crate::perimeter::port::Protocol::{Sctp, Tcp, Udp};
use crate::perimeter::port::{Port, PortSet};
use crate::perimeter::rule::PortRange::{All, Named, Numbers};
use crate::perimeter::rule::{PortEntry, Rule};
use crate::perimeter::tests::domain::HOME;
use crate::perimeter::{LabelSet, Reading};

fn rule(ports: Vec<PortEntry>) -> Rule {
    Rule {
        peers: vec![],
        ports,
    }
}

fn named(name: &str) -> Port {
    Port::Named(name.into())
}

#[test]
fn d1_to_d12_ports_are_numbers_and_names_of_a_protocol() {
    let api = || Named("api".into());
    let table = [
        ("D1", vec![], Tcp, Port::Number(1), Always),
        ("D1", vec![], Sctp, Port::Number(65535), Always),
        ("D1", vec![], Udp, named("any"), Always),
        ("D2", vec![ports(Udp, All)], Udp, Port::Number(53), Always),
        ("D2", vec![ports(Udp, All)], Tcp, Port::Number(53), Never),
        ("D3", vec![ports(Tcp, All)], Tcp, named("any"), Always),
        ("D3", vec![ports(Tcp, All)], Udp, Port::Number(1), Never),
        (
            "D4 D5",
            vec![PortEntry::tcp(80)],
            Tcp,
            Port::Number(80),
            Always,
        ),
        ("D4 D5", vec![PortEntry::tcp(80)], Tcp, named("80"), Never),
        (
            "D6",
            vec![ports(Tcp, Numbers(8000, 9000))],
            Tcp,
            Port::Number(9000),
            Always,
        ),
        (
            "D6",
            vec![ports(Tcp, Numbers(8000, 9000))],
            Tcp,
            Port::Number(7999),
            Never,
        ),
        (
            "D6",
            vec![ports(Tcp, Numbers(8000, 9000))],
            Tcp,
            Port::Number(9001),
            Never,
        ),
        ("D7", vec![ports(Tcp, api())], Tcp, named("api"), Always),
        ("D8", vec![ports(Tcp, api())], Udp, named("api"), Never),
        ("D8", vec![ports(Tcp, api())], Tcp, named("other"), Never),
        (
            "D10",
            vec![ports(Tcp, api())],
            Tcp,
            Port::Number(8200),
            Never,
        ),
        (
            "D11",
            vec![ports(Tcp, Numbers(1, 65535))],
            Tcp,
            named("api"),
            Always,
        ),
        (
            "D11",
            vec![
                ports(Tcp, Numbers(1, 8200)),
                ports(Tcp, Numbers(8201, 65535)),
            ],
            Tcp,
            named("api"),
            Always,
        ),
        (
            "D11",
            vec![ports(Tcp, Numbers(2, 65535))],
            Tcp,
            named("api"),
            Never,
        ),
        (
            "D12",
            vec![ports(Udp, All), ports(Sctp, All)],
            Tcp,
            Port::Number(8200),
            Never,
        ),
    ];
    for (row, entries, protocol, port, expected) in table {
        for direction in [Ingress, Egress] {
            let seen = connection(direction, pod("x", &[]), protocol, port.clone());
            assert_eq!(
                passes(&rule(entries.clone()), &seen),
                expected,
                "{row} {seen}"
            );
        }
    }
}

#[test]
fn d9_a_named_port_of_an_address_means_nothing_on_egress() {
    let api = rule(vec![ports(Tcp, Named("api".into()))]);
    let seen = |direction| connection(direction, address("192.0.2.1"), Tcp, named("api"));
    assert_eq!(
        passes(&api, &seen(Ingress)),
        Always,
        "the protected pod's own port"
    );
    assert_eq!(passes(&api, &seen(Egress)), Never);
    let regions = api.regions(HOME, Egress, &LabelSet::any(), Reading::May);
    assert_eq!(regions.len(), 1, "only pods are left of everyone");
}

/// D8, D11: that no container declares the name today says nothing about tomorrow.
#[test]
fn attack_a_named_port_that_no_container_declares_is_not_nothing() {
    let regions = |entries| rule(entries).regions(HOME, Ingress, &LabelSet::any(), Reading::May);
    let undeclared = regions(vec![ports(Tcp, Named("nobody".into()))]);
    let most = regions(vec![ports(Tcp, Numbers(2, 65535)), ports(Udp, All)]);
    let all = regions(vec![ports(Tcp, Numbers(1, 65535))]);
    let held = |covers: &[crate::perimeter::Region]| {
        let covers: Vec<_> = covers.iter().collect();
        uncovered(&undeclared[0], &covers, &mut Budget::new(100))
    };
    assert_eq!(held(&most), Ok(Some(undeclared[0].clone())));
    assert_eq!(held(&all), Ok(None));
    let limit = PortSet::name(Tcp, "nobody").names_as_all();
    assert_eq!(
        limit,
        PortSet::protocol(Tcp),
        "against the limit it counts as every port"
    );
}

/// D11: what a name means is one of the numbers, whichever.
#[test]
fn d11_ranges_that_together_hold_all_numbers_hold_all_ports_but_no_name_alone() {
    let regions = |entries| rule(entries).regions(HOME, Ingress, &LabelSet::any(), Reading::May);
    let range = |first, last| regions(vec![ports(Tcp, Numbers(first, last))]);
    let (low, high) = (range(1, 8200), range(8201, 65535));
    let halves: Vec<_> = low.iter().chain(&high).collect();
    let left = |entries, covers: &[&crate::perimeter::Region]| {
        let area = &regions(entries)[0];
        let piece = uncovered(area, covers, &mut Budget::new(100)).expect("decided");
        piece.map(|piece| piece.ports)
    };
    let api = || ports(Tcp, Named("api".into()));
    for entries in [vec![ports(Tcp, All)], vec![ports(Tcp, All), api()]] {
        assert_eq!(left(entries.clone(), &halves), None);
        let rest = Some(PortSet::range(Tcp, 8201, 65535));
        assert_eq!(left(entries, &halves[..3]), rest);
    }
    assert_eq!(left(vec![api()], &halves), Some(PortSet::name(Tcp, "api")));
    let others = PortSet::protocol(Udp).union(&PortSet::protocol(Sctp));
    assert_eq!(left(vec![], &halves), Some(others.without_implied_names()));
}
