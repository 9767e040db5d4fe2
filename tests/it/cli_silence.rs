//! Input that cannot be checked, completely or in part: it never looks like a verdict.

mod fields;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::{folder, run_with};

const INVENTORY: &str = "manifests/examples/inventory";

/// Result of a run: exit status, standard output and standard error.
type Ended = (Option<i32>, String, String);

/// Runs `check` with these arguments on a file with this text.
fn check(name: &str, text: &str, args: &[&str]) -> Ended {
    let file = file(name, text);
    let mut all = vec!["check"];
    all.extend(args);
    all.push(file.to_str().unwrap());
    run_with(&[], &all)
}

/// A file with this text, in its own folder.
fn file(name: &str, text: &str) -> PathBuf {
    let path = folder(&format!("silence-{name}")).join("a.yaml");
    fs::write(&path, text).unwrap();
    path
}

fn policy(metadata: &str, spec: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{{metadata}}}\nspec: {{{spec}}}\n"
    )
}

/// A policy that opens the OpenBao pods of a namespace.
fn open(metadata: &str) -> String {
    policy(metadata, "podSelector: {}, ingress: [{}]")
}

const CONFIG_MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n";

#[test]
fn input_without_an_object_is_nothing_to_check() {
    let empty = folder("silence-empty");
    let comments = file("comments", "# nothing\n---\n# and again\n");
    let list = file("list", "apiVersion: v1\nkind: List\nitems: []\n");
    let null_list = file("null-list", "apiVersion: v1\nkind: List\nitems: null\n");
    let own_list = file(
        "own-list",
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicyList\nitems: null\n",
    );
    let values = file("values", "replicas: 3\n---\nimage: x\n");
    let null = file("null", "null\n");
    for (path, found) in [
        (empty, "no file that ends in `.yaml`, `.yml` or `.json`"),
        (comments, "nothing"),
        (list, "nothing"),
        (null_list, "nothing"),
        (own_list, "nothing"),
        (
            values,
            "only documents without `apiVersion` and `kind`, the first at ",
        ),
        (null, ""),
    ] {
        let shown = path.display();
        let error = format!("error: expected a Kubernetes object in `{shown}`, found {found}");
        let path = path.to_str().unwrap();
        for args in [
            &["check", path][..],
            &["check", "--strict", "-o", "json", path],
            &["check", "--before", INVENTORY, path],
            &["check", "--before", path, INVENTORY],
            &["check", "--inventory", path, INVENTORY],
            &["render", path],
            &["show", "--inventory", path],
            &[
                "serve",
                "--tls",
                "ephemeral",
                "--inventory",
                path,
                "--listen",
                "127.0.0.1:0",
                "--probes-listen",
                "127.0.0.1:0",
                "--metrics-listen",
                "127.0.0.1:0",
            ],
        ] {
            let (status, _, err) = run_with(&[], args);
            assert_eq!(status, Some(2), "{args:?}: {err}");
            assert!(
                err.contains(error.trim_start_matches("error: ")),
                "{args:?}: {err}"
            );
        }
    }
}

#[test]
fn standard_input_that_is_empty_is_nothing_to_check() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_openbao-perimeter"));
    command.args(["check", "-"]).stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        (output.status.code(), err.as_str()),
        (
            Some(2),
            "error: expected a Kubernetes object in standard input, found nothing\n"
        )
    );
}

#[test]
fn objects_of_other_kinds_only_are_reported_and_are_strictly_a_failure() {
    let calico =
        "---\napiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: x}\n";
    let namespace = "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: bao}\n";
    let text = format!("{CONFIG_MAP}---\n{CONFIG_MAP}{calico}{namespace}");
    let (status, out, err) = check("others", &text, &[]);
    let expected = "\
note: nothing was checked, since there is no OpenBaoCluster, NetworkPolicy, OpenBaoRestore,
  ClusterNetworkPolicy, AdminNetworkPolicy, BaselineAdminNetworkPolicy: 2 ConfigMap (v1), 1
  Namespace, 1 NetworkPolicy.projectcalico.org
note: NetworkPolicy.projectcalico.org default/x has no metadata.namespace and is taken to be in
  `default`; `-n` names another
baseline v0.4: the newest, since no setting names one
checked 0: 0 denied, 0 with warnings; 2 of other kinds skipped
";
    assert_eq!(
        (status, out.as_str(), err.as_str()),
        (Some(0), expected, "")
    );
    let (status, ..) = check("others", &text, &["--strict"]);
    assert_eq!(status, Some(1));
    // As an inventory it would allow everything.
    let other = file("other", CONFIG_MAP);
    for command in ["show", "check"] {
        let mut args = vec![command, "--inventory", other.to_str().unwrap()];
        args.extend((command == "check").then_some(INVENTORY));
        let (status, _, err) = run_with(&[], &args);
        assert_eq!(status, Some(2), "{command}");
        assert!(err.contains("found only other kinds"), "{err}");
    }
}

#[test]
fn a_policy_where_no_cluster_is_known_is_not_checked() {
    let text = open("name: allow-all, namespace: vault-prod");
    let (status, out, _) = check("no-cluster", &text, &[]);
    let expected = "\
note: NetworkPolicy vault-prod/allow-all was not checked: no OpenBaoCluster is known in namespace
  vault-prod; give it with `--inventory` or among the files
baseline v0.4: the newest, since no setting names one
checked 0: 0 denied, 0 with warnings; 0 of other kinds skipped; 1 not checked
";
    assert_eq!((status, out.as_str()), (Some(0), expected));
    let (status, out, _) = check("no-cluster", &text, &["--strict", "-o", "json"]);
    assert_eq!(status, Some(1));
    let report: Value = serde_json::from_str(&out).unwrap();
    let unjudged = &report["unjudged"][0];
    let reported = ["kind", "namespace", "object", "reason", "line"].map(|field| &unjudged[field]);
    let reason = "no OpenBaoCluster is known in namespace vault-prod";
    assert_eq!(
        json!(reported),
        json!(["NetworkPolicy", "vault-prod", "allow-all", reason, 1])
    );
    assert_eq!(
        (&report["summary"]["judged"], &report["summary"]["unjudged"]),
        (&json!(0), &json!(1))
    );
    // A dump of a cluster shows that there are none.
    let (status, out, _) = check("no-cluster", &text, &["--strict", "--dump"]);
    assert!(status == Some(0) && !out.contains("not checked"), "{out}");
    // A denial of another object still decides the exit status.
    let both = format!("{text}---\n{}", open("name: all, namespace: bao"));
    let (status, out, _) = check("no-cluster", &both, &["--inventory", INVENTORY]);
    assert_eq!(status, Some(1), "{out}");
    assert!(out.contains("checked 1: 1 denied"), "{out}");
}

#[test]
fn a_policy_that_goes_with_its_cluster_is_no_riddle() {
    let cluster = fs::read_to_string(Path::new(INVENTORY).join("openbaocluster.yaml")).unwrap();
    let managed = fs::read_to_string(Path::new(INVENTORY).join("bao-network-policy.yaml")).unwrap();
    let before = file("gone-before", &format!("{cluster}\n---\n{managed}"));
    let before = before.to_str().unwrap();
    let args = ["--strict", "--before", before];
    let (status, out, _) = check("gone-after", CONFIG_MAP, &args);
    assert_eq!(status, Some(0), "{out}");
    let (status, out, _) = run_with(&[], &["check", "--before", before, before]);
    assert_eq!(status, Some(0));
    let note = "note: nothing was checked, since nothing differs from --before\n";
    assert!(out.contains(note), "{out}");
}

#[test]
fn an_object_without_a_namespace_is_where_the_flag_says() {
    let text = open("name: server");
    let (status, out, _) = check("nowhere", &text, &["-n", "bao", "--inventory", INVENTORY]);
    assert_eq!(status, Some(1), "{out}");
    assert!(
        out.starts_with("NetworkPolicy bao/server: 1 denied"),
        "{out}"
    );
    let (status, out, _) = check("nowhere", &text, &["--inventory", INVENTORY]);
    assert_eq!(status, Some(0), "{out}");
    let note = "note: NetworkPolicy default/server has no metadata.namespace and is taken to be in `default`; `-n`\n";
    assert!(out.contains(note), "{out}");
    // An object with a namespace keeps it.
    let text = open("name: server, namespace: shop");
    let (_, out, _) = check(
        "somewhere",
        &text,
        &["--namespace", "bao", "--inventory", INVENTORY],
    );
    assert!(
        out.contains("NetworkPolicy shop/server was not checked"),
        "{out}"
    );
    let (status, _, err) = check("nowhere", &text, &["-n", "${NS}"]);
    assert_eq!(status, Some(2));
    assert!(err.contains("expected a DNS label"), "{err}");
}

#[test]
fn render_says_which_namespace_it_took() {
    let text = "apiVersion: openbao.org/v1alpha1\nkind: OpenBaoCluster\nmetadata: {name: bao}\nspec: {network: \
                {apiServerCIDR: 10.43.0.1/32}}\n";
    let path = file("render", text);
    let path = path.to_str().unwrap();
    let (status, out, err) = run_with(&[], &["render", path]);
    assert_eq!(status, Some(0), "{err}");
    assert!(out.contains("namespace: default\n"), "{out}");
    let note = "note: OpenBaoCluster default/bao has no metadata.namespace and is taken to be in `default`; `-n` names \
                another\n";
    assert_eq!(err, note);
    let (_, out, err) = run_with(&[], &["render", "-n", "vault", path]);
    assert!(
        out.contains("namespace: vault\n") && err.is_empty(),
        "{out}{err}"
    );
}

#[test]
fn a_name_that_no_api_server_could_have_is_named_with_its_file() {
    for metadata in [
        "name: server, namespace: \"${BAO_NAMESPACE}\"",
        "name: server, namespace: \"{{ .Release.Namespace }}\"",
        "name: server, namespace: Bao",
        "name: server, namespace: \" bao\"",
        "name: server, namespace: bao.prod",
        "name: server, namespace: 7",
        "namespace: bao, name: \"{{ .Release.Name }}-server\"",
        "namespace: bao, name: 7",
    ] {
        let text = open(metadata);
        let path = file("placeholder", &text);
        // Other findings do not change this: 2 is more than 1.
        let denied = open("name: all, namespace: bao");
        fs::write(path.with_file_name("b.yaml"), denied).unwrap();
        let folder = path.parent().unwrap().to_str().unwrap();
        let field = if metadata.starts_with("namespace") {
            "metadata.name "
        } else {
            "metadata.namespace "
        };
        for args in [
            &["check", "--inventory", INVENTORY, folder][..],
            &["render", folder],
            &["show", "--inventory", folder],
        ] {
            let (status, out, err) = run_with(&[], args);
            assert_eq!(status, Some(2), "{metadata}: {err}");
            // `check` judges everything else.
            let is_judged = out.starts_with("NetworkPolicy bao/all: 1 denied");
            assert_eq!(is_judged, args[0] == "check", "{metadata}: {out}");
            assert!(is_judged || out.is_empty(), "{metadata}: {out}");
            let place = format!("of the NetworkPolicy at {}:1 ", path.display());
            assert!(
                err.contains(field) && err.contains(&place),
                "{metadata}: {err}"
            );
        }
    }
}

#[test]
fn a_template_that_is_no_yaml_has_a_hint_to_render_it() {
    let text = open("name: x").replace("name: x", "name: x, namespace: {{ .Release.Namespace }}");
    let (status, _, err) = check("template", &text, &[]);
    assert_eq!(status, Some(2));
    assert!(
        err.contains("a.yaml:3:") && err.contains("render the template first"),
        "{err}"
    );
}

#[test]
fn half_an_object_and_a_misspelt_kind_are_no_other_kinds() {
    let spec = "metadata: {name: x, namespace: bao}\nspec: {podSelector: {}, ingress: [{}]}\n";
    for (head, problem) in [
        (
            "apiversion: networking.k8s.io/v1\nkind: NetworkPolicy",
            "expected `apiVersion` with `NetworkPolicy` at ",
        ),
        (
            "apiVersion: networking.k8s.io/v1\nKind: NetworkPolicy",
            "expected `kind` with `networking.k8s.io/v1` at ",
        ),
        (
            "apiVersion: networking.k8s.io/v1\nkind: networkpolicy",
            "expected kind `NetworkPolicy` at ",
        ),
        (
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicies",
            "expected kind `NetworkPolicy` at ",
        ),
        (
            "apiVersion: openbao.org/v1alpha1\nkind: OpenbaoCluster",
            "expected kind `OpenBaoCluster` at ",
        ),
    ] {
        let (status, _, err) = check("half", &format!("{head}\n{spec}"), &[]);
        assert_eq!(status, Some(2), "{head}");
        assert!(err.contains(problem), "{err}");
    }
    // A cluster in an unknown version was not read.
    let cluster =
        "apiVersion: openbao.org/v9\nkind: OpenBaoCluster\nmetadata: {name: bao, namespace: bao}\n";
    let (status, out, _) = check("version", cluster, &[]);
    assert_eq!(status, Some(1), "{out}");
    assert!(
        out.contains("served as v9, which this release cannot read"),
        "{out}"
    );
    // Other kinds of the same API groups.
    let ingress = "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: \"${X}\"}\n---\napiVersion: \
                   openbao.org/v1alpha1\nkind: OpenBaoTenant\nmetadata: {name: x}\n";
    let (status, out, _) = check("neighbours", ingress, &[]);
    assert_eq!(status, Some(0), "{out}");
    assert!(out.contains("2 of other kinds skipped"), "{out}");
}

#[test]
fn documents_that_are_no_objects_are_counted() {
    let text = format!("replicas: 3\n---\n{}", open("name: x, namespace: shop"));
    let (status, out, _) = check("mixed", &text, &[]);
    assert_eq!(status, Some(0));
    let note = "note: 1 document without `apiVersion` and `kind`, the first at";
    assert!(out.contains(note), "{out}");
    let empty = folder("silence-nothing-there");
    let path = file("beside", &text);
    let [empty, path] = [&empty, &path].map(|path| path.to_str().unwrap());
    let (_, out, _) = run_with(&[], &["check", path, empty]);
    assert!(
        out.replace("\n  ", " ")
            .contains(&format!("note: there is nothing in `{empty}`")),
        "{out}"
    );
}

#[test]
fn a_review_of_a_policy_where_no_cluster_is_known_says_so_with_its_answer() {
    let review = crate::support::review().to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_openbao-perimeter"));
    command
        .args(["review", "--inventory", INVENTORY])
        .stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(review.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "note: NetworkPolicy shop/web was not reviewed: no OpenBaoCluster is known in namespace shop (known: bao/bao)\n"
    );
}
