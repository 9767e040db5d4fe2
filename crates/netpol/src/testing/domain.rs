//! Small worlds in which every connection can be counted.
//!
//! A [`World`] has a vocabulary (label keys and values, blocks, ports), from which random rules are made,
//! and all connections that such rules can distinguish: for each label key the values of the vocabulary,
//! one fresh value, and absence; for each block and port list one point of each part of the line. So a
//! statement about these connections is a statement about all connections.

mod points;

use std::net::IpAddr;
use std::sync::Arc;

use crate::address::Cidr;
use crate::connection::{Connection, Endpoint, LabelPairs};
use crate::label::{NAMESPACE_NAME, Values};
use crate::pod_space::{OtherKeys, PodSpace};
use crate::port::{Port, Protocol};
use crate::rule::{Operator, Peer, PortEntry, Rule, Selector};
use crate::testing::dice::Dice;
use crate::{Direction, PeerSet, Region, point};
use points::{blocks_of, connections, peers, port_points, subjects};

/// The namespace of the protected pods.
pub const HOME: &str = "bao";
const FRESH: &str = "fresh";
/// A label key that is added at run time, with any value.
const FREE_KEY: &str = "run";

type Words = &'static [(&'static str, &'static [&'static str])];

/// The parts from which rules of a world are made.
#[derive(Clone, Copy, Debug)]
pub struct Vocabulary {
    /// Keys that the zone knows. Each of its pods has one of the values or does not have the key.
    pub known: Words,
    /// Values of the run-time key.
    pub free: &'static [&'static str],
    /// Namespaces by name.
    pub namespaces: &'static [&'static str],
    /// Other namespace labels.
    pub namespace_labels: Words,
    /// Labels of peer pods.
    pub pod_labels: Words,
    /// CIDR texts.
    pub blocks: &'static [&'static str],
    /// Port entries.
    pub ports: fn() -> Vec<PortEntry>,
}

use crate::label::Labels;

/// A peer, with its labels as the engine represents them.
#[derive(Debug)]
struct PeerPoint {
    endpoint: Endpoint,
    namespace: Labels,
    labels: Labels,
}

impl PeerPoint {
    fn new(endpoint: Endpoint) -> Self {
        let (namespace, labels) = match &endpoint {
            Endpoint::Pod { namespace, labels } => (map(namespace), map(labels)),
            Endpoint::Address(_) => (Labels::new(), Labels::new()),
        };
        Self {
            endpoint,
            namespace,
            labels,
        }
    }

    fn is_in(&self, set: &PeerSet) -> bool {
        match (set, &self.endpoint) {
            (PeerSet::Pods { namespaces, pods }, Endpoint::Pod { .. }) => {
                namespaces.matches(&self.namespace) && pods.matches(&self.labels)
            }
            (PeerSet::V4(set), Endpoint::Address(IpAddr::V4(address))) => set.contains(*address),
            (PeerSet::V6(set), Endpoint::Address(IpAddr::V6(address))) => set.contains(*address),
            _ => false,
        }
    }
}

fn map(pairs: &LabelPairs) -> Labels {
    pairs.iter().cloned().collect()
}

/// A vocabulary and all connections that it can distinguish.
#[derive(Debug)]
pub struct World {
    words: Vocabulary,
    /// The zone, as the engine represents it.
    pub zone: PodSpace,
    ports: Vec<PortEntry>,
    /// One pod of the zone of each kind.
    pub subjects: Vec<Labels>,
    peers: Vec<PeerPoint>,
    port_points: Vec<(Protocol, Port)>,
    /// Every connection, by direction and subject.
    pub connections: [Vec<Vec<Connection>>; 2],
}

impl World {
    /// The world of a vocabulary.
    pub fn new(words: Vocabulary) -> Self {
        let known = words
            .known
            .iter()
            .map(|(key, values)| (*key, Values::one_of(values.iter().copied()).or_absent()));
        let always = [("app", Values::one_of(["bao"]))];
        let zone = PodSpace::new(
            always.into_iter().chain(known),
            vec![FREE_KEY.into()],
            OtherKeys::Absent,
        );
        let ports = (words.ports)();
        let subjects = subjects(&words);
        let peers = peers(&words);
        let port_points = port_points(&ports);
        let connections = Direction::ALL.map(|direction| {
            let of = |subject: &LabelPairs| connections(direction, subject, &peers, &port_points);
            subjects.iter().map(of).collect()
        });
        Self {
            words,
            zone,
            ports,
            subjects: subjects.iter().map(map).collect(),
            peers: peers.into_iter().map(PeerPoint::new).collect(),
            port_points,
            connections,
        }
    }

    /// The indexes of the connections in a region, in the order of [`World::connections`].
    pub fn inside(&self, region: &Region) -> Vec<usize> {
        let holds = |(protocol, port): &(Protocol, Port)| region.ports.contains(*protocol, port);
        let ports: Vec<bool> = self.port_points.iter().map(holds).collect();
        let peers: Vec<bool> = self
            .peers
            .iter()
            .map(|peer| peer.is_in(&region.peer))
            .collect();
        let each = peers.len() * ports.len();
        let mut inside = Vec::new();
        for (number, subject) in self.subjects.iter().enumerate() {
            if region.subject.matches(subject) {
                let at = |i: &usize| peers[i / ports.len()] && ports[i % ports.len()];
                inside.extend((0..each).filter(at).map(|i| number * each + i));
            }
        }
        inside
    }

    /// A selector for protected pods. It rarely asks for a key that they never have.
    pub fn subject_selector(&self, dice: &mut Dice<'_>) -> Selector {
        let mut keys: Vec<(&str, &[&str])> = self.words.known.to_vec();
        if !self.words.free.is_empty() {
            keys.push((FREE_KEY, self.words.free));
        }
        if dice.once_in(6) {
            keys.extend([("app", &["bao", "web"][..]), ("other", &["x"][..])]);
        }
        selector(dice, &keys, 2)
    }

    /// A rule of up to two peers and two port entries.
    pub fn rule(&self, dice: &mut Dice<'_>) -> Rule {
        Rule {
            peers: dice.some(2, |dice| self.peer(dice)),
            ports: dice.some(2, |dice| dice.pick(&self.ports)),
        }
    }

    /// Returns true if the world has addresses.
    pub fn has_blocks(&self) -> bool {
        !self.words.blocks.is_empty()
    }

    /// One of the blocks.
    pub fn block(&self, dice: &mut Dice<'_>) -> Cidr {
        dice.pick(self.words.blocks).parse().expect("a block")
    }

    /// One of the port entries.
    pub fn port(&self, dice: &mut Dice<'_>) -> PortEntry {
        dice.pick(&self.ports)
    }

    /// A selector for namespaces.
    pub fn namespace_selector(&self, dice: &mut Dice<'_>) -> Selector {
        let mut keys: Vec<(&str, &[&str])> = self.words.namespace_labels.to_vec();
        keys.push((NAMESPACE_NAME, self.words.namespaces));
        selector(dice, &keys, 2)
    }

    /// A selector for peer pods.
    pub fn pod_selector(&self, dice: &mut Dice<'_>) -> Selector {
        selector(dice, self.words.pod_labels, 2)
    }

    fn peer(&self, dice: &mut Dice<'_>) -> Peer {
        if self.has_blocks() && dice.roll(2) == 1 {
            return Peer::Block {
                cidr: self.block(dice),
                except: dice.some(1, |dice| self.block(dice)),
            };
        }
        let namespaces = |dice: &mut Dice<'_>| Some(self.namespace_selector(dice));
        let pods = |dice: &mut Dice<'_>| Some(self.pod_selector(dice));
        let (namespaces, pods) = match dice.roll(3) {
            0 => (namespaces(dice), None),
            1 => (None, pods(dice)),
            _ => (namespaces(dice), pods(dice)),
        };
        Peer::Pods { namespaces, pods }
    }

    /// The connection of this world that no rule can distinguish from `connection`.
    pub fn nearest(&self, connection: &Connection) -> Connection {
        let port = match &connection.port {
            Port::Number(_) => self
                .port_points
                .iter()
                .rfind(|(protocol, point)| {
                    *protocol == connection.protocol
                        && matches!(point, Port::Number(_))
                        && *point <= connection.port
                })
                .map_or_else(|| connection.port.clone(), |(_, point)| point.clone()),
            Port::Named(name) => {
                let known = Port::Named(name.clone());
                let is_known = self.port_points.iter().any(|(_, point)| *point == known);
                if is_known {
                    known
                } else {
                    Port::Named(FRESH.into())
                }
            }
        };
        Connection {
            subject: self.known_labels(&connection.subject),
            peer: self.nearest_peer(&connection.peer),
            port,
            ..connection.clone()
        }
    }

    fn nearest_peer(&self, peer: &Endpoint) -> Endpoint {
        match peer {
            Endpoint::Pod { namespace, labels } => Endpoint::Pod {
                namespace: self.known_labels(namespace),
                labels: self.known_labels(labels),
            },
            Endpoint::Address(address) => {
                let known = blocks_of(&self.words, *address);
                let same = |peer: &&PeerPoint| match peer.endpoint {
                    Endpoint::Address(other) => blocks_of(&self.words, other) == known,
                    Endpoint::Pod { .. } => false,
                };
                let found = self.peers.iter().find(same);
                found.map_or_else(|| peer.clone(), |found| found.endpoint.clone())
            }
        }
    }

    fn known_labels(&self, labels: &LabelPairs) -> LabelPairs {
        let known = |key: &str, value: &str| {
            let keys = [
                self.words.known,
                self.words.namespace_labels,
                self.words.pod_labels,
            ];
            (key == "app" && value == "bao")
                || (key == FREE_KEY && self.words.free.contains(&value))
                || (key == NAMESPACE_NAME && self.words.namespaces.contains(&value))
                || keys
                    .into_iter()
                    .flatten()
                    .any(|(own, values)| *own == key && values.contains(&value))
        };
        let one = |(key, value): &(Arc<str>, Arc<str>)| {
            let fresh = || Arc::from(FRESH);
            (
                key.clone(),
                if known(key, value) {
                    value.clone()
                } else {
                    fresh()
                },
            )
        };
        let mut labels: LabelPairs = labels.iter().map(one).collect();
        labels.sort();
        labels
    }
}

fn selector(dice: &mut Dice<'_>, keys: &[(&str, &[&str])], most: usize) -> Selector {
    let mut selector = Selector::default();
    if keys.is_empty() {
        return selector;
    }
    for _ in 0..dice.roll(most + 1) {
        let (key, values) = dice.pick(keys);
        let listed = |dice: &mut Dice<'_>| vec![dice.pick(values), dice.pick(values)];
        selector = match dice.roll(5) {
            0 => {
                let value = dice.pick(values);
                selector.labels.insert(key.into(), value.into());
                selector
            }
            1 => selector.and(key, Operator::Exists, &[]),
            2 => selector.and(key, Operator::DoesNotExist, &[]),
            3 => selector.and(key, Operator::In, &listed(dice)),
            _ => selector.and(key, Operator::NotIn, &listed(dice)),
        };
    }
    selector
}

/// Returns true if the result for a connection to a port name follows from the numbers: every number is
/// allowed, and the name means one of them. A name that no rule uses is not implied.
pub fn is_implied(passes: impl Fn(&Connection) -> bool, connection: &Connection) -> bool {
    let unheard_of = || Connection {
        port: Port::Named("unheard-of".into()),
        ..connection.clone()
    };
    matches!(connection.port, Port::Named(_)) && passes(&unheard_of())
}

/// Returns true if a selector of this world selects one of its pods.
pub fn selects(selector: &Selector, subject: &LabelPairs) -> bool {
    point::selects(selector, subject)
}
