//! `check --fix` and ordered policies.

use super::fix::{read, tree};

/// A ClusterNetworkPolicy with this body.
fn ordered(rules: &str) -> String {
    format!(
        "apiVersion: policy.networking.k8s.io/v1beta1
kind: ClusterNetworkPolicy
metadata: {{name: web}}
spec:
  tier: Admin
  priority: 10
  subject: {{namespaces: {{}}}}
  # rules
{rules}"
    )
}

#[test]
fn an_accept_that_opens_becomes_a_pass() {
    let tree = tree("ordered-opens");
    let rules = "  ingress:\n    - action: Accept # all\n      from: [{namespaces: {}}]\n";
    tree.write("policy.yaml", ordered(rules));
    tree.check(&["--fix", "."]).ends_with(0);
    let fixed = rules.replace("action: Accept #", "action: Pass #");
    assert_eq!(read(&tree, "policy.yaml"), ordered(&fixed));
}

/// A rule that lets more through narrows nothing, so it is not for `--fix`.
#[test]
fn a_deny_that_cuts_stays() {
    let tree = tree("ordered-cuts");
    let rules = "  egress:\n    - action: Deny\n      to: [{namespaces: {}}]\n      protocols: [{udp: {destinationPort: {number: 53}}}]\n";
    tree.write("policy.yaml", ordered(rules));
    let note = "has a denial that no narrower policy ends";
    tree.check(&["--fix", "."]).ends_with(1).says(note);
    assert_eq!(read(&tree, "policy.yaml"), ordered(rules));
    // A person may insert the rules that SARIF proposes before it.
    let sarif = tree.check(&["-o", "sarif", "."]);
    let sarif: serde_json::Value = serde_json::from_str(&sarif.out).unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let cut = results.iter().find(|result| result["ruleId"] == "OBP111");
    let change = &cut.unwrap()["fixes"][0]["artifactChanges"][0]["replacements"][0];
    let text = change["insertedContent"]["text"].as_str().unwrap();
    assert!(text.starts_with("- action: Pass\n"), "{text}");
    assert_eq!(change["deletedRegion"]["startLine"], 10, "{change}");
}
