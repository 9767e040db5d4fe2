//! The table of rules.

use super::{About, Basis, Check, Rule, Weight};
use crate::advice::{declaration_opens, fallback_ended, nobody_admitted, without_effect};
use crate::code::Code;
use crate::inventory::Checkpoint;
use crate::review::policy::zones;
use crate::review::{advice, cluster, metadata, policy, restore};
use crate::rules::declaration::{
    api_server, dns_namespace, endpoint_address, everyone, hardened, listener_ports, malformed,
    metrics_port, namespace_label, raft_port, unsafe_address,
};
use crate::rules::{Finding, ambiguous_cidr, default_deny_absent};

fn one(found: Option<Finding>) -> Vec<Finding> {
    found.into_iter().collect()
}

/// All rules, in the order of their codes. A check may use the findings of those before it.
pub static RULES: [Rule; Code::ALL.len()] = [
    Rule {
        code: Code::Obp101,
        weight: Weight::Exposure,
        basis: Basis::Facts,
        about: About::Allowlist,
        summary: "a connection that the cluster's lifecycle needs is no longer allowed",
        checks: &[Check::Zone(zones::core_connections)],
    },
    Rule {
        code: Code::Obp102,
        weight: Weight::Exposure,
        basis: Basis::Facts,
        about: About::Allowlist,
        summary: "pods lose their isolation in a direction, so every connection is allowed",
        checks: &[
            Check::Zone(zones::isolation),
            Check::Metadata(metadata::restored),
        ],
    },
    Rule {
        code: Code::Obp103,
        weight: Weight::Exposure,
        basis: Basis::Facts,
        about: About::Allowlist,
        summary: "a policy that the operator manages is deleted while its cluster exists",
        checks: &[Check::Zone(zones::deletion)],
    },
    Rule {
        code: Code::Obp104,
        weight: Weight::Exposure,
        basis: Basis::Facts,
        about: About::Allowlist,
        summary: "a managed policy gets other pods, other directions or another owner, or a policy that pods depend on gets an owner",
        checks: &[Check::Policy(policy::owners), Check::Zone(zones::managed)],
    },
    Rule {
        code: Code::Obp105,
        weight: Weight::Exposure,
        basis: Basis::Facts,
        about: About::Other,
        summary: "pods of a cluster are not isolated in a direction, so every connection is allowed, or the operator's policy for them is missing",
        checks: &[Check::State(default_deny_absent::check)],
    },
    Rule {
        code: Code::Obp201,
        weight: Weight::Exposure,
        basis: Basis::Facts,
        about: About::Allowlist,
        summary: "a policy opens ingress that neither the baseline nor the cluster's declarations permit",
        checks: &[Check::Zone(zones::ingress_ceiling)],
    },
    Rule {
        code: Code::Obp202,
        weight: Weight::Exposure,
        basis: Basis::Facts,
        about: About::Allowlist,
        summary: "a policy opens egress that neither the baseline nor the cluster's declarations permit",
        checks: &[Check::Zone(zones::egress_ceiling)],
    },
    Rule {
        code: Code::Obp203,
        weight: Weight::Exposure,
        basis: Basis::Facts,
        about: About::Other,
        summary: "after a cluster write or a new restore, an existing policy selects pods and allows more than their ceiling",
        checks: &[
            Check::Zone(zones::left_open),
            Check::Respecified(cluster::existing),
            Check::Cluster(cluster::restore_tests),
            Check::Restore(restore::existing),
        ],
    },
    Rule {
        code: Code::Obp301,
        weight: Weight::Mistake,
        basis: Basis::Object,
        about: About::Other,
        summary: "a declared rule or name that the NetworkPolicy API rejects, so the operator could not write its policies",
        checks: &[Check::Cluster(|write, _| {
            malformed::check(&write.ingress, write.after, write.before)
        })],
    },
    Rule {
        code: Code::Obp302,
        weight: Weight::Mistake,
        basis: Basis::Object,
        about: About::Other,
        summary: "declared ingress is open to everyone, by one rule or by several together",
        checks: &[Check::Declared(|declaration, _| {
            everyone::ingress(declaration)
        })],
    },
    Rule {
        code: Code::Obp303,
        weight: Weight::Mistake,
        basis: Basis::Object,
        about: About::Other,
        summary: "a declaration opens the Raft port to peers that are not pods of the cluster",
        checks: &[Check::Declared(|declaration, _| {
            raft_port::check(declaration)
        })],
    },
    Rule {
        code: Code::Obp304,
        weight: Weight::Style,
        basis: Basis::Object,
        about: About::Other,
        summary: "a declared ingress rule opens more ports than OpenBao listens on for its clients",
        checks: &[Check::Declared(listener_ports::check)],
    },
    Rule {
        code: Code::Obp305,
        weight: Weight::Mistake,
        basis: Basis::Object,
        about: About::Other,
        summary: "declared egress is open to all addresses, by one rule or by several together",
        checks: &[Check::Declared(|declaration, _| {
            everyone::egress(declaration)
        })],
    },
    Rule {
        code: Code::Obp306,
        weight: Weight::Mistake,
        basis: Basis::Object,
        about: About::Other,
        summary: "a declaration names loopback, link-local or cloud-metadata addresses as peers",
        checks: &[Check::Declared(|declaration, _| {
            unsafe_address::check(declaration)
        })],
    },
    Rule {
        code: Code::Obp307,
        weight: Weight::Mistake,
        basis: Basis::Object,
        about: About::Other,
        summary: "`apiServerCIDR` is unreadable, opens more than the API server, or is unsafe or public",
        checks: &[Check::Cluster(|write, _| {
            one(api_server::check(&write.ingress, write.after, write.before))
        })],
    },
    Rule {
        code: Code::Obp308,
        weight: Weight::Style,
        basis: Basis::Object,
        about: About::Other,
        summary: "an API server endpoint or DNS address that cannot be read, is unsafe, is listed twice, or is public",
        checks: &[Check::Cluster(|write, _| {
            endpoint_address::check(&write.ingress, write.after, write.before)
        })],
    },
    Rule {
        code: Code::Obp309,
        weight: Weight::Style,
        basis: Basis::Object,
        about: About::Other,
        summary: "`dnsNamespace` is no valid namespace name, or not the namespace of the platform's DNS",
        checks: &[Check::Cluster(|write, found| {
            one(dns_namespace::check(
                &write.ingress,
                write.after,
                write.before,
                found,
            ))
        })],
    },
    Rule {
        code: Code::Obp310,
        weight: Weight::Mistake,
        basis: Basis::FactsOfRestore,
        about: About::Other,
        summary: "a Hardened cluster has declarations that are not explicit (raw ingress rules, wildcard peers, rules without ports), or a restore with such egress",
        checks: &[
            Check::Cluster(|write, _| {
                hardened::of_cluster(&write.ingress, write.after, write.before)
            }),
            Check::Declared(hardened::check),
            Check::Restore(restore::contract),
        ],
    },
    Rule {
        code: Code::Obp311,
        weight: Weight::Mistake,
        basis: Basis::Facts,
        about: About::Other,
        summary: "a policy of another cluster, or a leftover policy, already has the name of a new cluster's policy",
        checks: &[Check::Cluster(cluster::names)],
    },
    Rule {
        code: Code::Obp312,
        weight: Weight::Mistake,
        basis: Basis::Object,
        about: About::Other,
        summary: "the port of the metrics listener is the API port, the Raft port or not valid",
        checks: &[Check::Cluster(|write, _| {
            one(metrics_port::check(
                &write.ingress,
                write.after,
                write.before,
            ))
        })],
    },
    Rule {
        code: Code::Obp313,
        weight: Weight::Style,
        basis: Basis::Object,
        about: About::Other,
        summary: "a peer is selected by labels that other people can set: of its namespace, or of pods in any namespace",
        checks: &[Check::Declared(namespace_label::check)],
    },
    Rule {
        code: Code::Obp314,
        weight: Weight::NoEffect,
        basis: Basis::Facts,
        about: About::Other,
        summary: "a declared rule allows only connections that are already allowed",
        checks: &[Check::Cluster(cluster::redundant)],
    },
    Rule {
        code: Code::Obp315,
        weight: Weight::Style,
        basis: Basis::Object,
        about: About::Other,
        summary: "CIDR text that parsers read differently, or that newer API servers reject",
        checks: &[
            Check::Policy(policy::ambiguous),
            Check::Cluster(|write, _| {
                ambiguous_cidr::in_cluster(write.object, write.after, write.before)
            }),
        ],
    },
    Rule {
        code: Code::Obp316,
        weight: Weight::Mistake,
        basis: Basis::Object,
        about: About::Other,
        summary: "a field that the API does not have, so the API server drops it",
        checks: &[Check::Metadata(metadata::unknown_fields)],
    },
    Rule {
        code: Code::Obp317,
        weight: Weight::NoEffect,
        basis: Basis::Object,
        about: About::Other,
        summary: "a rule, or a part of one, that allows nothing",
        checks: &[
            Check::Policy(policy::without_effect),
            Check::Respecified(|write, _| {
                without_effect::in_cluster(write.object, write.after, write.before)
            }),
        ],
    },
    Rule {
        code: Code::Obp318,
        weight: Weight::Mistake,
        basis: Basis::Facts,
        about: About::Other,
        summary: "a cluster write opens connections for peers that it does not declare",
        checks: &[Check::Respecified(|write, _| {
            declaration_opens::check(
                write.object,
                &write.openings,
                write.openings_before.as_ref(),
            )
        })],
    },
    Rule {
        code: Code::Obp401,
        weight: Weight::Exposure,
        basis: Basis::FactsOfDeletion,
        about: About::Undecided,
        summary: "an object that cannot be read, so nothing can be proved about it",
        checks: &[],
    },
    Rule {
        code: Code::Obp402,
        weight: Weight::Exposure,
        basis: Basis::FactsUnlessPolicy,
        about: About::Undecided,
        summary: "a proof that needs more than its budget, or is too large to try",
        checks: &[],
    },
    Rule {
        code: Code::Obp403,
        weight: Weight::Exposure,
        basis: Basis::Object,
        about: About::Other,
        summary: "the facts for a review are incomplete or too old",
        checks: &[],
    },
    Rule {
        code: Code::Obp601,
        weight: Weight::Mistake,
        basis: Basis::Facts,
        about: About::Other,
        summary: "the checkpoint APIServerNetworkReady is False",
        checks: &[Check::Respecified(|write, _| {
            advice::condition(write, Checkpoint::ApiServerNetwork)
        })],
    },
    Rule {
        code: Code::Obp602,
        weight: Weight::Mistake,
        basis: Basis::Facts,
        about: About::Other,
        summary: "the checkpoint GatewayIntegrationReady is False",
        checks: &[Check::Respecified(|write, _| {
            advice::condition(write, Checkpoint::GatewayIntegration)
        })],
    },
    Rule {
        code: Code::Obp603,
        weight: Weight::Mistake,
        basis: Basis::Facts,
        about: About::Other,
        summary: "the checkpoint BackupConfigurationReady is False",
        checks: &[Check::Respecified(advice::backup)],
    },
    Rule {
        code: Code::Obp604,
        weight: Weight::Mistake,
        basis: Basis::Facts,
        about: About::Other,
        summary: "the checkpoint RestoreConfigurationReady is False or unknown",
        checks: &[Check::Restore(restore::condition)],
    },
    Rule {
        code: Code::Obp605,
        weight: Weight::Mistake,
        basis: Basis::Facts,
        about: About::Other,
        summary: "a seal, backup, restore or identity endpoint that no egress rule covers",
        checks: &[
            Check::Respecified(advice::endpoints),
            Check::Restore(restore::endpoints),
        ],
    },
    Rule {
        code: Code::Obp606,
        weight: Weight::Mistake,
        basis: Basis::Facts,
        about: About::Other,
        summary: "a Gateway or an Ingress is on, and no peer lets it connect",
        checks: &[Check::Respecified(|write, _| {
            nobody_admitted::check(
                write.object,
                &write.openings,
                write.openings_before.as_ref(),
            )
        })],
    },
    Rule {
        code: Code::Obp607,
        weight: Weight::Mistake,
        basis: Basis::Facts,
        about: About::Other,
        summary: "the first egress rule ends the fallback of Development jobs to port 443",
        checks: &[Check::Respecified(|write, _| {
            one(fallback_ended::check(
                write.object,
                &write.openings,
                write.openings_before.as_ref(),
            ))
        })],
    },
];
