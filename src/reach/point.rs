//! Single connections: examples, and their confirmation by the naive evaluator.

use super::flow::{Flow, whole};
use super::side::Side;
use super::{Part, Passes, Question};
use crate::review::render;
use crate::rules::layers::view;
use netpol::connection::{Endpoint, LabelPairs};
use netpol::label::NAMESPACE_NAME;
use netpol::point::{At, PolicyView, is_isolated, is_let_through};
use netpol::port::{Port, Protocol};
use netpol::{Connection, Direction, PeerSet, Reading, Region, witness};

/// Well-known TCP ports, which examples prefer.
const KNOWN_PORTS: [u16; 3] = [8200, 8201, 443];

/// One connection between two ends.
#[derive(Clone, Debug)]
struct Point {
    from: Endpoint,
    to: Endpoint,
    protocol: Protocol,
    port: Port,
}

/// The flows that every implementation allows, and those that one could allow.
type Flows<'a> = (&'a [Flow], &'a [Flow]);
/// Returns true if the naive evaluator agrees with the answer about connections of it: an allowed one, and one
/// that is not.
pub(super) fn confirms(
    question: &Question<'_>,
    passes: &Passes,
    (must, may): Flows<'_>,
    parts: &[Part<'_>],
    tunnels: &[u16],
) -> bool {
    let sides = || {
        question
            .sides()
            .map(|(direction, side, _)| (direction, side))
    };
    let all_allow = |point: &Point, reading| {
        sides().all(|(direction, side)| allows(side, direction, point, reading, tunnels))
    };
    let is_allowed = |flows: &[Flow], reading| {
        let points: Vec<Point> = flows
            .iter()
            .filter_map(|flow| of_flow(question, flow))
            .collect();
        !points.is_empty() && points.iter().all(|point| all_allow(point, reading))
    };
    let is_missing = || {
        parts.iter().all(|part| {
            let (side, direction) = (part.side, part.direction);
            part.missing.as_ref().is_none_or(|missing| {
                let point = of_region(side, direction, &missing.region);
                point.is_some_and(|point| !allows(side, direction, &point, Reading::Must, tunnels))
            })
        })
    };
    let mut layers = parts.iter();
    let is_replayed = layers.all(|part| {
        let leaves = part.leaves.as_deref().unwrap_or_default();
        part.side.confirms(part.direction, leaves)
    });
    if !is_replayed {
        return false;
    }
    match passes {
        Passes::All => is_allowed(must, Reading::Must),
        Passes::Only(_) if must.is_empty() => is_missing() && is_allowed(may, Reading::May),
        Passes::Only(_) => is_missing() && is_allowed(must, Reading::Must),
        Passes::Uncertain { .. } => {
            let is_certain = must.is_empty() || is_allowed(must, Reading::Must);
            is_missing() && is_certain && is_allowed(may, Reading::May)
        }
        Passes::None => {
            let points = whole(question);
            let points: Vec<Point> = points
                .iter()
                .filter_map(|flow| of_flow(question, flow))
                .collect();
            is_missing() && !points.iter().any(|point| all_allow(point, Reading::May))
        }
    }
}

/// A connection in a region of a side, in words.
pub(super) fn example(
    question: &Question<'_>,
    side: &Side<'_>,
    direction: Direction,
    piece: &Region,
) -> Option<String> {
    let point = of_region(side, direction, piece)?;
    // Seen from the end that has a perimeter, since its pods are named by their cluster.
    let is_to = question.to.side().is_some_and(Side::is_protected);
    let seen = if is_to {
        Direction::Ingress
    } else {
        Direction::Egress
    };
    point
        .seen(seen)
        .map(|connection| render::connection(&connection))
}

impl Point {
    /// The connection as the side of this direction sees it; `None` if that end is an address.
    fn seen(&self, direction: Direction) -> Option<Connection> {
        let (own, peer) = match direction {
            Direction::Ingress => (&self.to, &self.from),
            Direction::Egress => (&self.from, &self.to),
        };
        let Endpoint::Pod { labels, .. } = own else {
            return None;
        };
        Some(Connection {
            direction,
            subject: labels.clone(),
            peer: peer.clone(),
            protocol: self.protocol,
            port: self.port.clone(),
        })
    }
}

fn own_namespace(side: &Side<'_>) -> LabelPairs {
    vec![(NAMESPACE_NAME.into(), side.namespace.clone())]
}

fn of_region(side: &Side<'_>, direction: Direction, region: &Region) -> Option<Point> {
    let seen = witness::connection(direction, &side.zone, region, &KNOWN_PORTS)?;
    let own = Endpoint::Pod {
        namespace: own_namespace(side),
        labels: seen.subject,
    };
    let (from, to) = match direction {
        Direction::Ingress => (seen.peer, own),
        Direction::Egress => (own, seen.peer),
    };
    Some(Point {
        from,
        to,
        protocol: seen.protocol,
        port: seen.port,
    })
}

/// A connection of a flow: the labels of pods as their own side has them, those of their namespaces as the other
/// side needs them.
fn of_flow(question: &Question<'_>, flow: &Flow) -> Option<Point> {
    let region = |own: &PeerSet, peer: &PeerSet| match own {
        PeerSet::Pods { pods, .. } => Region::new(pods.clone(), peer.clone(), flow.ports.clone()),
        PeerSet::V4(_) | PeerSet::V6(_) => None,
    };
    let seen = |side: Option<&Side<'_>>, direction| {
        let (own, peer) = match direction {
            Direction::Ingress => (&flow.to, &flow.from),
            Direction::Egress => (&flow.from, &flow.to),
        };
        let side = side?;
        let region = region(own, peer)?;
        of_region(side, direction, &region)
    };
    let from = seen(question.from.side(), Direction::Egress);
    let to = seen(question.to.side(), Direction::Ingress);
    match (from, to) {
        (Some(from), Some(to)) => Some(Point {
            from: with_namespace_of(from.from, to.from),
            to: with_namespace_of(to.to, from.to),
            ..from
        }),
        (one, other) => one.or(other),
    }
}

/// The pod `own` in the namespace of `seen`.
fn with_namespace_of(own: Endpoint, seen: Endpoint) -> Endpoint {
    match (own, seen) {
        (Endpoint::Pod { labels, .. }, Endpoint::Pod { namespace, .. }) => {
            Endpoint::Pod { namespace, labels }
        }
        (own, _) => own,
    }
}

/// Returns true if the side allows the connection.
fn allows(
    side: &Side<'_>,
    direction: Direction,
    point: &Point,
    reading: Reading,
    tunnels: &[u16],
) -> bool {
    let Some(connection) = point.seen(direction) else {
        return false;
    };
    if side.has_tiers() {
        return side.all_layers_allow(&connection, reading);
    }
    let policies = side.policies.iter();
    let policies: Vec<PolicyView<'_>> = policies.map(|own| view(&own.policy)).collect();
    let at = At {
        namespace: &side.namespace,
        reading,
        tunnels,
    };
    let is_open = side.is_open_known() && !is_isolated(&policies, direction, &connection.subject);
    is_open || is_let_through(&policies, &connection, at)
}
