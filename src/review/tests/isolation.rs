//! OBP105: pods that are not isolated now.

use std::sync::Arc;

use serde_json::{Value, json};

use super::support::{
    ZONES, cluster, compiled_under, config_of, managed, owned, policy, reference, tenant,
};
use crate::code::EnforcementPoint::{self, Audit, Check};
use crate::config::Baseline::{Classic, V01, V04};
use crate::config::ReviewConfig;
use crate::inventory::{Cluster, Fact, Kind, Object, Policy, read};
use crate::review::offline::{Objects, final_state};
use crate::review::{CompiledSnapshot, isolation};
use crate::rules::Code::{Obp105, Obp401};
use crate::rules::default_deny_absent::Missing;
use crate::rules::{Finding, Level};
use netpol::Direction;

const SERVERS: &str = "the OpenBao pods";
const JOBS: &str = "the backup and restore pods";

/// Findings about the only cluster, as in `check` of manifests or in the audit of stored objects.
fn bare(compiled: &CompiledSnapshot, point: EnforcementPoint) -> Vec<Finding> {
    let missing = match point {
        Check => Missing::Rendered,
        _ => Missing::Absent,
    };
    let perimeters = compiled.perimeters("bao").iter();
    perimeters
        .flat_map(|cluster| isolation(compiled, cluster, point, missing))
        .collect()
}

/// Findings about missing policies: reason and level.
fn missing(findings: &[Finding]) -> Vec<(&str, Level)> {
    let of = |finding: &'_ Finding| (finding.code == Obp105).then_some(finding.level);
    let known = findings
        .iter()
        .filter_map(|finding| Some((finding, of(finding)?)));
    known
        .map(|(finding, level)| (finding.reason.as_str(), level))
        .collect()
}

/// Open pods and directions.
fn open(findings: &[Finding]) -> Vec<(&'static str, &'static str)> {
    let of = |finding: &Finding| {
        assert_eq!((finding.code, finding.level), (Obp105, Level::Audit));
        let pods = if finding.reason.contains(SERVERS) {
            SERVERS
        } else {
            JOBS
        };
        let to = if finding.reason.contains("for Ingress") {
            "in"
        } else {
            "out"
        };
        (pods, to)
    };
    findings.iter().map(of).collect()
}

fn own() -> [Policy; 2] {
    ZONES.map(|pods| owned(managed(&cluster(&json!({})), pods)))
}

fn facts(policies: &[Policy]) -> Vec<Fact<Policy>> {
    let facts = policies.iter().cloned();
    facts.map(|policy| Fact::Read(policy.into())).collect()
}

fn compiled(policies: &[Fact<Policy>]) -> CompiledSnapshot {
    compiled_under(config_of(V01), &[cluster(&json!({}))], policies)
}

#[test]
fn obp105_what_the_operator_renders_isolates_everything() {
    for point in EnforcementPoint::ALL {
        assert_eq!(
            open(&bare(&compiled(&facts(&own())), point)),
            [],
            "{point:?}"
        );
    }
}

#[test]
fn obp105_a_missing_managed_policy_counts_as_rendered_in_files_and_as_missing_in_what_is_stored() {
    assert_eq!(bare(&compiled(&[]), Check), []);
    let both = "NetworkPolicies `bao-network-policy` and `bao-jobs-network-policy` of the operator are missing: \
        no policy isolates the OpenBao pods of OpenBaoCluster bao/bao for Ingress, so every connection is open";
    let nothing = bare(&compiled(&[]), Audit);
    assert_eq!(missing(&nothing), [(both, Level::Warn)]);
    assert!(
        nothing[0].witness.is_some()
            && nothing[0]
                .help
                .contains("-n bao describe openbaocluster bao")
    );
    let [servers, _] = own();
    let jobs = "NetworkPolicy `bao-jobs-network-policy` of the operator is missing: \
        no policy isolates the backup and restore pods of OpenBaoCluster bao/bao for Ingress, so every connection is open";
    let only_servers = bare(&compiled(&facts(&[servers])), Audit);
    assert_eq!(missing(&only_servers), [(jobs, Level::Warn)]);
    assert!(only_servers[0].help.contains("`baseline: classic`)"));
    // Jobs are unrestricted before 0.1.
    let bao = cluster(&json!({}));
    let classic = bare(&compiled_under(config_of(Classic), &[bao], &[]), Audit);
    assert_eq!(classic.len(), 1);
    assert!(
        classic[0]
            .reason
            .starts_with("NetworkPolicy `bao-network-policy` of")
    );
}

#[test]
fn obp105_a_missing_managed_policy_is_reported_where_others_isolate_the_pods_too() {
    let all = policy(
        "default-deny",
        &json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}),
    );
    let isolated = bare(&compiled(std::slice::from_ref(&all)), Audit);
    let what = "NetworkPolicies `bao-network-policy` and `bao-jobs-network-policy` of the operator are missing: \
        other policies isolate the pods, so connections that only the missing policies permit are cut";
    assert_eq!(missing(&isolated), [(what, Level::Warn)]);
    assert_eq!(isolated[0].witness, None);
    // No policy is missing if the operator renders none.
    let going = compiled(&[all, facts(&own()).remove(0), facts(&own()).remove(1)]);
    assert_eq!(bare(&going, Audit), []);
}

#[test]
fn obp105_a_managed_policy_that_is_aimed_elsewhere_or_unreadable_is_not_missing() {
    let aimed = own().map(|mut policy| {
        policy.pods = netpol::rule::Selector::labels([("app", "web")]);
        policy
    });
    let everything = [
        (SERVERS, "in"),
        (SERVERS, "out"),
        (JOBS, "in"),
        (JOBS, "out"),
    ];
    assert_eq!(open(&bare(&compiled(&facts(&aimed)), Audit)), everything);
    let broken = ["bao-network-policy", "bao-jobs-network-policy"]
        .map(|name| policy(name, &json!({"policyTypes": ["Sideways"]})));
    assert_eq!(open(&bare(&compiled(&broken), Audit)), everything);
}

#[test]
fn obp105_a_policy_that_isolates_one_way_or_some_pods_leaves_the_rest_open() {
    let one_way = own().map(|mut policy| {
        policy.policy_types = Some(vec![Direction::Ingress]);
        policy
    });
    let out = [(SERVERS, "out"), (JOBS, "out")];
    assert_eq!(open(&bare(&compiled(&facts(&one_way)), Check)), out);
    let mut active = own();
    active[0].pods =
        active[0]
            .pods
            .clone()
            .and("openbao-active", netpol::rule::Operator::In, &["true"]);
    let findings = bare(&compiled(&facts(&active)), Check);
    assert_eq!(open(&findings), [(SERVERS, "in"), (SERVERS, "out")]);
    // The connection is that of an excluded pod, and not a permitted one.
    let shown: Vec<String> = findings
        .iter()
        .map(|finding| finding.witness.as_ref().expect("one").to_string())
        .collect();
    let subject = "the OpenBao pod labelled app.kubernetes.io/instance=bao,\
        app.kubernetes.io/managed-by=openbao-operator,app.kubernetes.io/name=openbao,openbao.org/cluster=bao";
    let stranger = "a pod in namespace `another-namespace`";
    assert_eq!(
        shown,
        [
            format!("{stranger} -> {subject}, TCP 443"),
            format!("{subject} -> {stranger}, TCP 443"),
        ]
    );
    assert!(
        findings[0].help.contains("openbao.org/cluster: bao"),
        "{}",
        findings[0].help
    );
}

#[test]
fn obp105_a_cluster_that_is_restored_into_has_no_perimeter_and_one_that_goes_needs_none() {
    let restored = |annotations: Value| -> Arc<Cluster> {
        let json = json!({"metadata": {"name": "bao", "namespace": "bao", "annotations": annotations}, "spec": {}});
        let read = read::cluster(
            json.to_string().as_bytes(),
            &reference(Kind::OpenBaoCluster, "bao"),
        );
        read.read().expect("readable").clone()
    };
    let bao = restored(json!({"openbao.org/restore-origin": "old"}));
    let findings = bare(&compiled_under(config_of(V04), &[bao], &[]), Check);
    assert_eq!(findings.len(), 4);
    let mut going = Arc::unwrap_or_clone(restored(json!({})));
    going.meta.deleting = true;
    assert_eq!(
        bare(&compiled_under(config_of(V04), &[going.into()], &[]), Audit),
        []
    );
}

#[test]
fn obp105_a_policy_that_cannot_be_read_is_named_since_it_may_isolate() {
    let broken = policy("broken", &json!({"policyTypes": ["Sideways"]}));
    let findings = bare(&compiled(&[broken]), Audit);
    assert_eq!(findings.len(), 1);
    for finding in findings {
        assert!(
            finding.reason.contains("NetworkPolicy `broken`"),
            "{}",
            finding.reason
        );
    }
}

#[test]
fn obp105_check_reports_it_for_a_cluster_and_the_settings_may_raise_it() {
    let one_way = own().map(|mut policy| {
        policy.policy_types = Some(vec![Direction::Ingress]);
        policy
    });
    let policies = facts(&one_way);
    let bao = cluster(&json!({}));
    let mut objects: Objects = policies
        .iter()
        .map(|fact| {
            (
                reference(Kind::NetworkPolicy, &fact.meta().name),
                Object::Policy(fact.clone()),
            )
        })
        .collect();
    let name = reference(Kind::OpenBaoCluster, "bao");
    objects.insert(name.clone(), Object::Cluster(Fact::Read(bao.clone())));
    let found = |config: ReviewConfig| -> Vec<_> {
        let compiled = compiled_under(config.clone(), std::slice::from_ref(&bao), &policies);
        let beside = compiled_under(config, std::slice::from_ref(&bao), &[]);
        let reviewed = final_state(&compiled, &beside, &tenant(), &objects, Missing::Rendered);
        let of_cluster = reviewed
            .into_iter()
            .filter(|reviewed| reviewed.object == name);
        let findings = of_cluster.flat_map(|reviewed| reviewed.verdict.findings);
        findings
            .map(|finding| (finding.code, finding.level))
            .collect()
    };
    let mut config = config_of(V01);
    assert_eq!(found(config.clone()), [(Obp105, Level::Audit); 2]);
    config.levels.set(Obp105, Audit, Level::Off);
    config.levels.set(Obp401, Check, Level::Off);
    assert_eq!(found(config.clone()), [(Obp105, Level::Audit); 2]);
    config.levels.set(Obp105, Check, Level::Deny);
    assert_eq!(found(config.clone()), [(Obp105, Level::Deny); 2]);
    config.levels.set(Obp105, Check, Level::Off);
    assert_eq!(found(config), []);
}
