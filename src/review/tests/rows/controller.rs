//! The operator's own pods.

use serde_json::json;

use super::{
    EACH, Place, Rule, assert_cut, assert_denied, block, dns_ports, egress, ingress, namespace,
    reasons, tcp,
};
use crate::baseline::Zone;
use crate::code::EnforcementPoint;
use crate::config::Baseline;
use crate::rules::{Code, Level};
use netpol::Direction::{self, Egress, Ingress};

/// The operator as installed: only other policies allow ingress.
fn place(baseline: Baseline) -> Place {
    Place::of(Zone::Controller, baseline).holding("deny-all-ingress", &[Ingress], &[])
}

fn anyone(direction: Direction, port: u16) -> Rule {
    Rule(direction, json!({"ports": tcp(&[port])}))
}

fn labelled(value: &str) -> serde_json::Value {
    json!([{"namespaceSelector": {"matchLabels": {"metrics": value}}}])
}

#[test]
fn controller_ingress_metrics_8080_and_8443() {
    for baseline in EACH {
        place(baseline).permits(&ingress(&labelled("enabled"), &tcp(&[8080])));
        place(baseline).permits(&ingress(&labelled("enabled"), &tcp(&[8443])));
        place(baseline).refuses(&ingress(&labelled("enabled"), &tcp(&[8444])), &["TCP 8444"]);
        place(baseline).refuses(&ingress(&labelled("on"), &tcp(&[8443])), &["metrics=on"]);
        place(baseline).refuses(&anyone(Ingress, 8443), &["TCP 8443"]);
        let moved = place(baseline).set(|config| {
            config.metrics_namespace_labels = [("metrics".into(), "on".into())].into();
        });
        moved.permits(&ingress(&labelled("on"), &tcp(&[8443])));
    }
}

#[test]
fn controller_ingress_probes_8081() {
    for baseline in EACH {
        place(baseline).permits(&anyone(Ingress, 8081));
        place(baseline).refuses(&anyone(Ingress, 8082), &["TCP 8082"]);
    }
}

#[test]
fn controller_ingress_webhook_9443() {
    for baseline in EACH {
        place(baseline).permits(&anyone(Ingress, 9443));
        place(baseline).refuses(&anyone(Ingress, 9444), &["TCP 9444"]);
    }
}

/// Egress rules for everything that the operator needs.
fn needed() -> [(&'static str, Rule); 4] {
    let openbao = json!([{"namespaceSelector": {}, "podSelector": {"matchLabels": {
        "app.kubernetes.io/managed-by": "openbao-operator",
        "app.kubernetes.io/name": "openbao",
    }}}]);
    [
        (
            "controller-api-server",
            egress(&block("10.96.0.1/32"), &tcp(&[443])),
        ),
        (
            "controller-api-endpoints",
            egress(&block("192.168.166.2/32"), &tcp(&[6443])),
        ),
        (
            "controller-dns",
            egress(&namespace("kube-system"), &dns_ports()),
        ),
        ("controller-openbao", egress(&openbao, &tcp(&[8200]))),
    ]
}

fn with_egress(baseline: Baseline) -> Place {
    let rules = needed().map(|(_, rule)| rule);
    place(baseline)
        .set(|config| {
            config.api_server_endpoints = vec!["192.168.166.2".parse().expect("an address")];
        })
        .holding("egress", &[Egress], &rules)
}

/// Removes the rule of one row from the policy of [`with_egress`]. The rule alone is allowed.
fn assert_required(row: &str) {
    for baseline in EACH {
        let left: Vec<Rule> = needed()
            .into_iter()
            .filter(|(of, _)| *of != row)
            .map(|(_, rule)| rule)
            .collect();
        assert_eq!(left.len(), 3, "{row}");
        assert_cut(
            &with_egress(baseline).replace("egress", &[Egress], &left),
            row,
        );
        let rule = needed().into_iter().find(|(of, _)| *of == row);
        with_egress(baseline).permits(&rule.expect("a row").1);
    }
}

#[test]
fn controller_egress_kubernetes_api_443() {
    assert_required("controller-api-server");
    with_egress(Baseline::V01).refuses(
        &egress(&block("10.96.0.2/32"), &tcp(&[443])),
        &["10.96.0.2"],
    );
}

#[test]
fn controller_egress_kubernetes_api_endpoints_6443() {
    assert_required("controller-api-endpoints");
    let other = egress(&block("192.168.166.3/32"), &tcp(&[6443]));
    with_egress(Baseline::V01).refuses(&other, &["192.168.166.3, TCP 6443"]);
}

#[test]
fn controller_egress_kubernetes_api_endpoints_of_unknown_address_6443() {
    for baseline in EACH {
        let unknown = with_egress(baseline).set(|config| config.api_server_endpoints.clear());
        unknown.permits(&anyone(Egress, 6443));
        unknown.refuses(&anyone(Egress, 6444), &["TCP 6444"]);
        with_egress(baseline).refuses(&anyone(Egress, 6443), &["TCP 6443"]);
    }
}

#[test]
fn controller_egress_second_address_of_a_dual_stack_service_443() {
    for baseline in EACH {
        let mut dual = with_egress(baseline);
        dual.api_server.push("fd00::1".parse().expect("an address"));
        dual.permits(&egress(&block("fd00::1/128"), &tcp(&[443])));
        with_egress(baseline).refuses(&egress(&block("fd00::1/128"), &tcp(&[443])), &["fd00::1"]);
    }
}

#[test]
fn controller_egress_dns_53() {
    assert_required("controller-dns");
    with_egress(Baseline::V01).refuses(&egress(&namespace("dns"), &dns_ports()), &["`dns`"]);
}

#[test]
fn controller_egress_openbao_8200() {
    assert_required("controller-openbao");
    with_egress(Baseline::V01).refuses(&egress(&namespace("bao"), &tcp(&[8200])), &["`bao`"]);
}

#[test]
fn controller_egress_webhooks_9443() {
    for baseline in EACH {
        with_egress(baseline).permits(&anyone(Egress, 9443));
        with_egress(baseline).refuses(&anyone(Egress, 443), &["TCP 443"]);
    }
}

#[test]
fn controller_isolation_that_is_lost_warns_unless_a_setting_denies() {
    for baseline in EACH {
        let delete = |place: &Place| {
            let (name, spec) = &place.stored[0];
            place.write(name, Some(place.fact(name, spec)), None)
        };
        let verdict = delete(&place(baseline));
        let levels = |verdict: &crate::review::Verdict| -> Vec<(Code, Level)> {
            let findings = verdict.findings.iter();
            findings
                .map(|finding| (finding.code, finding.level))
                .collect()
        };
        assert_eq!(levels(&verdict), [(Code::Obp102, Level::Warn)]);
        let strict = place(baseline).set(|config| {
            config
                .levels
                .set(Code::Obp102, EnforcementPoint::Webhook, Level::Deny);
        });
        assert_eq!(levels(&delete(&strict)), [(Code::Obp102, Level::Deny)]);
    }
}

#[test]
fn controller_egress_that_is_isolated_without_dns_is_cut() {
    for baseline in EACH {
        let rules: Vec<Rule> = needed()
            .into_iter()
            .filter(|(row, _)| *row != "controller-dns")
            .map(|(_, rule)| rule)
            .collect();
        let free = place(baseline).set(|config| {
            config.api_server_endpoints = vec!["192.168.166.2".parse().expect("an address")];
        });
        assert_cut(&free.create(&[Egress], &rules), "controller-dns");
    }
}

#[test]
fn controller_pods_are_checked_only_where_a_policy_isolates_them() {
    for baseline in EACH {
        // Egress is unrestricted, so a policy for ingress does not affect it.
        let bare = Place::of(Zone::Controller, baseline);
        assert_eq!(reasons(&bare.create(&[Ingress], &[])), [""; 0]);
        // A rule for a direction without isolation has no effect.
        let inert = anyone(Egress, 25);
        assert_eq!(
            reasons(&bare.create(&[Ingress], std::slice::from_ref(&inert))),
            [
                "OBP317 warn spec.egress: the rule of spec.egress has no effect, since spec.policyTypes does not list \
              `Egress`"
            ]
        );
        let verdict = with_egress(baseline).create(&[Egress], &[inert]);
        assert_denied(&verdict, Code::Obp202, &["TCP 25"]);
        // Another namespace is not the operator's.
        let tenant = Place::of(Zone::Workload, baseline);
        let spec = bare.policy_spec(&[Ingress], &[anyone(Ingress, 25)]);
        let verdict = tenant.write("own", None, Some(tenant.fact("own", &spec)));
        assert_eq!(reasons(&verdict), [""; 0]);
    }
}
