use std::collections::BTreeSet;
use std::path::Path;

use clap::Parser;

use super::*;
use crate::settings::{Keys, LimitSettings, Settings};

#[derive(Debug, Parser)]
struct Typed {
    #[command(flatten)]
    settings: Settings,
}

fn typed(args: &[&str]) -> Result<ReviewSettings, String> {
    let args = ["serve"].iter().chain(args);
    let typed = Typed::try_parse_from(args);
    typed
        .map(|typed| typed.settings.review)
        .map_err(|error| error.to_string())
}

fn yaml(text: &str) -> Settings {
    Settings::from_yaml(Path::new("settings.yaml"), text).unwrap()
}

/// Flags, and the same in the file.
const PAIRS: &[(&[&str], &str)] = &[
    (&["--level", "OBP304=warn"], "levels: {OBP304: warn}"),
    (
        &["--platform", "[{zones: [jobs], egress: [{}]}]"],
        "platform: [{zones: [jobs], egress: [{}]}]",
    ),
    (&["--operator-level", "deny"], "operatorLevel: deny"),
    (&["--proof-budget", "7"], "proofBudget: 7"),
    (
        &["--runtime-label-key", "a/*", "--runtime-label-key", "b"],
        "runtimeLabelKeys: [a/*, b]",
    ),
    (&["--health-namespace", "a,b"], "healthNamespaces: [a, b]"),
    (
        &["--health-port", "1", "--health-port=2,3"],
        "healthPorts: [1, 2, 3]",
    ),
    (&["--dns-namespace", "dns"], "dnsNamespaces: [dns]"),
    (
        &["--api-server-endpoint", "10.0.0.1,fd00::1"],
        "apiServerEndpoints: [10.0.0.1, 'fd00::1']",
    ),
    (
        &[
            "--metrics-namespace-label",
            "a=b",
            "--metrics-namespace-label",
            "c=",
        ],
        "metricsNamespaceLabels: {a: b, c: ''}",
    ),
    (&["--api-port", "1"], "apiPort: 1"),
    (&["--cluster-port", "2"], "clusterPort: 2"),
    (&["--tunnel-port", "1,2"], "tunnelPorts: [1, 2]"),
    (
        &["--unsafe-egress-allowed", "169.254.169.254/32,fe80::/10"],
        "unsafeEgressAllowed: [169.254.169.254/32, 'fe80::/10']",
    ),
    (&["--width-block-v4", "1"], "widths: {blockV4: 1}"),
    (&["--width-block-v6", "2"], "widths: {blockV6: 2}"),
    (&["--width-total-v4", "3"], "widths: {totalV4: 3}"),
    (&["--width-total-v6", "4"], "widths: {totalV6: 4}"),
    (&["--width-api-server-v4", "5"], "widths: {apiServerV4: 5}"),
    (&["--width-api-server-v6", "6"], "widths: {apiServerV6: 6}"),
    (&["--cap-rules", "1"], "caps: {rules: 1}"),
    (&["--cap-elements", "2"], "caps: {elements: 2}"),
    (&["--cap-excepts", "3"], "caps: {excepts: 3}"),
    (&["--cap-requirements", "4"], "caps: {requirements: 4}"),
    (&["--cap-values", "5"], "caps: {values: 5}"),
    (&["--cap-label-keys", "6"], "caps: {labelKeys: 6}"),
    (&["--cap-declared", "7"], "caps: {declared: 7}"),
];

#[test]
fn every_key_can_be_said_by_a_flag_with_the_same_outcome() {
    let default = Settings::default();
    let keys = |settings: &Settings| {
        let Keys(keys) = Keys::of(settings).unwrap();
        keys
    };
    let all = default.effective(LimitSettings::default()).unwrap();
    let all = keys(&all).into_keys();
    let all: BTreeSet<String> = all.filter(|key| key.starts_with("review.")).collect();
    let mut said = BTreeSet::new();
    for (flags, text) in PAIRS {
        let written = yaml(&format!("review: {{{text}}}"));
        assert_eq!(typed(flags).as_ref(), Ok(&written.review), "{flags:?}");
        assert!(written.posture().is_ok(), "{text}");
        let (before, after) = (keys(&default), keys(&written));
        let changed = after
            .iter()
            .filter(|(key, value)| before.get(*key) != Some(value));
        said.extend(changed.map(|(key, _)| key.clone()));
    }
    assert_eq!(said, all);
}

#[test]
fn an_empty_value_is_an_empty_list_and_takes_the_place_of_another() {
    let file = yaml(
        "review: {levels: {OBP201: off}, platform: [{egress: [{}]}], healthPorts: [1], dnsNamespaces: [dns], \
         runtimeLabelKeys: [a], healthNamespaces: [a], apiServerEndpoints: [10.0.0.1], \
         metricsNamespaceLabels: {a: b}, tunnelPorts: [1], unsafeEgressAllowed: [169.254.0.0/16]}",
    );
    let empty = "review: {levels: {}, platform: [], healthPorts: [], dnsNamespaces: [], \
         runtimeLabelKeys: [], healthNamespaces: [], apiServerEndpoints: [], \
         metricsNamespaceLabels: {}, tunnelPorts: [], unsafeEgressAllowed: []}";
    let flags = [
        "--level=",
        "--platform=",
        "--health-port=",
        "--dns-namespace=",
        "--runtime-label-key=",
        "--health-namespace=",
        "--api-server-endpoint=",
        "--metrics-namespace-label=",
        "--tunnel-port=",
        "--unsafe-egress-allowed=",
    ];
    let typed = typed(&flags).unwrap();
    assert_eq!(typed, yaml(empty).review);
    assert_eq!(typed.clone().or(file.review.clone()), typed);
    assert_eq!(
        ReviewSettings::default().or(file.review.clone()),
        file.review
    );
}

#[test]
fn what_a_flag_says_replaces_a_key_whole_and_leaves_the_others() {
    let file =
        "levels: {OBP201: off, OBP304: deny}, widths: {blockV4: 1, blockV6: 2}, caps: {rules: 3}";
    let flags = ["--level", "OBP305=warn", "--width-block-v4", "9"];
    let merged = typed(&flags)
        .unwrap()
        .or(yaml(&format!("review: {{{file}}}")).review);
    let expected = "levels: {OBP305: warn}, widths: {blockV4: 9, blockV6: 2}, caps: {rules: 3}";
    assert_eq!(merged, yaml(&format!("review: {{{expected}}}")).review);
}

#[test]
fn a_level_for_one_door_counts_beside_one_for_all_doors() {
    let both = "{OBP304: {webhook: warn, check: deny, audit: warn}}";
    for (flags, expected) in [
        (&["--level", "OBP304=warn,OBP304@check=deny"][..], both),
        (
            &["--level", "OBP304@check=deny", "--level", "OBP304=warn"],
            both,
        ),
        (&["--level", "OBP304@check=off"], "{OBP304: {check: off}}"),
        (&["--level", "obp304=deny,OBP304=off"], "{OBP304: off}"),
        (
            &["--level", "more-ports-than-listeners=audit"],
            "{OBP304: audit}",
        ),
    ] {
        let expected = yaml(&format!("review: {{levels: {expected}}}"));
        assert_eq!(
            typed(flags).unwrap().levels,
            expected.review.levels,
            "{flags:?}"
        );
    }
}

#[test]
fn what_cannot_be_understood_is_told_with_the_flag_the_value_and_what_is_expected() {
    for (flag, value, expected) in [
        ("--level", "OBP304", "such as `OBP304=warn`, found `OBP304`"),
        (
            "--level",
            "OBP3O4=warn",
            "expected the code of a rule, found `OBP3O4`; the nearest is `OBP304`",
        ),
        (
            "--level",
            "OBP304=refuse",
            "expected a level (deny, warn, audit, off), found `refuse`",
        ),
        (
            "--level",
            "OBP304@ci=deny",
            "expected a door (webhook, check, audit), found `ci`",
        ),
        (
            "--operator-level",
            "no",
            "expected a level (deny, warn, audit, off), found `no`",
        ),
        (
            "--health-port",
            "https",
            "expected a port from 1 to 65535, found `https`",
        ),
        (
            "--tunnel-port",
            "0",
            "expected a port from 1 to 65535, found `0`",
        ),
        (
            "--api-port",
            "65536",
            "expected a port from 1 to 65535, found `65536`",
        ),
        (
            "--api-server-endpoint",
            "api",
            "expected an IP address, found `api`",
        ),
        (
            "--metrics-namespace-label",
            "metrics",
            "expected a label such as `metrics=enabled`, found `metrics`",
        ),
        (
            "--unsafe-egress-allowed",
            "10.0.0.1/33",
            "expected a block such as `169.254.169.254/32`",
        ),
        ("--width-block-v4", "300", "300 is not in 0..=255"),
        ("--cap-rules", "-1", "invalid digit"),
        (
            "--platform",
            "[{zone: [jobs]}]",
            "the known key nearest to `zone` is `zones`",
        ),
        (
            "--platform",
            "[{ingress: [{form: []}]}]",
            "`review.platform[0].ingress[0]`: unknown key `form`",
        ),
        (
            "--platform",
            "[{egress: [{to: [{ipBlock: {cidr: x}}]}]}]",
            "review.platform[0].egress[0].to[0].ipBlock",
        ),
    ] {
        let error = typed(&[&format!("{flag}={value}")]).unwrap_err();
        for part in [&format!("'{flag} <"), value, expected] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }
}
