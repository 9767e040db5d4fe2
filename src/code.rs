//! The catalogue of rules: codes, names, default levels and summaries. The checks are in `rules`; levels of
//! the settings are in `config`.

#![deny(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::disallowed_types
)]

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Effect of a finding.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The write is denied.
    Deny,
    /// The client gets a warning.
    Warn,
    /// It is only logged, counted and added to the audit annotations.
    Audit,
    /// None: the finding is dropped.
    Off,
}

impl Level {
    /// All levels, the strictest first.
    pub const ALL: [Self; 4] = [Self::Deny, Self::Warn, Self::Audit, Self::Off];

    /// The name in settings, logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Warn => "warn",
            Self::Audit => "audit",
            Self::Off => "off",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Enforcement points whose level the settings can set separately.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum EnforcementPoint {
    /// The webhooks, and the command `review`.
    #[default]
    Webhook,
    /// The command `check`.
    Check,
    /// The background audit of stored objects.
    Audit,
}

impl EnforcementPoint {
    /// All enforcement points, in the order of the documentation.
    pub(crate) const ALL: [Self; 3] = [Self::Webhook, Self::Check, Self::Audit];

    /// The name in settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Check => "check",
            Self::Audit => "audit",
        }
    }
}

/// Error for a code that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the code of a rule, found `{found}`; the nearest is `{nearest}`")]
pub struct UnknownCode {
    found: String,
    nearest: Code,
}

/// Importance of a rule's findings among those of the same level. The most important come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Weight {
    /// Connections that are cut or opened, and objects that cannot be checked.
    Exposure,
    /// Declarations that open too much or that will not work.
    Mistake,
    /// Possible improvements.
    Style,
    /// Parts without any effect.
    NoEffect,
}

/// Facts that a finding of a rule depends on. With others it could be another finding, so a denial is confirmed by a
/// live read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// None: the object alone is at fault.
    Object,
    /// Facts about other objects.
    Facts,
    /// Facts, in reviews of restores: the contract for a restore is that of its cluster.
    FactsOfRestore,
    /// Facts, in reviews of clusters and restores: an undecided proof may be about a deleted policy.
    FactsUnlessPolicy,
    /// Facts, in deletions: they may have the object that the request deletes.
    FactsOfDeletion,
}

/// One row of the table of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The code.
    pub code: Code,
    /// The code as printed.
    pub text: &'static str,
    /// The name.
    pub name: &'static str,
    /// The level without settings, in words: a rule with several causes has several.
    pub default_level: &'static str,
    /// Importance of its findings.
    pub weight: Weight,
    /// Facts that its findings depend on.
    pub basis: Basis,
    /// One sentence without a full stop.
    pub summary: &'static str,
    /// The page in Markdown: cause, reason, an example, and a remedy.
    pub page: &'static str,
}

macro_rules! rules {
    ($($variant:ident { code: $code:literal, name: $name:literal, default_level: $level:literal, weight: $weight:expr, basis: $basis:expr, summary: $summary:literal, })*) => {
        /// A rule's code: `OBP` and three digits, the first of which is the family.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $name] $variant,)*
        }

        /// All rules, in the order of their codes.
        pub const RULES: &[Rule] = &[$(Rule {
            code: Code::$variant,
            text: $code,
            name: $name,
            default_level: $level,
            weight: $weight,
            basis: $basis,
            summary: $summary,
            page: include_str!(concat!("../docs/rules/", $code, ".md")),
        },)*];

        impl Code {
            /// Every code, in order.
            pub const ALL: [Self; RULES.len()] = [$(Self::$variant),*];
        }
    };
}

rules! {
    Obp101 {
        code: "OBP101",
        name: "core-connection-cut",
        default_level: "deny",
        weight: Weight::Exposure,
        basis: Basis::Facts,
        summary: "a connection that the cluster's lifecycle needs is no longer allowed",
    }
    Obp102 {
        code: "OBP102",
        name: "isolation-lost",
        default_level: "deny; warn in the controller zone",
        weight: Weight::Exposure,
        basis: Basis::Facts,
        summary: "pods lose their isolation in a direction, so every connection is allowed",
    }
    Obp103 {
        code: "OBP103",
        name: "managed-policy-deleted",
        default_level: "deny",
        weight: Weight::Exposure,
        basis: Basis::Facts,
        summary: "a policy that the operator manages is deleted while its cluster exists",
    }
    Obp104 {
        code: "OBP104",
        name: "managed-policy-retargeted",
        default_level: "deny; warn for owners in the controller zone",
        weight: Weight::Exposure,
        basis: Basis::Facts,
        summary: "a managed policy gets other pods, other directions or another owner, or a policy that pods depend on gets an owner",
    }
    Obp105 {
        code: "OBP105",
        name: "default-deny-absent",
        default_level: "audit; warn where the operator's policy is missing",
        weight: Weight::Exposure,
        basis: Basis::Facts,
        summary: "pods of a cluster are not isolated in a direction, so every connection is allowed, or the operator's policy for them is missing",
    }
    Obp201 {
        code: "OBP201",
        name: "ingress-beyond-ceiling",
        default_level: "deny",
        weight: Weight::Exposure,
        basis: Basis::Facts,
        summary: "a policy opens ingress that neither the baseline nor the cluster's declarations permit",
    }
    Obp202 {
        code: "OBP202",
        name: "egress-beyond-ceiling",
        default_level: "deny",
        weight: Weight::Exposure,
        basis: Basis::Facts,
        summary: "a policy opens egress that neither the baseline nor the cluster's declarations permit",
    }
    Obp203 {
        code: "OBP203",
        name: "existing-policy-beyond-ceiling",
        default_level: "deny; warn if only the ceiling became narrower",
        weight: Weight::Exposure,
        basis: Basis::Facts,
        summary: "after a cluster write or a new restore, an existing policy selects pods and allows more than their ceiling",
    }
    Obp301 {
        code: "OBP301",
        name: "malformed-rule",
        default_level: "deny",
        weight: Weight::Mistake,
        basis: Basis::Object,
        summary: "a declared rule or name that the NetworkPolicy API rejects, so the operator could not write its policies",
    }
    Obp302 {
        code: "OBP302",
        name: "ingress-open-to-everyone",
        default_level: "deny",
        weight: Weight::Mistake,
        basis: Basis::Object,
        summary: "declared ingress is open to everyone, by one rule or by several together",
    }
    Obp303 {
        code: "OBP303",
        name: "raft-port-exposed",
        default_level: "deny",
        weight: Weight::Mistake,
        basis: Basis::Object,
        summary: "a declaration opens the Raft port to peers that are not pods of the cluster",
    }
    Obp304 {
        code: "OBP304",
        name: "more-ports-than-listeners",
        default_level: "warn; deny for Hardened in `next`",
        weight: Weight::Style,
        basis: Basis::Object,
        summary: "a declared ingress rule opens more ports than OpenBao listens on for its clients",
    }
    Obp305 {
        code: "OBP305",
        name: "egress-open-to-everywhere",
        default_level: "warn; deny for Hardened in `next`",
        weight: Weight::Mistake,
        basis: Basis::Object,
        summary: "declared egress is open to all addresses, by one rule or by several together",
    }
    Obp306 {
        code: "OBP306",
        name: "unsafe-address",
        default_level: "deny on ingress; warn on egress, deny for Hardened in `next`",
        weight: Weight::Mistake,
        basis: Basis::Object,
        summary: "a declaration names loopback, link-local or cloud-metadata addresses as peers",
    }
    Obp307 {
        code: "OBP307",
        name: "api-server-block",
        default_level: "deny; warn for a public block, deny for Hardened in `next`",
        weight: Weight::Mistake,
        basis: Basis::Object,
        summary: "`apiServerCIDR` is unreadable, opens more than the API server, or is unsafe or public",
    }
    Obp308 {
        code: "OBP308",
        name: "endpoint-address",
        default_level: "deny; warn for a duplicate or public address, deny for a public one and Hardened in `next`",
        weight: Weight::Style,
        basis: Basis::Object,
        summary: "an API server endpoint or DNS address that cannot be read, is unsafe, is listed twice, or is public",
    }
    Obp309 {
        code: "OBP309",
        name: "dns-namespace",
        default_level: "deny; warn for a namespace without the platform's DNS, deny for Hardened in `next`",
        weight: Weight::Style,
        basis: Basis::Object,
        summary: "`dnsNamespace` is no valid namespace name, or not the namespace of the platform's DNS",
    }
    Obp310 {
        code: "OBP310",
        name: "hardened-contract",
        default_level: "deny in `next`; warn before",
        weight: Weight::Mistake,
        basis: Basis::FactsOfRestore,
        summary: "a Hardened cluster has declarations that are not explicit (raw ingress rules, wildcard peers, rules without ports), or a restore with such egress",
    }
    Obp311 {
        code: "OBP311",
        name: "policy-name-taken",
        default_level: "deny; warn before `next` for a leftover policy that nothing controls",
        weight: Weight::Mistake,
        basis: Basis::Facts,
        summary: "a policy of another cluster, or a leftover policy, already has the name of a new cluster's policy",
    }
    Obp312 {
        code: "OBP312",
        name: "metrics-port",
        default_level: "deny",
        weight: Weight::Mistake,
        basis: Basis::Object,
        summary: "the port of the metrics listener is the API port, the Raft port or not valid",
    }
    Obp313 {
        code: "OBP313",
        name: "settable-namespace-label",
        default_level: "warn",
        weight: Weight::Style,
        basis: Basis::Object,
        summary: "a peer is selected by labels that other people can set: of its namespace, or of pods in any namespace",
    }
    Obp314 {
        code: "OBP314",
        name: "redundant-rule",
        default_level: "warn",
        weight: Weight::NoEffect,
        basis: Basis::Facts,
        summary: "a declared rule allows only connections that are already allowed",
    }
    Obp315 {
        code: "OBP315",
        name: "ambiguous-cidr",
        default_level: "deny; warn for text that all parsers mask and the operator does not copy",
        weight: Weight::Style,
        basis: Basis::Object,
        summary: "CIDR text that parsers read differently, or that newer API servers reject",
    }
    Obp316 {
        code: "OBP316",
        name: "unknown-field",
        default_level: "warn",
        weight: Weight::Mistake,
        basis: Basis::Object,
        summary: "a field that the API does not have, so the API server drops it",
    }
    Obp317 {
        code: "OBP317",
        name: "rule-without-effect",
        default_level: "warn",
        weight: Weight::NoEffect,
        basis: Basis::Object,
        summary: "a rule, or a part of one, that allows nothing",
    }
    Obp318 {
        code: "OBP318",
        name: "declaration-opens",
        default_level: "warn",
        weight: Weight::Mistake,
        basis: Basis::Facts,
        summary: "a cluster write opens connections for peers that it does not declare",
    }
    Obp401 {
        code: "OBP401",
        name: "unreadable-object",
        default_level: "deny; warn for other objects",
        weight: Weight::Exposure,
        basis: Basis::FactsOfDeletion,
        summary: "an object that cannot be read, so nothing can be proved about it",
    }
    Obp402 {
        code: "OBP402",
        name: "undecided",
        default_level: "deny",
        weight: Weight::Exposure,
        basis: Basis::FactsUnlessPolicy,
        summary: "a proof that needs more than its budget, or is too large to try",
    }
    Obp403 {
        code: "OBP403",
        name: "inventory-not-ready",
        default_level: "deny",
        weight: Weight::Exposure,
        basis: Basis::Object,
        summary: "the facts for a review are incomplete or too old",
    }
    Obp601 {
        code: "OBP601",
        name: "api-server-network-not-ready",
        default_level: "warn",
        weight: Weight::Mistake,
        basis: Basis::Facts,
        summary: "the checkpoint APIServerNetworkReady is False",
    }
    Obp602 {
        code: "OBP602",
        name: "gateway-integration-not-ready",
        default_level: "warn",
        weight: Weight::Mistake,
        basis: Basis::Facts,
        summary: "the checkpoint GatewayIntegrationReady is False",
    }
    Obp603 {
        code: "OBP603",
        name: "backup-configuration-not-ready",
        default_level: "warn",
        weight: Weight::Mistake,
        basis: Basis::Facts,
        summary: "the checkpoint BackupConfigurationReady is False",
    }
    Obp604 {
        code: "OBP604",
        name: "restore-configuration-not-ready",
        default_level: "warn",
        weight: Weight::Mistake,
        basis: Basis::Facts,
        summary: "the checkpoint RestoreConfigurationReady is False or unknown",
    }
    Obp605 {
        code: "OBP605",
        name: "endpoint-not-covered",
        default_level: "warn",
        weight: Weight::Mistake,
        basis: Basis::Facts,
        summary: "a seal, backup, restore or identity endpoint that no egress rule covers",
    }
    Obp606 {
        code: "OBP606",
        name: "nobody-admitted",
        default_level: "warn",
        weight: Weight::Mistake,
        basis: Basis::Facts,
        summary: "a Gateway or an Ingress is on, and no peer lets it connect",
    }
    Obp607 {
        code: "OBP607",
        name: "fallback-ended",
        default_level: "warn",
        weight: Weight::Mistake,
        basis: Basis::Facts,
        summary: "the first egress rule ends the fallback of Development jobs to port 443",
    }
}

impl Code {
    /// The row of the rule.
    pub const fn rule(self) -> &'static Rule {
        &RULES[self as usize]
    }

    /// The code as printed.
    pub const fn as_str(self) -> &'static str {
        self.rule().text
    }

    /// The name of the rule.
    pub const fn name(self) -> &'static str {
        self.rule().name
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Code {
    type Err = UnknownCode;

    /// A code, or the name of a rule.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut all = Self::ALL.into_iter();
        let known =
            all.find(|code| code.as_str().eq_ignore_ascii_case(text) || code.name() == text);
        known.ok_or_else(|| UnknownCode {
            found: text.to_owned(),
            nearest: nearest(text),
        })
    }
}

/// The code or name with the smallest edit distance.
fn nearest(text: &str) -> Code {
    let upper = text.to_ascii_uppercase();
    let edits = |code: &Code| {
        strsim::damerau_levenshtein(code.as_str(), &upper)
            .min(strsim::damerau_levenshtein(code.name(), text))
    };
    Code::ALL
        .into_iter()
        .min_by_key(edits)
        .unwrap_or(Code::Obp101)
}
