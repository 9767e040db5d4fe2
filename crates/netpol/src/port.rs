//! Sets of destination ports: per protocol, numbers 1 to 65535 and port names.
//!
//! A name is never resolved to a number: each destination pod defines it, and can define it later. So a
//! name is only in a set that contains the same name and protocol, or every port of that protocol.
//! (NetworkPolicyPort, API type; semantics D1 to D12.)
//!
//! ```
//! use netpol::port::{PortSet, Protocol};
//!
//! let api = PortSet::number(Protocol::Tcp, 8200);
//! assert!(api.is_subset(&PortSet::range(Protocol::Tcp, 8000, 9000)));
//! assert!(!PortSet::name(Protocol::Tcp, "api").is_subset(&api), "the number of `api` is unknown");
//! ```

mod protocol;

use std::fmt;
use std::sync::{Arc, LazyLock};

use range_set_blaze::RangeSetBlaze;

pub use protocol::Protocol;

use super::names::Names;
use super::ranges;

/// One destination port of a connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Port {
    /// A number, 1 to 65535.
    Number(u16),
    /// The number that the destination pod declares under this name.
    Named(Arc<str>),
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Named(name) => write!(f, "port named `{name}`"),
        }
    }
}

/// The ports of one protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ports {
    numbers: RangeSetBlaze<u16>,
    names: Names,
}

impl Ports {
    fn none() -> Self {
        Self {
            numbers: RangeSetBlaze::new(),
            names: Names::none(),
        }
    }

    fn all() -> Self {
        Self {
            numbers: RangeSetBlaze::from_iter([1..=u16::MAX]),
            names: Names::all(),
        }
    }

    /// Adds all names if all numbers are in the set, since a name always means a number.
    fn normal(self) -> Self {
        if self.has_all_numbers() {
            Self::all()
        } else {
            self
        }
    }

    fn has_all_numbers(&self) -> bool {
        self.numbers.len() == u32::from(u16::MAX)
    }

    /// The numbers.
    pub const fn numbers(&self) -> &RangeSetBlaze<u16> {
        &self.numbers
    }

    /// The names.
    pub const fn names(&self) -> &Names {
        &self.names
    }

    fn is_empty(&self) -> bool {
        self.numbers.is_empty() && self.names.is_empty()
    }

    fn is_subset(&self, other: &Self) -> bool {
        self.names.is_subset(&other.names) && ranges::is_subset(&self.numbers, &other.numbers)
    }

    fn is_disjoint(&self, other: &Self) -> bool {
        self.names.is_disjoint(&other.names) && ranges::is_disjoint(&self.numbers, &other.numbers)
    }

    fn intersect(&self, other: &Self) -> Self {
        Self {
            numbers: ranges::intersect(&self.numbers, &other.numbers),
            names: self.names.intersect(&other.names),
        }
    }

    fn minus(&self, other: &Self) -> Self {
        Self {
            numbers: ranges::minus(&self.numbers, &other.numbers),
            names: self.names.minus(&other.names),
        }
    }

    fn union(&self, other: &Self) -> Self {
        Self {
            numbers: &self.numbers | &other.numbers,
            names: self.names.union(&other.names),
        }
        .normal()
    }
}

/// A set of ports of all protocols. Shared, because most rules of a policy have the same ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortSet(Arc<[Ports; 3]>);

static ALL: LazyLock<PortSet> = LazyLock::new(|| PortSet::from_fn(|_| Ports::all()));
static NONE: LazyLock<PortSet> = LazyLock::new(|| PortSet::from_fn(|_| Ports::none()));

impl PortSet {
    fn from_fn(ports: impl FnMut(usize) -> Ports) -> Self {
        Self(Arc::new(std::array::from_fn(ports)))
    }

    /// Every port of every protocol.
    pub fn all() -> Self {
        ALL.clone()
    }

    /// A static reference to every port of every protocol.
    pub fn every() -> &'static Self {
        &ALL
    }

    /// No port.
    pub fn none() -> Self {
        NONE.clone()
    }

    fn of(protocol: Protocol, ports: Ports) -> Self {
        let mut ports = Some(ports);
        Self::from_fn(|at| {
            let own = (at == protocol as usize).then(|| ports.take()).flatten();
            own.unwrap_or_else(Ports::none)
        })
    }

    /// Every port of one protocol.
    pub fn protocol(protocol: Protocol) -> Self {
        Self::of(protocol, Ports::all())
    }

    /// One port number.
    pub fn number(protocol: Protocol, number: u16) -> Self {
        Self::range(protocol, number, number)
    }

    /// Port numbers `first..=last`.
    pub fn range(protocol: Protocol, first: u16, last: u16) -> Self {
        let numbers = RangeSetBlaze::from_iter([first.max(1)..=last]);
        Self::of(
            protocol,
            Ports {
                numbers,
                names: Names::none(),
            }
            .normal(),
        )
    }

    /// One port name.
    pub fn name(protocol: Protocol, name: impl Into<Arc<str>>) -> Self {
        Self::of(
            protocol,
            Ports {
                numbers: RangeSetBlaze::new(),
                names: Names::only([name]),
            },
        )
    }

    /// The ports of one protocol.
    pub fn ports(&self, protocol: Protocol) -> &Ports {
        &self.0[protocol as usize]
    }

    /// Returns true if the set contains no port.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Ports::is_empty)
    }

    /// Number of ranges and names in the set.
    pub fn ranges(&self) -> usize {
        let parts = |ports: &Ports| ports.numbers.ranges_len() + ports.names.listed().count();
        self.0.iter().map(parts).sum()
    }

    /// Returns true if the set contains `port` of `protocol`.
    pub fn contains(&self, protocol: Protocol, port: &Port) -> bool {
        let ports = self.ports(protocol);
        match port {
            Port::Number(number) => ports.numbers.contains(*number),
            Port::Named(name) => ports.names.contains(name),
        }
    }

    /// Returns true if `other` contains all of `self`.
    pub fn is_subset(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.iter().zip(&*other.0).all(|(a, b)| a.is_subset(b))
    }

    /// Returns true if both share the same allocation. Equal sets need not.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Returns true if no port is in both.
    pub fn is_disjoint(&self, other: &Self) -> bool {
        self.0.iter().zip(&*other.0).all(|(a, b)| a.is_disjoint(b))
    }

    fn zip(&self, other: &Self, op: impl Fn(&Ports, &Ports) -> Ports) -> Self {
        Self::from_fn(|at| op(&self.0[at], &other.0[at]))
    }

    /// Ports in both sets.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        if self.is_subset(other) {
            return self.clone();
        }
        if other.is_subset(self) {
            return other.clone();
        }
        self.zip(other, Ports::intersect)
    }

    /// Ports in `self` that are not in `other`.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        self.zip(other, Ports::minus)
    }

    /// Ports in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.zip(other, Ports::union)
    }

    /// Ports in any of these sets.
    #[must_use]
    pub fn union_of(mut sets: Vec<Self>) -> Self {
        // Merges pairs, then pairs of pairs. Merging one after the other would take quadratic time.
        while sets.len() > 1 {
            let pairs = sets.chunks(2).map(|pair| match pair {
                [first, second] => first.union(second),
                _ => pair[0].clone(),
            });
            sets = pairs.collect();
        }
        sets.pop().unwrap_or_else(Self::none)
    }

    /// The first of `tunnels` in the set; `None` if the set contains every TCP port.
    pub fn tunnel(&self, tunnels: &[u16]) -> Option<u16> {
        let tcp = self.ports(Protocol::Tcp);
        let mut tunnels = tunnels.iter().copied();
        let found = tunnels.find(|port| tcp.numbers.contains(*port))?;
        (!tcp.has_all_numbers()).then_some(found)
    }

    /// Adds every TCP port if one of `tunnels` is in the set: a proxy in the pod forwards from there to each
    /// of them (semantics D13).
    #[must_use]
    pub fn with_tunnels(&self, tunnels: &[u16]) -> Self {
        if self.tunnel(tunnels).is_none() {
            return self.clone();
        }
        self.union(&Self::protocol(Protocol::Tcp))
    }

    /// The set without port names, which need not mean anything on egress if the destination is an address
    /// (semantics D9).
    #[must_use]
    pub fn without_names(&self) -> Self {
        let named = |ports: &Ports| !ports.names.is_all() && !ports.names.is_empty();
        if !self.0.iter().any(named) {
            return self.clone();
        }
        Self::from_fn(|at| {
            let ports = &self.0[at];
            if named(ports) {
                Ports {
                    names: Names::none(),
                    ..ports.clone()
                }
            } else {
                ports.clone()
            }
        })
    }

    /// The set without the names of a protocol whose numbers are all in it. A name means one of these
    /// numbers, so it needs no proof of its own.
    #[must_use]
    pub(crate) fn without_implied_names(&self) -> Self {
        let plain = |ports: &Ports| Ports {
            names: if ports.has_all_numbers() {
                Names::none()
            } else {
                ports.names.clone()
            },
            ..ports.clone()
        };
        if self.0.iter().any(Ports::has_all_numbers) {
            Self::from_fn(|at| plain(&self.0[at]))
        } else {
            self.clone()
        }
    }

    /// Adds every name of a protocol that has numbers in the set, since a name may mean one of them.
    #[must_use]
    pub(crate) fn with_possible_names(&self) -> Self {
        Self::from_fn(|at| {
            let ports = &self.0[at];
            let names = if ports.numbers.is_empty() {
                ports.names.clone()
            } else {
                Names::all()
            };
            Ports {
                numbers: ports.numbers.clone(),
                names,
            }
        })
    }

    /// The set without numbers.
    #[must_use]
    pub(crate) fn names_alone(&self) -> Self {
        Self::from_fn(|at| Ports {
            numbers: RangeSetBlaze::new(),
            names: self.0[at].names.clone(),
        })
    }

    /// Returns true if the names of a protocol are listed.
    pub(crate) fn lists_names(&self) -> bool {
        let listed =
            |ports: &Ports| matches!(&ports.names, Names::Only(names) if names.count() > 0);
        self.0.iter().any(listed)
    }

    /// Returns true if the set contains a number.
    pub(crate) fn has_numbers(&self) -> bool {
        self.0.iter().any(|ports| !ports.numbers.is_empty())
    }

    /// The set with each name read as every port of its protocol, as for a declaration that is compared with
    /// the ceiling (semantics D11).
    #[must_use]
    pub fn names_as_all(&self) -> Self {
        if self.0.iter().all(|ports| ports.names.is_empty()) {
            return self.clone();
        }
        Self::from_fn(|at| {
            let ports = &self.0[at];
            if ports.names.is_empty() {
                ports.clone()
            } else {
                Ports::all()
            }
        })
    }
}
