//! Settings of the real binary: printed, and followed.

mod reload;

use std::fs;

use openbao_perimeter::settings::Settings;
use serde_json::Value;

use crate::support::{assert_golden, folder, run_with};

#[test]
fn the_settings_in_force_are_printed_with_where_each_comes_from() {
    let file = folder("settings-printed").join("settings.yaml");
    fs::write(&file, "tls: ephemeral\nreview: {levels: {OBP201: off}}\n").unwrap();
    let config = file.to_str().unwrap();
    let environment = [("OBP_BASELINE", "next"), ("OBP_EVENTS", "off")];
    let args = [
        "serve",
        "--print-config",
        "--config",
        config,
        "--events",
        "on",
    ];
    let (status, out, err) = run_with(&environment, &args);
    assert_eq!((status, err.as_str()), (Some(0), ""));
    for line in [
        "baseline: next  # environment OBP_BASELINE".to_owned(),
        format!("tls: ephemeral  # file {config}"),
        "shutdownDelaySeconds: 2  # default".to_owned(),
        "# cert: not set".to_owned(),
    ] {
        assert!(out.lines().any(|found| found == line), "{line}\n{out}");
    }
    assert!(out.contains("# flag --events\n"), "{out}");

    // What was printed sets the same by itself.
    let printed = folder("settings-printed-again").join("settings.yaml");
    fs::write(&printed, &out).unwrap();
    let config = printed.to_str().unwrap();
    for command in ["serve", "check"] {
        let (status, again, err) = run_with(&[], &[command, "--print-config", "--config", config]);
        assert_eq!((status, err.as_str()), (Some(0), ""));
        assert_eq!(values(&again), values(&out));
        // Of a list that is empty nobody can tell whether it is set.
        let unset = again.lines().filter(|line| line.ends_with("# default"));
        let unset: Vec<&str> = unset.map(str::trim).collect();
        assert_eq!(
            unset,
            [
                "apiServerAddresses: []  # default",
                "subjects: []  # default"
            ]
        );
    }
}

/// The lines without their comments.
fn values(printed: &str) -> Vec<&str> {
    printed
        .lines()
        .map(|line| line.split("  # ").next().unwrap_or_default())
        .collect()
}

#[test]
fn what_is_printed_reads_as_a_file_of_settings() {
    let environment = [("OBP_BASELINE", "next"), ("OBP_OWN_NAMESPACE", "perimeter")];
    let config = "tests/it/settings/print.yaml";
    // As many workers as there are processors would be another file on each machine.
    let args = [
        "serve",
        "--print-config",
        "--config",
        config,
        "--max-workers",
        "4",
    ];
    let (status, out, err) = run_with(&environment, &args);
    assert_eq!((status, err.as_str()), (Some(0), ""));
    assert_golden("print-config.yaml", &out);
}

#[test]
fn settings_that_serve_would_refuse_are_printed_and_refused() {
    let (status, out, err) = run_with(&[], &["serve", "--print-config"]);
    assert!(out.contains("tls: files  # default\n"), "{out}");
    assert_eq!(status, Some(2));
    assert!(
        err.contains("expected the settings `cert` and `key`"),
        "{err}"
    );
    // Of no interest to a check.
    assert_eq!(run_with(&[], &["check", "--print-config"]).0, Some(0));
}

#[test]
fn the_schema_forbids_every_key_that_it_does_not_list() {
    fn open(path: &str, schema: &Value, found: &mut Vec<String>) {
        match schema {
            Value::Object(fields) => {
                let is_closed = fields.get("additionalProperties") == Some(&Value::Bool(false));
                if fields.get("properties").is_some_and(Value::is_object) && !is_closed {
                    found.push(path.to_owned());
                }
                for (key, schema) in fields {
                    open(&format!("{path}/{key}"), schema, found);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| open(path, item, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    open("", &Settings::schema(), &mut found);
    assert_eq!(found, Vec::<String>::new());
}
