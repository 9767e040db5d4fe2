//! Output of `show`, as text and JSON.

use serde_json::{Value, json};

use crate::cli_views::{INVENTORY, assert_fits, failed, inventory, ok};
use crate::support::{assert_golden, run_with};

/// A cluster with every part of a perimeter, two policies that violate it, and a managed policy that allows
/// too little.
const TROUBLED: &str = "
apiVersion: openbao.org/v1alpha1
kind: OpenBaoCluster
metadata: {name: prod, namespace: shop}
spec:
  profile: Hardened
  gateway: {enabled: true, gatewayRef: {name: g, namespace: gateway-system}}
  network:
    apiServerCIDR: 10.43.0.1/32
    trustedIngressPeers: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: traefik}}}]
    egressRules:
      - to: [{ipBlock: {cidr: 192.0.2.40/32}}]
        ports: [{port: 443}]
status:
  conditions:
    - {type: APIServerNetworkReady, status: Unknown, reason: APIServerEndpointIPsRecommended}
    - {type: GatewayIntegrationReady, status: 'False', reason: GatewayReferenceMissing}
---
apiVersion: openbao.org/v1alpha1
kind: OpenBaoRestore
metadata: {name: friday, namespace: shop}
spec: {cluster: prod, source: {key: x, target: {endpoint: 'https://192.0.2.40', bucket: b}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: too-open, namespace: shop}
spec:
  podSelector: {matchLabels: {openbao-active: 'true'}}
  ingress: [{from: [{ipBlock: {cidr: 198.51.100.0/24}}]}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: prod-jobs-network-policy, namespace: shop}
spec:
  podSelector:
    matchLabels: {openbao.org/cluster: prod}
    matchExpressions: [{key: openbao.org/component, operator: In, values: [backup, restore, upgrade-snapshot]}]
  policyTypes: [Egress]
  egress:
    - to: [{ipBlock: {cidr: 10.43.0.1/32}}]
      ports: [{port: 443}]
    - to: [{ipBlock: {cidr: 203.0.113.0/24}}]
      ports: [{port: 9000}]
";

#[test]
fn the_example_cluster_is_shown_as_a_table() {
    let table = ok(&["show", "--inventory", INVENTORY]);
    assert_fits(&table);
    assert_golden("show.txt", &table);
    assert_eq!(table, ok(&["show", "bao", "--inventory", INVENTORY]));
    assert_eq!(table, ok(&["show", "bao/bao", "--inventory", INVENTORY]));
}

#[test]
fn a_troubled_cluster_is_shown_with_all_that_is_wrong() {
    let troubled = inventory("show-troubled", TROUBLED);
    assert_golden(
        "show-troubled.txt",
        &ok(&["show", "--inventory", &troubled]),
    );
    assert_golden(
        "show-troubled.mmd",
        &ok(&["show", "--inventory", &troubled, "-o", "mermaid"]),
    );
}

#[test]
fn the_view_as_json_has_every_row_with_its_state_and_its_rules() {
    let troubled = inventory("show-json", TROUBLED);
    let show = ["show", "--baseline", "v0.1", "--inventory", &troubled];
    let view: Value = serde_json::from_str(&ok(&[&show[..], &["-o", "json"]].concat())).unwrap();
    assert_eq!(view["baseline"], "v0.1");
    assert_eq!(view["baseline_reason"], "set by flag --baseline");
    let zones = view["clusters"][0]["zones"].as_array().unwrap();
    let row = |zone: usize, id: &str| {
        let rows = zones[zone]["rows"].as_array().unwrap();
        rows.iter()
            .find(|row| row["id"] == id)
            .unwrap_or_else(|| panic!("no {id}"))
            .clone()
    };
    let summary = |row: Value| json!([row["state"], row["standing"], row["opened_by"]]);
    let rendered =
        |rule: &str| json!([{"policy": "prod-network-policy", "rule": rule, "rendered": true}]);
    assert_eq!(
        summary(row(0, "raft-peers-in")),
        json!(["held", "floor", rendered("spec.ingress[0]")])
    );
    assert_eq!(
        summary(row(0, "trusted-peers")),
        json!(["open", "ceiling", rendered("spec.ingress[2]")])
    );
    assert_eq!(
        summary(row(0, "ingress-rules")),
        json!(["off", "ceiling", []])
    );
    assert_eq!(
        summary(row(0, "kube-system-health")),
        json!(["closed", "ceiling", []])
    );
    let own = json!([{"policy": "prod-jobs-network-policy", "rule": "spec.egress[0]"}]);
    assert_eq!(
        summary(row(1, "jobs-api-server")),
        json!(["held", "floor", own])
    );
    assert_eq!(summary(row(1, "jobs-dns")), json!(["broken", "floor", []]));
    let missing = row(1, "jobs-dns")["missing"].as_str().unwrap().to_owned();
    assert!(
        missing.ends_with("-> a pod in namespace `kube-system`, TCP 53"),
        "{missing}"
    );

    let isolation = |zone: usize| {
        let both = zones[zone]["isolation"].as_array().unwrap().iter();
        both.map(|one| one["state"].as_str().unwrap())
            .collect::<Vec<_>>()
    };
    // `too-open` isolates only the active pod.
    assert_eq!(isolation(0), ["once-rendered", "once-rendered"]);
    assert_eq!(isolation(1), ["partly", "yes"]);
    let piercing = view["clusters"][0]["piercing"].as_array().unwrap().iter();
    let piercing: Vec<Value> = piercing
        .map(|found| {
            let place = [&found["policy"], &found["path"]];
            json!([found["code"], found["zone"], found["direction"], place])
        })
        .collect();
    assert_eq!(
        piercing,
        [
            json!([
                "OBP201",
                "workload",
                "ingress",
                ["too-open", "spec.ingress[0]"]
            ]),
            json!([
                "OBP202",
                "jobs",
                "egress",
                ["prod-jobs-network-policy", "spec.egress[1]"]
            ])
        ]
    );
    assert_eq!(view["controller"]["isolation"][0]["state"], "no");
    let conditions = view["clusters"][0]["conditions"].as_array().unwrap().iter();
    let conditions: Vec<Value> = conditions
        .map(|one| json!([one["type"], one["restore"], one["status"], one["live"]]))
        .collect();
    let live = |status: &str, reason: &str| json!({"status": status, "reason": reason});
    let same = live("Unknown", "APIServerEndpointIPsRecommended");
    let gateway = live("False", "GatewayReferenceMissing");
    assert_eq!(
        conditions,
        [
            json!(["APIServerNetworkReady", null, "Unknown", same]),
            json!(["GatewayIntegrationReady", null, "Unknown", gateway]),
            json!(["RestoreConfigurationReady", "friday", "False", null]),
        ]
    );
}

#[test]
fn a_cluster_that_is_not_there_or_not_the_only_one_is_an_error() {
    let two = TROUBLED.to_owned() + "---" + &TROUBLED.replace("namespace: shop", "namespace: bar");
    let two = inventory("show-two", &two);
    assert_eq!(
        failed(&["show", "prod", "--inventory", &two]),
        "error: several OpenBaoClusters are called `prod`: `bar/prod`, `shop/prod`; name one of them\n"
    );
    assert_eq!(
        failed(&["show", "shop/x", "--inventory", &two]),
        "error: OpenBaoCluster `shop/x` not found; known: `bar/prod`, `shop/prod`\n"
    );
    let one: Value = serde_json::from_str(&ok(&[
        "show",
        "bar/prod",
        "--inventory",
        &two,
        "-o",
        "json",
    ]))
    .unwrap();
    assert_eq!(one["clusters"].as_array().unwrap().len(), 1);
    let none = "apiVersion: v1\nkind: Namespace\nmetadata: {name: bao}\n";
    let none = inventory("show-none", none);
    assert_eq!(
        failed(&["show", "--inventory", &none]),
        "error: expected an OpenBaoCluster, found none\n"
    );
}

#[test]
fn before_0_1_only_the_openbao_pods_have_a_zone() {
    let args = [
        "show",
        "--inventory",
        INVENTORY,
        "--baseline",
        "classic",
        "-o",
        "json",
    ];
    let view: Value = serde_json::from_str(&ok(&args)).unwrap();
    let zones = view["clusters"][0]["zones"].as_array().unwrap();
    assert_eq!(
        zones.iter().map(|zone| &zone["zone"]).collect::<Vec<_>>(),
        ["workload"]
    );
    assert_eq!(
        view["clusters"][0]["notes"],
        json!(["This baseline does not restrict backup and restore jobs."])
    );
}

#[test]
fn a_violation_has_the_same_code_in_show_and_in_check() {
    let troubled = inventory("show-codes", TROUBLED);
    let view = ok(&["show", "--inventory", &troubled, "-o", "json"]);
    let view: Value = serde_json::from_str(&view).unwrap();
    let shown = view["clusters"][0]["piercing"].as_array().unwrap().iter();
    let shown: Vec<Value> = shown
        .map(|found| json!([found["code"], found["policy"], found["path"]]))
        .collect();
    let (_, report, _) = run_with(&[], &["check", "-o", "json", &troubled]);
    let report: Value = serde_json::from_str(&report).unwrap();
    let judged = report["findings"].as_array().unwrap().iter();
    let judged = judged.filter(|found| found["code"].as_str().unwrap().starts_with("OBP20"));
    let mut judged: Vec<Value> = judged
        .map(|found| json!([found["code"], found["object"], found["field"]]))
        .collect();
    judged.sort_by_key(|found| found[0].to_string());
    assert_eq!(shown, judged);
}

#[test]
fn several_clusters_have_a_line_each_and_details_by_name() {
    let other = TROUBLED
        .replace("name: prod", "name: test")
        .replace("namespace: shop", "namespace: lab");
    let both = inventory("show-several", &format!("{TROUBLED}---{other}"));
    let table = ok(&["show", "--inventory", &both]);
    assert_fits(&table);
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[1].starts_with("lab/test        Hardened "), "{table}");
    assert!(lines[2].starts_with("shop/prod       Hardened "), "{table}");
    assert!(
        table.contains("`--cluster` shows one cluster in detail"),
        "{table}"
    );
    let one = ok(&["show", "--inventory", &both, "--cluster", "lab/test"]);
    assert!(
        one.starts_with("OpenBaoCluster lab/test (baseline v0.4, profile Hardened)\n"),
        "{one}"
    );
    assert_eq!(one, ok(&["show", "--inventory", &both, "lab/test"]));
    let page = ok(&["show", "--inventory", &both, "-o", "html"]);
    assert!(
        page.contains(&format!("Made from {both} at <time")) && page.contains("#cluster-1"),
        "{page}"
    );
}
