//! Remedies as fixes of SARIF.

use std::fs;

use serde_json::Value;

use super::{assert_valid, check, sarif_schema};
use crate::cli_views::{INVENTORY, inventory};
use crate::support::{folder, run_with};

/// The text with the replacements of a fix for a file, last first.
fn repaired(text: &str, fix: &Value, file: &str) -> String {
    let mut lines: Vec<Vec<char>> = text
        .split_inclusive('\n')
        .map(|line| line.chars().collect())
        .collect();
    let changes = fix["artifactChanges"].as_array().unwrap().iter();
    for change in changes.filter(|change| {
        change["artifactLocation"]["uri"]
            .as_str()
            .unwrap()
            .ends_with(file)
    }) {
        let replacement = &change["replacements"][0];
        let number = |field: &str| {
            usize::try_from(replacement["deletedRegion"][field].as_u64().unwrap()).unwrap()
        };
        let offset = |line: usize, column: usize| {
            lines[..line - 1].iter().map(Vec::len).sum::<usize>() + column - 1
        };
        let (start, end) = (
            offset(number("startLine"), number("startColumn")),
            offset(number("endLine"), number("endColumn")),
        );
        let mut all: Vec<char> = lines.concat();
        let inserted = replacement["insertedContent"]["text"].as_str().unwrap();
        all.splice(start..end, inserted.chars());
        let text: String = all.into_iter().collect();
        lines = text
            .split_inclusive('\n')
            .map(|line| line.chars().collect())
            .collect();
    }
    lines.concat().into_iter().collect()
}

#[test]
fn a_fix_of_sarif_makes_the_finding_go_away_and_keeps_the_comments() {
    let cluster = fs::read_to_string(format!("{INVENTORY}/openbaocluster.yaml")).unwrap();
    let policies = [
        // In block and in flow style; the second rule of several, and the only one.
        "spec:\n  podSelector: {}\n  policyTypes: [Ingress]\n  ingress:\n    # ours\n    - from:\n        - podSelector: {matchLabels: {a: b}} # kept\n      ports: [{port: 9000}]\n",
        "spec:\n  podSelector: {} # all\n  policyTypes: [Ingress]\n  ingress: [{ports: [{port: 8201}]}]\n",
        "spec:\n  podSelector:\n    matchLabels:\n      openbao.org/cluster: bao\n  policyTypes:\n    - Ingress\n  ingress:\n    - ports:\n        - port: 8200 # all\n",
    ];
    let mut fixes = 0;
    for (at, spec) in policies.iter().enumerate() {
        let folder = folder(&format!("outputs-fix-{at}"));
        fs::write(folder.join("cluster.yaml"), &cluster).unwrap();
        let policy = format!(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: open\n  namespace: bao\n{spec}"
        );
        fs::write(folder.join("policy.yaml"), &policy).unwrap();
        let path = folder.to_str().unwrap();
        let (_, out, _) = run_with(&[], &["check", "-o", "sarif", path]);
        let log: Value = serde_json::from_str(&out).unwrap();
        assert_valid(&sarif_schema(), &log);
        let results = log["runs"][0]["results"].as_array().unwrap();
        let found: Vec<&Value> = results
            .iter()
            .filter(|found| found["level"] == "error")
            .collect();
        for fix in found.iter().filter_map(|found| found["fixes"].get(0)) {
            fixes += 1;
            for (file, text) in [("cluster.yaml", &cluster), ("policy.yaml", &policy)] {
                let repaired_text = repaired(text, fix, file);
                let comments = |text: &str| text.matches(" # ").count();
                assert!(
                    comments(&repaired_text) >= comments(text),
                    "{repaired_text}"
                );
                fs::write(folder.join(file), repaired_text).unwrap();
            }
            let (_, after, _) = run_with(&[], &["check", "-o", "json", path]);
            let after: Value = serde_json::from_str(&after).unwrap();
            assert_eq!(after["summary"]["denied"], 0, "{after:#}");
        }
    }
    assert!(fixes >= 3, "{fixes}");
}

#[test]
fn a_remedy_of_two_findings_is_printed_once() {
    let open = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: open, namespace: bao}\n\
        spec: {podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{}], egress: [{}]}\n";
    let (_, out) = check(&[&inventory("outputs-twice", open)]);
    let count = |text: &str| out.matches(text).count();
    assert_eq!(count("- {key: openbao.org/cluster"), 1, "{out}");
    assert_eq!(count("to do: exclude the OpenBao pods; add to"), 1, "{out}");
    assert_eq!(
        count("to do: exclude the OpenBao pods, as for spec.ingress[0]"),
        1,
        "{out}"
    );
}
