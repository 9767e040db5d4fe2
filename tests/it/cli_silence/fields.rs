//! Fields that an API server drops, and rules that do nothing.

use serde_json::Value;

use super::{INVENTORY, check, policy};

#[test]
fn unknown_fields_are_warned_of_and_named_where_they_open_something() {
    let text = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: bao}
spec:
  podSelectors: {matchLabels: {app: web}}
  policyTypes: [Ingress]
  ingress:
    - form: [{podSelector: {matchLabels: {app: front}}}]
---
apiVersion: openbao.org/v1alpha1
kind: OpenBaoCluster
metadata: {name: bao, namespace: bao}
spec:
  profile: Development
  network:
    apiServerCIDR: 10.43.0.1/32
    trustedIngressPeer: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: apps}}}]
";
    let (status, out, _) = check("unknown", text, &["-o", "json"]);
    assert_eq!(status, Some(1), "{out}");
    let report: Value = serde_json::from_str(&out).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let unknown = findings
        .iter()
        .filter(|finding| finding["code"] == "OBP316");
    let warnings: Vec<[&str; 3]> = unknown
        .map(|finding| ["field", "level", "reason"].map(|field| finding[field].as_str().unwrap()))
        .collect();
    let nearest = |name: &str, nearest: &str| {
        format!(
            "unknown field `{name}`, which an API server drops; the nearest known field is `{nearest}`"
        )
    };
    let [form, peers, pods] = [
        nearest("form", "from"),
        nearest("trustedIngressPeer", "trustedIngressPeers"),
        nearest("podSelectors", "podSelector"),
    ];
    let mut expected = [
        ["spec.ingress[0].form", "warning", form.as_str()],
        ["spec.network.trustedIngressPeer", "warning", peers.as_str()],
        ["spec.podSelectors", "warning", pods.as_str()],
    ];
    let mut warnings = warnings;
    warnings.sort_unstable();
    expected.sort_unstable();
    assert_eq!(warnings, expected);
    let denied = findings.iter().find(|finding| finding["code"] == "OBP201");
    let reason = denied.unwrap()["reason"].as_str().unwrap();
    for part in [
        "`spec.ingress[0].form` is dropped with its value \
         ([{\"podSelector\":{\"matchLabels\":{\"app\":\"front\"}}}]); did you mean `from`?",
        "`spec.podSelectors` is dropped with its value",
    ] {
        assert!(reason.contains(part), "{reason}");
    }
    let line = findings
        .iter()
        .find(|finding| finding["field"] == "spec.ingress[0].form");
    assert_eq!(line.unwrap()["field_line"], 8);
}

#[test]
fn an_unknown_field_of_a_peer_is_reported_with_values_that_cannot_be_read() {
    let spec = "podSelector: {}, ingress: [{from: [{podSelectr: {matchLabels: {app: a}}}]}]";
    let text = policy("name: x, namespace: bao", spec);
    let (status, out, _) = check("peer", &text, &["--inventory", INVENTORY]);
    assert_eq!(status, Some(1), "{out}");
    let flat = out.replace("\n     ", "");
    for part in [
        "denied[OBP401]",
        "warning[OBP316]",
        "did you mean `podSelector`?",
    ] {
        assert!(flat.contains(part), "{out}");
    }
}

#[test]
fn egress_rules_without_their_policy_type_are_reported_as_without_effect() {
    let spec = "podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress], egress: [{to: [{podSelector: {}}]}]";
    let text = policy("name: limits, namespace: bao", spec);
    let (status, out, _) = check("inert", &text, &["--inventory", INVENTORY]);
    assert_eq!(status, Some(0), "{out}");
    assert!(
        out.contains("warning[OBP317]: rule-without-effect: spec.egress\n"),
        "{out}"
    );
}
