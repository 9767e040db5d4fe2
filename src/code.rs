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
    pub const ALL: [Self; 3] = [Self::Webhook, Self::Check, Self::Audit];

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

macro_rules! catalogue {
    ($($variant:ident $code:literal $name:literal $default:literal $summary:literal;)*) => {
        /// Code of a rule: `OBP` and three digits. The first digit is the family.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $name] $variant,)*
        }

        impl Code {
            /// Every code, in order.
            pub const ALL: [Self; [$($code),*].len()] = [$(Self::$variant),*];

            /// The code as text.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// The rule's name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Summary in one sentence without a full stop.
            pub const fn summary(self) -> &'static str {
                match self { $(Self::$variant => $summary,)* }
            }

            /// Default level in words. A rule with several parts has several levels.
            pub const fn default_level(self) -> &'static str {
                match self { $(Self::$variant => $default,)* }
            }

            /// Page of the rule, in Markdown: cause, reason, example, remedy.
            pub const fn explanation(self) -> &'static str {
                match self { $(Self::$variant => include_str!(concat!("../docs/rules/", $code, ".md")),)* }
            }
        }
    };
}

// Code, name, default level, summary.
catalogue! {
    Obp101 "OBP101" "core-connection-cut" "deny" "a connection that the cluster's lifecycle needs is no longer allowed";
    Obp102 "OBP102" "isolation-lost" "deny; warn in the controller zone" "pods lose their isolation in a direction, so every connection is allowed";
    Obp103 "OBP103" "managed-policy-deleted" "deny" "a policy that the operator manages is deleted while its cluster exists";
    Obp104 "OBP104" "managed-policy-retargeted" "deny; warn for owners in the controller zone" "a managed policy gets other pods, other directions or another owner, or a policy that pods depend on gets an owner";
    Obp105 "OBP105" "default-deny-absent" "audit; warn where the operator's policy is missing" "pods of a cluster are not isolated in a direction, so every connection is allowed, or the operator's policy for them is missing";
    Obp201 "OBP201" "ingress-beyond-ceiling" "deny" "a policy opens ingress that neither the baseline nor the cluster's declarations permit";
    Obp202 "OBP202" "egress-beyond-ceiling" "deny" "a policy opens egress that neither the baseline nor the cluster's declarations permit";
    Obp203 "OBP203" "existing-policy-beyond-ceiling" "deny; warn if only the ceiling became narrower" "after a cluster write or a new restore, an existing policy selects pods and allows more than their ceiling";
    Obp301 "OBP301" "malformed-rule" "deny" "a declared rule or name that the NetworkPolicy API rejects, so the operator could not write its policies";
    Obp302 "OBP302" "ingress-open-to-everyone" "deny" "declared ingress is open to everyone, by one rule or by several together";
    Obp303 "OBP303" "raft-port-exposed" "deny" "a declaration opens the Raft port to peers that are not pods of the cluster";
    Obp304 "OBP304" "more-ports-than-listeners" "warn; deny for Hardened in `next`" "a declared ingress rule opens more ports than OpenBao listens on for its clients";
    Obp305 "OBP305" "egress-open-to-everywhere" "warn; deny for Hardened in `next`" "declared egress is open to all addresses, by one rule or by several together";
    Obp306 "OBP306" "unsafe-address" "deny on ingress; warn on egress, deny for Hardened in `next`" "a declaration names loopback, link-local or cloud-metadata addresses as peers";
    Obp307 "OBP307" "api-server-block" "deny; warn for a public block, deny for Hardened in `next`" "`apiServerCIDR` is unreadable, opens more than the API server, or is unsafe or public";
    Obp308 "OBP308" "endpoint-address" "deny; warn for a duplicate or public address, deny for a public one and Hardened in `next`" "an API server endpoint or DNS address that cannot be read, is unsafe, is listed twice, or is public";
    Obp309 "OBP309" "dns-namespace" "deny; warn for a namespace without the platform's DNS, deny for Hardened in `next`" "`dnsNamespace` is no valid namespace name, or not the namespace of the platform's DNS";
    Obp310 "OBP310" "hardened-contract" "deny in `next`; warn before" "a Hardened cluster has declarations that are not explicit (raw ingress rules, wildcard peers, rules without ports), or a restore with such egress";
    Obp311 "OBP311" "policy-name-taken" "deny; warn before `next` for a leftover policy that nothing controls" "a policy of another cluster, or a leftover policy, already has the name of a new cluster's policy";
    Obp312 "OBP312" "metrics-port" "deny" "the port of the metrics listener is the API port, the Raft port or not valid";
    Obp313 "OBP313" "settable-namespace-label" "warn" "a peer is selected by labels that other people can set: of its namespace, or of pods in any namespace";
    Obp314 "OBP314" "redundant-rule" "warn" "a declared rule allows only connections that are already allowed";
    Obp315 "OBP315" "ambiguous-cidr" "deny; warn for text that all parsers mask and the operator does not copy" "CIDR text that parsers read differently, or that newer API servers reject";
    Obp316 "OBP316" "unknown-field" "warn" "a field that the API does not have, so the API server drops it";
    Obp317 "OBP317" "rule-without-effect" "warn" "a rule, or a part of one, that allows nothing";
    Obp318 "OBP318" "declaration-opens" "warn" "a cluster write opens connections for peers that it does not declare";
    Obp401 "OBP401" "unreadable-object" "deny; warn for other objects" "an object that cannot be read, so nothing can be proved about it";
    Obp402 "OBP402" "undecided" "deny" "a proof that needs more than its budget, or is too large to try";
    Obp403 "OBP403" "inventory-not-ready" "deny" "the facts for a review are incomplete or too old";
    Obp601 "OBP601" "api-server-network-not-ready" "warn" "the checkpoint APIServerNetworkReady is False";
    Obp602 "OBP602" "gateway-integration-not-ready" "warn" "the checkpoint GatewayIntegrationReady is False";
    Obp603 "OBP603" "backup-configuration-not-ready" "warn" "the checkpoint BackupConfigurationReady is False";
    Obp604 "OBP604" "restore-configuration-not-ready" "warn" "the checkpoint RestoreConfigurationReady is False or unknown";
    Obp605 "OBP605" "endpoint-not-covered" "warn" "a seal, backup, restore or identity endpoint that no egress rule covers";
    Obp606 "OBP606" "nobody-admitted" "warn" "a Gateway or an Ingress is on, and no peer lets it connect";
    Obp607 "OBP607" "fallback-ended" "warn" "the first egress rule ends the fallback of Development jobs to port 443";
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

impl Code {
    /// Importance of its findings.
    pub const fn weight(self) -> Weight {
        match self {
            Self::Obp101
            | Self::Obp102
            | Self::Obp103
            | Self::Obp104
            | Self::Obp105
            | Self::Obp201
            | Self::Obp202
            | Self::Obp203
            | Self::Obp401
            | Self::Obp402
            | Self::Obp403 => Weight::Exposure,
            Self::Obp301
            | Self::Obp302
            | Self::Obp303
            | Self::Obp305
            | Self::Obp306
            | Self::Obp307
            | Self::Obp310
            | Self::Obp311
            | Self::Obp312
            | Self::Obp316
            | Self::Obp318
            | Self::Obp601
            | Self::Obp602
            | Self::Obp603
            | Self::Obp604
            | Self::Obp605
            | Self::Obp606
            | Self::Obp607 => Weight::Mistake,
            Self::Obp304 | Self::Obp308 | Self::Obp309 | Self::Obp313 | Self::Obp315 => {
                Weight::Style
            }
            Self::Obp314 | Self::Obp317 => Weight::NoEffect,
        }
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
