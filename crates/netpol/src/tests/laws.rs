//! The laws of set algebra, checked with sample points, and uniqueness of representations.

use std::fmt::Debug;
use std::net::{IpAddr, Ipv4Addr};

use crate::address::{AddressSet, Cidr};
use crate::label::{LabelSet, Values};
use crate::names::Names;
use crate::port::{Port, PortSet, Protocol};
use crate::testing::dice::{Dice, hold};
use crate::{PeerSet, Region};

const CASES: u32 = 3_000;
const WORDS: [&str; 4] = ["a", "b", "c", "fresh"];

/// A set with a membership test.
struct Algebra<S, P> {
    points: Vec<P>,
    has: fn(&S, &P) -> bool,
    intersect: fn(&S, &S) -> S,
    minus: fn(&S, &S) -> S,
    union: fn(&S, &S) -> S,
    is_subset: fn(&S, &S) -> bool,
    is_disjoint: fn(&S, &S) -> bool,
}

impl<S: PartialEq + Debug, P: Debug> Algebra<S, P> {
    fn same(&self, a: &S, b: &S) -> bool {
        self.points
            .iter()
            .all(|point| (self.has)(a, point) == (self.has)(b, point))
    }

    fn check(&self, a: &S, b: &S, c: &S) -> Result<(), String> {
        let (and, or, less) = (
            (self.intersect)(a, b),
            (self.union)(a, b),
            (self.minus)(a, b),
        );
        for point in &self.points {
            let (in_a, in_b) = ((self.has)(a, point), (self.has)(b, point));
            let found = [&and, &or, &less].map(|set| (self.has)(set, point));
            if found != [in_a && in_b, in_a || in_b, in_a && !in_b] {
                return Err(format!("{point:?}: and, or, less are {found:?}"));
            }
        }
        let subset = self
            .points
            .iter()
            .all(|p| !(self.has)(a, p) || (self.has)(b, p));
        let disjoint = self
            .points
            .iter()
            .all(|p| !((self.has)(a, p) && (self.has)(b, p)));
        let distributed = (self.union)(&(self.intersect)(a, c), &(self.intersect)(b, c));
        let de_morgan = (self.intersect)(&(self.minus)(c, a), &(self.minus)(c, b));
        let laws = [
            ("subset", (self.is_subset)(a, b) == subset),
            ("disjoint", (self.is_disjoint)(a, b) == disjoint),
            ("and commutes", and == (self.intersect)(b, a)),
            ("or commutes", or == (self.union)(b, a)),
            (
                "absorption",
                (self.union)(a, &and) == *a && (self.intersect)(a, &or) == *a,
            ),
            ("distribution", (self.intersect)(&or, c) == distributed),
            ("De Morgan", (self.minus)(c, &or) == de_morgan),
            ("unique form", self.same(a, b) == (a == b)),
        ];
        let broken: Vec<&str> = laws
            .iter()
            .filter(|(_, holds)| !holds)
            .map(|(law, _)| *law)
            .collect();
        if broken.is_empty() {
            Ok(())
        } else {
            Err(broken.join(", "))
        }
    }
}

fn listed(dice: &mut Dice<'_>) -> Vec<&'static str> {
    dice.some(3, |dice| dice.pick(&WORDS[..3]))
}

fn names(dice: &mut Dice<'_>) -> Names {
    let listed = listed(dice);
    if dice.roll(2) == 0 {
        Names::only(listed)
    } else {
        Names::all_but(listed)
    }
}

#[test]
fn names_obey_the_laws_of_sets() {
    let laws = Algebra {
        points: WORDS.to_vec(),
        has: |set: &Names, name: &&str| set.contains(name),
        intersect: Names::intersect,
        minus: Names::minus,
        union: Names::union,
        is_subset: Names::is_subset,
        is_disjoint: Names::is_disjoint,
    };
    let three = |dice: &mut Dice<'_>| [names(dice), names(dice), names(dice)];
    hold("names", CASES, three, |[a, b, c]| {
        if a.complement().complement() != *a || a.is_all() != a.complement().is_empty() {
            return Err("complement".to_owned());
        }
        laws.check(a, b, c)
    });
}

fn values(dice: &mut Dice<'_>) -> Values {
    match dice.roll(6) {
        0 => Values::any(),
        1 => Values::one_of(listed(dice)),
        2 => Values::one_of(listed(dice)).or_absent(),
        3 => Values::none_of_or_absent(listed(dice)),
        4 => Values::none_of_or_absent(listed(dice)).intersect(&Values::present()),
        _ => Values::absent(),
    }
}

#[test]
fn values_obey_the_laws_of_sets() {
    let laws = Algebra {
        // The empty text is an absent key.
        points: [&WORDS[..], &[""]].concat(),
        has: |set: &Values, value: &&str| {
            set.contains(Some(*value).filter(|value| !value.is_empty()))
        },
        intersect: Values::intersect,
        minus: Values::minus,
        // The union is the complement of the intersection of the complements.
        union: |a, b| {
            let not = |set: &Values| Values::any().minus(set);
            not(&not(a).intersect(&not(b)))
        },
        is_subset: Values::is_subset,
        is_disjoint: Values::is_disjoint,
    };
    let three = |dice: &mut Dice<'_>| [values(dice), values(dice), values(dice)];
    hold("values", CASES, three, |[a, b, c]| laws.check(a, b, c));
}

use crate::label::Labels;

fn all_labels() -> Vec<Labels> {
    let each = || WORDS.map(Some).into_iter().chain([None]);
    let pairs = each().flat_map(|k| each().map(move |l| [("k", k), ("l", l)]));
    pairs
        .map(|pair| {
            let present = pair
                .into_iter()
                .filter_map(|(key, value)| Some((key.into(), value?.into())));
            present.collect()
        })
        .collect()
}

fn label_set(dice: &mut Dice<'_>) -> LabelSet {
    let with =
        |set: LabelSet, key: &str, values: Values| set.clone().and(key, values).unwrap_or(set);
    let set = with(LabelSet::any(), "k", values(dice));
    with(set, "l", values(dice))
}

/// Returns true if narrowing `a` to `b` splits it into disjoint parts, of which the last is what both contain.
fn is_split(a: &LabelSet, b: &LabelSet, points: &[Labels]) -> bool {
    let (mut inside, mut parts) = (a.clone(), Vec::new());
    inside.narrow(b, |part| parts.push(part));
    parts.is_empty() == a.is_subset(b)
        && Some(&inside) == a.intersect(b).as_ref()
        && points.iter().all(|point| {
            let outside = parts.iter().filter(|part| part.matches(point)).count();
            outside == usize::from(a.matches(point) && !b.matches(point))
        })
}

#[test]
fn label_sets_obey_the_laws_of_products() {
    let two = |dice: &mut Dice<'_>| [label_set(dice), label_set(dice)];
    let points = all_labels();
    hold("label sets", CASES, two, |[a, b]| {
        let and = a.intersect(b);
        let in_both = |point: &&Labels| a.matches(point) && b.matches(point);
        let laws = [
            (
                "and",
                points
                    .iter()
                    .all(|p| and.as_ref().is_some_and(|and| and.matches(p)) == in_both(&p)),
            ),
            ("none", and.is_some() == points.iter().any(|p| in_both(&p))),
            ("and commutes", and == b.intersect(a)),
            (
                "subset",
                a.is_subset(b) == points.iter().all(|p| !a.matches(p) || b.matches(p)),
            ),
            ("disjoint", a.is_disjoint(b) == and.is_none()),
            (
                "unique form",
                (a == b) == points.iter().all(|p| a.matches(p) == b.matches(p)),
            ),
            ("narrow", and.is_none() || is_split(a, b, &points)),
        ];
        laws.iter()
            .find(|(_, holds)| !holds)
            .map_or(Ok(()), |(law, _)| Err((*law).to_owned()))
    });
}

fn port_set(dice: &mut Dice<'_>) -> PortSet {
    let entry = |dice: &mut Dice<'_>| {
        let protocol = dice.pick(&Protocol::ALL);
        let edges = [1, 80, 8200, 65535];
        match dice.roll(4) {
            0 => PortSet::name(protocol, dice.pick(&["a", "b"])),
            1 => PortSet::protocol(protocol),
            _ => {
                let (x, y) = (dice.pick(&edges), dice.pick(&edges));
                PortSet::range(protocol, x.min(y), x.max(y))
            }
        }
    };
    joined(dice.some(4, entry), PortSet::union).unwrap_or_else(PortSet::none)
}

/// The union of several sets. A single set is returned as it is, whether or not `union` is correct.
fn joined<S>(sets: Vec<S>, union: fn(&S, &S) -> S) -> Option<S> {
    sets.into_iter().reduce(|all, one| union(&all, &one))
}

#[test]
fn port_sets_obey_the_laws_of_sets() {
    let points = Protocol::ALL.into_iter().flat_map(|protocol| {
        let numbers = [1, 2, 80, 81, 8200, 8201, 65535].map(Port::Number);
        let names = ["a", "b", "fresh"].map(|name| Port::Named(name.into()));
        numbers
            .into_iter()
            .chain(names)
            .map(move |port| (protocol, port))
    });
    let points: Vec<_> = points.collect();
    let three = |dice: &mut Dice<'_>| [port_set(dice), port_set(dice), port_set(dice)];
    hold("port sets", CASES, three, |[a, b, c]| {
        let has =
            |set: &PortSet, (protocol, port): &(Protocol, Port)| set.contains(*protocol, port);
        let all = |law: &dyn Fn(&(Protocol, Port)) -> bool| points.iter().all(law);
        let (and, or, less) = (a.intersect(b), a.union(b), a.minus(b));
        // Numbers that add up to all ports add the names too, so a union may be larger.
        let grown = |(protocol, port): &(Protocol, Port)| {
            matches!(port, Port::Named(_)) && or.ports(*protocol) == PortSet::all().ports(*protocol)
        };
        let laws = [
            ("and", all(&|p| has(&and, p) == (has(a, p) && has(b, p)))),
            (
                "or",
                all(&|p| has(&or, p) == (has(a, p) || has(b, p) || grown(p))),
            ),
            ("less", all(&|p| has(&less, p) == (has(a, p) && !has(b, p)))),
            (
                "subset",
                a.is_subset(b) == all(&|p| !has(a, p) || has(b, p)),
            ),
            (
                "disjoint",
                a.is_disjoint(b) == all(&|p| !(has(a, p) && has(b, p))),
            ),
            ("and commutes", and == b.intersect(a)),
            ("or commutes", or == b.union(a)),
            ("or is associative", or.union(c) == a.union(&b.union(c))),
            ("absorption", a.union(&and) == *a && a.intersect(&or) == *a),
            ("empty", a.is_empty() == (*a == PortSet::none())),
            ("unique form", (a == b) == all(&|p| has(a, p) == has(b, p))),
        ];
        laws.iter()
            .find(|(_, holds)| !holds)
            .map_or(Ok(()), |(law, _)| Err((*law).to_owned()))
    });
}

fn addresses(dice: &mut Dice<'_>) -> AddressSet {
    let blocks = [
        "0.0.0.0/0",
        "0.0.0.0/1",
        "128.0.0.0/1",
        "10.0.0.0/8",
        "10.0.0.0/9",
        "::/0",
        "2001:db8::/32",
    ];
    let block = |dice: &mut Dice<'_>| {
        let cidr: Cidr = dice.pick(&blocks).parse().expect("a block");
        AddressSet::of(cidr.canonical().expect("canonical"))
    };
    let some = |dice: &mut Dice<'_>| {
        joined(dice.some(2, block), AddressSet::union).unwrap_or_else(AddressSet::none)
    };
    some(dice).minus(&some(dice))
}

#[test]
fn address_sets_obey_the_laws_of_sets() {
    let texts = [
        "0.0.0.0",
        "10.0.0.1",
        "10.200.0.1",
        "127.255.255.255",
        "128.0.0.0",
        "255.255.255.255",
        "::",
        "2001:db8::1",
        "ffff::",
    ];
    let laws = Algebra {
        points: texts.map(|text| text.parse().expect("an address")).to_vec(),
        has: |set: &AddressSet, address: &IpAddr| match address {
            IpAddr::V4(address) => set.v4.contains(*address),
            IpAddr::V6(address) => set.v6.contains(*address),
        },
        intersect: |a, b| a.minus(&a.minus(b)),
        minus: AddressSet::minus,
        union: AddressSet::union,
        is_subset: |a, b| a.minus(b).is_empty(),
        is_disjoint: |a, b| a.minus(b) == *a,
    };
    let three = |dice: &mut Dice<'_>| [addresses(dice), addresses(dice), addresses(dice)];
    hold("address sets", CASES, three, |[a, b, c]| {
        laws.check(a, b, c)
    });
}

/// A region of any kind.
pub(super) fn region(dice: &mut Dice<'_>) -> Region {
    let peer = match dice.roll(3) {
        0 => PeerSet::pods(LabelSet::any(), label_set(dice)),
        1 => PeerSet::v4(addresses(dice).v4),
        _ => PeerSet::v6(addresses(dice).v6),
    };
    let ports = Some(port_set(dice)).filter(|ports| !ports.is_empty());
    Region {
        subject: label_set(dice),
        peer: peer.unwrap_or(PeerSet::V4([Ipv4Addr::LOCALHOST].into_iter().collect())),
        ports: ports.unwrap_or_else(PortSet::all),
    }
}

#[test]
fn regions_obey_the_laws_of_products() {
    let two = |dice: &mut Dice<'_>| [region(dice), region(dice)];
    hold("regions", CASES, two, |[a, b]| {
        let and = a.intersect(b);
        let inside = |and: &Region| and.is_subset(a) && and.is_subset(b);
        let laws = [
            ("and commutes", and == b.intersect(a)),
            ("and is in both", and.as_ref().is_none_or(inside)),
            ("disjoint", a.is_disjoint(b) == and.is_none()),
            ("subset", a.is_subset(b) == (and.as_ref() == Some(a))),
            ("reflexive", a.is_subset(a) && !a.is_disjoint(a)),
            (
                "antisymmetric",
                !(a.is_subset(b) && b.is_subset(a)) || a == b,
            ),
        ];
        laws.iter()
            .find(|(_, holds)| !holds)
            .map_or(Ok(()), |(law, _)| Err((*law).to_owned()))
    });
}
