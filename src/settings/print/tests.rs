use std::collections::BTreeSet;
use std::path::Path;

use clap::{Args as _, Command, Parser};

use super::*;
use crate::settings::given::argument;
use crate::settings::{Origin, ServeFlags, ServerConfig};

#[derive(Parser)]
struct Typed {
    #[command(flatten)]
    given: Given<ServeFlags>,
}

fn given(args: &[&str]) -> Given<ServeFlags> {
    let args = ["serve"].iter().chain(args);
    Typed::try_parse_from(args).unwrap().given
}

fn file(text: &str) -> SettingsFile {
    SettingsFile::parse(Path::new("settings.yaml"), text.to_owned()).unwrap()
}

/// Every kind of value, and each group.
const RICH: &str = r#"
tls: ephemeral
baseline: v0.4
logFilter: "info,openbao_perimeter=debug # not a comment"
operatorNamespace: "null"
apiServerAddresses: [10.0.0.1, "fd00::1"]
cluster: {events: off, registration: ""}
limits: {bodyTimeout: 1m30s, maxRequests: 7, maxWorkers: 6}
selfManaged: {secret: a/b, lifetime: 36h}
clients: {ca: "/tls/a: b.pem", subjects: [kube-apiserver]}
review:
  levels: {OBP201: off, raft-port-exposed: {check: warn}}
  dnsNamespaces: []
  widths: {blockV4: 16}
  metricsNamespaceLabels: {"on": "yes"}
  platform:
  - zones: [workload]
    ingress:
    - from: [{namespaceSelector: {matchLabels: {a: "1"}}}]
      ports: [{port: 9102}]
  - egress: [{to: [{ipBlock: {cidr: 10.0.0.0/24}}]}]
"#;

fn printed(given: &Given<ServeFlags>, file: Option<&SettingsFile>) -> String {
    given.print(file).unwrap()
}

#[test]
fn every_flag_is_a_key_of_the_same_name() {
    let Keys(keys) = Keys::of(&ServerConfig::default()).unwrap();
    let keys: BTreeSet<String> = keys.keys().map(|key| argument(key)).collect();
    let command = ServeFlags::augment_args(Command::new("settings"));
    for argument in command.get_arguments() {
        let id = argument.get_id().as_str();
        assert!(id == "config" || keys.contains(id), "{id}");
    }
}

#[test]
fn what_is_printed_is_a_file_that_sets_the_same() {
    for text in ["tls: ephemeral", RICH] {
        let file = file(text);
        let given = given(&["--listen", "127.0.0.1:1", "--baseline", "v0.4"]);
        let settings = given.with(Some(&file));
        let printed = printed(&given, Some(&file));
        let again = SettingsFile::parse(Path::new("printed.yaml"), printed.clone());
        let again = again.unwrap_or_else(|error| panic!("{error}:\n{printed}"));
        assert_eq!(again.config, settings.effective());
        assert_eq!(
            again.config.review_config().unwrap(),
            settings.review_config().unwrap()
        );
        again.config.validate().unwrap();
    }
}

#[test]
fn the_innermost_key_says_where_it_comes_from() {
    let file = file(RICH);
    let given = given(&["--listen", "127.0.0.1:1"]);
    let written = || Origin::File("settings.yaml".into());
    for (key, expected) in [
        ("listen", Origin::Flag("--listen".to_owned())),
        ("limits.maxRequests", written()),
        ("limits.bodyTimeout", written()),
        ("limits.headTimeout", Origin::Default),
        ("clients.subjects", written()),
        ("selfManaged.names", Origin::Default),
        ("review.levels", written()),
        ("review.dnsNamespaces", written()),
        ("review.widths.blockV4", written()),
        ("review.widths.blockV6", Origin::Default),
        ("review.caps.rules", Origin::Default),
    ] {
        assert_eq!(given.origin(key, Some(&file)), expected, "{key}");
    }
    let given = self::given(&[]);
    let empty = self::file("operatorAccounts: []\ncert: null\nreview: {healthPorts: []}\n");
    for (key, expected) in [
        ("operatorAccounts", Origin::Default),
        ("cert", Origin::Default),
        ("review.healthPorts", written()),
    ] {
        assert_eq!(given.origin(key, Some(&empty)), expected, "{key}");
    }
}

#[test]
fn comments_stand_behind_values_and_in_place_of_what_is_not_set() {
    let file = file(RICH);
    let printed = printed(&given(&["--log-format", "json"]), Some(&file));
    for line in [
        "# inventory: not set",
        "baseline: v0.4  # file settings.yaml",
        "limits:",
        "logFormat: json  # flag --log-format",
        "  maxWorkers: 6  # file settings.yaml",
        "    blockV4: 16  # file settings.yaml",
        "    blockV6: 32  # default",
    ] {
        assert!(
            printed.lines().any(|found| found == line),
            "{line}\n{printed}"
        );
    }
}

/// The keys that differ between two files: those for run time, and those for a restart.
fn difference(before: &str, after: &str) -> [Vec<String>; 2] {
    let keys = |text: &str| Keys::of(&file(text).config).unwrap();
    let difference = keys(before).difference(&keys(after));
    [difference.live, difference.fixed]
}

#[test]
fn keys_differ_by_what_is_in_force_and_not_by_what_is_written() {
    let none: [&[&str]; 2] = [&[], &[]];
    let table = [
        ("", "listen: 0.0.0.0:9443\nbaseline: auto\n", none),
        ("# a", "review: {widths: {blockV4: 8}}", none),
        ("", "logFilter: debug", [&["logFilter"], &[]]),
        ("cluster: {events: off}", "", [&["cluster.events"], &[]]),
        (
            "",
            "cluster: {registration: a}",
            [&[], &["cluster.registration"]],
        ),
        (
            "",
            "operatorNamespace: a",
            [&["operatorAccounts", "operatorNamespace"], &[]],
        ),
        (
            "tls: ephemeral",
            "limits: {maxWorkers: 1000}\nreview: {levels: {OBP201: warn}, caps: {rules: 1}}",
            [
                &["review.caps.rules", "review.levels"],
                &["limits.maxWorkers", "tls"],
            ],
        ),
        ("inventory: a", "", [&[], &["inventory"]]),
    ];
    for (before, after, expected) in table {
        assert_eq!(difference(before, after), expected, "{before:?} {after:?}");
    }
}
