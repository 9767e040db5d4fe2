//! Parts of the input that `check` cannot judge: each is reported, and fails with `--strict`.

use std::fs;

use serde_json::Value;

use crate::support::{folder, run_with};

const INVENTORY: &str = "manifests/examples/inventory";

/// Status, text and JSON of `check --strict` for this text. The status without `--strict` is 0.
fn check(name: &str, text: &str, args: &[&str]) -> (Option<i32>, String, Value) {
    let path = folder(&format!("unjudged-{name}")).join("a.yaml");
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap();
    let run = |more: &[&str]| run_with(&[], &[&["check", path][..], args, more].concat());
    let (status, out, _) = run(&[]);
    assert_eq!(status, Some(0), "{out}");
    let (status, json, err) = run(&["--strict", "-o", "json"]);
    let report = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {err}"));
    (status, out.replace("\n  ", " "), report)
}

const OPERATOR: &str = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: operator, namespace: openbao-operator-system}
spec:
  podSelector: {matchLabels: {app.kubernetes.io/name: openbao-operator}}
  policyTypes: [Egress]
  egress:
    - {}
";

#[test]
fn a_row_of_the_api_server_without_an_address_is_not_judged() {
    let (status, out, report) = check("row", OPERATOR, &[]);
    assert_eq!(status, Some(1));
    let note = "note: row `controller-api-server` of NetworkPolicy openbao-operator-system/operator was not checked: no \
                address of the API server is known; set `apiServerAddresses`";
    assert!(out.contains(note), "{out}");
    let unjudged = &report["unjudged"][0];
    assert_eq!(unjudged["row"], "controller-api-server");
    assert_eq!(unjudged["object"], "operator");
    assert_eq!(unjudged["reason"], "no address of the API server is known");
    assert_eq!(report["summary"]["judged"], 1);
    assert_eq!(report["summary"]["unjudged"], 1);
    // With an address it is judged.
    let service = "---\napiVersion: v1\nkind: Service\nmetadata: {name: kubernetes, namespace: default}\nspec: \
                   {clusterIP: 10.43.0.1}\n";
    for (text, args) in [
        (
            OPERATOR.to_owned(),
            &["--api-server-address", "10.43.0.1"][..],
        ),
        (format!("{OPERATOR}{service}"), &[]),
        // Ingress has no such row.
        (OPERATOR.replace("Egress", "Ingress"), &[]),
    ] {
        let (_, out, report) = check("known", &text, args);
        assert_eq!(report["unjudged"].as_array().unwrap().len(), 0, "{out}");
    }
}

#[test]
fn a_restore_into_an_unknown_cluster_is_not_judged() {
    let restore = "apiVersion: openbao.org/v1alpha1\nkind: OpenBaoRestore\nmetadata: {name: again, namespace: \
                   bao}\nspec: {cluster: nope, source: {key: x}}\n";
    for args in [&[][..], &["--inventory", INVENTORY]] {
        let (status, out, report) = check("restore", restore, args);
        assert_eq!(status, Some(1), "{out}");
        let note = "note: OpenBaoRestore bao/again was not checked: no OpenBaoCluster nope is known in namespace bao; \
                    give it with `--inventory`";
        assert!(out.contains(note), "{out}");
        assert_eq!(report["unjudged"][0]["kind"], "OpenBaoRestore");
        assert_eq!(report["summary"]["judged"], 0);
    }
    let known = restore.replace("nope", "bao");
    let (_, out, report) = check("known-restore", &known, &["--inventory", INVENTORY]);
    assert_eq!(report["summary"]["unjudged"], 0, "{out}");
}

#[test]
fn a_generated_name_is_shown_with_its_prefix() {
    let cluster = "apiVersion: openbao.org/v1alpha1\nkind: OpenBaoCluster\nmetadata: {generateName: vault-, \
                   namespace: bao}\nspec: {network: {apiServerCIDR: 10.43.0.0/8}}\n";
    let path = folder("unjudged-generated").join("a.yaml");
    fs::write(&path, cluster).unwrap();
    let (status, out, _) = run_with(&[], &["check", path.to_str().unwrap()]);
    assert_eq!(status, Some(1), "{out}");
    assert!(
        out.starts_with("OpenBaoCluster bao/vault-*: ") && !out.contains("metadata.name"),
        "{out}"
    );
}

#[test]
fn a_warning_about_another_policy_names_it() {
    let web = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: all, namespace: bao}\nspec: \
               {podSelector: {}}\n";
    let broken = web
        .replace("name: all", "name: broken")
        .replace("podSelector: {}", "podSelector: {}, ingress: none");
    let inventory = folder("unjudged-neighbour-inventory");
    for file in fs::read_dir(INVENTORY).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), inventory.join(file.file_name())).unwrap();
    }
    fs::write(inventory.join("broken.yaml"), broken).unwrap();
    let path = folder("unjudged-neighbour").join("a.yaml");
    fs::write(&path, web).unwrap();
    let args = [
        "check",
        "--inventory",
        inventory.to_str().unwrap(),
        path.to_str().unwrap(),
    ];
    let (_, out, _) = run_with(&[], &args);
    let named = "NetworkPolicy `broken` of the namespace cannot be read";
    assert!(out.replace("\n     ", " ").contains(named), "{out}");
}
