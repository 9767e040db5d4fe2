#![doc = include_str!("../README.md")]
#![deny(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::missing_errors_doc
)]

pub mod address;
pub mod budget;
pub mod carried;
pub mod connection;
pub mod cover;
pub mod difference;
pub mod label;
pub mod names;
pub mod pod_space;
pub mod point;
pub mod port;
mod ranges;
pub mod region;
pub mod rule;
pub mod stack;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
pub mod tier;
pub mod witness;

pub use connection::Connection;
pub use difference::Difference;
pub use label::LabelSet;
pub use region::{PeerSet, Region, RegionRef};

/// Direction of a connection, seen from the protected pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// To the protected pods.
    Ingress,
    /// From the protected pods.
    Egress,
}

impl Direction {
    /// Both directions, in the order of the API.
    pub const ALL: [Self; 2] = [Self::Ingress, Self::Egress];

    /// The `policyTypes` entry.
    pub const fn policy_type(self) -> &'static str {
        match self {
            Self::Ingress => "Ingress",
            Self::Egress => "Egress",
        }
    }

    /// The field of a policy's spec with the rules of this direction.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }

    /// The field of a rule with its peers.
    pub const fn peers_field(self) -> &'static str {
        match self {
            Self::Ingress => "from",
            Self::Egress => "to",
        }
    }
}

/// A reading of a rule. Implementations of NetworkPolicy differ, so a rule has several. The floor must be
/// inside [`Reading::Must`]; [`Reading::May`] must be inside [`Reading::Permitted`] of the ceiling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Connections that every implementation allows.
    Must,
    /// Connections that at least one implementation could allow.
    May,
    /// The reading of the ceiling: ports as in [`Reading::May`], so that a rule permits itself, and ambiguous
    /// CIDR text as in [`Reading::Must`].
    Permitted,
}

impl Reading {
    /// Returns true if ambiguous CIDR text is every address. Otherwise it is none.
    pub(crate) const fn is_wide_in_addresses(self) -> bool {
        matches!(self, Self::May)
    }

    /// Returns true if port names count next to an `ipBlock` on egress, and tunnel ports count as every port
    /// on ingress.
    pub(crate) const fn is_wide_in_ports(self) -> bool {
        matches!(self, Self::May | Self::Permitted)
    }
}

/// Context in which a rule is read.
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    /// Namespace of the policy.
    pub namespace: &'a str,
    /// Reading, for rules that implementations read differently.
    pub reading: Reading,
    /// TCP ports from which a proxy in the pod forwards to every other TCP port, as in service meshes.
    /// Ingress only.
    pub tunnels: &'a [u16],
}
