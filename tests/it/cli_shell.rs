//! The program in a shell: completion, manual pages, version, plugin of kubectl.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use serde_json::Value;

use crate::cli_views::{INVENTORY, ok};
use crate::support::{folder, run_with};

const BINARY: &str = env!("CARGO_BIN_EXE_openbao-perimeter");

/// Completions of the last word.
fn completed(line: &[&str]) -> String {
    let index = (line.len() - 1).to_string();
    let environment = [
        ("COMPLETE", "bash"),
        ("_CLAP_COMPLETE_INDEX", index.as_str()),
        ("_CLAP_COMPLETE_COMP_TYPE", "9"),
        ("_CLAP_COMPLETE_SPACE", "true"),
        ("_CLAP_IFS", "\n"),
    ];
    let (status, out, err) = run_with(&environment, &[&["--"], line].concat());
    assert_eq!((status, err.as_str()), (Some(0), ""));
    out
}

#[test]
fn each_shell_gets_a_script_that_asks_the_program() {
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let script = ok(&["completion", shell]);
        assert!(
            script.contains("COMPLETE") && script.contains("openbao-perimeter"),
            "{script}"
        );
    }
    let bash = folder("shell-bash").join("completion");
    fs::write(&bash, ok(&["completion", "bash"])).unwrap();
    let status = Command::new("bash").arg("-n").arg(&bash).status().unwrap();
    assert!(status.success());
}

#[test]
fn commands_formats_codes_and_clusters_complete() {
    let program = "openbao-perimeter";
    assert!(
        completed(&[program, "che"])
            .lines()
            .any(|word| word == "check")
    );
    assert_eq!(completed(&[program, "check", "-o", "sa"]), "sarif");
    assert_eq!(
        completed(&[program, "explain", "OBP20"]),
        "OBP201\nOBP202\nOBP203\nOBP204"
    );
    for line in [
        &[program, "show", "--inventory", INVENTORY, "b"][..],
        &[program, "can", "--inventory", INVENTORY, "-", "bao/"],
    ] {
        assert_eq!(completed(line), "bao/bao", "{line:?}");
    }
}

#[test]
fn there_is_a_manual_page_for_each_command() {
    let pages = folder("shell-man").join("pages");
    assert_eq!(ok(&["man", pages.to_str().unwrap()]), "");
    for page in [
        "openbao-perimeter.1",
        "openbao-perimeter-check.1",
        "openbao-perimeter-can.1",
        "openbao-perimeter-certs-make.1",
    ] {
        let text = fs::read_to_string(pages.join(page)).unwrap();
        assert!(text.contains(".TH "), "{page}");
    }
    let check = fs::read_to_string(pages.join("openbao-perimeter-check.1")).unwrap();
    assert!(check.contains("fail\\-on"), "{check}");
}

#[test]
fn the_version_is_printed_as_text_and_json() {
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(ok(&["version"]), format!("openbao-perimeter {version}\n"));
    let json: Value = serde_json::from_str(&ok(&["version", "-o", "json"])).unwrap();
    assert_eq!(json["version"], version);
    assert_eq!(json["baselines"][1], "v0.1");
}

#[test]
fn as_a_plugin_of_kubectl_the_help_is_what_is_typed() {
    let plugin = folder("shell-plugin").join("kubectl-openbao_perimeter");
    symlink(BINARY, &plugin).unwrap();
    let output = Command::new(&plugin)
        .args(["check", "-h"])
        .output()
        .unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(
        help.contains("Usage: kubectl openbao-perimeter check "),
        "{help}"
    );
    let (_, help, _) = run_with(&[], &["check", "-h"]);
    assert!(help.contains("Usage: openbao-perimeter check "), "{help}");
}
