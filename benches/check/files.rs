//! The manifests to check: namespaces with a cluster, its managed policies as `render` prints them, and
//! policies of tenants.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Number of namespaces, each with one cluster.
pub(crate) const NAMESPACES: usize = 100;
/// Number of namespaces per denied policy.
const REFUSED: usize = 20;

/// Writes the files into a folder, with so many policies in each namespace, including the two managed ones. Returns
/// their total size in bytes.
pub(crate) fn write(folder: &Path, each: usize) -> u64 {
    for at in 0..NAMESPACES {
        let namespace = folder.join(format!("ns-{at}"));
        fs::create_dir_all(&namespace).unwrap();
        let clusters = namespace.join("clusters.yaml");
        fs::write(&clusters, cluster(at)).unwrap();
        let rendered = Command::new(env!("CARGO_BIN_EXE_openbao-perimeter"))
            .arg("render")
            .arg(&clusters)
            .output()
            .unwrap();
        assert!(rendered.status.success(), "{rendered:?}");
        let mut policies = String::from_utf8(rendered.stdout).unwrap();
        for number in 2..each {
            policies.push_str(&tenant(at, number));
        }
        fs::write(namespace.join("policies.yaml"), policies).unwrap();
    }
    let files = (0..NAMESPACES).flat_map(|at| {
        ["clusters", "policies"].map(|kind| folder.join(format!("ns-{at}/{kind}.yaml")))
    });
    files.map(|file| fs::metadata(file).unwrap().len()).sum()
}

fn cluster(at: usize) -> String {
    format!(
        "\
apiVersion: openbao.org/v1alpha1
kind: OpenBaoCluster
metadata:
  name: bao
  namespace: ns-{at}
  uid: 5f2f3c0e-0f4e-4d53-9f6e-{at:012}
  labels:
    app.kubernetes.io/name: openbao
    app.kubernetes.io/part-of: platform
spec:
  profile: Development
  version: 2.4.0
  replicas: 3
  storage:
    size: 10Gi
    storageClassName: fast
  tls:
    enabled: true
    mode: OperatorManaged
  network:
    apiServerCIDR: 10.43.0.1/32
    apiServerEndpointIPs: [192.168.166.2]
    trustedIngressPeers:
      - namespaceSelector:
          matchLabels:
            kubernetes.io/metadata.name: front-{at}
        podSelector:
          matchLabels:
            app.kubernetes.io/name: proxy
    ingressRules:
      - from:
          - namespaceSelector:
              matchLabels:
                kubernetes.io/metadata.name: monitoring
        ports:
          - protocol: TCP
            port: 8200
    egressRules:
      - to:
          - ipBlock:
              cidr: 192.0.2.{at}/32
        ports:
          - protocol: TCP
            port: 443
"
    )
}

/// A tenant's policy, for an application or for the OpenBao pods.
fn tenant(at: usize, number: usize) -> String {
    let (selects, port) = match number {
        2 if at.is_multiple_of(NAMESPACES / REFUSED * 4) => ("openbao.org/cluster: bao", 8201),
        2 => ("openbao.org/cluster: bao", 8200),
        _ => ("app.kubernetes.io/name: shop", 8080),
    };
    let from = if number == 2 { "monitoring" } else { "front" };
    let mut text = format!(
        "\
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: tenant-{number}
  namespace: ns-{at}
  labels:
    app.kubernetes.io/name: shop
    app.kubernetes.io/component: part-{number}
    app.kubernetes.io/managed-by: Helm
    helm.sh/chart: shop-1.2.3
  annotations:
    meta.helm.sh/release-name: shop
    meta.helm.sh/release-namespace: ns-{at}
spec:
  podSelector:
    matchLabels:
      {selects}
  policyTypes:
    - Ingress
  ingress:
    - from:
        - namespaceSelector:
            matchLabels:
              kubernetes.io/metadata.name: {from}
      ports:
        - protocol: TCP
          port: {port}
"
    );
    if number > 2 {
        for peer in 0..2 {
            let _ = write!(
                text,
                "    - from:
        - podSelector:
            matchLabels:
              app.kubernetes.io/name: shop
              app.kubernetes.io/component: part-{peer}
        - ipBlock:
            cidr: 10.{number}.{peer}.0/24
            except:
              - 10.{number}.{peer}.128/25
      ports:
        - protocol: TCP
          port: 9090
"
            );
        }
    }
    text
}
