//! Settings of the real binary: printing and reloading.

mod reload;

use std::fs;

use clap::Args as _;
use openbao_perimeter::settings::{ServeFlags, ServerConfig};
use serde_json::Value;

use crate::support::{assert_golden, folder, run_with};

#[test]
fn the_settings_in_force_are_printed_with_where_each_comes_from() {
    let file = folder("settings-printed").join("settings.yaml");
    fs::write(&file, "tls: ephemeral\nreview: {levels: {OBP201: off}}\n").unwrap();
    let config = file.to_str().unwrap();
    let environment = [("OBP_BASELINE", "v0.4"), ("OBP_LOG_FORMAT", "json")];
    let args = [
        "serve",
        "--print-config",
        "--config",
        config,
        "--log-format",
        "text",
    ];
    let (status, out, err) = run_with(&environment, &args);
    assert_eq!((status, err.as_str()), (Some(0), ""));
    for line in [
        "baseline: v0.4  # environment OBP_BASELINE".to_owned(),
        format!("tls: ephemeral  # file {config}"),
        "shutdownDelay: 2s  # default".to_owned(),
        "# cert: not set".to_owned(),
    ] {
        assert!(out.lines().any(|found| found == line), "{line}\n{out}");
    }
    assert!(out.contains("# flag --log-format\n"), "{out}");

    // The printed settings are valid input.
    let printed = folder("settings-printed-again").join("settings.yaml");
    fs::write(&printed, &out).unwrap();
    let config = printed.to_str().unwrap();
    for command in ["serve", "check"] {
        let (status, again, err) = run_with(&[], &[command, "--print-config", "--config", config]);
        assert_eq!((status, err.as_str()), (Some(0), ""));
        assert_eq!(values(&again), values(&out));
        // An empty list cannot be distinguished from an unset one.
        let unset = again.lines().filter(|line| line.ends_with("# default"));
        let unset: Vec<&str> = unset.map(str::trim).collect();
        assert_eq!(
            unset,
            [
                "apiServerAddresses: []  # default",
                "subjects: []  # default",
                "accounts: []  # default"
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
    let environment = [("OBP_BASELINE", "v0.4"), ("OBP_OWN_NAMESPACE", "perimeter")];
    let config = "tests/it/settings/print.yaml";
    let args = ["serve", "--print-config", "--config", config];
    let (status, out, err) = run_with(&environment, &args);
    assert_eq!((status, err.as_str()), (Some(0), ""));
    assert_golden("print-config.yaml", &out);
}

/// A flag overrides its variable, which overrides the file, in each command with settings.
#[test]
fn a_flag_wins_over_the_variable_and_that_over_the_file() {
    let file = folder("settings-order").join("settings.yaml");
    fs::write(
        &file,
        "tls: ephemeral\nbaseline: classic\noperatorNamespace: file\ninventory: file\n",
    )
    .unwrap();
    let config = file.to_str().unwrap();
    let environment = [
        ("OBP_BASELINE", "v0.1"),
        ("OBP_OPERATOR_NAMESPACE", "environment"),
    ];
    for command in ["serve", "check"] {
        let args = [
            command,
            "--print-config",
            "--config",
            config,
            "--baseline",
            "v0.4",
        ];
        let (status, out, err) = run_with(&environment, &args);
        assert_eq!((status, err.as_str()), (Some(0), ""));
        for line in [
            "baseline: v0.4  # flag --baseline".to_owned(),
            "operatorNamespace: environment  # environment OBP_OPERATOR_NAMESPACE".to_owned(),
            format!("inventory: file  # file {config}"),
            "    elements: 1000  # default".to_owned(),
        ] {
            assert!(out.lines().any(|found| found == line), "{line}\n{out}");
        }
    }
}

#[test]
fn every_command_uses_the_settings_file() {
    let folder = folder("settings-judge");
    let with = |settings: &str, args: &[&str]| {
        let file = folder.join("settings.yaml");
        fs::write(&file, settings).unwrap();
        let config = ["--config", file.to_str().unwrap()];
        let args: Vec<&str> = args.iter().copied().chain(config).collect();
        run_with(&[], &args)
    };
    let open = "manifests/examples/scenes/refused-OBP201-raft-from-a-namespace.yaml";
    let inventory = "manifests/examples/inventory";
    let check = ["check", open, "--inventory", inventory];
    let (status, out, _) = with("", &check);
    assert_eq!(status, Some(1), "{out}");
    for level in ["warn", "{check: off}"] {
        let (status, out, _) = with(&format!("review: {{levels: {{OBP201: {level}}}}}"), &check);
        assert_eq!(status, Some(0), "{out}");
    }
    let show = ["show", "--inventory", inventory];
    let probes = "baseline: v0.1\nreview: {healthNamespaces: [probes]}";
    let (status, out, err) = with(probes, &show);
    assert_eq!(status, Some(0), "{err}");
    assert!(
        out.contains("ceiling <- namespace probes, 8200 TCP"),
        "{out}"
    );
    let render = ["render", "manifests/examples/inventory/openbaocluster.yaml"];
    let (status, out, err) = with("review: {apiPort: 8999}", &render);
    assert_eq!(status, Some(0), "{err}");
    assert!(out.contains("port: 8999"), "{out}");
}

/// A node sets variables such as `OBP_HEALTH_PORT` and `OBP_HEALTH_PORT_443_TCP_ADDR` for a Service
/// `obp-health`.
#[test]
fn no_variable_of_a_setting_can_be_that_of_a_service() {
    let command = ServeFlags::augment_args(clap::Command::new("serve"));
    for argument in command.get_arguments() {
        let variable = argument.get_env().unwrap().to_str().unwrap();
        for end in ["_PORT", "_HOST", "_PROTO", "_ADDR", "_TCP", "_UDP"] {
            assert!(!variable.ends_with(end), "{variable}");
        }
    }
}

#[test]
fn the_short_help_of_each_command_fits_one_screen() {
    for command in ["serve", "review", "check", "render", "show", "explain"] {
        let (status, out, _) = run_with(&[], &[command, "-h"]);
        assert_eq!(status, Some(0));
        assert!(out.lines().count() <= 40, "{command}: {out}");
    }
}

#[test]
fn an_invalid_value_is_reported_with_its_variable() {
    let environment = [("OBP_LISTEN", "https"), ("OBP_BASELINE", "v0.4")];
    let (status, _, err) = run_with(&environment, &["serve"]);
    assert_eq!(status, Some(2));
    for part in [
        "invalid value 'https' for '--listen <ADDRESS>'",
        "tip: the value comes from the environment variable `OBP_LISTEN`",
    ] {
        assert!(err.contains(part), "{part}: {err}");
    }
    for flag in [&["--listen=x"][..], &["--listen", "x"]] {
        let args: Vec<&str> = ["serve"].iter().chain(flag).copied().collect();
        let (_, _, err) = run_with(&environment, &args);
        assert!(err.contains("'x' for '--listen <ADDRESS>'"), "{err}");
        assert!(!err.contains("OBP_LISTEN"), "{err}");
    }
}

#[test]
fn settings_that_serve_would_reject_are_printed_and_rejected() {
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
    // Ignored by `check`.
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
    open("", &ServerConfig::schema(), &mut found);
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn a_port_that_is_taken_is_named_with_the_flag_for_another_one() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let args = "serve --tls ephemeral --listen 127.0.0.1:0 --metrics-listen 127.0.0.1:0";
    let args: Vec<&str> = args.split(' ').collect();
    let more = [
        "--inventory",
        "manifests/examples/inventory",
        "--probes-listen",
        &address,
    ];
    let (status, _, err) = run_with(&[], &[&args[..], &more[..]].concat());
    assert_eq!(status, Some(2));
    let expected = format!(
        "`{address}` is taken by another process; end it, or set another address with `--probes-listen`"
    );
    assert!(err.contains(&expected), "{err}");
}
