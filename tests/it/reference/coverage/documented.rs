//! The tables of the operator's documentation, row by row.

use openbao_perimeter::config::Baseline;

use super::{Documented, Page};

const fn row(
    table: &'static str,
    row: &'static str,
    ids: &'static [&'static str],
    tests: &'static [&'static str],
) -> Documented {
    Documented {
        table,
        row,
        ids,
        tests,
        baselines: &[],
    }
}

/// The baselines since 0.1.0.
const SINCE_V01: &[Baseline] = &[Baseline::V01, Baseline::V04];

/// All pages.
#[rustfmt::skip]
pub(super) const DOCUMENTED: &[Page] = &[
    Page { title: "The page of 0.1.0", baseline: Baseline::V01, rows: &[
        row("config", "workload ingress: default deny", &[], &["posture_workload_ingress_is_denied_by_default", "posture_upgrade_jobs_are_inside_the_workload_zone", "posture_policies_of_other_pods_are_not_affected"]).of(&Baseline::ALL),
        row("config", "workload egress: default deny", &[], &["posture_workload_egress_is_denied_by_default"]).of(&Baseline::ALL),
        row("config", "job ingress and egress: a policy of their own", &[], &["posture_job_ingress_is_denied_by_default", "posture_job_egress_is_denied_by_default", "jobs_ingress_nothing"]).of(SINCE_V01),
        row("config", "controller: judged where policies isolate it", &[], &["controller_pods_are_checked_only_where_a_policy_isolates_them", "controller_isolation_that_is_lost_warns_unless_a_setting_denies"]).of(&Baseline::ALL),
        row("config", "custom rules are additive", &[], &["posture_custom_rules_are_additive_only"]).of(&Baseline::ALL),
        row("ingress", "operator → 8200", &["operator-api"], &["ingress_operator_8200"]),
        row("ingress", "Raft peers → 8200, 8201", &["raft-peers-in"], &["ingress_raft_peers_8200_and_8201"]),
        row("ingress", "backup and restore jobs → 8200", &["lifecycle-jobs"], &["ingress_backup_and_restore_jobs_8200"]),
        row("ingress", "gateway namespace → 8200", &["gateway"], &["ingress_gateway_namespace_8200", "ingress_gateway_in_the_clusters_own_namespace_opens_nothing"]),
        row("ingress", "trusted peers → 8200", &["trusted-peers"], &["ingress_trusted_peers_8200"]),
        row("ingress", "kube-system health paths → 8200", &["kube-system-health"], &["ingress_kube_system_health_paths_8200"]),
        row("ingress", "`ingressRules` as written", &["ingress-rules"], &["ingress_custom_ingress_rules_as_written"]),
        row("egress", "Kubernetes API → 443, endpoints 6443", &["api-server", "api-server-further"], &["egress_kubernetes_api_443", "egress_kubernetes_api_endpoints_6443", "egress_kubernetes_api_second_address_of_a_dual_stack_service_443", "egress_kubernetes_api_of_unknown_address_is_what_the_managed_policy_shows"]),
        row("egress", "DNS → 53", &["dns"], &["egress_dns_53", "egress_dns_53_in_the_declared_namespace", "egress_dns_53_at_the_declared_addresses"]),
        row("egress", "Raft peers → 8200, 8201", &["raft-peers-out"], &["egress_raft_peers_8200_and_8201"]),
        row("egress", "object storage, KMS, PKI as declared", &["egress-rules"], &["egress_storage_kms_and_pki_as_declared"]),
        row("job egress", "DNS → 53", &["jobs-dns"], &["jobs_egress_dns_53"]),
        row("job egress", "Kubernetes API → 443, endpoints 6443", &["jobs-api-server", "jobs-api-server-further"], &["jobs_egress_kubernetes_api_443_and_6443"]),
        row("job egress", "OpenBao → 8200", &["openbao-api"], &["jobs_egress_openbao_8200"]),
        row("job egress", "everywhere → 443, Development without `egressRules`", &["development-https"], &["jobs_egress_everywhere_443_for_development_without_egress_rules"]),
        row("job egress", "object storage as declared", &["jobs-egress-rules"], &["jobs_egress_storage_as_declared"]),
        row("status checkpoints", "`APIServerNetworkReady`", &[], &["api_server_network_ready_with_an_endpoint_address", "api_server_endpoint_ips_recommended_with_a_service_address_alone", "api_server_network_configuration_invalid_with_what_the_operator_does_not_read", "api_server_network_is_unknown_where_no_address_is_known_here"]).of(SINCE_V01),
        row("status checkpoints", "`GatewayIntegrationReady`", &[], &["gateway_integration_ready", "gateway_api_missing", "gateway_reference_missing", "a_gateway_that_may_be_elsewhere_is_unknown", "a_gateway_that_cannot_be_read_is_unknown", "gateway_listener_incompatible", "a_listener_is_looked_at_before_the_class", "gateway_class_missing", "gateway_class_not_accepted", "gateway_class_pending", "gateway_version_unsupported", "gateway_capabilities_unknown", "gateway_feature_unsupported", "gateway_not_programmed", "gateway_programming_pending"]).of(SINCE_V01),
        row("status checkpoints", "`BackupConfigurationReady` and `RestoreConfigurationReady`", &[], &["network_egress_rules_required_comes_first", "authentication_required", "token_secret_missing_and_invalid_are_unknown_here", "credentials_secret_missing_and_ready_are_unknown_here", "workload_identity_configured", "ambient_identity_assumed", "a_restore_is_not_held_by_a_paused_cluster"]).of(SINCE_V01),
        row("status checkpoints", "all: paused, no profile, off, the live condition", &[], &["paused_and_profile_not_set_hold_every_check_of_a_cluster", "a_checkpoint_of_what_is_off_is_left_out", "a_live_condition_that_differs_is_shown_with_ours", "a_status_that_cannot_be_read_says_nothing"]).of(SINCE_V01),
        row("controller ingress", "metrics → 8080, 8443", &["controller-metrics"], &["controller_ingress_metrics_8080_and_8443"]),
        row("controller ingress", "probes → 8081", &["controller-probes"], &["controller_ingress_probes_8081"]),
        row("controller egress", "Kubernetes API → 443, endpoints 6443", &["controller-api-server", "controller-api-server-further", "controller-api-endpoints", "controller-api-endpoints-unknown"], &["controller_egress_kubernetes_api_443", "controller_egress_second_address_of_a_dual_stack_service_443", "controller_egress_kubernetes_api_endpoints_6443", "controller_egress_kubernetes_api_endpoints_of_unknown_address_6443"]),
        row("controller egress", "DNS → 53", &["controller-dns"], &["controller_egress_dns_53", "controller_egress_that_is_isolated_without_dns_is_cut"]),
        row("controller egress", "OpenBao → 8200", &["controller-openbao"], &["controller_egress_openbao_8200"]),
        row("platform", "what the platform's owner permits", &["platform"], &["platform_workload_ingress", "platform_workload_egress", "platform_jobs_ingress", "platform_jobs_egress", "platform_controller_ingress", "platform_rules_hold_in_the_zones_that_they_name"]),
    ]},
    Page { title: "The older page", baseline: Baseline::Classic, rows: &[
        row("ingress", "operator → 8200", &["operator-api"], &["ingress_operator_8200"]),
        row("ingress", "Raft peers → 8201 (8200 too)", &["raft-peers-in"], &["ingress_raft_peers_8200_and_8201"]),
        row("ingress", "gateway → 8200", &["gateway"], &["ingress_gateway_namespace_8200"]),
        row("ingress", "kube-system → any port", &["kube-system-health"], &["ingress_kube_system_any_port"]),
        row("ingress", "custom rules are additive", &["ingress-rules"], &["posture_custom_rules_are_additive_only", "ingress_custom_ingress_rules_as_written"]),
        row("ingress", "ingress controller: anyone → 8200", &["ingress-controller"], &["ingress_ingress_controller_8200"]),
        row("egress", "Kubernetes API → 443", &["api-server"], &["egress_kubernetes_api_443", "egress_kubernetes_api_endpoints_6443"]),
        row("egress", "DNS → 53", &["dns"], &["egress_dns_53"]),
        row("egress", "Raft peers → 8201 (8200 too)", &["raft-peers-out"], &["egress_raft_peers_8200_and_8201"]),
        row("config", "backup jobs are excluded", &[], &["posture_backup_jobs_are_excluded_in_the_older_baseline", "jobs_are_open_in_the_older_baseline"]),
        row("controller ingress", "metrics → 8080, 8443", &["controller-metrics"], &["controller_ingress_metrics_8080_and_8443"]),
        row("controller ingress", "probes → 8081", &["controller-probes"], &["controller_ingress_probes_8081"]),
        row("controller ingress", "webhook → 9443", &["controller-webhook"], &["controller_ingress_webhook_9443"]),
        row("controller egress", "Kubernetes API → 443", &["controller-api-server"], &["controller_egress_kubernetes_api_443"]),
        row("controller egress", "webhooks → 9443", &["controller-webhooks-out"], &["controller_egress_webhooks_9443"]),
        row("status checkpoints", "none", &[], &["the_oldest_baseline_has_no_checkpoints"]),
    ]},
    Page { title: "The newest operator", baseline: Baseline::V04, rows: &[
        row("ingress", "gateway namespace: no more", &[], &["ingress_gateway_namespace_8200"]),
        row("ingress", "kube-system: no more", &[], &["ingress_kube_system_any_port", "ingress_kube_system_health_paths_8200"]),
        row("ingress", "trusted peers → 8200 and the metrics listener's port", &["trusted-peers"], &["ingress_trusted_peers_metrics_port"]),
        row("status checkpoints", "`GatewayIntegrationReady`: the managed route too", &[], &["gateway_route_pending_and_its_like_are_unknown_here"]),
        row("status checkpoints", "backup and restore: the Hardened contract too", &[], &["security_violation_is_of_the_newest_baseline", "obp310_the_contract_of_a_hardened_cluster_denies_a_restore_in_the_newest_baseline"]),
    ]},
];
