//! Names of strangers in every output: they forge no line, no row and no markup.

use std::fs;
use std::process::Command;

use quick_junit::Report;
use serde_json::Value;

use super::{assert_valid, sarif_schema};
use crate::cli_views::INVENTORY;
use crate::support::{folder, run_with};

/// Part of a name of a file and of a label.
const EVIL: &str =
    "a\n::error::x\r%0A|b`<img>@all]]>\u{1b}[31m\u{2028}\u{202e}[x](http:e)\n---\n````";

/// The output in a format, of a denied policy in a file with such a name, with such labels.
fn output(format: &str) -> String {
    let folder = folder(&format!("outputs-hostile-{format}"));
    let label = serde_json::to_string(EVIL).unwrap();
    let policy = format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: open, namespace: bao}}\nspec:\n  \
         podSelector: {{}}\n  ingress:\n    - from: [{{podSelector: {{matchLabels: {{team: {label}}}}}}}]\n  {label}: 1\n"
    );
    fs::write(folder.join(format!("{EVIL}.yaml").replace('/', "")), policy).unwrap();
    for name in [
        &*format!("{EVIL}b.yaml"),
        &format!("{} ::error::x::##[y].yaml", "b".repeat(80)),
    ] {
        std::os::unix::fs::symlink("nowhere", folder.join(name)).unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_openbao-perimeter"));
    let inventory = fs::canonicalize(INVENTORY).unwrap();
    command
        .args(["check", "-o", format, "."])
        .arg("--inventory")
        .arg(inventory);
    let output = command.current_dir(&folder).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("OBP401"), "{text}");
    let is_raw = |c: char| matches!(c, '\r' | '\u{1b}' | '\u{2028}' | '\u{202e}');
    // JSON has escapes of its own for the control characters.
    assert!(format == "json" || !text.contains(is_raw), "{text:?}");
    text
}

#[test]
fn text_has_no_line_of_a_name() {
    let text = output("text");
    for line in text.lines() {
        let line = line.trim_start();
        assert!(
            !line.starts_with("::") && !line.starts_with("---") && !line.contains("##["),
            "{line}"
        );
    }
    assert!(
        text.contains("\n  \\u{3a}:error::x::#\\u{23}[y].yaml: "),
        "{text}"
    );
    // Errors have names too.
    let name = "no\n ::error::x::";
    let (status, _, err) = run_with(&[], &["check", name]);
    assert_eq!(status, Some(2));
    assert!(err.contains("`no\n \\u{3a}:error::x::`"), "{err}");
}

#[test]
fn json_keeps_the_name_as_it_is() {
    let report: Value = serde_json::from_str(&output("json")).unwrap();
    let file = report["findings"][0]["file"].as_str().unwrap();
    assert!(file.contains("[x](http:e)\n---\n"), "{file}");
}

#[test]
fn sarif_has_no_link_of_a_name() {
    let text = output("sarif");
    let log: Value = serde_json::from_str(&text).unwrap();
    assert_valid(&sarif_schema(), &log);
    for result in log["runs"][0]["results"].as_array().unwrap() {
        let message = result["message"]["text"].as_str().unwrap();
        assert!(!message.contains("]("), "{message}");
        let uri = &result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
        let uri = uri.as_str().unwrap();
        assert!(
            uri.bytes()
                .all(|byte| byte.is_ascii_graphic() && !b"<>[]`|@".contains(&byte)),
            "{uri}"
        );
    }
}

#[test]
fn junit_is_whole() {
    let text = output("junit");
    let report = Report::deserialize_from_str(&text).unwrap();
    assert_eq!(report.test_suites.len(), 1, "{text}");
    assert_eq!(report.test_suites[0].test_cases.len(), 1, "{text}");
}

#[test]
fn annotations_are_one_line_each() {
    let text = output("github");
    for line in text.lines() {
        assert!(
            line.starts_with("::error file=") || line.starts_with("::warning file="),
            "{line}"
        );
        // The command ends at the second colons.
        let (properties, _) = line[2..].split_once("::").unwrap();
        assert!(
            !properties.contains("error::") && properties.contains("%3A%3Aerror%3A%3Ax"),
            "{line}"
        );
        assert!(line.contains("%250A"), "{line}");
    }
}

/// The line without code.
fn outside_code(line: &str) -> String {
    line.split('`').step_by(2).collect()
}

#[test]
fn markdown_has_no_markup_of_a_name() {
    let text = output("markdown");
    let mut fence = None;
    for line in text.lines() {
        if let Some(open) = &fence {
            if line == open {
                fence = None;
            }
            continue;
        }
        if line.ends_with("yaml") && line.starts_with("```") {
            fence = Some(line.trim_end_matches("yaml").to_owned());
            continue;
        }
        let line = line.replace("<details>", "").replace("</details>", "");
        let line = line.replace("<summary>", "").replace("</summary>", "");
        let outside = outside_code(&line).replace("\\]", "");
        assert_eq!(line.matches('`').count() % 2, 0, "{line}");
        assert!(
            !outside.contains(['<', '@']) && !outside.contains("]("),
            "{line}"
        );
        assert!(
            !line.starts_with("::") && !line.starts_with("---"),
            "{line}"
        );
        if line.starts_with('|') {
            let bars = line.replace("\\|", "").matches('|').count();
            assert_eq!(bars, 6, "{line}");
        }
    }
    assert_eq!(fence, None, "{text}");
    assert!(
        text.contains("Note: ") && text.contains("\\[x\\](http:e)"),
        "{text}"
    );
}
