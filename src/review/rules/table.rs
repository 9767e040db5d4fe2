//! The table of rules.

use super::About::{self, Allowlist, Other, Undecided};
use super::Basis::{self, Facts, FactsOfDeletion, FactsOfRestore, FactsUnlessPolicy, Object};
use super::Check::{self, Cluster, Declared, Metadata, Policy, Respecified, Restore, State, Zone};
use super::Rule;
use super::Weight::{self, Exposure, Mistake, NoEffect, Style};
use crate::advice::{declaration_opens, fallback_ended, nobody_admitted, without_effect};
use crate::code::Code;
use crate::inventory::Checkpoint;
use crate::review::policy::zones;
use crate::review::{advice, cluster, metadata, other_policies, policy, restore};
use crate::rules::declaration::{
    api_server, dns_namespace, endpoint_address, everyone, hardened, listener_ports, malformed,
    metrics_port, namespace_label, raft_port, unsafe_address,
};
use crate::rules::{Finding, ambiguous_cidr, default_deny_absent};

const fn rule(
    code: Code,
    (weight, basis, about): (Weight, Basis, About),
    summary: &'static str,
    checks: &'static [Check],
) -> Rule {
    Rule {
        code,
        weight,
        basis,
        about,
        summary,
        checks,
    }
}

fn one(found: Option<Finding>) -> Vec<Finding> {
    found.into_iter().collect()
}

/// All rules, in the order of their codes. A check may use the findings of those before it.
#[rustfmt::skip]
pub static RULES: [Rule; Code::ALL.len()] = [
    rule(Code::Obp101, (Exposure, Facts, Allowlist),
        "a connection that the cluster's lifecycle needs is no longer allowed",
        &[Zone(zones::core_connections)]),
    rule(Code::Obp102, (Exposure, Facts, Allowlist),
        "pods lose their isolation in a direction, so every connection is allowed",
        &[Zone(zones::isolation), Metadata(metadata::restored)]),
    rule(Code::Obp103, (Exposure, Facts, Allowlist),
        "a policy that the operator manages is deleted while its cluster exists",
        &[Zone(zones::deletion)]),
    rule(Code::Obp104, (Exposure, Facts, Allowlist),
        "a managed policy gets other pods, other directions or another owner, or a policy that pods depend on gets an owner",
        &[Policy(policy::owners), Zone(zones::managed)]),
    rule(Code::Obp105, (Exposure, Facts, Other),
        "pods of a cluster are not isolated in a direction, so every connection is allowed, or the operator's policy for them is missing",
        &[State(default_deny_absent::check)]),
    rule(Code::Obp201, (Exposure, Facts, Allowlist),
        "a policy opens ingress that neither the baseline nor the cluster's declarations permit",
        &[Zone(zones::ingress_ceiling)]),
    rule(Code::Obp202, (Exposure, Facts, Allowlist),
        "a policy opens egress that neither the baseline nor the cluster's declarations permit",
        &[Zone(zones::egress_ceiling)]),
    rule(Code::Obp203, (Exposure, Facts, Other),
        "after a cluster write or a new restore, an existing policy selects pods and allows more than their ceiling",
        &[
            Zone(zones::left_open),
            Respecified(cluster::existing),
            Cluster(cluster::restore_tests),
            Restore(restore::existing),
        ]),
    rule(Code::Obp301, (Mistake, Object, Other),
        "a declared rule or name that the NetworkPolicy API rejects, so the operator could not write its policies",
        &[Cluster(|w, _| malformed::check(&w.ingress, w.after, w.before))]),
    rule(Code::Obp302, (Mistake, Object, Other),
        "declared ingress is open to everyone, by one rule or by several together",
        &[Declared(|d, _| everyone::ingress(d))]),
    rule(Code::Obp303, (Mistake, Object, Other),
        "a declaration opens the Raft port to peers that are not pods of the cluster",
        &[Declared(|d, _| raft_port::check(d))]),
    rule(Code::Obp304, (Style, Object, Other),
        "a declared ingress rule opens more ports than OpenBao listens on for its clients",
        &[Declared(listener_ports::check)]),
    rule(Code::Obp305, (Mistake, Object, Other),
        "declared egress is open to all addresses, by one rule or by several together",
        &[Declared(|d, _| everyone::egress(d))]),
    rule(Code::Obp306, (Mistake, Object, Other),
        "a declaration names loopback, link-local or cloud-metadata addresses as peers",
        &[Declared(|d, _| unsafe_address::check(d))]),
    rule(Code::Obp307, (Mistake, Object, Other),
        "`apiServerCIDR` is unreadable, opens more than the API server, or is unsafe or public",
        &[Cluster(|w, _| one(api_server::check(&w.ingress, w.after, w.before)))]),
    rule(Code::Obp308, (Style, Object, Other),
        "an API server endpoint or DNS address that cannot be read, is unsafe, is listed twice, or is public",
        &[Cluster(|w, _| endpoint_address::check(&w.ingress, w.after, w.before))]),
    rule(Code::Obp309, (Style, Object, Other),
        "`dnsNamespace` is no valid namespace name, or not the namespace of the platform's DNS",
        &[Cluster(|w, found| one(dns_namespace::check(&w.ingress, w.after, w.before, found)))]),
    rule(Code::Obp310, (Mistake, FactsOfRestore, Other),
        "a Hardened cluster has declarations that are not explicit (raw ingress rules, wildcard peers, rules without ports), or a restore with such egress",
        &[
            Cluster(|w, _| hardened::of_cluster(&w.ingress, w.after, w.before)),
            Declared(hardened::check),
            Restore(restore::contract),
        ]),
    rule(Code::Obp311, (Mistake, Facts, Other),
        "a policy of another cluster, or a leftover policy, already has the name of a new cluster's policy",
        &[Cluster(cluster::names)]),
    rule(Code::Obp312, (Mistake, Object, Other),
        "the port of the metrics listener is the API port, the Raft port or not valid",
        &[Cluster(|w, _| one(metrics_port::check(&w.ingress, w.after, w.before)))]),
    rule(Code::Obp313, (Style, Object, Other),
        "a peer is selected by labels that other people can set: of its namespace, or of pods in any namespace",
        &[Declared(namespace_label::check)]),
    rule(Code::Obp314, (NoEffect, Facts, Other),
        "a declared rule allows only connections that are already allowed",
        &[Cluster(cluster::redundant)]),
    rule(Code::Obp315, (Style, Object, Other),
        "CIDR text that parsers read differently, or that newer API servers reject",
        &[Policy(policy::ambiguous), Cluster(|w, _| ambiguous_cidr::in_cluster(w.object, w.after, w.before))]),
    rule(Code::Obp316, (Mistake, Object, Other),
        "a field that the API does not have, so the API server drops it",
        &[Metadata(metadata::unknown_fields)]),
    rule(Code::Obp317, (NoEffect, Object, Other),
        "a rule, or a part of one, that allows nothing",
        &[Policy(policy::without_effect), Respecified(|w, _| without_effect::in_cluster(w.object, w.after, w.before))]),
    rule(Code::Obp318, (Mistake, Facts, Other),
        "a cluster write opens connections for peers that it does not declare",
        &[Respecified(|w, _| declaration_opens::check(w.object, &w.openings, w.openings_before.as_ref()))]),
    rule(Code::Obp401, (Exposure, FactsOfDeletion, Undecided),
        "an object that cannot be read, so nothing can be proved about it",
        &[]),
    rule(Code::Obp402, (Exposure, FactsUnlessPolicy, Undecided),
        "a proof that needs more than its budget, or is too large to try",
        &[]),
    rule(Code::Obp403, (Exposure, Object, Other),
        "the facts for a review are incomplete or too old",
        &[]),
    rule(Code::Obp404, (Mistake, Facts, Other),
        "a policy of another kind than NetworkPolicy selects OpenBao pods and is not checked",
        &[Cluster(other_policies::of_cluster)]),
    rule(Code::Obp601, (Mistake, Facts, Other),
        "the checkpoint APIServerNetworkReady is False",
        &[Respecified(|w, _| advice::condition(w, Checkpoint::ApiServerNetwork))]),
    rule(Code::Obp602, (Mistake, Facts, Other),
        "the checkpoint GatewayIntegrationReady is False",
        &[Respecified(|w, _| advice::condition(w, Checkpoint::GatewayIntegration))]),
    rule(Code::Obp603, (Mistake, Facts, Other),
        "the checkpoint BackupConfigurationReady is False",
        &[Respecified(advice::backup)]),
    rule(Code::Obp604, (Mistake, Facts, Other),
        "the checkpoint RestoreConfigurationReady is False or unknown",
        &[Restore(restore::condition)]),
    rule(Code::Obp605, (Mistake, Facts, Other),
        "a seal, backup, restore or identity endpoint that no egress rule covers",
        &[Respecified(advice::endpoints), Restore(restore::endpoints)]),
    rule(Code::Obp606, (Mistake, Facts, Other),
        "a Gateway or an Ingress is on, and no peer lets it connect",
        &[Respecified(|w, _| nobody_admitted::check(w.object, &w.openings, w.openings_before.as_ref()))]),
    rule(Code::Obp607, (Mistake, Facts, Other),
        "the first egress rule ends the fallback of Development jobs to port 443",
        &[Respecified(|w, _| one(fallback_ended::check(w.object, &w.openings, w.openings_before.as_ref())))]),
];
