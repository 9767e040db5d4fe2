//! Levels in the settings, at each enforcement point.

use serde_json::{Value, json};

use super::support::{
    cluster, cluster_request, compiled_under, config_of, operator, policy, policy_request, tenant,
};
use crate::code::{EnforcementPoint, Level};
use crate::config::{Baseline, ReviewConfig};
use crate::inventory::Cluster;
use crate::review::{Outcome, Request, Verdict, Writer, review};
use crate::rules::Code::{self, Obp201, Obp302, Obp305, Obp401};
use crate::rules::{Cause, Finding, Onset};

fn config(code: Code, point: EnforcementPoint, level: Level) -> ReviewConfig {
    let mut config = config_of(Baseline::V01);
    config.levels.set(code, point, level);
    config
}

#[test]
fn a_stored_problem_is_at_most_a_warning_and_milder_where_its_cause_is() {
    let request = policy_request(tenant(), "open", None, None);
    let object = request.object();
    for (cause, level) in [
        (Cause::IngressBeyondCeiling, Level::Warn),
        (Cause::IdentityStored, Level::Warn),
        (Cause::AuditedIdentity, Level::Audit),
        (Cause::NamespaceCounts, Level::Audit),
        (Cause::StoredPolicyNotJudged, Level::Audit),
    ] {
        let finding = Finding::of(cause, Onset::PreExisting, object, "spec");
        assert_eq!(finding.level, level, "{cause:?}");
    }
}

/// A tenant's policy that opens the pods to everyone.
fn opening(point: EnforcementPoint, writer: Writer) -> Request {
    let open = policy("open", &json!({"podSelector": {}, "ingress": [{}]}));
    Request {
        point,
        ..policy_request(writer, "open", None, Some(open))
    }
}

fn reviewed(config: ReviewConfig, request: &Request) -> Verdict {
    review(
        &compiled_under(config, &[cluster(&json!({}))], &[]),
        request,
    )
}

fn levels(verdict: &Verdict) -> Vec<(Code, Level)> {
    let findings = verdict.findings.iter();
    findings
        .map(|finding| (finding.code, finding.level))
        .collect()
}

#[test]
fn every_level_holds_at_its_door_and_at_no_other() {
    let expected = [
        (Level::Deny, Outcome::Deny),
        (Level::Warn, Outcome::Warn),
        (Level::Audit, Outcome::Allow),
        (Level::Off, Outcome::Allow),
    ];
    for (level, outcome) in expected {
        for point in EnforcementPoint::ALL {
            for asked in EnforcementPoint::ALL {
                let verdict = reviewed(config(Obp201, point, level), &opening(asked, tenant()));
                let (level, outcome) = if asked == point {
                    (level, outcome)
                } else {
                    (Level::Deny, Outcome::Deny)
                };
                let left = if level == Level::Off {
                    vec![]
                } else {
                    vec![(Obp201, level)]
                };
                assert_eq!(levels(&verdict), left, "{point:?} {asked:?}");
                assert_eq!(verdict.outcome(), outcome, "{point:?} {asked:?}");
            }
        }
    }
}

#[test]
fn a_level_is_that_of_its_code_alone() {
    for code in Code::ALL.into_iter().filter(|code| *code != Obp201) {
        let verdict = reviewed(
            config(code, EnforcementPoint::Webhook, Level::Off),
            &opening(EnforcementPoint::Webhook, tenant()),
        );
        assert_eq!(levels(&verdict), [(Obp201, Level::Deny)], "{code}");
    }
}

#[test]
fn known_problems_deny_at_no_level() {
    let everyone =
        json!({"ingressRules": [{"from": [{"namespaceSelector": {}}], "ports": [{"port": 8200}]}]});
    let mut beside = everyone.clone();
    beside["dnsNamespace"] = json!("kube-system");
    let (before, after) = (cluster(&everyone), cluster(&beside));
    let expected = [
        (Level::Deny, vec![(Obp302, Level::Warn)]),
        (Level::Warn, vec![(Obp302, Level::Warn)]),
        (Level::Audit, vec![(Obp302, Level::Audit)]),
        (Level::Off, vec![]),
    ];
    for (level, left) in expected {
        let compiled = compiled_under(
            config(Obp302, EnforcementPoint::Webhook, level),
            std::slice::from_ref(&before),
            &[],
        );
        let verdict = review(&compiled, &cluster_request(Some(&before), &after));
        assert_eq!(levels(&verdict), left, "{level}");
        let known = |finding: &crate::rules::Finding| finding.onset == Onset::PreExisting;
        assert!(verdict.findings.iter().all(known));
    }
}

#[test]
fn another_objects_fault_denies_at_no_level() {
    let broken = policy("broken", &json!({"policyTypes": ["Sideways"]}));
    let compiled = compiled_under(
        config(Obp401, EnforcementPoint::Webhook, Level::Deny),
        &[cluster(&json!({}))],
        &[broken],
    );
    let fine = policy("fine", &json!({"podSelector": {}}));
    let verdict = review(
        &compiled,
        &policy_request(tenant(), "fine", None, Some(fine)),
    );
    assert_eq!(levels(&verdict), [(Obp401, Level::Warn)]);
}

#[test]
fn a_write_that_changes_no_spec_passes_at_any_level() {
    let open = policy("open", &json!({"podSelector": {}, "ingress": [{}]}));
    let request = policy_request(tenant(), "open", Some(open.clone()), Some(open.clone()));
    let compiled = compiled_under(
        config(Obp201, EnforcementPoint::Webhook, Level::Deny),
        &[cluster(&json!({}))],
        &[open],
    );
    assert_eq!(
        levels(&review(&compiled, &request)),
        [(Obp201, Level::Warn)]
    );
}

#[test]
fn the_operator_is_denied_only_by_the_setting_for_it() {
    let raised = config(Obp201, EnforcementPoint::Webhook, Level::Deny);
    let request = opening(EnforcementPoint::Webhook, operator());
    assert_eq!(
        reviewed(raised.clone(), &request).outcome(),
        Outcome::Warn,
        "a rule's level does not reach the operator"
    );
    let strict = ReviewConfig {
        operator_level: Level::Deny,
        ..raised
    };
    assert_eq!(reviewed(strict, &request).outcome(), Outcome::Deny);
}

#[test]
fn a_warning_denies_if_the_settings_say_so() {
    let wide = json!({"egressRules": [{"to": [{"ipBlock": {"cidr": "198.0.0.0/7"}}], "ports": [{"port": 443}]}]});
    let declared = |config: ReviewConfig, before: Option<&Value>| {
        let before = before.map(cluster);
        let stored: Vec<_> = before.iter().cloned().collect();
        let request = cluster_request(before.as_ref(), &cluster(&wide));
        levels(&review(&compiled_under(config, &stored, &[]), &request))
    };
    let plain = config_of(Baseline::V01);
    assert_eq!(declared(plain, None), [(Obp305, Level::Warn)]);
    let raised = config(Obp305, EnforcementPoint::Webhook, Level::Deny);
    assert_eq!(declared(raised.clone(), None), [(Obp305, Level::Deny)]);
    let other = json!({"dnsNamespace": "kube-system"});
    assert_eq!(
        declared(raised.clone(), Some(&other)),
        [(Obp305, Level::Deny)]
    );
    assert_eq!(declared(raised, Some(&wide)), [(Obp305, Level::Warn)]);
}

#[test]
fn the_operator_gets_no_warning_about_an_unchanged_spec() {
    let faulty = cluster(&json!({
        "apiServerCIDR": "10.96.0.1/12",
        "dnsNamespace": "tenant",
        "dnsEndpointIPs": ["8.8.8.8", "8.8.8.8"],
        "ingressRules": [{"ports": [{"port": 9000}]}, {"ports": [{"port": 9000}]}],
        "egressRules": [{"to": [{"ipBlock": {"cidr": "192.0.2.77/24"}}]}],
        "trustedIngressPeers": [{"ipBlock": {"cidr": "010.0.0.0/8"}},
            {"namespaceSelector": {"matchLabels": {"team": "a"}}}],
    }));
    let mut finalized = Cluster::clone(&faulty);
    finalized.meta.labels.insert("a".into(), "b".into());
    let mut narrowed = finalized.clone();
    narrowed.network.ingress_rules.pop();
    let written = |writer: Writer, after: &Cluster| {
        let request = Request {
            writer,
            ..cluster_request(Some(&faulty), &after.clone().into())
        };
        levels(&reviewed(config_of(Baseline::V01), &request))
    };
    assert_eq!(written(operator(), &finalized), []);
    assert!(written(tenant(), &finalized).len() > 3);
    assert!(written(operator(), &narrowed).len() > 3);
}
