//! Laws of the set algebra: an area without its covers, checked at every point of a small domain.

use arbitrary::{Result, Unstructured};
use netpol::cover::{Budget, all_uncovered, uncovered};
use netpol::label::{Labels, NAMESPACE_NAME, Values};
use netpol::port::{Port, PortSet, Protocol};
use netpol::{LabelSet, PeerSet, Region};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::OnceLock;

/// Label keys of the sets.
const KEYS: &[&str] = &["a", "b"];
const NAMESPACE_KEYS: &[&str] = &[NAMESPACE_NAME, "team"];
const VALUES: &[&str] = &["x", "y"];
/// Ends of intervals.
const ENDS: &[u16] = &[1, 2, 8200, 8201, 65534, 65535];
const NAMES: &[&str] = &["api", "http"];
const PROTOCOLS: &[Protocol] = &[Protocol::Tcp, Protocol::Udp];

/// An area and its covers.
pub fn set_laws(data: &[u8]) {
    let _too_short = regions(&mut Unstructured::new(data)).map(|(area, covers)| {
        let covers: Vec<&Region> = covers.iter().collect();
        check(&area, &covers);
    });
}

fn regions(u: &mut Unstructured<'_>) -> Result<(Region, Vec<Region>)> {
    let area = region(u)?;
    let count = u.int_in_range(0..=5)?;
    let covers = (0..count).map(|_| region(u)).collect::<Result<_>>()?;
    Ok((area, covers))
}

fn check(area: &Region, covers: &[&Region]) {
    let Ok(pieces) = all_uncovered(area, covers, &mut Budget::new(100_000)) else {
        return;
    };
    let first = uncovered(area, covers, &mut Budget::new(100_000)).expect("no more work than all");
    assert_eq!(first.as_ref(), pieces.first(), "the first piece");
    for (at, piece) in pieces.iter().enumerate() {
        assert!(piece.is_subset(area), "{piece:?} outside {area:?}");
        assert!(
            covers.iter().all(|cover| piece.is_disjoint(cover)),
            "{piece:?}"
        );
        assert!(
            pieces[..at].iter().all(|other| piece.is_disjoint(other)),
            "{piece:?}"
        );
    }
    for point in points() {
        let covered = covers.iter().any(|cover| point.is_in(cover));
        let left = pieces.iter().filter(|piece| point.is_in(piece)).count();
        let expected = usize::from(point.is_in(area) && !covered && !point.is_implied(area));
        assert_eq!(left, expected, "{point:?}\n{area:#?}\n{covers:#?}");
    }
    for cover in covers {
        pairwise(area, cover);
    }
}

/// Intersection, containment and disjointness agree.
fn pairwise(a: &Region, b: &Region) {
    let both = a.intersect(b);
    assert_eq!(both.is_none(), a.is_disjoint(b), "{a:?} and {b:?}");
    assert_eq!(both, b.intersect(a));
    let inside = uncovered(a, &[b], &mut Budget::new(100)).expect("one cover");
    assert_eq!(inside.is_none(), a.is_subset(b), "{a:?} in {b:?}");
    if let Some(both) = both {
        assert!(both.is_subset(a) && both.is_subset(b));
    }
}

fn region(u: &mut Unstructured<'_>) -> Result<Region> {
    loop {
        let peer = peer(u)?;
        let (subject, ports) = (labels(u, KEYS)?, ports(u)?);
        if let Some(peer) = peer
            && !ports.is_empty()
        {
            return Ok(Region {
                subject,
                peer,
                ports,
            });
        }
        if u.is_empty() {
            return Err(arbitrary::Error::NotEnoughData);
        }
    }
}

fn labels(u: &mut Unstructured<'_>, keys: &[&str]) -> Result<LabelSet> {
    let mut set = LabelSet::any();
    for key in keys {
        let values = values(u)?;
        set = set.clone().and(*key, values).unwrap_or(set);
    }
    Ok(set)
}

fn values(u: &mut Unstructured<'_>) -> Result<Values> {
    let value = *u.choose(VALUES)?;
    Ok(match u.int_in_range(0..=7)? {
        0 => Values::one_of([value]),
        1 => Values::one_of(VALUES.iter().copied()),
        2 => Values::none_of_or_absent([value]),
        3 => Values::present(),
        4 => Values::absent(),
        5 => Values::one_of([value]).or_absent(),
        _ => Values::any(),
    })
}

fn peer(u: &mut Unstructured<'_>) -> Result<Option<PeerSet>> {
    Ok(match u.int_in_range(0..=3)? {
        0 => {
            let ranges = ranges(u)?.into_iter();
            PeerSet::v4(ranges.map(|(first, last)| v4(first)..=v4(last)).collect())
        }
        1 => {
            let ranges = ranges(u)?.into_iter();
            PeerSet::v6(ranges.map(|(first, last)| v6(first)..=v6(last)).collect())
        }
        _ => PeerSet::pods(labels(u, NAMESPACE_KEYS)?, labels(u, KEYS)?),
    })
}

fn ranges(u: &mut Unstructured<'_>) -> Result<Vec<(u16, u16)>> {
    let count = u.int_in_range(1..=2)?;
    let one = |_| {
        let (a, b) = (*u.choose(ENDS)?, *u.choose(ENDS)?);
        Ok((a.min(b), a.max(b)))
    };
    (0..count).map(one).collect()
}

fn ports(u: &mut Unstructured<'_>) -> Result<PortSet> {
    let mut set = PortSet::none();
    for _ in 0..u.int_in_range(1..=3)? {
        let protocol = *u.choose(PROTOCOLS)?;
        let more = match u.int_in_range(0..=4)? {
            0 => PortSet::protocol(protocol),
            1 => PortSet::name(protocol, *u.choose(NAMES)?),
            2 => PortSet::all(),
            _ => {
                let all = ranges(u)?.into_iter();
                all.map(|(first, last)| PortSet::range(protocol, first, last))
                    .fold(PortSet::none(), |set, range| set.union(&range))
            }
        };
        set = set.union(&more);
    }
    Ok(set)
}

/// Addresses of both families in numeric order.
fn v4(number: u16) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(number) << 16)
}

fn v6(number: u16) -> Ipv6Addr {
    Ipv6Addr::from(u128::from(number) << 112)
}

#[derive(Clone, Debug)]
enum End {
    Pod(Labels, Labels),
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

#[derive(Clone, Debug)]
struct Point {
    subject: Labels,
    end: End,
    protocol: Protocol,
    port: Port,
}

impl Point {
    fn is_in(&self, region: &Region) -> bool {
        let peer = match (&self.end, &region.peer) {
            (End::Pod(namespace, labels), PeerSet::Pods { namespaces, pods }) => {
                namespaces.matches(namespace) && pods.matches(labels)
            }
            (End::V4(address), PeerSet::V4(set)) => set.contains(*address),
            (End::V6(address), PeerSet::V6(set)) => set.contains(*address),
            _ => false,
        };
        peer && region.subject.matches(&self.subject)
            && region.ports.contains(self.protocol, &self.port)
    }

    /// Returns true if the point is a port name, and all numbers of its protocol are in the area. The name
    /// means one of them and is proved with that number.
    fn is_implied(&self, area: &Region) -> bool {
        let numbers = area.ports.ports(self.protocol).numbers();
        matches!(self.port, Port::Named(_)) && numbers.len() == u32::from(u16::MAX)
    }
}

/// One point for each part that sets of this domain can distinguish.
fn points() -> &'static [Point] {
    static POINTS: OnceLock<Vec<Point>> = OnceLock::new();
    POINTS.get_or_init(all_points)
}

fn all_points() -> Vec<Point> {
    let label_points = label_points(KEYS);
    let named = |labels: &&Labels| labels.contains_key(NAMESPACE_NAME);
    let namespaces = self::label_points(NAMESPACE_KEYS);
    let mut ends = Vec::new();
    for namespace in namespaces.iter().filter(named) {
        let pods = label_points.iter().cloned();
        ends.extend(pods.map(|pod| End::Pod(namespace.clone(), pod)));
    }
    let inner = ENDS.iter().flat_map(|end| [*end, end.saturating_add(1)]);
    let numbers: Vec<u16> = inner.chain([3]).collect();
    ends.extend(numbers.iter().map(|number| End::V4(v4(*number))));
    ends.extend(numbers.iter().map(|number| End::V6(v6(*number))));
    let words = NAMES.iter().chain(&["fresh"]);
    let ports: Vec<Port> = numbers
        .iter()
        .map(|number| Port::Number(*number))
        .chain(words.map(|name| Port::Named((*name).into())))
        .collect();
    // The dimensions are walked with different steps. The full product would be hundreds of thousands of points;
    // this is another part of it for each interval end.
    let mut points = Vec::new();
    for (at, end) in ends.iter().enumerate() {
        for (i, port) in ports.iter().enumerate() {
            for (j, protocol) in PROTOCOLS.iter().enumerate() {
                let subject = &label_points[(at * 7 + i * 3 + j * 5) % label_points.len()];
                points.push(Point {
                    subject: subject.clone(),
                    end: end.clone(),
                    protocol: *protocol,
                    port: port.clone(),
                });
            }
        }
    }
    points
}

/// For each key: absent, each value, and a fresh value.
fn label_points(keys: &[&str]) -> Vec<Labels> {
    let mut points = vec![Labels::new()];
    for key in keys {
        let with = |value: &str| {
            let labels = points.iter().cloned().map(|mut labels| {
                labels.insert((*key).into(), value.into());
                labels
            });
            labels.collect::<Vec<_>>()
        };
        let more: Vec<Labels> = VALUES
            .iter()
            .chain(&["fresh"])
            .flat_map(|value| with(value))
            .collect();
        points.extend(more);
    }
    points
}
