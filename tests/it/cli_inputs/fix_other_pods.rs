//! `check --fix` and policies that are for other pods too, or are misspelt.

use super::Tree;
use super::fix::{read, tree};

/// A policy with this selector that opens a rule to everyone.
fn open(selector: &str, rule: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: web, namespace: bao}}
spec:
  podSelector: {selector}
{rule}"
    )
}

fn unchanged(name: &str, policy: &str) -> Tree {
    let tree = tree(name);
    tree.write("policy.yaml", policy);
    tree.check(&["--fix", "."]).ends_with(1);
    assert_eq!(read(&tree, "policy.yaml"), policy);
    tree
}

#[test]
fn openbao_pods_are_excluded_before_other_pods_lose_a_destination() {
    let tree = tree("shared");
    let rule = "  policyTypes: [Egress]\n  egress:\n    - ports: [{port: 443}]\n";
    tree.write("policy.yaml", open("{}", rule));
    tree.check(&["--fix", "."]).ends_with(0);
    let fixed = read(&tree, "policy.yaml");
    assert!(
        fixed.contains("openbao.org/cluster") && fixed.contains(rule),
        "{fixed}"
    );
}

#[test]
fn a_policy_that_is_meant_for_openbao_does_not_exclude_it() {
    let rule = "  policyTypes: [Ingress]\n  ingress:\n    - ports: [{port: 8200}]\n";
    let selector = "{matchLabels: {app.kubernetes.io/name: openbao}}";
    unchanged("meant", &open(selector, rule));
}

#[test]
fn a_policy_for_a_declared_client_excludes_the_jobs_that_its_selector_names_by_accident() {
    let tree = tree("jobs");
    let rule = "  policyTypes: [Ingress]\n  ingress:\n    - from: [{namespaceSelector: {matchLabels: \
                {kubernetes.io/metadata.name: monitoring}}}]\n      ports: [{port: 8200}]\n";
    let selector = "{matchLabels: {openbao.org/cluster: bao}}";
    tree.write("policy.yaml", open(selector, rule));
    tree.check(&["--fix", "."])
        .ends_with(0)
        .says("exclude the backup and restore pods");
    let fixed = read(&tree, "policy.yaml");
    let excluded = "{key: openbao.org/component, operator: NotIn, values: [backup, restore";
    assert!(fixed.contains(excluded) && fixed.contains(rule), "{fixed}");
    let only = "{matchLabels: {openbao.org/cluster: bao, openbao.org/component: backup}}";
    unchanged("only-jobs", &open(only, rule));
}

#[test]
fn a_policy_with_an_unknown_field_is_not_fixed() {
    let rule = "  policyTypes: [Ingress]\n  ingress:\n    - ports: [{port: 8200}]\n";
    let tree = unchanged("misspelt", &open("{matchlabels: {app: web}}", rule));
    let note = "a field that Kubernetes does not know (OBP316)";
    tree.check(&["--diff", "."]).ends_with(1).complains(note);
}
