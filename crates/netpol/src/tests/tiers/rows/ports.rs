//! Ports of rules: numbers, ranges, names, and tunnels.

use super::super::scene::Answer::{Allowed, Denied, Either};
use super::super::scene::{
    admin, all_pods, answer, connection, isolating, of_kind, on, peer_pod, rule, scene, team,
};
use crate::Direction::{Egress, Ingress};
use crate::connection::Endpoint;
use crate::port::{Port, Protocol};
use crate::tier::Action::{Accept, Deny};
use crate::tier::PolicyKind::{AdminNetworkPolicy, ClusterNetworkPolicy};
use crate::tier::TierPort;

fn a_pod() -> Endpoint {
    peer_pod("t", &[])
}

#[test]
fn k16_without_ports_a_rule_matches_everything() {
    let config = scene(
        vec![admin(1, &[rule(Deny, vec![all_pods()], vec![])])],
        vec![],
    );
    for protocol in Protocol::ALL {
        let named = on(Ingress, a_pod(), protocol, Port::Named("x".into()));
        assert_eq!(answer(&config, &named), Denied);
        let number = on(Ingress, a_pod(), protocol, Port::Number(65535));
        assert_eq!(answer(&config, &number), Denied);
    }
    // One of several has to match, and one of the peers too.
    let numbers = |protocol, first, last| TierPort::Numbers {
        protocol,
        first,
        last,
    };
    let ports = vec![numbers(Protocol::Udp, 50, 60), TierPort::tcp(443)];
    let config = scene(
        vec![admin(1, &[rule(Deny, vec![team("t")], ports)])],
        vec![],
    );
    let table = [
        (a_pod(), Protocol::Udp, 50, Denied),
        (a_pod(), Protocol::Udp, 60, Denied),
        (a_pod(), Protocol::Udp, 61, Allowed),
        (a_pod(), Protocol::Tcp, 443, Denied),
        (a_pod(), Protocol::Tcp, 55, Allowed),
        (a_pod(), Protocol::Sctp, 55, Allowed),
        (peer_pod("other", &[]), Protocol::Udp, 55, Allowed),
    ];
    for (peer, protocol, port, expected) in table {
        let seen = on(Ingress, peer, protocol, Port::Number(port));
        assert_eq!(answer(&config, &seen), expected, "{seen}");
    }
}

#[test]
fn a2_an_empty_range_matches_nothing() {
    let empty = TierPort::Numbers {
        protocol: Protocol::Tcp,
        first: 9000,
        last: 8000,
    };
    let seen = |rules: &[_], port| {
        let config = scene(vec![admin(1, rules)], vec![isolating(&[8200])]);
        answer(&config, &connection(Egress, a_pod(), port))
    };
    for action in [Accept, Deny] {
        let rules = [rule(action, vec![all_pods()], vec![empty.clone()])];
        assert_eq!(seen(&rules, 8200), Allowed);
        assert_eq!(seen(&rules, 8500), Denied);
    }
}

#[test]
fn k18_a3_a_port_name_may_be_any_number_where_it_denies() {
    let named = |name: &str| Port::Named(name.into());
    let rules = |action| {
        [rule(
            action,
            vec![all_pods()],
            vec![TierPort::Named("web".into())],
        )]
    };
    let number = Port::Number;
    let table = [
        (ClusterNetworkPolicy, Accept, number(9000), Denied),
        (ClusterNetworkPolicy, Accept, named("web"), Allowed),
        (ClusterNetworkPolicy, Accept, named("other"), Denied),
        (ClusterNetworkPolicy, Deny, named("web"), Denied),
        (ClusterNetworkPolicy, Deny, number(8200), Either),
        (AdminNetworkPolicy, Accept, named("web"), Allowed),
        (AdminNetworkPolicy, Accept, number(9000), Either),
        (AdminNetworkPolicy, Deny, number(8200), Either),
    ];
    for (kind, action, port, expected) in table {
        let config = scene(
            vec![of_kind(kind, admin(1, &rules(action)))],
            vec![isolating(&[8200])],
        );
        for protocol in Protocol::ALL {
            let is_allowed_number = protocol == Protocol::Tcp || port != number(8200);
            if is_allowed_number {
                let seen = on(Ingress, a_pod(), protocol, port.clone());
                assert_eq!(
                    answer(&config, &seen),
                    expected,
                    "{kind:?} {action:?} {seen}"
                );
            }
        }
    }
    // A Deny of numbers may hit a name of the protocol.
    let deny = rule(Deny, vec![all_pods()], vec![TierPort::tcp(9000)]);
    let config = scene(vec![admin(1, &[deny])], vec![]);
    let seen = |protocol| answer(&config, &on(Ingress, a_pod(), protocol, named("web")));
    assert_eq!(
        [seen(Protocol::Tcp), seen(Protocol::Udp)],
        [Either, Allowed]
    );
    // A number that no rule denies stays allowed.
    assert_eq!(
        answer(&config, &connection(Ingress, a_pod(), 9001)),
        Allowed
    );
}

#[test]
fn a_tunnel_port_may_open_every_tcp_port_of_ingress() {
    let accept = rule(Accept, vec![all_pods()], vec![TierPort::tcp(15008)]);
    let mut config = scene(vec![admin(1, &[accept])], vec![isolating(&[])]);
    let seen = |config: &_, direction| answer(config, &connection(direction, a_pod(), 9000));
    assert_eq!(seen(&config, Ingress), Denied);
    config.settings.tunnels = vec![15008];
    assert_eq!(seen(&config, Ingress), Either);
    assert_eq!(seen(&config, Egress), Denied);
}
