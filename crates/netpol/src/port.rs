//! Sets of destination ports: per protocol, numbers 1 to 65535 and port names.
//!
//! A name stays a name: which number it means is the destination pod's to say, later and
//! differently for each pod. So a name lies only in a set that has the same name and protocol, or
//! every port of that protocol. (NetworkPolicyPort, API type; semantics D1 to D12.)
//!
//! ```
//! use netpol::port::{PortSet, Protocol};
//!
//! let api = PortSet::number(Protocol::Tcp, 8200);
//! assert!(api.is_subset(&PortSet::range(Protocol::Tcp, 8000, 9000)));
//! assert!(!PortSet::name(Protocol::Tcp, "api").is_subset(&api), "nobody knows what `api` will mean");
//! ```

use std::fmt;
use std::sync::{Arc, LazyLock};

use range_set_blaze::RangeSetBlaze;

use super::names::Names;

/// The protocols that NetworkPolicy speaks of. Anything else is outside every verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP, the default of a port entry without a protocol.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP, stable since Kubernetes 1.20.
    Sctp,
}

impl Protocol {
    /// All protocols, in the order in which witnesses prefer them.
    pub const ALL: [Self; 3] = [Self::Tcp, Self::Udp, Self::Sctp];

    /// The name as the API writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One destination port of a connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Port {
    /// A number, 1 to 65535.
    Number(u16),
    /// Whatever number the destination pod declares under this name.
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

    /// A name always means some number, so all numbers are all ports.
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
        self.names.is_subset(&other.names) && self.numbers.is_subset(&other.numbers)
    }

    fn is_disjoint(&self, other: &Self) -> bool {
        self.names.is_disjoint(&other.names) && self.numbers.is_disjoint(&other.numbers)
    }

    fn intersect(&self, other: &Self) -> Self {
        Self {
            numbers: &self.numbers & &other.numbers,
            names: self.names.intersect(&other.names),
        }
    }

    fn minus(&self, other: &Self) -> Self {
        Self {
            numbers: &self.numbers - &other.numbers,
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

/// A set of ports over all protocols. Shared, because most rules of a policy name the same ports.
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

    /// The same, for who only looks at it.
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

    /// One number.
    pub fn number(protocol: Protocol, number: u16) -> Self {
        Self::range(protocol, number, number)
    }

    /// The numbers `first..=last`.
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

    /// Whether it holds no port.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Ports::is_empty)
    }

    /// How many ranges of numbers and how many names it is made of.
    pub fn ranges(&self) -> usize {
        let parts = |ports: &Ports| ports.numbers.ranges_len() + ports.names.listed().count();
        self.0.iter().map(parts).sum()
    }

    /// Whether `port` of `protocol` is in it.
    pub fn contains(&self, protocol: Protocol, port: &Port) -> bool {
        let ports = self.ports(protocol);
        match port {
            Port::Number(number) => ports.numbers.contains(*number),
            Port::Named(name) => ports.names.contains(name),
        }
    }

    /// Whether all of `self` is in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.iter().zip(&*other.0).all(|(a, b)| a.is_subset(b))
    }

    /// Whether the two are one and the same, which equal ones need not be.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether nothing is in both.
    pub fn is_disjoint(&self, other: &Self) -> bool {
        self.0.iter().zip(&*other.0).all(|(a, b)| a.is_disjoint(b))
    }

    fn zip(&self, other: &Self, op: impl Fn(&Ports, &Ports) -> Ports) -> Self {
        Self::from_fn(|at| op(&self.0[at], &other.0[at]))
    }

    /// In both.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        self.zip(other, Ports::intersect)
    }

    /// In `self` and not in `other`.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        self.zip(other, Ports::minus)
    }

    /// In either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.zip(other, Ports::union)
    }

    /// The first of `tunnels` in it; `None` as well where every TCP port is in it anyway.
    pub fn tunnel(&self, tunnels: &[u16]) -> Option<u16> {
        let tcp = self.ports(Protocol::Tcp);
        let mut tunnels = tunnels.iter().copied();
        let found = tunnels.find(|port| tcp.numbers.contains(*port))?;
        (!tcp.has_all_numbers()).then_some(found)
    }

    /// With every TCP port where one of `tunnels` is in it: a proxy in the pod forwards from there to
    /// each of them (semantics D13).
    #[must_use]
    pub fn with_tunnels(&self, tunnels: &[u16]) -> Self {
        if self.tunnel(tunnels).is_none() {
            return self.clone();
        }
        self.union(&Self::protocol(Protocol::Tcp))
    }

    /// Without the names, which need not mean anything where the destination is an address: on the
    /// egress side (semantics D9).
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

    /// Without the names of a protocol of which every number is in it: a name always means one of
    /// those, so it is nothing to be proved by itself.
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

    /// The same with every name read as every port of its protocol: how a declaration is held
    /// against the limit (semantics D11).
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
