//! The GitHub Action, the pre-commit hook and the krew manifest: their shell steps are run.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::cli_views::{INVENTORY, inventory};
use crate::support::folder;

const BINARY: &str = env!("CARGO_BIN_EXE_openbao-perimeter");
const RAFT: &str = "manifests/examples/scenes/refused-OBP201-raft-from-a-namespace.yaml";

fn read(file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    serde_saphyr::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Result of the action: exit status of its last step, text of the first, and the files that it wrote.
struct Ended {
    status: Option<i32>,
    text: String,
    outputs: String,
    summary: String,
}

/// Runs the shell steps of the action that do not need GitHub, with these inputs.
fn act(name: &str, inputs: &[(&str, &str)]) -> Ended {
    let action = read("action.yml");
    let folder = folder(&format!("pipelines-{name}"));
    let defaults = action["inputs"].as_object().unwrap().iter();
    let mut values: BTreeMap<String, String> = defaults
        .map(|(key, input)| {
            (
                format!("inputs.{key}"),
                input["default"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    for (key, value) in inputs {
        assert!(values.contains_key(&format!("inputs.{key}")), "{key}");
        values.insert(format!("inputs.{key}"), (*value).to_owned());
    }
    let outputs = folder.join("outputs");
    let mut text = String::new();
    let mut status = None;
    for step in action["runs"]["steps"].as_array().unwrap() {
        let Some(script) = step["run"].as_str().filter(|_| step.get("if").is_none()) else {
            continue;
        };
        assert!(
            !script.contains("${{"),
            "inputs reach the shell by variables only: {script}"
        );
        let mut bash = Command::new("bash");
        bash.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", script]);
        bash.env("RUNNER_TEMP", &folder)
            .env("GITHUB_OUTPUT", &outputs);
        bash.env("GITHUB_STEP_SUMMARY", folder.join("summary"));
        for (variable, value) in step["env"].as_object().unwrap() {
            let name = value
                .as_str()
                .unwrap()
                .trim_start_matches("${{ ")
                .trim_end_matches(" }}");
            bash.env(variable, &values[name]);
        }
        let output = bash.output().unwrap();
        text.push_str(&String::from_utf8(output.stdout).unwrap());
        text.push_str(&String::from_utf8(output.stderr).unwrap());
        status = output.status.code();
        let written = fs::read_to_string(&outputs).unwrap_or_default();
        for (key, value) in written.lines().filter_map(|line| line.split_once('=')) {
            values.insert(format!("steps.check.outputs.{key}"), value.to_owned());
        }
    }
    Ended {
        status,
        text,
        outputs: fs::read_to_string(outputs).unwrap_or_default(),
        summary: fs::read_to_string(folder.join("summary")).unwrap_or_default(),
    }
}

#[test]
fn the_action_annotates_and_writes_its_files_and_ends_with_the_status() {
    let args = format!("--inventory\n{INVENTORY}\n");
    let ended = act(
        "denied",
        &[("binary", BINARY), ("args", &args), ("paths", RAFT)],
    );
    assert_eq!(ended.status, Some(1), "{}", ended.text);
    assert!(ended.text.starts_with("::error file="), "{}", ended.text);
    assert!(
        ended
            .summary
            .starts_with("### OpenBao perimeter: 1 of 1 objects denied"),
        "{}",
        ended.summary
    );
    let sarif = ended
        .outputs
        .lines()
        .find_map(|line| line.strip_prefix("sarif="))
        .unwrap();
    let log: Value = serde_json::from_str(&fs::read_to_string(sarif).unwrap()).unwrap();
    assert_eq!(log["runs"][0]["results"][0]["ruleId"], "OBP201");

    let never = [
        ("binary", BINARY),
        ("args", &*args),
        ("paths", RAFT),
        ("fail-on", "never"),
    ];
    assert_eq!(act("never", &never).status, Some(0));
    let missing = act("missing", &[("binary", BINARY), ("paths", "no/such\n")]);
    assert_eq!(missing.status, Some(2), "{}", missing.text);
    let summary = "### OpenBao perimeter: 0 objects checked, none denied, 1 could not be read\n";
    assert!(missing.summary.starts_with(summary), "{}", missing.summary);
    let absent = act("absent", &[("binary", "no-such-program")]);
    assert_eq!(absent.status, Some(127), "{}", absent.text);
}

#[test]
fn the_comment_is_the_markdown_on_the_pull_request() {
    let action = read("action.yml");
    let steps = action["runs"]["steps"].as_array().unwrap();
    let comments = |step: &&Value| {
        step["if"]
            .as_str()
            .is_some_and(|only| only.contains("inputs.comment"))
    };
    let step = steps.iter().find(comments).unwrap();
    let only = "inputs.comment == 'true' && github.event_name == 'pull_request' && steps.check.outputs.markdown != ''";
    assert_eq!(step["if"], only);
    assert_eq!(
        step["env"],
        serde_json::json!({
            "GH_TOKEN": "${{ github.token }}",
            "PULL_REQUEST": "${{ github.event.pull_request.html_url }}",
            "MARKDOWN": "${{ steps.check.outputs.markdown }}",
        })
    );
    let folder = folder("pipelines-comment");
    let gh = folder.join("gh");
    let fake = "#!/bin/sh\nprintf '%s\\n' \"$GH_TOKEN\" \"$@\" > told\ncat \"$5\" > body\nexit 3\n";
    fs::write(&gh, fake).unwrap();
    fs::set_permissions(&gh, fs::Permissions::from_mode(0o755)).unwrap();
    let markdown = folder.join("a b.md");
    fs::write(&markdown, "### text\n").unwrap();
    let mut bash = Command::new("bash");
    let script = step["run"].as_str().unwrap();
    bash.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", script]);
    let path = std::env::var("PATH").unwrap_or_default();
    bash.env("PATH", format!("{}:{path}", folder.display()));
    let address = "https://example.com/o/r/pull/1";
    bash.env("GH_TOKEN", "t0").env("PULL_REQUEST", address);
    bash.env("MARKDOWN", &markdown).current_dir(&folder);
    // A comment that fails fails the step.
    assert_eq!(bash.status().unwrap().code(), Some(3));
    let arguments = fs::read_to_string(folder.join("told")).unwrap();
    let expected = format!(
        "t0\npr\ncomment\n{address}\n--body-file\n{}\n--edit-last\n--create-if-none\n",
        markdown.display()
    );
    assert_eq!(arguments, expected);
    assert_eq!(
        fs::read_to_string(folder.join("body")).unwrap(),
        "### text\n"
    );
}

#[test]
fn the_hook_judges_the_repository_and_says_nothing_of_a_clean_one() {
    let hooks = read(".pre-commit-hooks.yaml");
    let hook = &hooks[0];
    assert_eq!(
        (&hook["language"], &hook["pass_filenames"]),
        (&"system".into(), &false.into())
    );
    let mut words: Vec<&str> = hook["entry"].as_str().unwrap().split(' ').collect();
    words.extend(
        hook["args"]
            .as_array()
            .unwrap()
            .iter()
            .map(|word| word.as_str().unwrap()),
    );
    assert_eq!(words.remove(0), "openbao-perimeter");
    let cluster = fs::read_to_string(format!("{INVENTORY}/openbaocluster.yaml")).unwrap();
    let open = fs::read_to_string(RAFT).unwrap();
    for (name, text, status) in [
        ("pipelines-clean", cluster.clone(), 0),
        ("pipelines-denied", format!("{cluster}\n---\n{open}"), 1),
    ] {
        let repository = inventory(name, &text);
        let mut run = Command::new(BINARY);
        let output = run.args(&words).current_dir(&repository).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(status), "{text}");
        assert_eq!(text.is_empty(), status == 0, "{text}");
    }
}

#[test]
fn the_krew_manifest_is_of_this_version_and_installs_the_plugin() {
    let manifest = read("deploy/krew/openbao-perimeter.yaml");
    assert_eq!(
        manifest["spec"]["version"],
        format!("v{}", env!("CARGO_PKG_VERSION"))
    );
    for platform in manifest["spec"]["platforms"].as_array().unwrap() {
        assert_eq!(platform["bin"], "kubectl-openbao_perimeter");
        assert_eq!(platform["files"][0]["to"], platform["bin"]);
    }
}
