//! The operator's policies, written by hand from its rendering code, rule by rule: I1 to I8, O1 to O6, J1 to
//! J6. The table of rows is not used.

use serde_json::{Value, json};

/// A choice for each factor of the rendered rules.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice {
    pub(super) era: &'static str,
    pub(super) cidr: usize,
    pub(super) endpoints: usize,
    pub(super) dns_namespace: usize,
    pub(super) dns_addresses: usize,
    pub(super) gateway: usize,
    pub(super) ingress: usize,
    pub(super) profile: usize,
    pub(super) egress_rules: usize,
    pub(super) ingress_rules: usize,
    pub(super) trusted: usize,
    pub(super) metrics: usize,
    pub(super) uid: usize,
}

/// Number of choices for each factor, in the order of the fields.
pub(super) const SIZES: [usize; 13] = [3, 4, 3, 3, 2, 4, 2, 3, 2, 2, 2, 4, 2];

const ERAS: [&str; 3] = ["classic", "v0.1", "v0.4"];
const UID: &str = "6f0f2b9e-3a52-4f0e-9c36-2d1c0f6a7b10";
/// The known Service address, used if the cluster declares no block.
pub(super) const SERVICE: [u8; 4] = [10, 96, 0, 1];

impl From<[usize; 13]> for Choice {
    fn from(at: [usize; 13]) -> Self {
        let [
            era,
            cidr,
            endpoints,
            dns_namespace,
            dns_addresses,
            gateway,
            ingress,
            profile,
            ..,
        ] = at;
        let [.., egress_rules, ingress_rules, trusted, metrics, uid] = at;
        Self {
            era: ERAS[era],
            cidr,
            endpoints,
            dns_namespace,
            dns_addresses,
            gateway,
            ingress,
            profile,
            egress_rules,
            ingress_rules,
            trusted,
            metrics,
            uid,
        }
    }
}

fn declared_egress() -> Value {
    json!([
        {"to": [{"ipBlock": {"cidr": "192.168.100.0/24", "except": ["192.168.100.7/32"]}}],
         "ports": [{"port": 443, "protocol": "TCP"}]},
        {"to": [namespace("openbao-infra")], "ports": [{"port": 8200, "protocol": "TCP"}]},
    ])
}

fn declared_ingress() -> Value {
    json!([{
        "from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}},
                  "podSelector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]}}],
        "ports": [{"port": 8200, "protocol": "TCP"}, {"port": 9102, "endPort": 9110, "protocol": "TCP"},
            {"port": 9200, "endPort": 9200, "protocol": "TCP"}],
    }])
}

fn declared_peers() -> Value {
    json!([namespace("traefik"), {"ipBlock": {"cidr": "192.0.2.40/32"}}])
}

impl Choice {
    /// The cluster as a manifest.
    pub(super) fn manifest(&self) -> Value {
        let mut network = json!({});
        let cidr = ["10.43.0.0/16", "10.43.0.9/24", " fd00:10:96::1/112 ", ""][self.cidr];
        if !cidr.is_empty() {
            network["apiServerCIDR"] = json!(cidr);
        }
        let endpoints: [&[&str]; 3] = [
            &[],
            &["192.168.166.2"],
            &["192.168.166.2", " ", "::ffff:192.168.166.3", "fd00::5"],
        ];
        network["apiServerEndpointIPs"] = json!(endpoints[self.endpoints]);
        if self.dns_namespace > 0 {
            network["dnsNamespace"] = json!(["", "", "openshift-dns"][self.dns_namespace]);
        }
        if self.dns_addresses > 0 {
            network["dnsEndpointIPs"] = json!(["169.254.20.10", "fd00::a"]);
        }
        if self.egress_rules > 0 {
            network["egressRules"] = declared_egress();
        }
        if self.ingress_rules > 0 {
            network["ingressRules"] = declared_ingress();
        }
        if self.trusted > 0 {
            network["trustedIngressPeers"] = declared_peers();
        }
        let mut spec = json!({"network": network, "ingress": {"enabled": self.ingress > 0}});
        if self.profile > 0 {
            spec["profile"] = json!(["", "Hardened", "Development"][self.profile]);
        }
        if self.gateway > 0 {
            let gateways = [
                json!({"name": "g"}),
                json!({"name": "g", "namespace": "bao"}),
                json!({"name": "g", "namespace": "gateway-system"}),
            ];
            spec["gateway"] = json!({"enabled": true, "gatewayRef": gateways[self.gateway - 1]});
        }
        spec["observability"]["metrics"] = [
            json!({"enabled": true}),
            json!({"enabled": true, "scrapeProfile": "AllNodes"}),
            json!({"enabled": true, "metricsOnlyListener": {"enabled": true, "port": 9202}}),
            json!({"enabled": false, "metricsOnlyListener": {"enabled": true}}),
        ][self.metrics]
            .clone();
        let mut metadata = json!({"name": "prod", "namespace": "bao"});
        if self.uid > 0 {
            metadata["uid"] = json!(UID);
        }
        json!({
            "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster", "metadata": metadata, "spec": spec,
        })
    }

    /// The policies that the operator of this baseline writes for the cluster, in order.
    pub(super) fn policies(&self) -> Vec<Value> {
        let workload = json!({
            "podSelector": {
                "matchLabels": infra_labels(),
                "matchExpressions": [{"key": "openbao.org/component", "operator": "NotIn",
                    "values": ["backup", "restore", "upgrade-snapshot"]}],
            },
            "policyTypes": ["Ingress", "Egress"],
            "ingress": self.workload_ingress(),
            "egress": self.workload_egress(),
        });
        let jobs = json!({
            "podSelector": {
                "matchLabels": {"openbao.org/cluster": "prod"},
                "matchExpressions": [{"key": "openbao.org/component", "operator": "In",
                    "values": ["backup", "restore", "upgrade-snapshot"]}],
            },
            "policyTypes": ["Ingress", "Egress"],
            "egress": self.jobs_egress(),
        });
        let mut policies = vec![self.policy("prod-network-policy", &workload)];
        if self.era != "classic" {
            policies.push(self.policy("prod-jobs-network-policy", &jobs));
        }
        policies
    }

    fn policy(&self, name: &str, spec: &Value) -> Value {
        let mut metadata = json!({"name": name, "namespace": "bao", "labels": infra_labels()});
        if self.uid > 0 {
            metadata["ownerReferences"] = json!([{
                "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster", "name": "prod", "uid": UID,
                "controller": true, "blockOwnerDeletion": true,
            }]);
            if self.era == "v0.4" {
                metadata["annotations"] = json!({"openbao.org/owner-uid": UID});
            }
        }
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec})
    }

    fn workload_ingress(&self) -> Vec<Value> {
        // I1
        let mut rules = vec![rule("from", &[peers()], &tcp(&[8200, 8201]))];
        // I2
        if self.era == "classic" {
            rules.push(json!({"from": [namespace("kube-system")]}));
        }
        // I3
        if self.era != "v0.4" && self.gateway == 3 {
            rules.push(rule("from", &[namespace("gateway-system")], &tcp(&[8200])));
        }
        // I4
        if self.era != "classic" && self.trusted > 0 {
            let ports: &[u16] = match (self.era, self.metrics) {
                ("v0.4", 1) => &[8200, 8202],
                ("v0.4", 2) => &[8200, 9202],
                _ => &[8200],
            };
            for peer in declared_peers().as_array().unwrap() {
                rules.push(rule("from", std::slice::from_ref(peer), &tcp(ports)));
            }
        }
        // I5
        let mut operator = namespace("openbao-operator-system");
        operator["podSelector"] = json!({
            "matchLabels": {"app.kubernetes.io/name": "openbao-operator"},
            "matchExpressions": [{"key": "app.kubernetes.io/component", "operator": "In",
                "values": ["controller", "provisioner"]}],
        });
        rules.push(rule("from", &[operator], &tcp(&[8200])));
        // I6
        let jobs = json!({"podSelector": {
            "matchLabels": {"openbao.org/cluster": "prod"},
            "matchExpressions": [{"key": "openbao.org/component", "operator": "In", "values": ["backup", "restore"]}],
        }});
        rules.push(rule("from", &[jobs], &tcp(&[8200])));
        // I7
        if self.era == "classic" && self.ingress > 0 {
            rules.push(json!({"ports": tcp(&[8200])}));
        }
        // I8
        if self.ingress_rules > 0 {
            rules.extend(declared_ingress().as_array().unwrap().clone());
        }
        rules
    }

    fn workload_egress(&self) -> Vec<Value> {
        // O1 and O2, O3 and O4, O5, O6
        let mut rules = self.dns();
        rules.extend(self.api_server());
        rules.push(rule("to", &[peers()], &tcp(&[8200, 8201])));
        if self.egress_rules > 0 {
            rules.extend(declared_egress().as_array().unwrap().clone());
        }
        rules
    }

    fn jobs_egress(&self) -> Vec<Value> {
        // J1, J2, J3 and J4
        let mut rules = self.dns();
        rules.push(rule("to", &[peers()], &tcp(&[8200])));
        rules.extend(self.api_server());
        if self.egress_rules > 0 {
            // J6
            rules.extend(declared_egress().as_array().unwrap().clone());
        } else if self.profile == 2 {
            // J5
            rules.push(rule(
                "to",
                &[block("0.0.0.0/0"), block("::/0")],
                &tcp(&[443]),
            ));
        }
        rules
    }

    fn dns(&self) -> Vec<Value> {
        let ports = json!([{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]);
        let home = match (self.era, self.dns_namespace) {
            ("v0.1" | "v0.4", 2) => "openshift-dns",
            _ => "kube-system",
        };
        let mut rules = vec![rule("to", &[namespace(home)], &ports)];
        if self.era != "classic" && self.dns_addresses > 0 {
            rules.push(rule("to", &[block("169.254.20.10/32")], &ports));
            rules.push(rule("to", &[block("fd00::a/128")], &ports));
        }
        rules
    }

    fn api_server(&self) -> Vec<Value> {
        let service = [
            "10.43.0.0/16",
            "10.43.0.0/24",
            "fd00:10:96::/112",
            "10.96.0.1/32",
        ][self.cidr];
        let mut rules = vec![rule("to", &[block(service)], &tcp(&[443]))];
        let endpoints: [&[&str]; 3] = [
            &[],
            &["192.168.166.2/32"],
            &["192.168.166.2/32", "192.168.166.3/32", "fd00::5/128"],
        ];
        for endpoint in endpoints[self.endpoints] {
            rules.push(rule("to", &[block(endpoint)], &tcp(&[6443])));
        }
        rules
    }
}

fn infra_labels() -> Value {
    json!({
        "app.kubernetes.io/name": "openbao",
        "app.kubernetes.io/instance": "prod",
        "app.kubernetes.io/managed-by": "openbao-operator",
        "openbao.org/cluster": "prod",
    })
}

fn peers() -> Value {
    json!({"podSelector": {"matchLabels": infra_labels()}})
}

fn namespace(name: &str) -> Value {
    json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}})
}

fn block(cidr: &str) -> Value {
    json!({"ipBlock": {"cidr": cidr}})
}

fn tcp(ports: &[u16]) -> Value {
    let port = |port: &u16| json!({"port": port, "protocol": "TCP"});
    ports.iter().map(port).collect()
}

fn rule(side: &str, peers: &[Value], ports: &Value) -> Value {
    json!({side: peers, "ports": ports})
}
