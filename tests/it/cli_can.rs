//! `can`: whether connections pass.

use std::fs;

use crate::cli_views::{INVENTORY, failed, inventory};
use crate::support::{folder, run_with};

/// The answer with the example inventory and these further manifests.
fn can_with(name: &str, manifests: &str, from: &str, to: &str) -> (Option<i32>, String) {
    let beside = folder(&format!("can-{name}"));
    for entry in fs::read_dir(INVENTORY).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), beside.join(entry.file_name())).unwrap();
    }
    fs::write(
        beside.join("more.yaml"),
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: x}}\n{manifests}"),
    )
    .unwrap();
    let args = ["can", from, to, "--inventory", beside.to_str().unwrap()];
    let (status, out, err) = run_with(&[], &args);
    assert_eq!(err, "", "{from} {to}");
    (status, out)
}

fn can(from: &str, to: &str) -> (Option<i32>, String) {
    let (status, out, err) = run_with(&[], &["can", from, to, "--inventory", INVENTORY]);
    assert_eq!(err, "", "{from} {to}");
    (status, out)
}

#[test]
fn a_connection_that_a_policy_allows_is_answered_with_the_rule() {
    let (status, out) = can(
        "openbao-operator-system/app.kubernetes.io/name=openbao-operator,app.kubernetes.io/component=controller",
        "bao/bao:8200",
    );
    assert!(status == Some(0) && out.starts_with("yes\n"), "{out}");
    assert!(out.contains("ingress of OpenBaoCluster bao/bao\n  allowed: NetworkPolicy bao-network-policy, spec.ingress[1]\n"), "{out}");

    let (status, out) = can("bao/bao", "bao/bao:8201");
    assert!(status == Some(0) && out.starts_with("yes\n"), "{out}");
    assert!(
        out.contains("egress of OpenBaoCluster bao/bao\n")
            && out.contains("ingress of OpenBaoCluster bao/bao\n"),
        "{out}"
    );

    let (status, _) = can("bao/bao/jobs", "203.0.113.9:443");
    assert_eq!(status, Some(0));
}

#[test]
fn a_connection_that_nothing_allows_is_answered_with_the_smallest_declaration() {
    let (status, out) = can("payments/app=api", "bao/bao:8200");
    assert!(status == Some(1) && out.starts_with("no\n"), "{out}");
    for part in [
        "  not allowed: a pod labelled app=api in namespace `payments` -> a pod of OpenBaoCluster `bao`, TCP\n    8200\n",
        "add to spec.network.trustedIngressPeers of OpenBaoCluster bao/bao:\n",
        "- namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: payments}}\n",
        "podSelector: {matchLabels: {app: api}}",
        "note: namespace payments is not in the input, so its own policies are not counted\n",
    ] {
        assert!(out.contains(part), "no {part} in {out}");
    }
    let (status, out) = can("bao/bao", "10.0.0.7:443");
    assert!(
        status == Some(1) && out.contains("spec.network.egressRules of"),
        "{out}"
    );
    assert!(out.contains("cidr: 10.0.0.7/32"), "{out}");
}

/// A restore job has no name and no instance label, and the snapshot job of an upgrade has both.
#[test]
fn jobs_have_the_labels_that_the_operator_gives_them() {
    let (status, out) = can("bao/bao/jobs", "bao/bao:8200");
    assert!(status == Some(0) && out.starts_with("yes\n"), "{out}");
    let (status, out) = can("bao/bao/jobs", "bao/bao:8201");
    assert_eq!(status, Some(1), "{out}");
    let only_named = "---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: named, namespace: web}
spec:
  podSelector: {}
  policyTypes: [Ingress]
  ingress:
  - from: [{namespaceSelector: {}, podSelector: {matchLabels: {app.kubernetes.io/name: openbao}}}]
";
    let (status, out) = can_with("jobs-named", only_named, "bao/bao/jobs", "web/:443");
    let part = "ingress of the pods in namespace web
  allowed: NetworkPolicy named, spec.ingress[0]
  not allowed: a pod of OpenBaoCluster `bao` labelled openbao.org/component=restore -> ";
    assert!(status == Some(1) && out.contains(part), "{out}");
}

#[test]
fn an_answer_names_the_part_that_passes() {
    let (status, out) = can("bao/bao", "bao/bao");
    assert_eq!(status, Some(1));
    assert!(out.starts_with("no: only on TCP 8200-8201\n"), "{out}");
    let (status, out) = can("-", "bao/bao:8201");
    assert_eq!(status, Some(1), "{out}");
    assert!(
        out.starts_with("no: only from pods with app.kubernetes.io/instance=bao"),
        "{out}"
    );
}

const DENIED: &str = "---
apiVersion: v1
kind: Namespace
metadata: {name: ops}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: ops}
spec: {podSelector: {}, policyTypes: [Egress]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: monitoring, namespace: bao}
spec:
  podSelector: {matchLabels: {openbao.org/cluster: bao}}
  policyTypes: [Ingress]
  ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ops}}}], ports: [{port: 8200}]}]
";

#[test]
fn the_policies_of_both_sides_count() {
    let (status, out) = can_with("both", DENIED, "ops/app=a", "bao/bao:8200");
    assert!(status == Some(1) && out.starts_with("no\n"), "{out}");
    for part in [
        "egress of the pods in namespace ops\n  not allowed: ",
        "  to do: add this policy to namespace ops:\n",
        "ingress of OpenBaoCluster bao/bao\n  allowed: NetworkPolicy monitoring, spec.ingress[0]\n",
    ] {
        assert!(out.contains(part), "no {part} in {out}");
    }
    assert!(!out.contains("not in the input"), "{out}");
}

#[test]
fn the_proposed_policy_and_declaration_make_the_answer_yes() {
    let (_, out) = can_with("policy", DENIED, "ops/app=a", "bao/bao:8200");
    let (_, policy) = out
        .split_once("add this policy to namespace ops:\n")
        .unwrap();
    let policy: Vec<&str> = policy
        .lines()
        .take_while(|line| line.starts_with("    "))
        .collect();
    let policy: Vec<&str> = policy.iter().map(|line| &line[4..]).collect();
    let manifests = format!("{DENIED}---\n{}\n", policy.join("\n"));
    let (status, out) = can_with("proposed", &manifests, "ops/app=a", "bao/bao:8200");
    assert_eq!(
        (status, out.lines().next()),
        (Some(0), Some("yes")),
        "{out}"
    );
}

#[test]
fn a_question_without_an_answer_ends_with_2() {
    for (args, part) in [
        (
            ["a/x=y", "b/"],
            "expected one end to be OpenBao, job or operator pods",
        ),
        (
            ["-", "bao/other:8200"],
            "OpenBaoCluster bao/other not found; known: bao/bao",
        ),
    ] {
        let err = failed(&["can", args[0], args[1], "--inventory", INVENTORY]);
        assert!(err.contains(part), "{err}");
    }
    let err = failed(&["can", "-", "bao:8200", "--inventory", INVENTORY]);
    assert!(err.contains("expected NAMESPACE/LABEL=VALUE"), "{err}");
    let empty = inventory(
        "can-unread",
        "apiVersion: openbao.org/v9\nkind: OpenBaoCluster\nmetadata: {name: x, namespace: lab}\n",
    );
    let err = failed(&["can", "-", "lab/x", "--inventory", &empty]);
    assert!(err.contains("cannot be read"), "{err}");
}
