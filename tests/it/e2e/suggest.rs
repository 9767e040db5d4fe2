//! `suggest --live` on a real API server: its patches are applied, and with its waivers nothing is denied.

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;

use super::stage::{program, tenancy};
use crate::control_plane::ControlPlane;
use crate::{example, guard};

/// Namespaces with the example cluster.
const NAMESPACES: [&str; 2] = ["suggest-a", "suggest-b"];

/// Policies that were there before the webhook: two clients, an object storage, and an open policy.
fn policies(namespace: &str) -> String {
    let policy = |name: &str, spec: &str| {
        format!(
            "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  podSelector:
    matchLabels: {{openbao.org/cluster: bao, app.kubernetes.io/name: openbao}}
    matchExpressions: [{{key: openbao.org/component, operator: DoesNotExist}}]
{spec}
---"
        )
    };
    let client = |name: &str| {
        let spec = format!(
            "  policyTypes: [Ingress]
  ingress:
    - from: [{{namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {name}}}}}}}]
      ports: [{{port: 8200}}]"
        );
        policy(name, &spec)
    };
    let storage = "  policyTypes: [Egress]
  egress:
    - to: [{ipBlock: {cidr: 203.0.113.7/32}}]
      ports: [{port: 443}]";
    let open = "  policyTypes: [Ingress]\n  ingress: [{}]";
    [
        client("shop"),
        client("ci"),
        policy("storage", storage),
        policy("open", open),
    ]
    .concat()
}

fn run(plane: &ControlPlane, args: &[&str]) -> Output {
    let kubeconfig = plane.kubeconfig();
    Command::new(program())
        .args(args)
        .args(["--live", "--kubeconfig"])
        .arg(kubeconfig)
        .output()
        .expect("run the binary")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn cluster(plane: &ControlPlane, namespace: &str) -> Value {
    let get = ["get", "openbaocluster", "bao", "-n", namespace, "-o=json"];
    serde_json::from_str(&plane.kubectl(get).run_ok()).expect("JSON")
}

#[test]
fn after_its_patches_and_waivers_check_denies_nothing_on_the_api_server() {
    let plane = ControlPlane::start();
    guard::prepare(&plane, program());
    for namespace in NAMESPACES {
        plane.apply_ok(&tenancy(namespace));
        example::load(&plane, namespace);
        plane.apply_ok(&policies(namespace));
    }
    let summary = |args: &[&str]| -> Value {
        let output = run(&plane, &[&["check", "-o", "json"], args].concat());
        let report: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
        report["summary"].clone()
    };
    let before = summary(&[])["denied"].as_u64().expect("a number");
    assert!(before >= 8, "{before}");

    let output = run(&plane, &["suggest", "-o", "patch"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let patches = text(&output.stdout);
    println!("{}", text(&output.stderr));
    let waivers = run(&plane, &["suggest", "-o", "waivers"]);
    let settings = plane.folder().join("waivers.yaml");
    fs::write(&settings, &waivers.stdout).expect("write the settings");
    let old: Vec<Value> = NAMESPACES.map(|name| cluster(&plane, name)).into();

    // By the command of the help.
    let all: Vec<Value> = serde_saphyr::from_multiple(&patches).expect("YAML");
    assert_eq!(all.len(), NAMESPACES.len(), "{patches}");
    for (namespace, document) in NAMESPACES.iter().zip(&all) {
        let file = plane.folder().join("patch.yaml");
        fs::write(&file, document.to_string()).expect("write the patch");
        let file = file.to_str().expect("a path");
        let patch =
            format!("patch openbaocluster bao -n {namespace} --type merge --patch-file {file}");
        plane.kubectl(patch.split(' ')).run_ok();
    }

    for (namespace, old) in NAMESPACES.iter().zip(&old) {
        let new = cluster(&plane, namespace);
        let lists = old["spec"]["network"].as_object().expect("an object");
        for (field, old) in lists {
            let new = &new["spec"]["network"][field];
            match (old.as_array(), new.as_array()) {
                (Some(old), Some(new)) => assert!(new.starts_with(old), "{field}: {new:?}"),
                _ => assert_eq!(old, new, "{field}"),
            }
        }
        for field in ["replicas", "profile"] {
            assert_eq!(old["spec"][field], new["spec"][field]);
        }
        assert_eq!(
            new["spec"]["network"]["trustedIngressPeers"]
                .as_array()
                .map(Vec::len),
            Some(2),
            "{new:#}"
        );
    }
    let config = ["--config", settings.to_str().expect("a path")];
    let after = summary(&config);
    assert_eq!(after["denied"], 0, "{after:#}");
    let again = run(&plane, &[&["suggest"], &config[..]].concat());
    assert!(again.status.success(), "{}", text(&again.stderr));
    assert!(text(&again.stdout).contains("nothing to suggest"));
    println!(
        "{before} denied before, {} patches, 0 denied after",
        all.len()
    );
}
