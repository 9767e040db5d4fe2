//! Egress of the OpenBao pods.

use serde_json::json;

use super::{
    EACH, Place, SINCE_V01, assert_cut, block, cluster_pods, dns_ports, egress, namespace, tcp,
};
use crate::baseline::Zone;
use crate::config::Baseline;
use crate::inventory::Fact;

fn place(baseline: Baseline) -> Place {
    Place::of(Zone::Workload, baseline)
}

#[test]
fn egress_kubernetes_api_443() {
    for baseline in EACH {
        let found = egress(&block("10.96.0.1/32"), &tcp(&[443]));
        place(baseline).requires("api-server", &found);
        place(baseline).refuses(&egress(&block("10.96.0.1/32"), &tcp(&[80])), &["TCP 80"]);
        place(baseline).refuses(
            &egress(&block("10.96.0.0/31"), &tcp(&[443])),
            &["10.96.0.0"],
        );
        let declared = place(baseline).declaring(&json!({"apiServerCIDR": "10.43.0.1/24"}));
        // Masked, as the operator does.
        declared.requires("api-server", &egress(&block("10.43.0.0/24"), &tcp(&[443])));
        declared.refuses(&found, &["10.96.0.1"]);
        let set = place(baseline).set(|config| {
            config.api_server_addresses = vec!["10.43.0.1".parse().expect("an address")];
        });
        set.requires("api-server", &egress(&block("10.43.0.1/32"), &tcp(&[443])));
    }
}

#[test]
fn egress_kubernetes_api_endpoints_6443() {
    let network = json!({"apiServerEndpointIPs": ["192.168.166.2", "2001:db8::2"]});
    for baseline in EACH {
        let declared = place(baseline).declaring(&network);
        for host in ["192.168.166.2/32", "2001:db8::2/128"] {
            declared.requires("api-server", &egress(&block(host), &tcp(&[6443])));
            place(baseline).refuses(&egress(&block(host), &tcp(&[6443])), &["TCP 6443"]);
        }
        let more = egress(&block("192.168.166.2/32"), &tcp(&[443]));
        declared.refuses(&more, &["192.168.166.2, TCP 443"]);
        declared.refuses(
            &egress(&block("192.168.166.3/32"), &tcp(&[6443])),
            &["192.168.166.3"],
        );
    }
}

#[test]
fn egress_kubernetes_api_second_address_of_a_dual_stack_service_443() {
    for baseline in EACH {
        let mut dual = place(baseline);
        dual.api_server.push("fd00::1".parse().expect("an address"));
        let second = egress(&block("fd00::1/128"), &tcp(&[443]));
        assert!(!dual.renders(&second), "the operator renders the first one");
        dual.permits(&second);
        dual.refuses(&egress(&block("fd00::1/128"), &tcp(&[6443])), &["TCP 6443"]);
        place(baseline).refuses(&second, &["fd00::1"]);
        let mut declared = dual.declaring(&json!({"apiServerCIDR": "10.96.0.1/32"}));
        declared.api_server = vec!["fd00::1".parse().expect("an address")];
        declared.refuses(&second, &["fd00::1"]);
    }
}

#[test]
fn egress_kubernetes_api_of_unknown_address_is_what_the_managed_policy_shows() {
    for baseline in EACH {
        let mut shown = place(baseline).declaring(&json!({
            "egressRules": [{"to": block("10.43.0.1/32"), "ports": tcp(&[443])}],
        }));
        let managed = shown.managed(Zone::Workload);
        let mut without = managed.clone();
        without
            .egress
            .retain(|rule| !format!("{rule:?}").contains("10.43.0.1"));
        // The address is no longer known and not declared. The stored rule replaces it.
        shown.api_server.clear();
        shown.spec = json!({});
        let fact = |policy: crate::inventory::Policy| Some(Fact::Read(policy.into()));
        let verdict = shown.write("bao-network-policy", fact(managed), fact(without));
        assert_cut(&verdict, "api-server");
    }
}

#[test]
fn egress_dns_53() {
    for baseline in EACH {
        let dns = egress(&namespace("kube-system"), &dns_ports());
        place(baseline).requires("dns", &dns);
        place(baseline).refuses(
            &egress(&namespace("kube-system"), &tcp(&[9153])),
            &["`kube-system`", "TCP 9153"],
        );
        place(baseline).refuses(
            &egress(&namespace("dns"), &dns_ports()),
            &["namespace `dns`", " 53"],
        );
    }
}

#[test]
fn egress_dns_53_in_the_declared_namespace() {
    let network = json!({"dnsNamespace": "openshift-dns"});
    let declared = egress(&namespace("openshift-dns"), &dns_ports());
    let usual = egress(&namespace("kube-system"), &dns_ports());
    for baseline in SINCE_V01 {
        place(baseline)
            .declaring(&network)
            .requires("dns", &declared);
        place(baseline)
            .declaring(&network)
            .refuses(&usual, &["`kube-system`"]);
    }
    // The older operator has no such field.
    place(Baseline::Classic)
        .declaring(&network)
        .requires("dns", &usual);
    place(Baseline::Classic)
        .declaring(&network)
        .refuses(&declared, &["`openshift-dns`"]);
}

#[test]
fn egress_dns_53_at_the_declared_addresses() {
    let network = json!({"dnsEndpointIPs": ["169.254.20.10"]});
    let node_local = egress(&block("169.254.20.10/32"), &dns_ports());
    for baseline in SINCE_V01 {
        place(baseline)
            .declaring(&network)
            .requires("dns", &node_local);
        let more = egress(&block("169.254.20.10/32"), &tcp(&[8080]));
        place(baseline)
            .declaring(&network)
            .refuses(&more, &["TCP 8080"]);
        place(baseline).refuses(&node_local, &["169.254.20.10"]);
    }
    place(Baseline::Classic)
        .declaring(&network)
        .refuses(&node_local, &["169.254.20.10"]);
}

#[test]
fn egress_raft_peers_8200_and_8201() {
    for baseline in EACH {
        let peers = egress(&cluster_pods(), &tcp(&[8200, 8201]));
        place(baseline).requires("raft-peers-out", &peers);
        place(baseline).refuses(&egress(&cluster_pods(), &tcp(&[8202])), &["TCP 8202"]);
        place(baseline).refuses(&egress(&namespace("bao"), &tcp(&[8201])), &["TCP 8201"]);
    }
}

#[test]
fn egress_storage_kms_and_pki_as_declared() {
    let network = json!({"egressRules": [{"to": block("192.168.100.0/24"), "ports": tcp(&[443])}]});
    for baseline in EACH {
        let rule = egress(&block("192.168.100.0/24"), &tcp(&[443]));
        let declared = place(baseline).declaring(&network);
        assert!(declared.renders(&rule), "{baseline}");
        declared.permits(&rule);
        declared.refuses(
            &egress(&block("192.168.100.0/24"), &tcp(&[9000])),
            &["TCP 9000"],
        );
        declared.refuses(
            &egress(&block("192.168.100.0/23"), &tcp(&[443])),
            &["192.168.101.0"],
        );
        place(baseline).refuses(&rule, &["192.168.100.0, TCP 443"]);
    }
}
