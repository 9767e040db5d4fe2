//! Ordered policies in `can`, `check --before`, `show` and `check`.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::cli_views::{INVENTORY, assert_fits};
use crate::support::{folder, run_with};

/// The example inventory with these further documents.
fn beside(name: &str, documents: &[&str]) -> PathBuf {
    let all = folder(&format!("tiers-{name}"));
    for entry in fs::read_dir(INVENTORY).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), all.join(entry.file_name())).unwrap();
    }
    fs::write(all.join("more.yaml"), documents.join("---\n")).unwrap();
    all
}

/// A ClusterNetworkPolicy for all pods.
fn policy(name: &str, tier: &str, rules: &str) -> String {
    format!(
        "apiVersion: policy.networking.k8s.io/v1beta1\nkind: ClusterNetworkPolicy\nmetadata: {{name: {name}}}\n\
         spec: {{tier: {tier}, priority: 10, subject: {{namespaces: {{}}}}, {rules}}}\n"
    )
}

const PAYMENTS: &str =
    "apiVersion: v1\nkind: Namespace\nmetadata: {name: payments, labels: {team: a}}\n";

fn can(name: &str, documents: &[&str], from: &str, to: &str) -> (Option<i32>, String) {
    let inventory = beside(&format!("can-{name}"), documents);
    let args = ["can", from, to, "--inventory", inventory.to_str().unwrap()];
    let (status, out, err) = run_with(&[], &args);
    assert_eq!(err, "", "{from} {to}");
    (status, out)
}

#[track_caller]
fn assert_contains(out: &str, parts: &[&str]) {
    for part in parts {
        assert!(out.contains(part), "no {part} in {out}");
    }
}

#[test]
fn an_accept_in_tier_admin_is_the_rule_that_decides() {
    let open = policy(
        "open",
        "Admin",
        "ingress: [{action: Accept, from: [{namespaces: {matchLabels: {team: a}}}]}]",
    );
    let (status, out) = can(
        "accept",
        &[PAYMENTS, &open],
        "payments/app=api",
        "bao/bao:8200",
    );
    assert_eq!(status, Some(0), "{out}");
    assert!(out.starts_with("yes\n"), "{out}");
    assert_contains(
        &out,
        &[
            "ingress of OpenBaoCluster bao/bao\n  allowed: ClusterNetworkPolicy open, spec.ingress[0] (Accept in tier \
             Admin, priority 10)\n",
        ],
    );
}

#[test]
fn a_deny_in_tier_admin_is_named_and_no_network_policy_is_proposed() {
    let shut = policy(
        "shut",
        "Admin",
        "egress: [{action: Deny, to: [{namespaces: {}}], protocols: [{udp: {destinationPort: {number: 53}}}]}]",
    );
    let (status, out) = can(
        "deny",
        &[&shut],
        "bao/bao",
        "kube-system/k8s-app=kube-dns:53/UDP",
    );
    assert_eq!(status, Some(1), "{out}");
    assert!(out.starts_with("no\n"), "{out}");
    assert_contains(
        &out,
        &[
            "  denied: ClusterNetworkPolicy shut, spec.egress[0] (Deny in tier Admin, priority 10)\n",
        ],
    );
    assert!(!out.contains("to do:"), "{out}");
}

#[test]
fn an_answer_that_depends_on_something_unknown_is_not_certain() {
    let shut = policy(
        "shut",
        "Admin",
        "egress: [{action: Deny, to: [{networks: [10.0.0.0/8]}]}]",
    );
    let (status, out) = can("unsure", &[&shut], "bao/bao", "bao/bao:8201");
    assert_eq!(status, Some(1), "{out}");
    assert!(out.starts_with("not certain: perhaps "), "{out}");
    assert_contains(
        &out,
        &[
            "  not certain: ",
            "  perhaps denied: ClusterNetworkPolicy shut, spec.egress[0] ",
            "  depends on: whether the address is one of a pod\n",
        ],
    );
}

#[test]
fn a_policy_of_tier_baseline_decides_only_where_nothing_isolates() {
    let shut = policy(
        "shut",
        "Baseline",
        "egress: [{action: Deny, to: [{namespaces: {}}]}]",
    );
    let (status, out) = can(
        "baseline",
        &[PAYMENTS, &shut],
        "payments/app=api",
        "bao/bao:8200",
    );
    assert_eq!(status, Some(1), "{out}");
    assert_contains(
        &out,
        &[
            "  denied: ClusterNetworkPolicy shut, spec.egress[0] (Deny in tier Baseline, priority 10)\n",
        ],
    );
    let (status, out) = can("baseline-isolated", &[&shut], "bao/bao", "bao/bao:8201");
    assert!(status == Some(0) && out.starts_with("yes\n"), "{out}");
}

fn diff(name: &str, before: &[&str], after: &[&str]) -> (String, Value) {
    let before = beside(&format!("{name}-before"), before);
    let after = beside(&format!("{name}-after"), after);
    let [before, after] = [&before, &after].map(|path| path.to_str().unwrap());
    let args = ["check", after, "--before", before];
    let (_, text, _) = run_with(&[], &args);
    let (_, json, err) = run_with(&[], &[&args[..], &["-o", "json"]].concat());
    let mut report: Value = serde_json::from_str(&json).unwrap_or_else(|_| panic!("{json}{err}"));
    (text, report["connectivity"]["changes"].take())
}

#[test]
fn the_connectivity_diff_names_the_policies_of_both_states() {
    let shut = policy(
        "shut",
        "Admin",
        "ingress: [{action: Deny, from: [{namespaces: {}}], protocols: [{tcp: {destinationPort: {number: 8201}}}]}]",
    );
    let (text, added) = diff("shut", &[], &[&shut]);
    let is_shut = |change: &Value, effect: &str| {
        change["effect"] == effect
            && change["policy"] == "NetworkPolicy bao/bao-network-policy"
            && change["denied_by"] == "ClusterNetworkPolicy shut"
            && change["denied_field"] == "spec.ingress[0]"
    };
    let added = added.as_array().unwrap();
    assert!(
        added.iter().any(|change| is_shut(change, "closed")),
        "{added:?}"
    );
    assert!(
        added.iter().all(|change| change["effect"] == "closed"),
        "{added:?}"
    );
    let words: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_contains(
        &words,
        &["; denied by ClusterNetworkPolicy shut, spec.ingress[0]"],
    );

    let (text, removed) = diff("open", &[&shut], &[]);
    let removed = removed.as_array().unwrap();
    assert!(
        removed.iter().any(|change| is_shut(change, "opened")),
        "{removed:?}"
    );
    assert!(
        removed.iter().all(|change| change["effect"] == "opened"),
        "{removed:?}"
    );
    let words: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_contains(
        &words,
        &["; was denied by ClusterNetworkPolicy shut, spec.ingress[0]"],
    );
}

#[test]
fn the_connectivity_diff_names_an_accept() {
    let open = policy(
        "open",
        "Admin",
        "ingress: [{action: Accept, from: [{namespaces: {}}]}]",
    );
    let (_, changes) = diff("accept", &[], &[&open]);
    let changes = changes.as_array().unwrap();
    let is_open = |change: &Value| {
        change["effect"] == "opened"
            && change["policy"] == "ClusterNetworkPolicy open"
            && change["field"] == "spec.ingress[0]"
            && change.get("denied_by").is_none()
    };
    assert!(changes.iter().any(is_open), "{changes:?}");
    let (_, changes) = diff("same", &[&open], &[&open]);
    assert_eq!(changes, serde_json::json!([]));
}

fn show(name: &str, documents: &[&str], more: &[&str]) -> String {
    let inventory = beside(&format!("show-{name}"), documents);
    let args = ["show", "bao", "--inventory", inventory.to_str().unwrap()];
    let (status, out, err) = run_with(&[], &[&args[..], more].concat());
    assert_eq!((status, err.as_str()), (Some(0), ""), "{out}");
    out
}

#[test]
fn show_lists_the_layers_in_their_order_and_what_they_do_to_each_row() {
    let shut = policy(
        "shut",
        "Admin",
        "egress: [{action: Deny, to: [{namespaces: {}}], protocols: [{udp: {destinationPort: {number: 53}}}]}]",
    );
    let open = policy(
        "open",
        "Baseline",
        "ingress: [{action: Accept, from: [{namespaces: {}}]}]",
    );
    let documents = [&*shut, &*open];
    let text = show("text", &documents, &[]);
    assert_fits(&text);
    assert_contains(
        &text,
        &[
            "  decided in this order:\n    1. tier Admin, priority 10: ClusterNetworkPolicy shut (1 egress rule)\n    2. \
             NetworkPolicies\n    3. tier Baseline, priority 10: ClusterNetworkPolicy open (1 ingress rule)\n",
            "stopped by ClusterNetworkPolicy shut, spec.egress[0]\n",
        ],
    );
    assert!(!text.contains("OBP404"), "{text}");

    let view: Value = serde_json::from_str(&show("json", &documents, &["-o", "json"])).unwrap();
    let zone = &view["clusters"][0]["zones"][0];
    assert_eq!(zone["tiers"][0]["policy"], "ClusterNetworkPolicy shut");
    let rows = zone["rows"].as_array().unwrap();
    let dns = rows.iter().find(|row| row["id"] == "dns").unwrap();
    assert_eq!(dns["state"], "broken", "{dns}");
    assert_eq!(dns["tiers"][0]["effect"], "stops", "{dns}");
    let raft = rows
        .iter()
        .find(|row| row["id"] == "raft-peers-out")
        .unwrap();
    assert!(
        raft["state"] == "held" && raft.get("tiers").is_none(),
        "{raft}"
    );

    let html = show("html", &documents, &["-o", "html"]);
    assert_contains(
        &html,
        &[
            "Decided in this order:",
            "Before NetworkPolicies",
            "After NetworkPolicies",
            "<th>Tiers</th>",
        ],
    );
    let mermaid = show("mermaid", &documents, &["-o", "mermaid"]);
    assert_contains(
        &mermaid,
        &["c0_pods_before[\"Before NetworkPolicies<br/>ClusterNetworkPolicy shut\"]"],
    );
}

#[test]
fn show_names_what_an_ordered_policy_opens_beyond_the_ceiling() {
    let open = policy(
        "open",
        "Admin",
        "ingress: [{action: Accept, from: [{namespaces: {}}]}]",
    );
    let text = show("beyond", &[&open], &[]);
    assert_contains(
        &text,
        &[
            "Beyond the ceiling\n  OBP211 ",
            "ClusterNetworkPolicy open spec.ingress[0]\n",
            "opened by ClusterNetworkPolicy open, spec.ingress[0]\n",
        ],
    );
}

#[test]
fn show_lists_policies_that_are_not_checked_for_the_operators_pods_too() {
    let cilium = "apiVersion: cilium.io/v2\nkind: CiliumClusterwideNetworkPolicy\nmetadata: {name: deny}\n\
                  spec: {endpointSelector: {}, egressDeny: [{toCIDR: [169.254.169.254/32]}]}\n";
    let text = show("operator", &[cilium], &[]);
    let heading = "Policies of other kinds, not checked (OBP404)\n";
    assert_eq!(text.matches(heading).count(), 2, "{text}");
    assert_contains(
        &text,
        &["CiliumClusterwideNetworkPolicy deny selects the operator"],
    );
}

#[test]
fn a_kind_that_is_not_enforced_is_listed_as_without_effect() {
    let shut = policy(
        "shut",
        "Admin",
        "egress: [{action: Deny, to: [{namespaces: {}}]}]",
    );
    let settings = folder("tiers-settings").join("settings.yaml");
    fs::write(
        &settings,
        "review: {dataplane: {kinds: {ClusterNetworkPolicy: no}}}\n",
    )
    .unwrap();
    let text = show("off", &[&shut], &["--config", settings.to_str().unwrap()]);
    assert_contains(
        &text,
        &["ClusterNetworkPolicy shut (1 egress rule); without effect, as"],
    );
    assert!(!text.contains("stopped by"), "{text}");
}

#[test]
fn a_finding_about_a_network_policy_says_that_a_tier_denies_its_connection() {
    let shut = policy(
        "shut",
        "Admin",
        "ingress: [{action: Deny, from: [{namespaces: {matchLabels: {kubernetes.io/metadata.name: payments}}}]}]",
    );
    let wide = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: wide, namespace: bao}\n\
                spec:\n  podSelector: {}\n  ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: payments}}}]}]\n";
    let inventory = beside("note", &[&shut, wide]);
    let (status, out, _) = run_with(&[], &["check", inventory.to_str().unwrap()]);
    assert_eq!(status, Some(1), "{out}");
    let words: String = out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_contains(
        &words,
        &[
            "denied[OBP201]",
            "note: ClusterNetworkPolicy shut, spec.ingress[0], denies this connection at the moment",
        ],
    );
}

#[test]
fn a_list_that_the_crd_does_not_permit_makes_the_policy_unreadable() {
    let open = policy(
        "open",
        "Admin",
        "ingress: [{action: Accept, from: [{namespaces: {}}], protocols: []}]",
    );
    let inventory = beside("protocols", &[&open]);
    let (_, out, _) = run_with(&[], &["check", inventory.to_str().unwrap()]);
    let words: String = out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_contains(
        &words,
        &[
            "OBP404",
            "spec.ingress[0].protocols: expected 1 to 25 entries, found 0",
        ],
    );
    assert!(!words.contains("OBP211"), "{out}");
}
