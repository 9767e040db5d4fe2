//! The table of rules.

use super::{Basis, Rule, Weight};

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
            page: include_str!(concat!("../../docs/rules/", $code, ".md")),
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
