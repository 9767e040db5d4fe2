//! `check --fix` and `check --diff`: what they do to files, and what they leave alone.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::{Command, Stdio};

use openbao_perimeter::cli::report_schema;
use serde_json::Value;

use super::{Tree, open, policy, tools};

/// A cluster that two namespaces may connect to.
const CLUSTER: &str = "apiVersion: openbao.org/v1alpha1
kind: OpenBaoCluster
metadata: {name: bao, namespace: bao}
spec:
  profile: Development
  network:
    apiServerCIDR: 10.43.0.1/32
    ingressRules:
      - from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]
        ports: [{port: 8200}]
      - from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ops}}}]
        ports: [{port: 8200}]
";

/// The server pods.
const SERVERS: &str = "{matchLabels: {openbao.org/cluster: bao}, matchExpressions: [{key: openbao.org/component, \
                       operator: NotIn, values: [backup, restore, upgrade-snapshot]}]}";

/// One of these is removed by each narrowing.
const BLOCK: &str = "# head
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: web # name
  namespace: bao
spec:
  podSelector: SERVERS
  policyTypes: [Ingress]
  ingress:
    # scrapes
    - from:
        - namespaceSelector:
            matchLabels: {kubernetes.io/metadata.name: monitoring} # m
      ports:
        # raft
        - port: 8201
          protocol: TCP
        - port: 8200 # api
    # people
    - ports: [{port: 8200}]
      from:
        - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ops}} # o
        # all
        - namespaceSelector: {}
# tail
";

fn block() -> (String, String) {
    let before = BLOCK.replace("SERVERS", SERVERS);
    let after = before
        .replace("        - port: 8201\n          protocol: TCP\n", "")
        .replace("        - namespaceSelector: {}\n", "");
    (before, after)
}

pub(super) fn tree(name: &str) -> Tree {
    let tree = Tree::new(&format!("fix-{name}"));
    tree.write("cluster.yaml", CLUSTER);
    tree
}

pub(super) fn read(tree: &Tree, file: &str) -> String {
    fs::read_to_string(tree.0.join(file)).unwrap()
}

/// Fixes a policy in a file, twice.
#[track_caller]
fn is_fixed(name: &str, file: &str, before: &str, after: &str) {
    let tree = tree(name);
    tree.write(file, before);
    tree.run(&["check", "--fix", "."])
        .ends_with(0)
        .says("fixed: ");
    assert_eq!(read(&tree, file), after, "{name}");
    tree.run(&["check", "--fix", "."])
        .ends_with(0)
        .says_nothing_of("fixed: ");
    tree.write(file, before);
    tree.run(&["check", "--fix", "--quiet", "."])
        .ends_with(0)
        .says("fixed: ");
    assert_eq!(
        (read(&tree, file), read(&tree, "cluster.yaml")),
        (after.into(), CLUSTER.into())
    );
}

#[test]
fn rules_are_narrowed_and_comments_and_order_stay_in_files_of_every_form() {
    let (before, after) = block();
    is_fixed("block", "web.yaml", &before, &after);
    let windows = |text: &str| text.replace('\n', "\r\n");
    is_fixed("windows", "web.yaml", &windows(&before), &windows(&after));
    let marked = |text: &str| format!("\u{feff}{}", text.replace("\nspec:", "\n\u{feff}spec:"));
    is_fixed("marked", "web.yaml", &marked(&before), &marked(&after));
    let flow = |ports: &str| {
        policy(
            "web",
            &format!(
                "podSelector: {SERVERS}, policyTypes: [Ingress], ingress: [{{ports: [{ports}], from: [{{namespaceSelector: \
                 {{matchLabels: {{kubernetes.io/metadata.name: ops}}}}}}]}}]"
            ),
        )
    };
    let (before, after) = (flow("{port: 9}, {port: 8200}"), flow("{port: 8200}"));
    is_fixed("flow", "web.yaml", &before, &after);
    let several =
        |flow: &str| format!("# first\n---\n{}---\n{flow}---\n# last\n", super::fine("x"));
    is_fixed("several", "web.yaml", &several(&before), &several(&after));
    let listed = |ports: &str| {
        format!(
            "apiVersion: v1\nkind: List\nitems: # two\n  - {}\n  - {} # x\n",
            flow_of(&super::fine("x")),
            flow_of(&flow(ports))
        )
    };
    is_fixed(
        "list",
        "web.yml",
        &listed("{port: 9}, {port: 8200}"),
        &listed("{port: 8200}"),
    );
}

/// A policy of the helpers as one flow.
fn flow_of(policy: &str) -> String {
    format!("{{{}}}", policy.trim_end().replace('\n', ", "))
}

#[test]
fn the_pods_are_excluded_in_json_too() {
    let before = super::json("web") + "\n";
    let after = before.replace(
        r#""podSelector":{}"#,
        r#""podSelector":{"matchExpressions":[{"key":"openbao.org/cluster","operator":"DoesNotExist"}]}"#,
    );
    is_fixed("json", "web.json", &before, &after);
    let stream = |json: &str| super::json("other").replace("\"bao\"", "\"x\"") + "\n" + json;
    is_fixed("stream", "web.json", &stream(&before), &stream(&after));
}

#[test]
fn every_copy_of_a_policy_and_every_policy_is_fixed_at_once() {
    let tree = tree("copies");
    let excluded = |text: &str| {
        text.replace(
            "podSelector: {}",
            "podSelector: {matchExpressions: [{key: openbao.org/cluster, operator: DoesNotExist}]}",
        )
    };
    let both = open("a") + "---\n" + &open("b");
    tree.write("one.yaml", &both)
        .write("two/copy.yaml", open("a"));
    tree.run(&["check", "--fix", "."])
        .ends_with(0)
        .says("checked 3: 0 denied");
    assert_eq!(read(&tree, "one.yaml"), excluded(&both));
    assert_eq!(read(&tree, "two/copy.yaml"), excluded(&open("a")));
}

#[test]
fn a_denial_that_only_a_declaration_ends_is_left() {
    let tree = tree("declare");
    let text = policy(
        "web",
        &format!(
            "podSelector: {SERVERS}, ingress: [{{from: [{{podSelector: {{}}}}], ports: [{{port: 9}}]}}]"
        ),
    );
    let good = block().0;
    tree.write("web.yaml", &text)
        .write("good.yaml", good.replace("web #", "good #"));
    tree.run(&["check", "--fix", "."])
        .ends_with(1)
        .says("fixed: ./good.yaml:2: NetworkPolicy bao/good: ")
        .says("NetworkPolicy bao/web: 1 denied");
    assert_eq!(read(&tree, "web.yaml"), text);
    assert_eq!(read(&tree, "cluster.yaml"), CLUSTER);
    assert_eq!(
        read(&tree, "good.yaml"),
        block().1.replace("web #", "good #")
    );
}

#[test]
fn an_edit_that_would_open_something_is_dropped() {
    // In a dump without policies of the operator, this one isolates the pods.
    let tree = tree("opens");
    let text = policy(
        "web",
        "podSelector: {}, ingress: [{from: [{podSelector: {}}]}]",
    );
    tree.write("web.yaml", &text);
    tree.run(&["check", "--dump", "--fix", "."])
        .ends_with(1)
        .says("note: NetworkPolicy bao/web was not fixed: the best remedy would open a connection or add a finding\n");
    assert_eq!(read(&tree, "web.yaml"), text);
}

#[test]
fn built_policies_are_left_with_the_name_of_the_build_and_of_the_source() {
    let tree = tree("built");
    let made = format!("# Source: web/templates/policy.yaml\n{}", open("web"));
    tree.write(
        "charts/web/Chart.yaml",
        "apiVersion: v2\nname: web\nversion: 0.1.0\n",
    )
    .write("charts/web/templates/policy.yaml", open("web"))
    .write("made", made)
    .write("bin/helm", "#!/bin/sh\ncat made\n")
    .write("plain.yaml", open("plain"));
    let helm = tree.0.join("bin/helm");
    fs::set_permissions(&helm, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", tree.0.join("bin").display(), tools());
    tree.run_with(&["check", "--fix", "--exclude", "made", "."], "", &path)
        .ends_with(1)
        .says("fixed: ./plain.yaml:1: ")
        .says(
            "note: NetworkPolicy bao/web was not fixed: built by `helm template ./charts/web`; edit \
             `./charts/web/templates/policy.yaml`\n",
        );
    assert_eq!(read(&tree, "charts/web/templates/policy.yaml"), open("web"));
}

#[test]
fn aliases_are_left_with_the_reason() {
    let tree = tree("aliases");
    let text = policy(
        "web",
        "podSelector: &all {}, ingress: [{from: [{podSelector: *all}]}]",
    );
    tree.write("web.yaml", &text);
    tree.run(&["check", "--fix", "."]).ends_with(1).says(
        "note: NetworkPolicy bao/web was not fixed: the document at ./web.yaml:1 has YAML aliases, which stand for more \
         than one place; edit it by hand\n",
    );
    assert_eq!(read(&tree, "web.yaml"), text);
}

#[test]
fn a_diff_is_printed_instead_and_patch_applies_it() {
    let tree = tree("diff");
    let (before, after) = block();
    tree.write("web.yaml", &before);
    for args in [
        &["check", "--diff", "."][..],
        &["check", "--fix", "--diff", "."],
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_openbao-perimeter"));
        let output = command.args(args).current_dir(&tree.0).output().unwrap();
        // The files are denied as they are.
        assert_eq!((output.status.code(), &*output.stderr), (Some(1), &b""[..]));
        assert_eq!(read(&tree, "web.yaml"), before);
        fs::write(tree.0.join("patch"), output.stdout).unwrap();
    }
    let patch = read(&tree, "patch");
    assert!(
        patch.starts_with("--- web.yaml\n+++ web.yaml\n@@ -14,8 +14,6 @@\n"),
        "{patch}"
    );
    let mut git = Command::new("git");
    git.args(["apply", "-p0", "patch"]).current_dir(&tree.0);
    assert!(git.status().unwrap().success());
    assert_eq!(read(&tree, "web.yaml"), after);
    tree.run(&["check", "--diff", "."]).ends_with(0);
    assert_eq!(tree.run(&["check", "--diff", "."]).out, "");
}

#[test]
fn standard_input_has_a_diff_only() {
    let tree = tree("stdin");
    let input = format!("{CLUSTER}---\n{}", open("web"));
    tree.run_with(&["check", "--fix", "-"], &input, &tools())
        .ends_with(2)
        .complains("error: `--fix` cannot edit standard input; `--diff` prints the edits\n");
    tree.run_with(&["check", "--diff", "-"], &input, &tools())
        .ends_with(1)
        .says("--- -\n+++ -\n")
        .says("\n+spec: {podSelector: {matchExpressions: ");
    tree.run(&["check", "--diff", "-o", "json", "."])
        .ends_with(2)
        .complains("error: `--diff` prints to standard output; write `--output FORMAT=FILE`\n");
    for flag in ["--fix", "--diff"] {
        tree.run(&["check", "--live", flag])
            .ends_with(2)
            .complains("cannot be used with");
    }
}

#[test]
fn other_outputs_are_of_what_is_left() {
    let tree = tree("outputs");
    tree.write("web.yaml", open("web"));
    let ended = tree.run(&["check", "--fix", "-o", "json", "-o", "sarif=s", "."]);
    let report: Value = serde_json::from_str(&ended.ends_with(0).out).unwrap();
    assert!(
        jsonschema::is_valid(&report_schema(), &report),
        "{report:#}"
    );
    assert_eq!(report["summary"]["denied"], 0);
    assert_eq!(
        report["fixed"],
        serde_json::json!([{
            "object": "NetworkPolicy bao/web", "file": "./web.yaml", "line": 1, "code": "OBP201",
            "change": "exclude the OpenBao pods",
        }])
    );
    let log: Value = serde_json::from_str(&read(&tree, "s")).unwrap();
    assert_eq!(log["runs"][0]["results"], serde_json::json!([]));
}

#[test]
fn the_target_of_a_link_is_edited_and_its_mode_stays() {
    let tree = tree("link");
    tree.write("kept/real.txt", open("web"));
    let real = tree.0.join("kept/real.txt");
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("kept/real.txt", tree.0.join("web.yaml")).unwrap();
    tree.run(&["check", "--fix", "."]).ends_with(0);
    assert!(
        fs::symlink_metadata(tree.0.join("web.yaml"))
            .unwrap()
            .is_symlink()
    );
    assert!(read(&tree, "kept/real.txt").contains("DoesNotExist"));
    assert_eq!(
        fs::metadata(&real).unwrap().permissions().mode() & 0o777,
        0o640
    );
    assert_eq!(fs::read_dir(tree.0.join("kept")).unwrap().count(), 1);
}

#[test]
fn an_edit_is_fixed_too_and_an_unreadable_file_still_ends_with_2() {
    let tree = tree("before");
    tree.write("old/cluster.yaml", CLUSTER)
        .write("new/cluster.yaml", CLUSTER)
        .write("new/web.yaml", open("web"));
    tree.run(&["check", "--before", "old", "new"])
        .ends_with(1)
        .says("opened");
    tree.write("new/broken.yaml", "a: [");
    tree.run(&["check", "--before", "old", "--fix", "new"])
        .ends_with(2)
        .says("fixed: new/web.yaml:1: ")
        .says_nothing_of("opened");
    assert!(read(&tree, "new/web.yaml").contains("DoesNotExist"));
}

#[test]
fn a_pipe_is_not_edited() {
    let tree = tree("pipe");
    let program = env!("CARGO_BIN_EXE_openbao-perimeter");
    let script = format!("{program} check --fix cluster.yaml <(cat web.txt)");
    tree.write("web.txt", open("web"));
    let mut bash = Command::new("bash");
    bash.args(["-c", &script])
        .current_dir(&tree.0)
        .stdin(Stdio::null());
    let output = bash.output().unwrap();
    let out = String::from_utf8(output.stdout)
        .unwrap()
        .replace("\n  ", " ");
    assert_eq!(output.status.code(), Some(1), "{out}");
    assert!(
        out.contains("is no regular file; `--diff` prints the edits\n"),
        "{out}"
    );
}

#[test]
fn policies_that_the_api_server_names_are_fixed_in_each_file() {
    let tree = tree("generated");
    let policy = block().0.replace("name: web # name", "generateName: web-");
    tree.write("a.yaml", &policy).write("b.yaml", &policy);
    tree.check(&["--fix", "."]).ends_with(0);
    for file in ["a.yaml", "b.yaml"] {
        assert!(!read(&tree, file).contains("8201"), "{file}");
    }
}
