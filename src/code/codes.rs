//! The table of codes: the name of each rule, and the level of each cause of its findings.

use super::{CauseRow, DefaultLevel};

macro_rules! codes {
    ($($code:ident $text:literal $name:literal { $($cause:ident: $level:ident $when:literal,)* })*) => {
        /// A rule's code: `OBP` and three digits, the first of which is the family.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $name] $code,)*
        }

        /// Code, name and page of each rule, in the order of [`Code`].
        pub(super) const NAMES: &[(&str, &str, &str)] = &[$((
            $text,
            $name,
            include_str!(concat!("../../docs/rules/", $text, ".md")),
        ),)*];

        impl Code {
            /// Every code, in order.
            pub const ALL: [Self; NAMES.len()] = [$(Self::$code),*];
        }

        /// A cause of findings. A rule with several causes has several levels.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Cause {
            $($(#[doc = concat!($name, " ", $when)] $cause,)*)*
        }

        /// All causes, in the order of [`Cause`].
        pub(super) const CAUSES: &[CauseRow] = &[$($(CauseRow {
            code: Code::$code,
            level: DefaultLevel::$level,
            when: $when,
        },)*)*];
    };
}

codes! {
    Obp101 "OBP101" "core-connection-cut" { CoreConnectionCut: Deny "", }
    Obp102 "OBP102" "isolation-lost" {
        IsolationLost: Deny "",
        OperatorIsolationLost: Warn "in the controller zone",
    }
    Obp103 "OBP103" "managed-policy-deleted" { ManagedPolicyDeleted: Deny "", }
    Obp104 "OBP104" "managed-policy-retargeted" {
        ManagedPolicyRetargeted: Deny "",
        OperatorPolicyOwned: Warn "for owners in the controller zone",
    }
    Obp105 "OBP105" "default-deny-absent" {
        DefaultDenyAbsent: Audit "",
        ManagedPolicyMissing: Warn "where the operator's policy is missing",
    }
    Obp111 "OBP111" "cluster-policy-cuts-core-connection" { OrderedPolicyCuts: DenyInCheck "", }
    Obp113 "OBP113" "tier-order-undetermined" { TierOrderUndetermined: Warn "", }
    Obp201 "OBP201" "ingress-beyond-ceiling" { IngressBeyondCeiling: Deny "", }
    Obp202 "OBP202" "egress-beyond-ceiling" { EgressBeyondCeiling: Deny "", }
    Obp203 "OBP203" "existing-policy-beyond-ceiling" {
        ExistingPolicyBeyondCeiling: Deny "",
        CeilingNarrowed: Warn "if only the ceiling became narrower",
    }
    Obp204 "OBP204" "cluster-under-foreign-policy" { ClusterUnderOrderedPolicy: DenyInCheck "", }
    Obp211 "OBP211" "cluster-policy-opens-ingress" { OrderedPolicyOpensIngress: DenyInCheck "", }
    Obp212 "OBP212" "cluster-policy-opens-egress" { OrderedPolicyOpensEgress: DenyInCheck "", }
    Obp301 "OBP301" "malformed-rule" { MalformedRule: Deny "", }
    Obp302 "OBP302" "ingress-open-to-everyone" { IngressOpenToEveryone: Deny "", }
    Obp303 "OBP303" "raft-port-exposed" { RaftPortExposed: Deny "", }
    Obp304 "OBP304" "more-ports-than-listeners" { MorePortsThanListeners: DenyForHardened "", }
    Obp305 "OBP305" "egress-open-to-everywhere" { EgressOpenToEverywhere: DenyForHardened "", }
    Obp306 "OBP306" "unsafe-address" {
        UnsafeIngressAddress: Deny "on ingress",
        UnsafeEgressAddress: DenyForHardened "on egress",
    }
    Obp307 "OBP307" "api-server-block" {
        ApiServerBlock: Deny "",
        PublicApiServerBlock: DenyForHardened "for a public block",
    }
    Obp308 "OBP308" "endpoint-address" {
        EndpointAddress: Deny "",
        DuplicateEndpoint: Warn "for a duplicate address",
        PublicEndpoint: DenyForHardened "for a public or metadata address",
    }
    Obp309 "OBP309" "dns-namespace" {
        DnsNamespace: Deny "",
        UnexpectedDnsNamespace: DenyForHardened "for a namespace without the platform's DNS",
    }
    Obp310 "OBP310" "hardened-contract" {
        HardenedContract: DenyForHardened "",
        IngressWithoutTrustedPeer: Deny "for an Ingress without a trusted peer",
    }
    Obp311 "OBP311" "policy-name-taken" {
        PolicyNameTaken: Deny "",
        LeftoverPolicy: DenyInV04 "for a leftover policy that nothing controls",
    }
    Obp312 "OBP312" "metrics-port" { MetricsPort: Deny "", }
    Obp313 "OBP313" "settable-namespace-label" { SettableNamespaceLabel: Warn "", }
    Obp314 "OBP314" "redundant-rule" { RedundantRule: Warn "", }
    Obp315 "OBP315" "ambiguous-cidr" {
        AmbiguousCidr: Deny "",
        MaskedCidr: Warn "for text that all parsers mask and the operator does not copy",
    }
    Obp316 "OBP316" "unknown-field" { UnknownField: Warn "", }
    Obp317 "OBP317" "rule-without-effect" { RuleWithoutEffect: Warn "", }
    Obp318 "OBP318" "declaration-opens" { DeclarationOpens: Warn "", }
    Obp401 "OBP401" "unreadable-object" {
        UnreadableObject: Deny "",
        UnreadableNeighbour: Warn "for other objects",
    }
    Obp402 "OBP402" "undecided" { Undecided: Deny "", }
    Obp403 "OBP403" "inventory-not-ready" { InventoryNotReady: Deny "", }
    Obp404 "OBP404" "policy-not-judged" {
        PolicyNotJudged: Warn "",
        StoredPolicyNotJudged: Audit "in the background audit",
    }
    Obp501 "OBP501" "identity-assumed" { IdentityAssumed: Deny "", }
    Obp502 "OBP502" "identity-lost" { IdentityLost: Deny "", }
    Obp503 "OBP503" "identity-stored" {
        IdentityStored: Warn "",
        AuditedIdentity: Audit "in the background audit",
    }
    Obp504 "OBP504" "namespace-counts" { NamespaceCounts: Audit "", }
    Obp505 "OBP505" "cluster-in-excluded-namespace" {
        ClusterExcluded: Deny "",
        StoredClusterExcluded: Audit "in the background audit",
    }
    Obp601 "OBP601" "api-server-network-not-ready" { ApiServerNetworkNotReady: Warn "", }
    Obp602 "OBP602" "gateway-integration-not-ready" { GatewayIntegrationNotReady: Warn "", }
    Obp603 "OBP603" "backup-configuration-not-ready" { BackupConfigurationNotReady: Warn "", }
    Obp604 "OBP604" "restore-configuration-not-ready" { RestoreConfigurationNotReady: Warn "", }
    Obp605 "OBP605" "endpoint-not-covered" { EndpointNotCovered: Warn "", }
    Obp606 "OBP606" "nobody-admitted" { NobodyAdmitted: Warn "", }
    Obp607 "OBP607" "fallback-ended" { FallbackEnded: Warn "", }
    Obp701 "OBP701" "waiver-expired" {
        WaiverExpired: Warn "",
        WaiverEnding: Audit "for one that ends within two weeks",
    }
    Obp702 "OBP702" "waiver-unused" { WaiverUnused: Audit "", }
}
