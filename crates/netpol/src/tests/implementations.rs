//! Simulation of NetworkPolicy implementations that differ from each other, in a concrete cluster.
//!
//! The rows and the oracle share the engine's notion of a port name and of an address. This module does
//! not: here pods have addresses and containers with ports, and a packet goes to a number. A packet that
//! any of the implementations allows must be inside `May`, of the engine and of the point evaluator. Each
//! implementation must allow every packet inside `Must`.

use super::rows::{block, holds, pairs, pods, ports};
use crate::connection::{Connection, Endpoint, LabelPairs};
use crate::point::{rule_passes, selects};
use crate::port::{Port, Protocol};
use crate::rule::{Peer, PortEntry, PortRange, Rule, Selector};
use crate::testing::dice::{Dice, hold};
use crate::testing::domain::HOME;
use crate::{At, Direction, LabelSet, Reading};

const CASES: u32 = 1_000;
const TUNNELS: &[u16] = &[15008, 4143];

/// Choices of an implementation where the API is silent.
#[derive(Clone, Copy, Debug)]
struct Implementation {
    /// True if a port name next to an `ipBlock` is looked up on the pod that has the address.
    looks_up_by_address: bool,
    /// True if the pods are in a mesh, whose proxy accepts connections on a tunnel port and forwards them to
    /// the port named in their first bytes.
    has_mesh: bool,
}

const ALL: [Implementation; 4] = {
    const fn one(looks_up_by_address: bool, has_mesh: bool) -> Implementation {
        Implementation {
            looks_up_by_address,
            has_mesh,
        }
    }
    [
        one(false, false),
        one(true, false),
        one(false, true),
        one(true, true),
    ]
};

/// An endpoint with an address: a pod with the ports that its containers declare, or an outside host.
#[derive(Clone, Copy, Debug)]
struct Host {
    address: &'static str,
    /// Namespace and the value of the label `app`.
    pod: Option<(&'static str, &'static str)>,
    declares: &'static [(&'static str, Protocol, u16)],
}

const HOSTS: [Host; 4] = [
    Host {
        address: "10.0.0.1",
        pod: Some((HOME, "web")),
        declares: &[("api", Protocol::Tcp, 8201), ("dns", Protocol::Udp, 53)],
    },
    Host {
        address: "10.0.1.1",
        pod: Some(("other", "db")),
        declares: &[("api", Protocol::Tcp, 5432)],
    },
    Host {
        address: "10.0.1.2",
        pod: Some(("other", "web")),
        declares: &[],
    },
    Host {
        address: "203.0.113.7",
        pod: None,
        declares: &[],
    },
];

/// The ports that the protected pod declares.
const OWN: &[(&str, Protocol, u16)] =
    &[("api", Protocol::Tcp, 8200), ("raft", Protocol::Tcp, 8201)];

const NUMBERS: [u16; 9] = [1, 53, 4143, 5432, 8200, 8201, 15007, 15008, 65535];

/// A packet between the protected pod and another endpoint.
#[derive(Clone, Copy, Debug)]
struct Packet {
    direction: Direction,
    host: Host,
    protocol: Protocol,
    number: u16,
}

impl Packet {
    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for direction in Direction::ALL {
            for host in HOSTS {
                for protocol in [Protocol::Tcp, Protocol::Udp] {
                    all.extend(NUMBERS.map(|number| Self {
                        direction,
                        host,
                        protocol,
                        number,
                    }));
                }
            }
        }
        all
    }

    /// The names under which the destination declares the port.
    fn names(&self) -> impl Iterator<Item = &'static str> {
        let declares = match self.direction {
            Direction::Ingress => OWN,
            Direction::Egress => self.host.declares,
        };
        let (protocol, number) = (self.protocol, self.number);
        let same = declares
            .iter()
            .filter(move |(_, own, at)| (*own, *at) == (protocol, number));
        same.map(|(name, _, _)| *name)
    }

    /// The connections that represent the packet in the engine.
    fn connections(&self) -> Vec<Connection> {
        let Host { address, pod, .. } = self.host;
        let by_labels = pod.map(|(namespace, app)| super::rows::pod(namespace, &[("app", app)]));
        let peers: Vec<Endpoint> = by_labels
            .into_iter()
            .chain([super::rows::address(address)])
            .collect();
        let names = self.names().map(|name| Port::Named(name.into()));
        let ports: Vec<Port> = names.chain([Port::Number(self.number)]).collect();
        let one = |peer: &Endpoint, port: &Port| Connection {
            direction: self.direction,
            subject: pairs(&[("app", "bao")]),
            peer: peer.clone(),
            protocol: self.protocol,
            port: port.clone(),
        };
        let each = |peer| ports.iter().map(move |port| one(peer, port));
        peers.iter().flat_map(each).collect()
    }
}

impl Implementation {
    fn lets_through(self, rule: &Rule, packet: &Packet) -> bool {
        let to_tunnel = |tunnel: &u16| {
            let first = Packet {
                number: *tunnel,
                ..*packet
            };
            self.passes_filter(rule, &first)
        };
        let may_be_forwarded = self.has_mesh
            && packet.direction == Direction::Ingress
            && packet.protocol == Protocol::Tcp;
        self.passes_filter(rule, packet) || (may_be_forwarded && TUNNELS.iter().any(to_tunnel))
    }

    fn passes_filter(self, rule: &Rule, packet: &Packet) -> bool {
        let by_any =
            rule.peers.is_empty() && self.passes_ports(rule, packet, packet.host.pod.is_some());
        let by = |peer: &Peer| match peer {
            Peer::Block { .. } => {
                in_block(peer, packet.host.address) && self.passes_ports(rule, packet, false)
            }
            Peer::Pods { .. } => is_pod(peer, packet.host) && self.passes_ports(rule, packet, true),
        };
        by_any || rule.peers.iter().any(by)
    }

    fn passes_ports(self, rule: &Rule, packet: &Packet, by_labels: bool) -> bool {
        let looks_up =
            by_labels || packet.direction == Direction::Ingress || self.looks_up_by_address;
        let one = |entry: &PortEntry| {
            entry.protocol == packet.protocol
                && match &entry.ports {
                    PortRange::All => true,
                    PortRange::Numbers(first, last) => (*first..=*last).contains(&packet.number),
                    PortRange::Named(name) => {
                        looks_up && packet.names().any(|declared| declared == &**name)
                    }
                }
        };
        rule.ports.is_empty() || rule.ports.iter().any(one)
    }
}

fn in_block(peer: &Peer, address: &str) -> bool {
    let Peer::Block { cidr, except } = peer else {
        return false;
    };
    let address: std::net::IpAddr = address.parse().expect("an address");
    let holds =
        |text: &crate::address::Cidr| text.canonical().is_some_and(|net| net.contains(&address));
    holds(cidr) && !except.iter().any(holds)
}

fn is_pod(peer: &Peer, host: Host) -> bool {
    let (Peer::Pods { namespaces, pods }, Some((namespace, app))) = (peer, host.pod) else {
        return false;
    };
    let there: LabelPairs = pairs(&[("kubernetes.io/metadata.name", namespace)]);
    let labels: LabelPairs = pairs(&[("app", app)]);
    let fits = namespaces
        .as_ref()
        .map_or(namespace == HOME, |selector| selects(selector, &there));
    fits && pods
        .as_ref()
        .is_none_or(|selector| selects(selector, &labels))
}

fn rule(dice: &mut Dice<'_>) -> Rule {
    let peer = |dice: &mut Dice<'_>| match dice.roll(5) {
        0 => pods(None, Some(Selector::labels([("app", "web")]))),
        1 => pods(Some(Selector::namespace("other")), None),
        2 => block("0.0.0.0/0", &["10.0.1.2/32"]),
        3 => block("10.0.0.0/16", &[]),
        _ => block("203.0.113.0/24", &[]),
    };
    let port = |dice: &mut Dice<'_>| {
        let protocol = dice.pick(&[Protocol::Tcp, Protocol::Tcp, Protocol::Udp]);
        let (a, b) = (dice.pick(&NUMBERS), dice.pick(&NUMBERS));
        ports(
            protocol,
            match dice.roll(6) {
                0 => PortRange::All,
                1 => PortRange::Numbers(a.min(b), a.max(b)),
                2 => PortRange::Named(dice.pick(&["api", "dns", "raft", "none"]).into()),
                _ => PortRange::Numbers(a, a),
            },
        )
    };
    Rule {
        peers: dice.some(2, peer),
        ports: dice.some(2, port),
    }
}

const fn at(reading: Reading) -> At<'static> {
    At {
        namespace: HOME,
        reading,
        tunnels: TUNNELS,
    }
}

fn check(rule: &Rule, packets: &[Packet]) -> Result<(), String> {
    let regions = Direction::ALL.map(|direction| {
        let of = |reading| rule.regions(at(reading), direction, &LabelSet::any());
        [of(Reading::Must), of(Reading::May)]
    });
    for packet in packets {
        let connections = packet.connections();
        let engine = regions[packet.direction as usize]
            .each_ref()
            .map(|regions| {
                let held = |seen| regions.iter().any(|region| holds(region, seen));
                connections.iter().any(held)
            });
        let naive = [Reading::Must, Reading::May].map(|reading| {
            let mut connections = connections.iter();
            connections.any(|seen| rule_passes(rule, seen, at(reading)))
        });
        for implementation in ALL {
            let passes = implementation.lets_through(rule, packet);
            for (name, [must, may]) in [("engine", engine), ("evaluator", naive)] {
                if passes && !may {
                    return Err(format!(
                        "{implementation:?} lets {packet:?} through, the {name} does not"
                    ));
                }
                if must && !passes {
                    return Err(format!(
                        "{implementation:?} stops {packet:?}, the {name} does not"
                    ));
                }
            }
        }
    }
    Ok(())
}

#[test]
fn no_implementation_allows_more_than_may_or_less_than_must() {
    let packets = Packet::all();
    hold("implementations", CASES, rule, |rule| check(rule, &packets));
}

/// The two known differences: a port name next to an `ipBlock` on egress, and a tunnel port on ingress.
#[test]
fn implementations_differ_where_the_readings_do() {
    let named = Rule {
        peers: vec![block("10.0.0.0/16", &[])],
        ports: vec![ports(Protocol::Tcp, PortRange::Named("api".into()))],
    };
    let tunnel = Rule {
        peers: vec![pods(Some(Selector::namespace("other")), None)],
        ports: vec![PortEntry::tcp(15008)],
    };
    let egress = Packet {
        direction: Direction::Egress,
        host: HOSTS[0],
        protocol: Protocol::Tcp,
        number: 8201,
    };
    let ingress = Packet {
        direction: Direction::Ingress,
        host: HOSTS[1],
        ..egress
    };
    let of = |rule: &Rule, packet: &Packet| ALL.map(|one| one.lets_through(rule, packet));
    assert_eq!(of(&named, &egress), [false, true, false, true]);
    assert_eq!(of(&tunnel, &ingress), [false, false, true, true]);
}
