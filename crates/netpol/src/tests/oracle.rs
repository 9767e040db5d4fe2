//! Exhaustive oracle of containment: the engine's answers equal an enumeration by the naive evaluator, in
//! both directions, and every witness is one of the enumerated counterexamples.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use crate::cover::{Budget, all_uncovered, uncovered};
use crate::point::rule_passes;
use crate::port::Protocol;
use crate::rule::{PortEntry, PortRange, Rule, Selector};
use crate::testing::dice::{Dice, hold, instances};
use crate::testing::domain::{HOME, Vocabulary, World, is_implied, selects};
use crate::{At, Connection, Direction, Reading, Region, witness};

/// A rule in a policy for these pods, in one reading.
#[derive(Clone, Debug)]
struct ReadRule {
    pods: Selector,
    rule: Rule,
    reading: Reading,
}

/// The question whether the covers together allow everything that the area allows.
#[derive(Debug)]
struct Question {
    direction: Direction,
    area: ReadRule,
    covers: Vec<ReadRule>,
}

impl ReadRule {
    fn random(world: &World, dice: &mut Dice<'_>) -> Self {
        Self {
            pods: world.subject_selector(dice),
            rule: world.rule(dice),
            reading: dice.pick(&[Reading::Must, Reading::May, Reading::Permitted]),
        }
    }

    /// The regions of the engine.
    fn regions(&self, world: &World, direction: Direction) -> Vec<Region> {
        let selected = self.pods.label_set();
        let part = selected.and_then(|selected| world.zone.select(&selected));
        part.map_or_else(Vec::new, |part| {
            self.rule.regions(self.at(), direction, &part)
        })
    }

    const fn at(&self) -> At<'static> {
        At {
            namespace: HOME,
            reading: self.reading,
            tunnels: TUNNELS,
        }
    }

    /// The answer of the naive evaluator.
    fn passes(&self, connection: &Connection) -> bool {
        selects(&self.pods, &connection.subject) && rule_passes(&self.rule, connection, self.at())
    }
}

impl Question {
    fn random(world: &World, dice: &mut Dice<'_>, most_covers: usize) -> Self {
        Self {
            direction: dice.pick(&Direction::ALL),
            area: ReadRule::random(world, dice),
            covers: dice.some(most_covers, |dice| ReadRule::random(world, dice)),
        }
    }

    /// Connections that the area allows and no cover does.
    fn counterexamples<'w>(&self, world: &'w World) -> Vec<(usize, &'w Connection)> {
        let mut found = Vec::new();
        for (number, connections) in world.connections[self.direction as usize]
            .iter()
            .enumerate()
        {
            let subject = &connections[0].subject;
            if !selects(&self.area.pods, subject) {
                continue;
            }
            let covers: Vec<&ReadRule> = self
                .covers
                .iter()
                .filter(|cover| selects(&cover.pods, subject))
                .collect();
            let numbered = (number * connections.len()..).zip(connections);
            found.extend(numbered.filter(|(_, connection)| {
                let passes = |connection: &Connection| self.area.passes(connection);
                passes(connection)
                    && !covers.iter().any(|cover| cover.passes(connection))
                    && !is_implied(passes, connection)
            }));
        }
        found
    }

    fn check(&self, world: &World) -> Result<(), String> {
        let expected = self.counterexamples(world);
        let covers: Vec<Region> = self
            .covers
            .iter()
            .flat_map(|cover| cover.regions(world, self.direction))
            .collect();
        let covers: Vec<&Region> = covers.iter().collect();
        let keys = || {
            covers
                .iter()
                .flat_map(|cover| cover.subject.constrained().map(|(key, _)| key))
        };
        let mut pieces = Vec::new();
        let mut is_inside = true;
        for area in self.area.regions(world, self.direction) {
            let area = Region {
                subject: world.zone.written_out(&area.subject, keys()),
                ..area
            };
            let mut budget = Budget::new(100_000);
            let piece = uncovered(&area, &covers, &mut budget).map_err(|_| "out of budget")?;
            if let Some(piece) = &piece {
                is_inside = false;
                self.check_witness(world, piece, &expected)?;
            }
            let all = all_uncovered(&area, &covers, &mut budget).map_err(|_| "out of budget")?;
            if all.is_empty() != piece.is_none() {
                return Err("the first piece and all pieces disagree".to_owned());
            }
            pieces.extend(all);
        }
        if is_inside != expected.is_empty() {
            return Err(format!(
                "inside: {is_inside}, expected {:?}",
                expected.first()
            ));
        }
        self.check_pieces(world, &pieces, &expected)
    }

    fn check_witness(
        &self,
        world: &World,
        piece: &Region,
        expected: &[(usize, &Connection)],
    ) -> Result<(), String> {
        let shown =
            witness::connection(self.direction, &world.zone, piece, &[443]).ok_or("no witness")?;
        let genuine =
            self.area.passes(&shown) && !self.covers.iter().any(|cover| cover.passes(&shown));
        let nearest = world.nearest(&shown);
        let counted = expected.iter().any(|(_, known)| **known == nearest);
        if genuine && counted {
            Ok(())
        } else {
            Err(format!(
                "genuine: {genuine}, counted: {counted}, witness {shown:?}"
            ))
        }
    }

    /// Checks that all pieces together are exactly the counterexamples, and that pieces do not overlap.
    fn check_pieces(
        &self,
        world: &World,
        pieces: &[Region],
        expected: &[(usize, &Connection)],
    ) -> Result<(), String> {
        let expected: BTreeSet<usize> = expected.iter().map(|(number, _)| *number).collect();
        let held: BTreeSet<usize> = pieces
            .iter()
            .flat_map(|piece| world.inside(piece))
            .collect();
        if let Some(wrong) = held.symmetric_difference(&expected).next() {
            let mut all = world.connections[self.direction as usize].iter().flatten();
            let shown = all.nth(*wrong);
            return Err(format!(
                "in the pieces: {}, found {shown:?}",
                held.contains(wrong)
            ));
        }
        let overlap = pieces
            .iter()
            .enumerate()
            .any(|(at, piece)| pieces[..at].iter().any(|other| !other.is_disjoint(piece)));
        if overlap && self.area.rule.peers.len() < 2 {
            return Err("pieces overlap".to_owned());
        }
        Ok(())
    }
}

fn entry(protocol: Protocol, ports: PortRange) -> PortEntry {
    PortEntry::new(protocol, ports)
}

/// Few ports, for worlds that test something else.
pub(crate) fn two_ports() -> Vec<PortEntry> {
    vec![
        PortEntry::tcp(8200),
        entry(Protocol::Tcp, PortRange::Named("web".into())),
    ]
}

/// Ports that a mesh forwards to all other ports.
const TUNNELS: &[u16] = &[15008];

/// Four numbers, a tunnel port alone and in a range, a name, two protocols, and ranges that touch, overlap
/// and add up to everything.
pub(crate) fn many_ports() -> Vec<PortEntry> {
    use PortRange::{All, Named, Numbers};
    use Protocol::{Tcp, Udp};
    vec![
        PortEntry::tcp(8200),
        PortEntry::tcp(8201),
        entry(Tcp, Numbers(8200, 8201)),
        entry(Tcp, Numbers(1, 8200)),
        entry(Tcp, Numbers(8201, u16::MAX)),
        entry(Tcp, All),
        entry(Tcp, Named("web".into())),
        PortEntry::tcp(15008),
        entry(Tcp, Numbers(8201, 15008)),
        PortEntry::udp(8200),
        entry(Udp, Named("web".into())),
        entry(Udp, All),
    ]
}

/// Many labels of protected pods.
pub(crate) const SUBJECTS: Vocabulary = Vocabulary {
    known: &[("role", &["a", "b"])],
    free: &["v"],
    namespaces: &[HOME],
    namespace_labels: &[],
    pod_labels: &[("tier", &["p"])],
    blocks: &[],
    ports: two_ports,
};

/// Many labels of peers.
const PODS: Vocabulary = Vocabulary {
    known: &[],
    free: &[],
    namespaces: &[HOME, "n1", "n2"],
    namespace_labels: &[("team", &["t"])],
    pod_labels: &[("tier", &["p", "q"]), ("rank", &["r"])],
    blocks: &[],
    ports: two_ports,
};

/// Blocks: halves that add up, host bits, and text that parsers read differently.
const BLOCKS: Vocabulary = Vocabulary {
    known: &[],
    free: &[],
    namespaces: &[HOME],
    namespace_labels: &[],
    pod_labels: &[],
    blocks: &[
        "10.0.0.0/8",
        "10.128.7.7/9",
        "0.0.0.0/0",
        "0.0.0.0/1",
        "128.0.0.0/1",
        "010.0.0.0/8",
        "2001:db8::/32",
        "::/0",
        "::ffff:10.0.0.0/104",
    ],
    ports: two_ports,
};

/// Many ports.
const PORTS: Vocabulary = Vocabulary {
    known: &[],
    free: &["v"],
    namespaces: &[HOME],
    namespace_labels: &[],
    pod_labels: &[],
    blocks: &["10.0.0.0/8"],
    ports: many_ports,
};

/// All dimensions at once: three namespaces, two peer keys, two subject keys (one is added at run time),
/// two addresses per family and an ambiguous text, four ports and a name.
pub(crate) const EVERYTHING: Vocabulary = Vocabulary {
    known: &[("role", &["a"])],
    free: &["v"],
    namespaces: &[HOME, "n1"],
    namespace_labels: &[],
    pod_labels: &[("tier", &["p", "q"]), ("rank", &["r", "s"])],
    blocks: &["10.0.0.0/8", "010.0.0.0/8", "2001:db8::/32"],
    ports: many_ports,
};

fn agree(name: &str, share: u32, words: Vocabulary, most_covers: usize) {
    let world = LazyLock::new(|| World::new(words));
    hold(
        name,
        instances(share),
        |dice| Question::random(&world, dice, most_covers),
        |question| question.check(&world),
    );
}

#[test]
fn containment_agrees_with_the_enumeration_over_subjects() {
    agree("subjects", 25, SUBJECTS, 4);
}

#[test]
fn containment_agrees_with_the_enumeration_over_peer_pods() {
    agree("peer pods", 15, PODS, 4);
}

#[test]
fn containment_agrees_with_the_enumeration_over_blocks() {
    agree("blocks", 25, BLOCKS, 5);
}

#[test]
fn containment_agrees_with_the_enumeration_over_ports() {
    agree("ports", 20, PORTS, 5);
}

#[test]
fn containment_agrees_with_the_enumeration_over_all_dimensions() {
    agree("all dimensions", 1, EVERYTHING, 4);
}
