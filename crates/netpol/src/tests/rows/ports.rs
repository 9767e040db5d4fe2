//! Section 1.4: ports.

use super::{
    Always, Never, Permitted, address, connection, may_at_home, passes, passes_where, pod, ports,
};
use crate::Direction::{Egress, Ingress};
use crate::cover::{Budget, uncovered};
use crate::port::Protocol::{Sctp, Tcp, Udp};
use crate::port::{Port, PortSet};
use crate::rule::PortRange::{All, Named, Numbers};
use crate::rule::{PortEntry, Rule};
use crate::{At, LabelSet, Reading};

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
fn d9_a_named_port_of_an_address_is_what_a_pod_behind_it_may_declare_on_egress() {
    let api = rule(vec![ports(Tcp, Named("api".into()))]);
    let seen = |direction, port| connection(direction, address("192.0.2.1"), Tcp, port);
    assert_eq!(
        passes(&api, &seen(Ingress, named("api"))),
        Always,
        "the protected pod's own port"
    );
    assert_eq!(passes(&api, &seen(Egress, named("api"))), Permitted);
    let block = |text: &str| Rule {
        peers: vec![super::block(text, &[])],
        ..api.clone()
    };
    assert_eq!(
        passes(&block("192.0.2.0/24"), &seen(Egress, named("api"))),
        Permitted
    );
    for (rule, port) in [
        (block("198.51.100.0/24"), named("api")),
        (block("192.0.2.0/24"), named("other")),
        (block("192.0.2.0/24"), Port::Number(8200)),
        (api.clone(), Port::Number(8200)),
    ] {
        assert_eq!(passes(&rule, &seen(Egress, port)), Never, "{rule:?}");
    }
    let mixed = Rule {
        ports: vec![PortEntry::tcp(443), ports(Tcp, Named("api".into()))],
        ..block("192.0.2.0/24")
    };
    assert_eq!(passes(&mixed, &seen(Egress, Port::Number(443))), Always);
    let regions = |reading| {
        let at = At {
            reading,
            ..may_at_home()
        };
        api.regions(at, Egress, &LabelSet::any()).len()
    };
    assert_eq!(regions(Reading::Must), 1, "only pods are left of everyone");
    assert_eq!(regions(Reading::May), 3);
}

const MESH: &[u16] = &[15008, 4143];

/// D13: a proxy in the pod forwards a tunnel port to any port that the peer asks for.
#[test]
fn d13_a_tunnel_port_is_every_tcp_port_on_ingress() {
    let table = [
        (
            vec![PortEntry::tcp(15008)],
            Tcp,
            Port::Number(15008),
            Always,
        ),
        (
            vec![PortEntry::tcp(15008)],
            Tcp,
            Port::Number(8201),
            Permitted,
        ),
        (
            vec![PortEntry::tcp(4143)],
            Tcp,
            Port::Number(8201),
            Permitted,
        ),
        (vec![PortEntry::tcp(15008)], Tcp, named("api"), Permitted),
        (vec![PortEntry::tcp(15008)], Udp, Port::Number(8201), Never),
        (
            vec![ports(Tcp, Numbers(15000, 15020))],
            Tcp,
            Port::Number(1),
            Permitted,
        ),
        (
            vec![ports(Tcp, Numbers(15008, 15008))],
            Tcp,
            Port::Number(65535),
            Permitted,
        ),
        (
            vec![ports(Tcp, Numbers(15000, 15007))],
            Tcp,
            Port::Number(1),
            Never,
        ),
        (
            vec![ports(Tcp, Numbers(15009, 15020))],
            Tcp,
            Port::Number(15008),
            Never,
        ),
        (
            vec![PortEntry::tcp(8200), PortEntry::tcp(4143)],
            Tcp,
            Port::Number(8200),
            Always,
        ),
        (vec![PortEntry::udp(15008)], Udp, Port::Number(8201), Never),
        (vec![PortEntry::udp(15008)], Tcp, Port::Number(8201), Never),
        (vec![ports(Sctp, All)], Tcp, Port::Number(15008), Never),
        (vec![ports(Tcp, All)], Tcp, Port::Number(8201), Always),
        (vec![], Tcp, Port::Number(8201), Always),
    ];
    for (entries, protocol, port, expected) in table {
        for peer in [pod("x", &[]), address("192.0.2.1")] {
            let seen = connection(Ingress, peer.clone(), protocol, port.clone());
            assert_eq!(
                passes_where(&rule(entries.clone()), &seen, MESH),
                expected,
                "{entries:?} {seen}"
            );
            let back = connection(Egress, peer, protocol, port.clone());
            let expected = if expected == Permitted {
                Never
            } else {
                expected
            };
            assert_eq!(
                passes_where(&rule(entries.clone()), &back, MESH),
                expected,
                "{entries:?} {back}"
            );
        }
    }
}

/// D8, D11: a container may declare the name tomorrow, even if none does today.
#[test]
fn attack_a_named_port_that_no_container_declares_is_not_nothing() {
    let regions = |entries| rule(entries).regions(may_at_home(), Ingress, &LabelSet::any());
    let undeclared = regions(vec![ports(Tcp, Named("nobody".into()))]);
    let most = regions(vec![ports(Tcp, Numbers(2, 65535)), ports(Udp, All)]);
    let all = regions(vec![ports(Tcp, Numbers(1, 65535))]);
    let held = |covers: &[crate::Region]| {
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

/// D11: a name means one of the numbers, and it is unknown which.
#[test]
fn d11_ranges_that_together_hold_all_numbers_hold_all_ports_but_no_name_alone() {
    let regions = |entries| rule(entries).regions(may_at_home(), Ingress, &LabelSet::any());
    let range = |first, last| regions(vec![ports(Tcp, Numbers(first, last))]);
    let (low, high) = (range(1, 8200), range(8201, 65535));
    let halves: Vec<_> = low.iter().chain(&high).collect();
    let left = |entries, covers: &[&crate::Region]| {
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
