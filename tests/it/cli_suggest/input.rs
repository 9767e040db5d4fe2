//! Manifests with something to suggest, and runs of the binary on them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{folder, run_with};

pub(super) const NOW: &str = "2026-12-01";

/// Two clusters that declare something, and a third that declares nothing.
const CLUSTERS: &str = "
apiVersion: openbao.org/v1alpha1
kind: OpenBaoCluster
metadata: {name: bao, namespace: bao}
spec:
  profile: Hardened
  replicas: 3
  network:
    apiServerCIDR: 10.43.0.1/32
    dnsEndpointIPs: [169.254.20.10]
    trustedIngressPeers:
      - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ui}}
    egressRules:
      - to: [{ipBlock: {cidr: 192.0.2.0/28}}]
        ports: [{protocol: TCP, port: 443}]
---
apiVersion: openbao.org/v1alpha1
kind: OpenBaoCluster
metadata: {name: vault, namespace: shop}
spec:
  profile: Hardened
  replicas: 1
  network:
    apiServerCIDR: 10.43.0.1/32
    egressRules:
      - to: [{ipBlock: {cidr: 198.51.100.0/28}}]
        ports: [{protocol: TCP, port: 443}]
---
apiVersion: openbao.org/v1alpha1
kind: OpenBaoCluster
metadata: {name: quiet, namespace: quiet}
spec:
  replicas: 1
  network: {apiServerCIDR: 10.43.0.1/32}
";

/// A policy for the servers of a cluster.
pub(super) fn policy(namespace: &str, cluster: &str, name: &str, spec: &str) -> String {
    format!(
        "---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  podSelector:
    matchLabels:
      app.kubernetes.io/instance: {cluster}
      app.kubernetes.io/name: openbao
      app.kubernetes.io/managed-by: openbao-operator
      openbao.org/cluster: {cluster}
    matchExpressions:
      - {{key: openbao.org/component, operator: DoesNotExist}}
{spec}
"
    )
}

const MONITORING: &str =
    "namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}";
const OPERATOR_API: &str = "ports: [{protocol: TCP, port: 8200}]";

/// Connections that can be declared, and some that cannot.
pub(super) fn policies() -> String {
    let clients = format!(
        "  policyTypes: [Ingress]
  ingress:
    - from:
        - {MONITORING}
        - namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: ui}}}}
      {OPERATOR_API}
    - from: [{{ipBlock: {{cidr: 10.20.0.0/24}}}}]
      {OPERATOR_API}"
    );
    // A part of what the other policy has.
    let scraper = format!(
        "  policyTypes: [Ingress]
  ingress:
    - from: [{{{MONITORING}, podSelector: {{matchLabels: {{app: prometheus}}}}}}]
      {OPERATOR_API}"
    );
    let egress = "  policyTypes: [Egress]
  egress:
    - to: [{ipBlock: {cidr: 10.0.0.53/32}}]
      ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}]
    - to: [{ipBlock: {cidr: 203.0.113.0/28}}]
      ports: [{protocol: TCP, port: 443}]";
    let raft = format!(
        "  policyTypes: [Ingress]
  ingress:
    - from: [{{{MONITORING}}}]
      ports: [{{protocol: TCP, port: 8201}}]"
    );
    let open = "---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: allow-all, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress, Egress]
  ingress: [{}]
  egress: [{}]
";
    [
        policy("bao", "bao", "clients", &clients),
        policy("bao", "bao", "scraper", &scraper),
        policy("bao", "bao", "egress", egress),
        policy("shop", "vault", "clients", &clients),
        policy("shop", "vault", "raft", &raft),
        open.to_owned(),
    ]
    .concat()
}

pub(super) struct Input {
    pub(super) folder: PathBuf,
    pub(super) settings: PathBuf,
}

impl Input {
    pub(super) fn new(name: &str, manifests: &str, settings: &str) -> Self {
        let folder = folder(name);
        let manifests = format!("{CLUSTERS}{manifests}");
        fs::create_dir(folder.join("m")).unwrap();
        fs::write(folder.join("m/all.yaml"), manifests).unwrap();
        let path = folder.join("settings.yaml");
        fs::write(&path, settings).unwrap();
        Self {
            folder: folder.join("m"),
            settings: path,
        }
    }

    pub(super) fn run(&self, args: &[&str]) -> (Option<i32>, String, String) {
        let (folder, settings) = (
            self.folder.to_str().unwrap(),
            self.settings.to_str().unwrap(),
        );
        let common = [folder, "--config", settings, "--now", NOW];
        run_with(&[], &[args, &common].concat())
    }

    pub(super) fn denied(&self) -> u64 {
        let (_, out, err) = self.run(&["check", "-o", "json"]);
        let report: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}"));
        report["summary"]["denied"].as_u64().unwrap()
    }

    /// Applies patches to the manifests, and checks that nothing in the clusters got lost.
    pub(super) fn patch(&self, patches: &str) -> usize {
        let file = self.folder.join("all.yaml");
        let mut objects = documents(&fs::read_to_string(&file).unwrap());
        let patches = documents(patches);
        for patch in &patches {
            let of = |object: &Value| object["metadata"] == patch["metadata"];
            let clusters = objects.iter_mut();
            let mut clusters =
                clusters.filter(|object| object["kind"] == "OpenBaoCluster" && of(object));
            let cluster = clusters.next().unwrap_or_else(|| panic!("{patch:#}"));
            let before = cluster.clone();
            json_patch::merge(cluster, patch);
            assert_kept(&before, cluster);
        }
        let all: Vec<String> = objects.iter().map(Value::to_string).collect();
        fs::write(file, all.join("\n---\n")).unwrap();
        patches.len()
    }
}

/// Each value of the first is in the second; lists are longer at most.
fn assert_kept(before: &Value, after: &Value) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            for (key, value) in before {
                assert_kept(value, &after[key]);
            }
        }
        (Value::Array(before), Value::Array(after)) => {
            assert!(after.starts_with(before), "{after:?} for {before:?}");
        }
        _ => assert_eq!(before, after),
    }
}

pub(super) fn documents(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Writes the settings with the waivers that were printed.
pub(super) fn write_settings(path: &Path, printed: &str) -> Vec<Value> {
    let settings: Value = serde_saphyr::from_str(printed).unwrap();
    fs::write(path, settings.to_string()).unwrap();
    settings["review"]["waivers"].as_array().unwrap().clone()
}
