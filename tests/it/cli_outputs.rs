//! Outputs of `check`: formats, files, levels that fail the run, and findings that are reported once.

mod fixes;
mod hostile;
mod unreadable;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::pty::{Winsize, openpty};
use openbao_perimeter::cli::report_schema;
use openbao_perimeter::rules::Code;
use serde_json::{Value, json};

use crate::cli_views::{INVENTORY, failed, inventory};
use crate::support::{folder, run_with};

const RAFT: &str = "manifests/examples/scenes/refused-OBP201-raft-from-a-namespace.yaml";
const HALVES: &str =
    "manifests/examples/scenes/refused-OBP302-cluster-ingress-from-two-halves.yaml";

/// A policy that warns, since its egress rules have no effect.
const WARNED: &str = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: bao}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Ingress]
  egress: [{}]
";

/// Exit status and standard output of `check` with the example inventory.
fn check(args: &[&str]) -> (Option<i32>, String) {
    let all = [&["check", "--inventory", INVENTORY], args].concat();
    let (status, out, err) = run_with(&[], &all);
    assert_eq!(err, "", "{args:?}");
    (status, out)
}

fn json_of(args: &[&str]) -> Value {
    let (_, out) = check(&[&["-o", "json"], args].concat());
    serde_json::from_str(&out).unwrap()
}

fn assert_valid(schema: &Value, value: &Value) {
    let validator = jsonschema::validator_for(schema).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert_eq!(errors, [""; 0], "{value:#}");
}

/// The schema of SARIF 2.1.0, as `serde-sarif` has it.
fn sarif_schema() -> Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut metadata = Command::new(cargo);
    // The crates of other platforms are not on this machine.
    metadata.args(["metadata", "--offline", "--format-version", "1"]);
    metadata.args(["--filter-platform", "host-tuple"]);
    metadata.current_dir(env!("CARGO_MANIFEST_DIR"));
    let metadata: Value = serde_json::from_slice(&metadata.output().unwrap().stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|own| own["name"] == "serde-sarif");
    let manifest = Path::new(package.unwrap()["manifest_path"].as_str().unwrap());
    let schema = fs::read_to_string(manifest.with_file_name("src/schema.json")).unwrap();
    let mut schema: Value = serde_json::from_str(schema.trim_start_matches('\u{feff}')).unwrap();
    // A bracket of theirs is never opened. We write no language.
    for part in ["run", "toolComponent"] {
        let language = &mut schema["definitions"][part]["properties"]["language"];
        language.as_object_mut().unwrap().remove("pattern");
    }
    schema
}

#[test]
fn one_run_writes_each_format_to_its_file_and_text_to_standard_output() {
    let folder = folder("outputs-files");
    let formats = ["json", "sarif", "junit", "github", "markdown", "text"];
    let outputs = formats.map(|format| format!("{format}={}", folder.join(format).display()));
    let mut args = Vec::new();
    for output in &outputs {
        args.extend(["--output", output]);
    }
    args.push(RAFT);
    let (status, out) = check(&args);
    assert_eq!((status, out), (Some(1), check(&[RAFT]).1));
    for format in formats {
        let written = fs::read_to_string(folder.join(format)).unwrap();
        assert_eq!(written, check(&["-o", format, RAFT]).1, "{format}");
    }
}

#[test]
fn only_one_format_goes_to_standard_output_and_one_to_each_file() {
    let err = failed(&["check", "-o", "json", "-o", "sarif", RAFT]);
    let expected = "error: expected at most one `--output` without a file, found 2; write `--output FORMAT=FILE`\n";
    assert_eq!(err, expected);
    let file = folder("outputs-shared").join("x");
    let [json, sarif] = ["json", "sarif"].map(|format| format!("{format}={}", file.display()));
    let err = failed(&["check", "-o", &json, "-o", &sarif, RAFT]);
    assert!(
        err.starts_with("error: expected one `--output` for each file"),
        "{err}"
    );
    for wrong in ["yaml", "json="] {
        let err = failed(&["check", "-o", wrong, RAFT]);
        assert!(
            err.contains("[possible values: text, json, sarif, junit, github, markdown]"),
            "{err}"
        );
    }
    let nowhere = format!("json={}/none/x", file.display());
    let (status, _, err) = run_with(
        &[],
        &["check", "--inventory", INVENTORY, "-o", &nowhere, RAFT],
    );
    assert!(
        status == Some(2) && err.starts_with("error: failed to write `"),
        "{err}"
    );
}

#[test]
fn the_json_is_as_its_schema_says() {
    let report = json_of(&["--explain", RAFT, HALVES]);
    assert_eq!(report["version"], 1);
    assert_valid(&report_schema(), &report);
}

#[test]
fn the_sarif_is_as_its_schema_says_and_has_the_page_of_each_rule() {
    let (_, out) = check(&["-o", "sarif", RAFT, HALVES]);
    let log: Value = serde_json::from_str(&out).unwrap();
    assert_valid(&sarif_schema(), &log);
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let ids: Vec<&str> = rules
        .iter()
        .map(|rule| rule["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["OBP201", "OBP302", "OBP306"]);
    assert_eq!(rules[0]["help"]["markdown"], Code::Obp201.page());
    // Cargo.toml names no repository yet.
    assert_eq!(env!("CARGO_PKG_REPOSITORY"), "");
    assert_eq!(rules[0].get("helpUri"), None);
    let results = run["results"].as_array().unwrap();
    let found = results
        .iter()
        .find(|found| found["ruleId"] == "OBP201")
        .unwrap();
    assert_eq!(
        (&found["level"], &found["ruleIndex"]),
        (&json!("error"), &json!(0))
    );
    let place = &found["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], RAFT);
    let region = json!({"startLine": 16, "startColumn": 7, "endColumn": 12});
    assert_eq!(place["region"], region);
}

#[test]
fn the_path_of_a_file_is_a_uri_in_sarif() {
    let folder = folder("outputs-uri").join("a b#c");
    fs::create_dir(&folder).unwrap();
    let file = folder.join("ü.yaml");
    fs::copy(RAFT, &file).unwrap();
    let (_, out) = check(&["-o", "sarif", file.to_str().unwrap()]);
    assert!(out.contains("/a%20b%23c/%C3%BC.yaml\""), "{out}");
}

#[test]
fn junit_has_a_case_for_each_object_and_a_failure_for_what_fails_the_run() {
    let warned = inventory("outputs-junit", WARNED);
    let (_, out) = check(&["-o", "junit", RAFT, &warned]);
    for part in [
        r#"<testsuites name="openbao-perimeter" tests="2" skipped="0" failures="1" errors="0">"#,
        &format!(r#"<testsuite name="{RAFT}" tests="1" skipped="0" errors="0" failures="1">"#),
        r#"<testcase name="NetworkPolicy bao/open-raft" classname="NetworkPolicy">"#,
        r#"<failure message="OBP201" type="OBP201">"#,
        r#"<testcase name="NetworkPolicy bao/web" classname="NetworkPolicy"/>"#,
    ] {
        assert!(out.contains(part), "no {part} in {out}");
    }
    let (_, out) = check(&["-o", "junit", "--fail-on", "warn", RAFT, &warned]);
    assert!(out.contains(r#"failures="2""#), "{out}");
    let (_, out, _) = run_with(&[], &["check", "-o", "junit", RAFT]);
    assert!(
        out.contains("<skipped message=\"no OpenBaoCluster is known in namespace bao\"/>"),
        "{out}"
    );
}

#[test]
fn annotations_are_the_ten_worst_findings() {
    let (_, out) = check(&["-o", "github", RAFT]);
    let begin = format!(
        "::error file={RAFT},line=16,col=7,title=OBP201 ingress-beyond-ceiling::NetworkPolicy bao/open-raft, spec.ingress[0]: "
    );
    assert!(out.starts_with(&begin), "{out}");
    assert!(
        out.contains("%0Afor example: ") && out.lines().count() == 1,
        "{out}"
    );

    let mut many = String::new();
    for at in 0..12 {
        let _ = write!(
            many,
            "---{}",
            WARNED.replace("name: web", &format!("name: web-{at}"))
        );
    }
    let many = inventory("outputs-many", &many);
    let (_, out) = check(&["-o", "github", &many, RAFT]);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 11, "{out}");
    assert!(lines[0].starts_with("::error "), "{out}");
    assert!(
        lines[1..10]
            .iter()
            .all(|line| line.starts_with("::warning ")),
        "{out}"
    );
    assert_eq!(lines[10], "and 3 more; other outputs have all of them");
}

#[test]
fn markdown_has_a_table_and_the_remedy_of_each_denial() {
    let (_, out) = check(&["-o", "markdown", RAFT]);
    for part in [
        "### OpenBao perimeter: 1 of 1 objects denied\n",
        "| denied | OBP201 ingress-beyond-ceiling | NetworkPolicy bao/open-raft, `spec.ingress[0]` | `manifests/",
        "<details><summary>NetworkPolicy bao/open-raft: OBP201 spec.ingress[0]</summary>\n",
        "````yaml\n- namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: web}}\n````\n",
    ] {
        assert!(out.contains(part), "no {part} in {out}");
    }
    let (_, out) = check(&["-o", "markdown", &format!("{INVENTORY}/namespace.yaml")]);
    assert!(
        out.starts_with("### OpenBao perimeter: 0 objects checked, none denied\n"),
        "{out}"
    );
}

#[test]
fn the_level_that_fails_the_run_is_chosen() {
    let warned = inventory("outputs-fail-on", WARNED);
    for (args, path, status) in [
        (&[][..], RAFT, 1),
        (&[], &warned, 0),
        (&["--fail-on", "deny"], &warned, 0),
        (&["--fail-on", "warn"], &warned, 1),
        (&["--strict"], &warned, 1),
        (&["--fail-on", "never"], RAFT, 0),
    ] {
        let (ended, out) = check(&[args, &[path]].concat());
        assert_eq!(ended, Some(status), "{args:?} {path}: {out}");
    }
    // Without the inventory nothing is known of its namespace.
    for (args, status) in [
        (&[][..], 0),
        (&["--fail-on", "warn"], 0),
        (&["--strict"], 1),
    ] {
        let all = [&["check"], args, &[RAFT]].concat();
        let (ended, out, _) = run_with(&[], &all);
        assert_eq!(ended, Some(status), "{args:?}: {out}");
    }
    let err = failed(&["check", "--strict", "--fail-on", "never", RAFT]);
    assert!(err.contains("cannot be used with"), "{err}");
}

#[test]
fn quiet_text_has_only_what_fails_the_run() {
    let warned = inventory("outputs-quiet", WARNED);
    assert_eq!(check(&["--quiet", &warned]), (Some(0), String::new()));
    let (status, out) = check(&["-q", &warned, RAFT]);
    assert!(
        status == Some(1) && out.contains("OBP201") && !out.contains("OBP317"),
        "{out}"
    );
    assert!(!out.contains("judged"), "{out}");
    let (_, out) = check(&["-q", "--fail-on", "warn", &warned]);
    assert!(out.contains("OBP317"), "{out}");
}

#[test]
fn each_finding_is_reported_once_and_those_about_neighbours_once_per_neighbour() {
    let mut neighbours = String::new();
    for at in 0..5 {
        let _ = write!(
            neighbours,
            "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: broken-{at}, namespace: bao}}\n\
             spec: {{podSelector: {{}}, ingress: 7}}\n"
        );
    }
    let beside = folder("outputs-neighbours");
    for entry in fs::read_dir(INVENTORY).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), beside.join(entry.file_name())).unwrap();
    }
    fs::write(beside.join("broken.yaml"), neighbours).unwrap();
    let mut policies = String::new();
    for at in 0..40 {
        let _ = write!(
            policies,
            "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: web-{at}, namespace: bao}}\n\
             spec: {{podSelector: {{}}}}\n"
        );
    }
    let policies = inventory("outputs-once", &policies);
    let args = [
        "check",
        "-o",
        "json",
        "--inventory",
        beside.to_str().unwrap(),
        &policies,
    ];
    let (_, out, _) = run_with(&[], &args);
    let report: Value = serde_json::from_str(&out).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let mut objects: Vec<&str> = findings
        .iter()
        .map(|found| found["object"].as_str().unwrap())
        .collect();
    objects.sort_unstable();
    assert_eq!(
        objects,
        ["broken-0", "broken-1", "broken-2", "broken-3", "broken-4"],
        "{out}"
    );
    assert_eq!(report["summary"]["judged"], 40);
    // Where the neighbours are judged themselves, they have findings of their own.
    let (_, out, _) = run_with(
        &[],
        &["check", "-o", "json", beside.to_str().unwrap(), &policies],
    );
    let report: Value = serde_json::from_str(&out).unwrap();
    let findings = report["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 5, "{out}");
    assert!(
        findings.iter().all(|found| found["level"] == "denied"),
        "{out}"
    );
}

#[test]
fn text_is_as_wide_as_the_terminal() {
    let longest = |columns: u16| {
        let size = Winsize {
            ws_row: 50,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let terminal = openpty(Some(&size), None).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_openbao-perimeter"));
        command.args(["check", "--inventory", INVENTORY, RAFT]);
        command.env("NO_COLOR", "1");
        command.stdin(Stdio::null()).stdout(terminal.slave);
        let mut child = command.spawn().unwrap();
        drop(command);
        let mut read = fs::File::from(terminal.master);
        let mut text = Vec::new();
        // The end of a terminal is an error.
        let _end = std::io::Read::read_to_end(&mut read, &mut text);
        child.wait().unwrap();
        let text = String::from_utf8(text).unwrap();
        text.lines()
            .filter(|line| !line.contains("-->"))
            .map(|line| line.trim_end().chars().count())
            .max()
            .unwrap()
    };
    let (narrow, wide) = (longest(80), longest(140));
    assert!(narrow <= 80 && wide > 100 && wide <= 140, "{narrow} {wide}");
}

#[test]
fn the_short_help_of_check_fits_a_screen() {
    let (_, out, _) = run_with(&[], &["check", "-h"]);
    assert!(out.lines().count() <= 45, "{out}");
}
