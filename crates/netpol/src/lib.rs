#![doc = include_str!("../README.md")]
#![deny(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::disallowed_types
)]

pub mod address;
pub mod budget;
pub mod carried;
pub mod connection;
pub mod cover;
pub mod difference;
pub mod label;
pub mod names;
pub mod point;
pub mod port;
pub mod region;
pub mod rule;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
pub mod witness;
pub mod zone;

pub use connection::Connection;
pub use difference::Difference;
pub use label::LabelSet;
pub use region::{PeerSet, Region, RegionRef};

/// Which side of the protected pods a connection is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// To the protected pods.
    Ingress,
    /// From the protected pods.
    Egress,
}

impl Direction {
    /// Both, in the order of the API.
    pub const ALL: [Self; 2] = [Self::Ingress, Self::Egress];

    /// The `policyTypes` entry.
    pub const fn policy_type(self) -> &'static str {
        match self {
            Self::Ingress => "Ingress",
            Self::Egress => "Egress",
        }
    }

    /// The field of a policy's spec that holds the rules of this direction.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }

    /// The field of a rule that holds its peers.
    pub const fn peers_field(self) -> &'static str {
        match self {
            Self::Ingress => "from",
            Self::Egress => "to",
        }
    }
}

/// Which reading of a rule is meant, where implementations of NetworkPolicy may differ. The floor has
/// to lie inside [`Reading::Must`], and [`Reading::May`] inside [`Reading::Permitted`] of the ceiling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// What every implementation lets through.
    Must,
    /// What some implementation could let through.
    May,
    /// The reading of the ceiling: the ports as in [`Reading::May`], so that a rule permits itself, and
    /// blocks in ambiguous text as in [`Reading::Must`].
    Permitted,
}

impl Reading {
    /// Whether a block in ambiguous text is every address, and not none.
    pub(crate) const fn is_wide_in_addresses(self) -> bool {
        matches!(self, Self::May)
    }

    /// Whether port names count beside blocks on egress, and tunnel ports as every port on ingress.
    pub(crate) const fn is_wide_in_ports(self) -> bool {
        matches!(self, Self::May | Self::Permitted)
    }
}

/// The place of a rule, and how it is read.
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    /// Namespace of the policy.
    pub namespace: &'a str,
    /// How a rule is read that implementations read differently.
    pub reading: Reading,
    /// TCP ports from which a proxy in the pod forwards to every other TCP port, as those of service
    /// meshes do. On ingress only.
    pub tunnels: &'a [u16],
}
