//! Policies that tenants create next to the managed ones.

use openbao_perimeter::rules::Code;
use serde_json::{Value, json};

use super::stage::{APPLY, Scene, plane};
use super::verdicts::{assert_denied, assert_message, assert_quiet};
use crate::scenes;

#[test]
fn policies_that_open_nothing_new_are_stored_without_a_message() {
    let scene = Scene::rendered("harmless-policies");
    for name in [
        "allowed-policy-for-web-pods",
        "allowed-namespace-default-deny",
        "allowed-default-deny-with-dns-by-name",
        "allowed-policy-repeats-a-declared-connection",
    ] {
        assert_quiet(&scene.write(APPLY, &scene.scene(name)));
    }
    for name in ["web", "deny-all", "deny-all-but-dns", "monitoring-again"] {
        assert!(scene.policy(name).is_some(), "{name}");
    }
}

#[test]
fn a_default_deny_is_stored_before_the_operator_has_rendered_anything() {
    let scene = Scene::with_cluster("early-default-deny");
    for name in [
        "allowed-namespace-default-deny",
        "allowed-default-deny-with-dns-by-name",
    ] {
        assert_quiet(&scene.write(APPLY, &scene.scene(name)));
    }
    scene.render();
}

#[test]
fn the_denied_examples_are_denied_with_their_codes() {
    let scene = Scene::rendered("refused-examples");
    let policies = scenes::named("refused-OBP20").filter(|scene| !scene.is_managed());
    let mut count = 0;
    for file in policies {
        assert_denied(&scene.write(APPLY, &scene.scene(&file.name)), file.code());
        count += 1;
    }
    assert!(count > 8, "{count} scenes");
}

/// Five ways to select the OpenBao pods without a managed label on the policy.
fn selectors() -> [(&'static str, Value); 5] {
    let exists = |key: &str| json!({"matchExpressions": [{"key": key, "operator": "Exists"}]});
    let four_labels = json!({"matchLabels": {
        "app.kubernetes.io/name": "openbao",
        "app.kubernetes.io/instance": "bao",
        "app.kubernetes.io/managed-by": "openbao-operator",
        "openbao.org/cluster": "bao",
    }});
    [
        ("four-labels", four_labels),
        ("empty", json!({})),
        (
            "runtime-label",
            json!({"matchLabels": {"openbao-active": "true"}}),
        ),
        ("cluster-exists", exists("openbao.org/cluster")),
        ("zone-exists", exists("topology.kubernetes.io/zone")),
    ]
}

/// Four forbidden connections, with the code that denies them.
fn openings() -> [(&'static str, Code, Value); 4] {
    let port = |port: u16| json!([{"protocol": "TCP", "port": port}]);
    let web = json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "web"}}});
    let block = |cidr: &str| json!({"ipBlock": {"cidr": cidr}});
    let ingress = |rule: Value| json!({"policyTypes": ["Ingress"], "ingress": [rule]});
    let egress = |to: Value| json!({"policyTypes": ["Egress"], "egress": [{"to": to}]});
    let halves = json!([block("0.0.0.0/1"), block("128.0.0.0/1")]);
    [
        (
            "api-to-anyone",
            Code::Obp201,
            ingress(json!({"ports": port(8200)})),
        ),
        (
            "raft-to-a-namespace",
            Code::Obp201,
            ingress(json!({"from": [web], "ports": port(8201)})),
        ),
        (
            "everywhere",
            Code::Obp202,
            egress(json!([block("0.0.0.0/0")])),
        ),
        ("two-halves", Code::Obp202, egress(halves)),
    ]
}

#[test]
fn no_way_to_select_the_pods_gets_any_opening_past_us() {
    let scene = Scene::rendered("every-opening");
    let mut policies = Vec::new();
    for (selected_by, selector) in selectors() {
        for (opening, code, mut spec) in openings() {
            spec["podSelector"] = selector.clone();
            let name = format!("{opening}-by-{selected_by}");
            policies.push((name, code, spec));
        }
    }
    let items: Vec<Value> = policies
        .iter()
        .map(|(name, _, spec)| policy(name, spec))
        .collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
    let answer = scene.write(APPLY, &list);
    let messages: Vec<&str> = answer.stderr.split("Error from server").skip(1).collect();
    assert_eq!(messages.len(), policies.len(), "{}", answer.stderr);
    for (name, code, _) in policies {
        let about = format!("NetworkPolicy {}/{name}, ", scene.namespace);
        let message = messages.iter().find(|message| message.contains(&about));
        let message = message.unwrap_or_else(|| panic!("nothing about {about}: {messages:?}"));
        assert_message(&format!("Error from server{message}"), code.as_str());
    }
}

fn policy(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name},
        "spec": spec,
    })
}

#[test]
fn the_entry_to_paste_from_a_denial_makes_a_namespace_wide_policy_pass() {
    let scene = Scene::rendered("pasted-selector");
    for name in [
        "refused-OBP202-default-deny-with-dns-to-anywhere",
        "refused-OBP202-default-deny-with-dns-to-any-kube-dns",
        "refused-OBP201-open-api-by-empty-selector",
    ] {
        let denied = scene.write(APPLY, &scene.scene(name));
        assert_denied(&denied, &name[8..14]);
        let mut policy: Value = serde_saphyr::from_str(&scene.scene(name)).expect("YAML");
        policy["spec"]["podSelector"]["matchExpressions"] =
            to_paste(&denied.stderr, "matchExpressions:");
        assert_quiet(&scene.write(APPLY, &policy.to_string()));
    }
}

#[test]
fn the_entry_to_paste_from_a_denial_declares_the_connection() {
    let scene = Scene::rendered("pasted-declaration");
    let wanted = json!({
        "podSelector": selectors()[0].1,
        "policyTypes": ["Ingress"],
        "ingress": [{
            "from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "web"}}}],
            "ports": [{"port": 8200}],
        }],
    });
    let mut wanted = policy("web", &wanted);
    let denied = scene.write(APPLY, &wanted.to_string());
    assert_denied(&denied, "OBP201");
    // The jobs have the same labels, and nothing can be declared for them, so the rule is left out.
    wanted["spec"]["ingress"] = json!([]);
    let mut cluster: Value =
        serde_saphyr::from_str(&scene.inventory("openbaocluster")).expect("YAML");
    let field = format!(
        "add to spec.network.trustedIngressPeers of OpenBaoCluster {}/bao:",
        scene.namespace
    );
    cluster["spec"]["network"]["trustedIngressPeers"] = to_paste(&denied.stderr, &field);
    assert_quiet(&scene.write(APPLY, &cluster.to_string()));
    assert_quiet(&scene.write(APPLY, &wanted.to_string()));
}

/// The YAML list after the line that ends with `after`.
fn to_paste(message: &str, after: &str) -> Value {
    let mut lines = message.lines().skip_while(|line| !line.ends_with(after));
    assert!(lines.next().is_some(), "expected {after:?} in:\n{message}");
    let is_yaml = |line: &&str| line.starts_with("    - ") || line.starts_with("      ");
    let yaml: Vec<&str> = lines.take_while(is_yaml).collect();
    serde_saphyr::from_str(&yaml.join("\n")).expect("YAML to paste")
}

#[test]
fn a_cluster_admin_is_denied_like_a_tenant() {
    let scene = Scene::rendered("administrator");
    let open = scene.scene("refused-OBP201-open-api-by-four-labels");
    let answer = plane().kubectl(APPLY).stdin(&open).run();
    assert_denied(&answer, "OBP201");
}
