//! Settings of the real binary: printed, and followed.

mod reload;

use std::fs;

use openbao_perimeter::settings::Settings;
use serde_json::{Value, json};

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

/// A flag before its variable, that before the file, in each command that takes settings.
#[test]
fn of_reviews_too_a_flag_wins_over_the_variable_and_that_over_the_file() {
    let file = folder("settings-reviews").join("settings.yaml");
    let text = "review: {levels: {OBP201: off}, healthPorts: [1], dnsNamespaces: [file], caps: {rules: 1, values: 1, excepts: 4}, \
                platform: [{egress: [{}]}]}";
    fs::write(&file, text).unwrap();
    let config = file.to_str().unwrap();
    let environment = [
        ("OBP_LEVEL", "OBP304@check=deny,OBP305=warn"),
        ("OBP_HEALTH_PORT", "2,3"),
        ("OBP_DNS_NAMESPACE", "environment"),
        ("OBP_CAP_RULES", "2"),
        ("OBP_PLATFORM", "[{zones: [jobs], ingress: [{}]}]"),
    ];
    let flags = "--dns-namespace a --dns-namespace b --cap-values 3 --tls ephemeral";
    for command in ["serve", "check"] {
        let args = [command, "--print-config", "--config", config];
        let args: Vec<&str> = args.into_iter().chain(flags.split(' ')).collect();
        let (status, out, err) = run_with(&environment, &args);
        assert_eq!((status, err.as_str()), (Some(0), ""));
        let found: Value = serde_saphyr::from_str(&out).unwrap();
        for (key, expected) in [
            (
                "levels",
                json!({"OBP304": {"check": "deny"}, "OBP305": "warn"}),
            ),
            ("healthPorts", json!([2, 3])),
            ("dnsNamespaces", json!(["a", "b"])),
        ] {
            assert_eq!(found["review"][key], expected, "{key}");
        }
        assert_eq!(found["review"]["platform"][0]["zones"], json!(["jobs"]));
        for line in [
            "  levels:  # environment OBP_LEVEL".to_owned(),
            "  healthPorts:  # environment OBP_HEALTH_PORT".to_owned(),
            "  dnsNamespaces:  # flag --dns-namespace".to_owned(),
            "  platform:  # environment OBP_PLATFORM".to_owned(),
            "    rules: 2  # environment OBP_CAP_RULES".to_owned(),
            "    values: 3  # flag --cap-values".to_owned(),
            format!("    excepts: 4  # file {config}"),
            "    elements: 1000  # default".to_owned(),
        ] {
            assert!(out.lines().any(|found| found == line), "{line}\n{out}");
        }
    }
}

#[test]
fn every_command_judges_by_the_flags_about_reviews() {
    let open = "manifests/examples/scenes/refused-OBP201-raft-from-a-namespace.yaml";
    let inventory = "manifests/examples/inventory";
    let check = ["check", open, "--inventory", inventory];
    let (status, out, _) = run_with(&[], &check);
    assert_eq!(status, Some(1), "{out}");
    for off in ["OBP201=warn", "OBP201@check=off"] {
        let args: Vec<&str> = check.into_iter().chain(["--level", off]).collect();
        assert_eq!(run_with(&[], &args).0, Some(0), "{off}");
        let (status, out, _) = run_with(&[("OBP_LEVEL", off)], &check);
        assert_eq!(status, Some(0), "{out}");
    }
    let show = [
        "show",
        "--inventory",
        inventory,
        "--health-namespace",
        "probes",
    ];
    let (status, out, err) = run_with(&[], &show);
    assert_eq!(status, Some(0), "{err}");
    assert!(
        out.contains("ceiling <- namespace probes, 8200 TCP"),
        "{out}"
    );
    let render = ["render", "manifests/examples/inventory/openbaocluster.yaml"];
    let render: Vec<&str> = render.into_iter().chain(["--api-port", "8999"]).collect();
    let (status, out, err) = run_with(&[], &render);
    assert_eq!(status, Some(0), "{err}");
    assert!(out.contains("port: 8999"), "{out}");
}

#[test]
fn a_value_that_is_not_understood_is_told_with_the_variable_that_it_stands_in() {
    let environment = [("OBP_HEALTH_PORT", "https"), ("OBP_MAX_REQUESTS", "5")];
    let (status, _, err) = run_with(&environment, &["serve"]);
    assert_eq!(status, Some(2));
    for part in [
        "invalid value 'https' for '--health-port <PORT>': expected a port from 1 to 65535",
        "tip: the value stands in the environment variable `OBP_HEALTH_PORT`",
    ] {
        assert!(err.contains(part), "{part}: {err}");
    }
    for flag in [&["--health-port=x"][..], &["--health-port", "x"]] {
        let args: Vec<&str> = ["serve"].iter().chain(flag).copied().collect();
        let (_, _, err) = run_with(&environment, &args);
        assert!(err.contains("'x' for '--health-port <PORT>'"), "{err}");
        assert!(!err.contains("OBP_HEALTH_PORT"), "{err}");
    }
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
    let args = ["serve", "--print-config", "--tls", "ephemeral"];
    assert_eq!(run_with(&[], &args).0, Some(0));
    let (status, _, err) = run_with(&[("OBP_LOG_FILTER", "kube")], &args);
    assert_eq!(status, Some(2));
    assert!(err.contains("log filter `kube`"), "{err}");
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
