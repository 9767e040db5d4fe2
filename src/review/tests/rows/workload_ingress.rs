//! Ingress of the OpenBao pods.

use serde_json::{Value, json};

use super::{BEFORE_V04, EACH, Place, SINCE_V01, block, cluster_pods, ingress, namespace, tcp};
use crate::baseline::Zone;
use crate::config::Baseline;

fn place(baseline: Baseline) -> Place {
    Place::of(Zone::Workload, baseline)
}

fn operator_pods(components: &[&str]) -> Value {
    json!([{
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "openbao-operator-system"}},
        "podSelector": {
            "matchLabels": {"app.kubernetes.io/name": "openbao-operator"},
            "matchExpressions": [
                {"key": "app.kubernetes.io/component", "operator": "In", "values": components},
            ],
        },
    }])
}

fn jobs(components: &[&str]) -> Value {
    json!([{"podSelector": {
        "matchLabels": {"openbao.org/cluster": "bao"},
        "matchExpressions": [{"key": "openbao.org/component", "operator": "In", "values": components}],
    }}])
}

#[test]
fn ingress_operator_8200() {
    let operator = operator_pods(&["controller", "provisioner"]);
    for baseline in EACH {
        place(baseline).requires("operator-api", &ingress(&operator, &tcp(&[8200])));
        place(baseline).refuses(&ingress(&operator, &tcp(&[8201])), &["TCP 8201"]);
        let whole = namespace("openbao-operator-system");
        place(baseline).refuses(
            &ingress(&whole, &tcp(&[8200])),
            &["namespace `openbao-operator-system`"],
        );
    }
}

#[test]
fn ingress_raft_peers_8200_and_8201() {
    for baseline in EACH {
        let peers = ingress(&cluster_pods(), &tcp(&[8200, 8201]));
        place(baseline).requires("raft-peers-in", &peers);
        let more = ingress(&cluster_pods(), &tcp(&[8202]));
        place(baseline).refuses(&more, &["TCP 8202"]);
        let name_only =
            json!([{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "openbao"}}}]);
        place(baseline).refuses(&ingress(&name_only, &tcp(&[8201])), &["TCP 8201"]);
    }
}

#[test]
fn ingress_backup_and_restore_jobs_8200() {
    for baseline in EACH {
        let rule = ingress(&jobs(&["backup", "restore"]), &tcp(&[8200]));
        place(baseline).requires("lifecycle-jobs", &rule);
        let others = ingress(&jobs(&["backup", "cleanup"]), &tcp(&[8200]));
        place(baseline).refuses(&others, &["openbao.org/component=cleanup"]);
    }
}

#[test]
fn ingress_gateway_namespace_8200() {
    let gateway = |enabled: bool, namespace: &str| {
        json!({"gateway": {
            "enabled": enabled,
            "gatewayRef": {"name": "edge", "namespace": namespace},
            "hostname": "bao.example.com",
        }})
    };
    let rule = ingress(&namespace("edge"), &tcp(&[8200]));
    for baseline in BEFORE_V04 {
        let on = place(baseline).with(gateway(true, "edge"));
        assert!(on.renders(&rule), "{baseline}");
        on.permits(&rule);
        on.refuses(
            &ingress(&namespace("edge"), &tcp(&[8201])),
            &["`edge`", "TCP 8201"],
        );
        on.refuses(&ingress(&namespace("edge-2"), &tcp(&[8200])), &["`edge-2`"]);
        let off = place(baseline).with(gateway(false, "edge"));
        off.refuses(&rule, &["`edge`", "TCP 8200"]);
    }
    let next = place(Baseline::V04).with(gateway(true, "edge"));
    assert!(!next.renders(&rule));
    next.refuses(&rule, &["`edge`", "TCP 8200"]);
}

#[test]
fn ingress_gateway_in_the_clusters_own_namespace_opens_nothing() {
    let same = json!({"gateway": {
        "enabled": true, "gatewayRef": {"name": "edge"}, "hostname": "bao.example.com",
    }});
    for baseline in EACH {
        let rule = ingress(&namespace("bao"), &tcp(&[8200]));
        place(baseline)
            .with(same.clone())
            .refuses(&rule, &["namespace `bao`"]);
    }
}

/// A metrics listener on 8202.
fn metrics() -> Value {
    json!({"metrics": {"enabled": true, "metricsOnlyListener": {"enabled": true}}})
}

#[test]
fn ingress_trusted_peers_8200() {
    let network = json!({"trustedIngressPeers": namespace("traefik")});
    let rule = ingress(&namespace("traefik"), &tcp(&[8200]));
    for baseline in SINCE_V01 {
        let declared = place(baseline).declaring(&network);
        assert!(declared.renders(&rule), "{baseline}");
        declared.permits(&rule);
        let more = ingress(&namespace("traefik"), &tcp(&[8202]));
        declared.refuses(&more, &["`traefik`", "TCP 8202"]);
        declared.refuses(&ingress(&namespace("nginx"), &tcp(&[8200])), &["`nginx`"]);
        place(baseline).refuses(&rule, &["`traefik`"]);
    }
    let classic = place(Baseline::Classic).declaring(&network);
    assert!(!classic.renders(&rule));
    classic.refuses(&rule, &["`traefik`"]);
}

#[test]
fn ingress_trusted_peers_metrics_port() {
    let spec = |observability: Value| {
        json!({
            "network": {"trustedIngressPeers": namespace("monitoring")},
            "observability": observability,
        })
    };
    let both = ingress(&namespace("monitoring"), &tcp(&[8200, 8202]));
    let next = place(Baseline::V04).with(spec(metrics()));
    assert!(next.renders(&both));
    next.permits(&both);
    let raft = ingress(&namespace("monitoring"), &tcp(&[8201]));
    next.refuses(&raft, &["`monitoring`", "TCP 8201"]);
    let off = place(Baseline::V04).with(spec(json!({"metrics": {"enabled": true}})));
    off.refuses(&both, &["TCP 8202"]);
    for baseline in BEFORE_V04 {
        let before = place(baseline).with(spec(metrics()));
        before.refuses(
            &ingress(&namespace("monitoring"), &tcp(&[8202])),
            &["TCP 8202"],
        );
    }
}

#[test]
fn ingress_ingress_controller_8200() {
    let enabled =
        |enabled: bool| json!({"ingress": {"enabled": enabled, "host": "bao.example.com"}});
    let anyone = super::Rule(netpol::Direction::Ingress, json!({"ports": tcp(&[8200])}));
    let raft = super::Rule(netpol::Direction::Ingress, json!({"ports": tcp(&[8201])}));
    let on = place(Baseline::Classic).with(enabled(true));
    assert!(on.renders(&anyone));
    on.permits(&anyone);
    on.refuses(&raft, &["TCP 8201"]);
    place(Baseline::Classic)
        .with(enabled(false))
        .refuses(&anyone, &["TCP 8200"]);
    for baseline in SINCE_V01 {
        let on = place(baseline).with(enabled(true));
        assert!(!on.renders(&anyone), "{baseline}");
        on.refuses(&anyone, &["TCP 8200"]);
    }
}

#[test]
fn ingress_kube_system_any_port() {
    let any = super::Rule(
        netpol::Direction::Ingress,
        json!({"from": namespace("kube-system")}),
    );
    let classic = place(Baseline::Classic);
    assert!(classic.renders(&any));
    classic.permits(&any);
    classic.refuses(
        &ingress(&namespace("kube-public"), &tcp(&[8200])),
        &["`kube-public`"],
    );
    for baseline in SINCE_V01 {
        assert!(!place(baseline).renders(&any), "{baseline}");
        place(baseline).refuses(&any, &["`kube-system`"]);
    }
}

#[test]
fn ingress_kube_system_health_paths_8200() {
    let rule = ingress(&namespace("kube-system"), &tcp(&[8200]));
    let v01 = place(Baseline::V01);
    assert!(!v01.renders(&rule), "nobody renders it");
    v01.permits(&rule);
    v01.refuses(
        &ingress(&namespace("kube-system"), &tcp(&[8201])),
        &["`kube-system`", "TCP 8201"],
    );
    place(Baseline::V04).refuses(&rule, &["`kube-system`", "TCP 8200"]);
    let moved = || {
        place(Baseline::V01).set(|config| {
            config.health_namespaces = vec!["node-health".into()];
            config.health_ports = vec![9100];
        })
    };
    moved().permits(&ingress(&namespace("node-health"), &tcp(&[9100])));
    moved().refuses(&rule, &["`kube-system`"]);
    let none = place(Baseline::V01).set(|config| config.health_namespaces.clear());
    none.refuses(&rule, &["`kube-system`"]);
}

#[test]
fn ingress_custom_ingress_rules_as_written() {
    let network = json!({"ingressRules": [
        {"from": block("192.0.2.0/24"), "ports": [{"port": 8200, "endPort": 8200, "protocol": "TCP"}]},
    ]});
    for baseline in EACH {
        let declared = place(baseline).declaring(&network);
        declared.permits(&ingress(&block("192.0.2.0/25"), &tcp(&[8200])));
        declared.refuses(
            &ingress(&block("192.0.2.0/23"), &tcp(&[8200])),
            &["192.0.3.0 -> "],
        );
        declared.refuses(&ingress(&block("192.0.2.7/32"), &tcp(&[443])), &["TCP 443"]);
        place(baseline).refuses(
            &ingress(&block("192.0.2.7/32"), &tcp(&[8200])),
            &["192.0.2.7"],
        );
    }
}
