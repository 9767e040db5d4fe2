//! Backup, restore and snapshot jobs.

use serde_json::json;

use super::{
    Place, Rule, SINCE_V01, block, cluster_pods, dns_ports, egress, ingress, namespace, tcp,
};
use crate::baseline::Zone;
use crate::config::Baseline;
use netpol::Direction;

fn place(baseline: Baseline) -> Place {
    Place::of(Zone::Jobs, baseline)
}

#[test]
fn jobs_ingress_nothing() {
    for baseline in SINCE_V01 {
        assert_eq!(place(baseline).managed(Zone::Jobs).ingress, []);
        place(baseline).refuses(&ingress(&cluster_pods(), &tcp(&[8200])), &["TCP 8200"]);
        // Not even declared connections: those are for the servers.
        let network = json!({
            "ingressRules": [{"from": namespace("web"), "ports": tcp(&[8200])}],
            "trustedIngressPeers": namespace("web"),
        });
        let declared = place(baseline).declaring(&network);
        declared.refuses(&ingress(&namespace("web"), &tcp(&[8200])), &["`web`"]);
    }
}

#[test]
fn jobs_egress_dns_53() {
    for baseline in SINCE_V01 {
        let dns = egress(&namespace("kube-system"), &dns_ports());
        place(baseline).requires("jobs-dns", &dns);
        place(baseline).refuses(
            &egress(&namespace("kube-system"), &tcp(&[443])),
            &["TCP 443"],
        );
        let network = json!({"dnsNamespace": "dns", "dnsEndpointIPs": ["10.96.0.10"]});
        let declared = || place(baseline).declaring(&network);
        declared().requires("jobs-dns", &egress(&namespace("dns"), &dns_ports()));
        declared().requires("jobs-dns", &egress(&block("10.96.0.10/32"), &dns_ports()));
        declared().refuses(&dns, &["`kube-system`"]);
    }
}

#[test]
fn jobs_egress_openbao_8200() {
    for baseline in SINCE_V01 {
        let api = egress(&cluster_pods(), &tcp(&[8200]));
        place(baseline).requires("openbao-api", &api);
        place(baseline).refuses(&egress(&cluster_pods(), &tcp(&[8201])), &["TCP 8201"]);
    }
}

#[test]
fn jobs_egress_kubernetes_api_443_and_6443() {
    for baseline in SINCE_V01 {
        place(baseline).requires(
            "jobs-api-server",
            &egress(&block("10.96.0.1/32"), &tcp(&[443])),
        );
        let declared =
            place(baseline).declaring(&json!({"apiServerEndpointIPs": ["192.168.166.2"]}));
        let endpoint = egress(&block("192.168.166.2/32"), &tcp(&[6443]));
        declared.requires("jobs-api-server", &endpoint);
        place(baseline).refuses(&endpoint, &["192.168.166.2, TCP 6443"]);
        let mut dual = place(baseline);
        dual.api_server.push("fd00::1".parse().expect("an address"));
        dual.permits(&egress(&block("fd00::1/128"), &tcp(&[443])));
    }
}

#[test]
fn jobs_egress_everywhere_443_for_development_without_egress_rules() {
    let everywhere = egress(
        &json!([{"ipBlock": {"cidr": "0.0.0.0/0"}}, {"ipBlock": {"cidr": "::/0"}}]),
        &tcp(&[443]),
    );
    for baseline in SINCE_V01 {
        let development = place(baseline).with(json!({"profile": "Development"}));
        assert!(development.renders(&everywhere), "{baseline}");
        development.permits(&everywhere);
        development.refuses(&egress(&block("0.0.0.0/0"), &tcp(&[80])), &["TCP 80"]);
        let any = Rule(Direction::Egress, json!({"ports": tcp(&[443])}));
        development.refuses(&any, &["a pod", "TCP 443"]);
        place(baseline)
            .with(json!({"profile": "Hardened"}))
            .refuses(&everywhere, &["TCP 443"]);
        let declared = place(baseline).with(json!({"profile": "Development", "network": {
            "egressRules": [{"to": block("192.0.2.1/32"), "ports": tcp(&[443])}],
        }}));
        assert!(!declared.renders(&everywhere));
        declared.refuses(&everywhere, &["TCP 443"]);
    }
}

#[test]
fn jobs_egress_storage_as_declared() {
    let network = json!({"egressRules": [{"to": namespace("minio"), "ports": tcp(&[9000])}]});
    for baseline in SINCE_V01 {
        let rule = egress(&namespace("minio"), &tcp(&[9000]));
        let declared = place(baseline).declaring(&network);
        assert!(declared.renders(&rule), "{baseline}");
        declared.permits(&rule);
        declared.refuses(&egress(&namespace("minio"), &tcp(&[9001])), &["TCP 9001"]);
        place(baseline).refuses(&rule, &["`minio`"]);
    }
}

#[test]
fn jobs_are_open_in_the_older_baseline() {
    let open = place(Baseline::Classic);
    open.permits(&ingress(&namespace("web"), &tcp(&[8200])));
    open.permits(&Rule(Direction::Egress, json!({})));
    // Their pods are no servers, for which connections are still denied.
    let servers = Place::of(Zone::Workload, Baseline::Classic);
    servers.refuses(&ingress(&namespace("web"), &tcp(&[8200])), &["`web`"]);
}
