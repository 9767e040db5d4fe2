//! Output for people: `render`, `explain`, and the text of `check`.

use std::fs;
use std::path::Path;

use openbao_perimeter::rules::Code;
use serde_json::{Value, json};

use crate::support::{assert_golden, folder, run_with};

pub(crate) const INVENTORY: &str = "manifests/examples/inventory";
const CLUSTER: &str = "manifests/examples/inventory/openbaocluster.yaml";
const SCENES: &str = "manifests/examples/scenes";

pub(crate) fn ok(args: &[&str]) -> String {
    let (status, out, err) = run_with(&[], args);
    assert_eq!((status, err.as_str()), (Some(0), ""), "{args:?}");
    out
}

pub(crate) fn failed(args: &[&str]) -> String {
    let (status, out, err) = run_with(&[], args);
    assert_eq!((status, out.as_str()), (Some(2), ""), "{args:?}");
    err
}

/// A folder with this manifest in it.
pub(crate) fn inventory(name: &str, manifest: &str) -> String {
    let folder = folder(name);
    fs::write(folder.join("it.yaml"), manifest).unwrap();
    folder.to_str().unwrap().to_owned()
}

#[test]
fn the_example_cluster_asks_for_these_policies_in_each_baseline() {
    for baseline in ["classic", "v0.1", "v0.4"] {
        let rendered = ok(&["render", CLUSTER, "--baseline", baseline]);
        assert_golden(&format!("render-{baseline}.yaml"), &rendered);
    }
}

#[test]
fn the_stored_examples_are_what_is_rendered_for_the_example_cluster() {
    let rendered = ok(&["render", CLUSTER]);
    let rendered: Vec<Value> = serde_saphyr::from_multiple(&rendered).unwrap();
    for policy in rendered {
        let name = policy["metadata"]["name"].as_str().unwrap();
        let stored = fs::read_to_string(format!("{INVENTORY}/{name}.yaml")).unwrap();
        let stored: Value = serde_saphyr::from_str(&stored).unwrap();
        let mut spec = stored["spec"].clone();
        // The example has the field, the operator leaves it out. Both mean the same.
        if spec["ingress"] == json!([]) {
            spec.as_object_mut().unwrap().remove("ingress");
        }
        assert_eq!(policy["spec"], spec, "{name}");
        assert_eq!(
            policy["metadata"]["labels"], stored["metadata"]["labels"],
            "{name}"
        );
    }
}

#[test]
fn the_api_servers_address_is_taken_from_the_settings_the_files_or_the_inventory() {
    let bare = "
apiVersion: openbao.org/v1alpha1
kind: OpenBaoCluster
metadata: {name: prod, namespace: shop}
";
    let service = "
apiVersion: v1
kind: Service
metadata: {name: kubernetes, namespace: default}
spec: {clusterIP: 10.9.0.1}
";
    let alone = inventory("render-address", bare);
    let err = failed(&["render", &alone]);
    let begin = "error: cannot render OpenBaoCluster shop/prod, spec.network.apiServerCIDR: expected an API server address here";
    assert!(err.starts_with(begin), "{err}");

    let with_service = inventory("render-service", &format!("{bare}---{service}"));
    let beside = inventory("render-beside", service);
    for (args, address) in [
        (vec!["render", &with_service], "10.9.0.1/32"),
        (
            vec!["render", &alone, "--inventory", &beside],
            "10.9.0.1/32",
        ),
        (
            vec!["render", &with_service, "--api-server-address", "fd00::1"],
            "fd00::1/128",
        ),
    ] {
        let text = ok(&args);
        assert_eq!(
            text.matches(&format!("cidr: {address}\n")).count(),
            2,
            "{args:?}: {text}"
        );
    }
}

#[test]
fn a_restored_cluster_renders_nothing_and_no_cluster_at_all_is_an_error() {
    let restored = inventory(
        "render-restored",
        "
apiVersion: openbao.org/v1alpha1
kind: OpenBaoCluster
metadata: {name: prod, namespace: shop, annotations: {openbao.org/restore-origin: x}}
",
    );
    let (status, out, err) = run_with(&[], &["render", &restored, "--baseline", "v0.4"]);
    let note = "note: OpenBaoCluster shop/prod has the annotation `openbao.org/restore-origin`, so the operator renders \
                no policies for it\n";
    assert_eq!((status, out.as_str(), err.as_str()), (Some(0), "", note));
    let namespace = format!("{INVENTORY}/namespace.yaml");
    let err = failed(&["render", &namespace]);
    assert_eq!(
        err,
        format!("error: expected an OpenBaoCluster in `{namespace}`, found none\n")
    );
}

#[test]
fn everything_that_stops_the_operator_is_reported_at_once() {
    let broken = inventory(
        "render-broken",
        "
apiVersion: openbao.org/v1alpha1
kind: OpenBaoCluster
metadata: {name: prod, namespace: shop}
spec: {network: {apiServerCIDR: 10.0.0.0/40, dnsEndpointIPs: [dns.example.com]}}
---
apiVersion: openbao.org/v1alpha1
kind: OpenBaoCluster
metadata: {name: other, namespace: shop}
spec: {network: {apiServerCIDR: 10.0.0.1/32, egressRules: 7}}
",
    );
    let expected = "\
error: cannot render OpenBaoCluster shop/prod, spec.network.dnsEndpointIPs[0]: expected an IPv4 or IPv6 address, found `dns.example.com`
error: cannot render OpenBaoCluster shop/prod, spec.network.apiServerCIDR: expected a prefix length of 0 to 32 after `/`, found `40`
error: cannot render OpenBaoCluster shop/other, spec.network.egressRules: expected a list, found integer `7`
";
    assert_eq!(failed(&["render", &broken]), expected);
}

#[test]
fn explain_lists_every_rule_with_its_level_and_summary() {
    let list = ok(&["explain"]);
    for code in Code::ALL {
        let head = format!("{code} {} ({})\n    ", code.name(), code.default_level());
        assert!(list.contains(&head), "no {head} in {list}");
    }
    let words: Vec<&str> = list.split_whitespace().collect();
    let summary: Vec<&str> = Code::Obp303.rule().summary.split_whitespace().collect();
    assert!(
        words.windows(summary.len()).any(|some| some == summary),
        "{list}"
    );

    let all: Value = serde_json::from_str(&ok(&["explain", "-o", "json"])).unwrap();
    let codes = all
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| rule["code"].as_str().unwrap());
    assert!(codes.eq(Code::ALL.iter().map(|code| code.as_str())));
}

#[test]
fn explain_prints_the_page_of_a_rule_as_text() {
    assert_golden("explain-OBP307.txt", &ok(&["explain", "OBP307"]));
    assert_eq!(
        ok(&["explain", "api-server-block"]),
        ok(&["explain", "obp307"])
    );
    for code in Code::ALL {
        let page = ok(&["explain", code.as_str()]);
        assert!(!page.contains("](") && !page.contains("```"), "{page}");
        assert_fits(&page);
    }
    let page: Value = serde_json::from_str(&ok(&["explain", "OBP307", "-o", "json"])).unwrap();
    assert_eq!(page["explanation"], Code::Obp307.page());
}

#[test]
fn an_unknown_code_is_an_error_that_names_the_nearest() {
    let err = failed(&["explain", "OBP30"]);
    assert!(
        err.contains("found `OBP30`; the nearest is `OBP30"),
        "{err}"
    );
    let err = failed(&["explain", "raft-port-exposd"]);
    assert!(err.contains("the nearest is `OBP303`"), "{err}");
}

/// Checks that each line has at most 100 characters, except single words and YAML to paste.
pub(crate) fn assert_fits(text: &str) {
    for line in text.lines() {
        let is_code = line.starts_with("    ") || line.contains("  - ") || line.starts_with('|');
        let is_word = line.split_whitespace().count() < 3;
        assert!(line.chars().count() <= 100 || is_code || is_word, "{line}");
    }
}

fn check(environment: &[(&str, &str)]) -> String {
    let [raft, halves] = [
        "OBP201-raft-from-a-namespace",
        "OBP302-cluster-ingress-from-two-halves",
    ]
    .map(|name| format!("{SCENES}/refused-{name}.yaml"));
    let args = ["check", &raft, &halves];
    let (status, out, err) = run_with(environment, &args);
    assert_eq!((status, err.as_str()), (Some(1), ""));
    out
}

#[test]
fn findings_are_printed_by_object_with_the_line_that_they_are_about() {
    let text = check(&[]);
    assert_fits(&text);
    assert_golden("check.txt", &text);
}

#[test]
fn check_prints_the_checkpoints_of_each_cluster_and_restore_that_it_checks() {
    let files = inventory(
        "check-checkpoints",
        "
apiVersion: openbao.org/v1alpha1
kind: OpenBaoCluster
metadata: {name: prod, namespace: shop}
spec: {profile: Hardened, network: {apiServerCIDR: 10.43.0.1/32}}
status:
  conditions: [{type: APIServerNetworkReady, status: 'True', reason: APIServerNetworkReady}]
---
apiVersion: openbao.org/v1alpha1
kind: OpenBaoRestore
metadata: {name: friday, namespace: shop}
spec: {cluster: prod, source: {key: x, target: {endpoint: 'https://192.0.2.40', bucket: b}}}
",
    );
    let (_, text, _) = run_with(&[], &["check", &files]);
    let lines = "\
OpenBaoCluster shop/prod: APIServerNetworkReady Unknown (APIServerEndpointIPsRecommended), live True
  (APIServerNetworkReady)
OpenBaoRestore shop/friday: RestoreConfigurationReady False (NetworkEgressRulesRequired)
";
    assert!(text.contains(lines), "{text}");
    let (_, json, _) = run_with(&[], &["check", "-o", "json", &files]);
    let report: Value = serde_json::from_str(&json).unwrap();
    let live = json!({"status": "True", "reason": "APIServerNetworkReady"});
    assert_eq!(report["checkpoints"][0]["conditions"][0]["live"], live);
    assert_eq!(
        report["checkpoints"][1]["object"],
        "OpenBaoRestore shop/friday"
    );
    let (_, text, _) = run_with(&[], &["check", "--baseline", "classic", &files]);
    assert!(!text.contains("NetworkReady"), "{text}");
}

#[test]
fn of_a_file_that_is_one_line_only_the_place_is_shown() {
    let scene = format!("{SCENES}/refused-OBP202-egress-to-two-halves.yaml");
    let policy: Value = serde_saphyr::from_str(&fs::read_to_string(scene).unwrap()).unwrap();
    let items = vec![json!({"kind": "Other", "apiVersion": "v1"}), policy];
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
    let file = folder("check-one-line").join("list.json");
    fs::write(&file, &list).unwrap();
    let file = file.to_str().unwrap();
    let (_, out, _) = run_with(&[], &["check", "--inventory", INVENTORY, file]);
    let column = list.find("\"egress\":[{").unwrap() + "\"egress\":[{".len();
    assert!(out.contains(&format!("{file}:1:{column}\n")), "{out}");
    let shown = out.lines().find(|line| line.starts_with("1 | ")).unwrap();
    assert!(shown.starts_with("1 | ..."), "{shown}");
    assert!(shown.chars().count() <= 100, "{shown}");
    assert!(out.contains("^^^^"), "{out}");
}

#[test]
fn colours_are_for_terminals_and_for_those_who_force_them() {
    let plain = check(&[]);
    assert!(!plain.contains('\u{1b}'), "{plain}");
    let coloured = check(&[("CLICOLOR_FORCE", "1")]);
    assert!(
        coloured.contains("\u{1b}[1m\u{1b}[31mdenied[OBP201]\u{1b}[0m"),
        "{coloured:?}"
    );
    assert_eq!(check(&[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")]), plain);
}

#[test]
fn the_location_of_a_field_is_in_the_json_too() {
    let scene = format!("{SCENES}/refused-OBP201-raft-from-a-namespace.yaml");
    let (_, out, _) = run_with(
        &[],
        &["check", "-o", "json", "--inventory", INVENTORY, &scene],
    );
    let report: Value = serde_json::from_str(&out).unwrap();
    let finding = &report["findings"][0];
    let text = fs::read_to_string(Path::new(&scene)).unwrap();
    let line = text
        .lines()
        .position(|line| line.contains("- from:"))
        .unwrap()
        + 1;
    assert_eq!(
        (&finding["line"], &finding["field_line"]),
        (&json!(2), &json!(line))
    );
    assert_eq!(finding["field_column"], json!(7));
}

#[test]
fn a_line_of_a_file_says_where_it_is_cut() {
    let padding = "x".repeat(100);
    let manifest = format!(
        r#"{{"apiVersion":"openbao.org/v1alpha1","kind":"OpenBaoCluster","metadata":{{"name":"bao","namespace":"bao","annotations":{{"a":"{padding}"}}}},"spec":{{"network":{{"dnsNamespace":"kube_system"}},"version":"{padding}"}}}}"#
    );
    let folder = inventory("check-cut", &manifest);
    let (status, out, _) = run_with(&[], &["check", &folder]);
    assert_eq!(status, Some(1), "{out}");
    let mut lines = out.lines().skip_while(|line| !line.contains("OBP309"));
    let shown = lines
        .by_ref()
        .find(|line| line.starts_with("1 | "))
        .unwrap();
    let text = shown.strip_prefix("1 | ...").unwrap();
    assert!(
        text.contains("kube_system") && text.ends_with("x..."),
        "{shown}"
    );
    assert!(shown.chars().count() <= 100, "{shown}");
    let marks = lines.next().unwrap();
    assert_eq!(marks.find('^'), shown.find("\"dnsNamespace\""), "{marks}");
}

#[test]
fn of_a_line_that_is_too_long_only_the_place_is_told() {
    let padding = "x".repeat(20_000);
    let manifest = format!(
        r#"{{"apiVersion":"openbao.org/v1alpha1","kind":"OpenBaoCluster","metadata":{{"name":"bao","namespace":"bao"}},"spec":{{"network":{{"dnsNamespace":"kube_system"}},"version":"{padding}"}}}}"#
    );
    let folder = inventory("check-long", &manifest);
    let (_, out, _) = run_with(&[], &["check", &folder]);
    assert!(out.contains("/it.yaml:1:") && !out.contains("xxx"), "{out}");
}
