//! The protocols of ports.

use std::fmt;

/// The protocols of NetworkPolicy. Other protocols are out of scope.
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
    /// All protocols. Examples prefer the first ones.
    pub const ALL: [Self; 3] = [Self::Tcp, Self::Udp, Self::Sctp];

    /// The name in the API.
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
