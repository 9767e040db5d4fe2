//! Stable rule codes.

use std::fmt;

/// A rule's code: `OBP` and three digits, the first of which is the family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// core-connection-cut
    Obp101,
    /// isolation-lost
    Obp102,
    /// managed-policy-deleted
    Obp103,
    /// managed-policy-retargeted
    Obp104,
    /// ingress-beyond-ceiling
    Obp201,
    /// egress-beyond-ceiling
    Obp202,
    /// existing-policy-beyond-ceiling
    Obp203,
    /// malformed-rule
    Obp301,
    /// ingress-open-to-everyone
    Obp302,
    /// raft-port-exposed
    Obp303,
    /// egress-open-to-everywhere
    Obp305,
    /// unsafe-address
    Obp306,
    /// api-server-block
    Obp307,
    /// ambiguous-cidr
    Obp315,
    /// unreadable-object
    Obp401,
    /// undecided
    Obp402,
    /// inventory-not-ready
    Obp403,
}

impl Code {
    /// Every code, in order.
    pub const ALL: [Self; 17] = [
        Self::Obp101,
        Self::Obp102,
        Self::Obp103,
        Self::Obp104,
        Self::Obp201,
        Self::Obp202,
        Self::Obp203,
        Self::Obp301,
        Self::Obp302,
        Self::Obp303,
        Self::Obp305,
        Self::Obp306,
        Self::Obp307,
        Self::Obp315,
        Self::Obp401,
        Self::Obp402,
        Self::Obp403,
    ];

    /// The code as printed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Obp101 => "OBP101",
            Self::Obp102 => "OBP102",
            Self::Obp103 => "OBP103",
            Self::Obp104 => "OBP104",
            Self::Obp201 => "OBP201",
            Self::Obp202 => "OBP202",
            Self::Obp203 => "OBP203",
            Self::Obp301 => "OBP301",
            Self::Obp302 => "OBP302",
            Self::Obp303 => "OBP303",
            Self::Obp305 => "OBP305",
            Self::Obp306 => "OBP306",
            Self::Obp307 => "OBP307",
            Self::Obp315 => "OBP315",
            Self::Obp401 => "OBP401",
            Self::Obp402 => "OBP402",
            Self::Obp403 => "OBP403",
        }
    }

    /// The rule's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Obp101 => "core-connection-cut",
            Self::Obp102 => "isolation-lost",
            Self::Obp103 => "managed-policy-deleted",
            Self::Obp104 => "managed-policy-retargeted",
            Self::Obp201 => "ingress-beyond-ceiling",
            Self::Obp202 => "egress-beyond-ceiling",
            Self::Obp203 => "existing-policy-beyond-ceiling",
            Self::Obp301 => "malformed-rule",
            Self::Obp302 => "ingress-open-to-everyone",
            Self::Obp303 => "raft-port-exposed",
            Self::Obp305 => "egress-open-to-everywhere",
            Self::Obp306 => "unsafe-address",
            Self::Obp307 => "api-server-block",
            Self::Obp315 => "ambiguous-cidr",
            Self::Obp401 => "unreadable-object",
            Self::Obp402 => "undecided",
            Self::Obp403 => "inventory-not-ready",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
