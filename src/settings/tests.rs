mod hints;

use std::error::Error;
use std::path::Path;

use super::*;
use crate::code::{Code, EnforcementPoint, Level};

fn yaml(text: &str) -> Result<ServerConfig, SettingsError> {
    let file = SettingsFile::parse(Path::new("settings.yaml"), text.to_owned());
    file.map(|file| file.config)
}

/// An error with its causes.
fn with_causes(error: &SettingsError) -> String {
    let causes = std::iter::successors(Some(error as &dyn Error), |error| (*error).source());
    let causes: Vec<String> = causes.map(ToString::to_string).collect();
    causes.join(": ")
}

/// The error of settings that do not fit together.
fn problem(text: &str) -> String {
    let config = yaml(text).unwrap_or_else(|error| panic!("{error}"));
    with_causes(&config.validate().unwrap_err())
}

#[test]
fn an_unknown_key_is_an_error_that_names_it() {
    let error = yaml("operatorNames: typo\n").unwrap_err().to_string();
    assert!(error.contains("operatorNames"), "{error}");
}

#[test]
fn a_time_or_size_that_is_none_is_told_with_an_example() {
    for (text, expected) in [
        ("shutdownDelay: 5", "found `5`"),
        (
            "cluster: {staleAfter: soon}",
            "such as `90d`, `12h` or `5m`, found `soon`",
        ),
        (
            "limits: {maxBodyBytes: 7MB}",
            "expected a size such as `16Ki` or `7Mi`, found `7MB`",
        ),
        ("limits: {maxBodyBytes: 0}", "found `0`"),
    ] {
        let error = yaml(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn an_empty_file_sets_nothing() {
    for text in ["", "# nothing yet\n", "---\n"] {
        assert_eq!(yaml(text).unwrap(), ServerConfig::default(), "{text:?}");
    }
}

#[test]
fn the_default_accounts_follow_the_operators_namespace() {
    let config = ServerConfig {
        operator_namespace: "bao-system".into(),
        ..ServerConfig::default()
    };
    let accounts = config.review_config().unwrap().operator_accounts;
    let expected = [
        "system:serviceaccount:bao-system:openbao-operator-controller",
        "system:serviceaccount:bao-system:openbao-operator-provisioner",
    ];
    assert_eq!(accounts.iter().collect::<Vec<_>>(), expected);
    assert_eq!(
        ServerConfig::default().review_config().unwrap(),
        ReviewConfig::default()
    );
}

#[test]
fn an_account_without_a_name_is_an_error() {
    for account in ["", " "] {
        let settings = yaml(&format!("operatorAccounts: [operator, \"{account}\"]")).unwrap();
        let error = settings.review_config().unwrap_err().to_string();
        assert!(error.contains("`operatorAccounts`"), "{error}");
    }
}

#[test]
fn certificate_files_are_asked_for_by_name() {
    let error = ServerConfig::default().validate().unwrap_err().to_string();
    assert!(error.contains("`cert` and `key`"), "{error}");
}

#[test]
fn a_list_in_place_of_a_map_is_an_error_at_its_key() {
    for (text, at) in [
        ("[127.0.0.1:9443]", "invalid type: sequence"),
        (
            "tls: ephemeral\nlimits: [7]",
            "limits: invalid type: sequence",
        ),
        ("review: []", "review: invalid type: sequence"),
    ] {
        let error = yaml(text).unwrap_err().to_string();
        assert!(error.contains(at), "{error}");
    }
}

#[test]
fn an_unknown_baseline_is_an_error_with_the_known_ones() {
    let error = yaml("baseline: v9").unwrap_err().to_string();
    assert!(error.contains("`v9`"), "{error}");
    for known in BaselineSetting::ALL {
        assert!(error.contains(&format!("`{}`", known.as_str())), "{error}");
    }
}

#[test]
fn the_former_name_of_the_newest_baseline_is_still_read() {
    let former = yaml("baseline: next").unwrap();
    assert_eq!(former, yaml("baseline: v0.4").unwrap());
    assert_eq!(former.baseline, BaselineSetting::V04);
    assert_eq!("next".parse(), Ok(BaselineSetting::V04));
}

#[test]
fn auto_is_the_default_and_means_the_newest_where_no_cluster_is_read() {
    let default = ServerConfig::default();
    assert_eq!(default.baseline, BaselineSetting::Auto);
    let config = default.review_config().unwrap();
    assert!(config.baseline == Baseline::NEWEST && config.detects_baseline);
    assert_eq!("auto".parse(), Ok(BaselineSetting::Auto));
    let config = yaml("baseline: v0.1").unwrap().review_config().unwrap();
    assert!(config.baseline == Baseline::V01 && !config.detects_baseline);
}

#[test]
fn the_file_decides_about_reviews_and_keeps_the_defaults_of_what_it_leaves_out() {
    let text = "review:\n  proofBudget: 7\n  unsafeEgressAllowed: [169.254.169.254/32]\n  widths: {blockV4: 16}\n";
    let config = yaml(text).unwrap().review_config().unwrap();
    let default = ReviewConfig::default();
    assert_eq!(config.proof_budget, 7);
    assert_eq!(
        config.unsafe_egress_allowed,
        ["169.254.169.254/32".parse().unwrap()]
    );
    assert_eq!(config.widths.block_v4, 16);
    assert_eq!(config.widths.block_v6, default.widths.block_v6);
    assert_eq!(config.caps, default.caps);
    assert!(
        yaml("review: {widhts: {}}\n")
            .unwrap_err()
            .to_string()
            .contains("widhts")
    );
}

/// The configuration of a file with these levels.
fn levels(levels: &str) -> Result<ReviewConfig, SettingsError> {
    yaml(&format!("review: {{levels: {levels}}}\n"))?.review_config()
}

#[test]
fn a_level_is_set_for_all_points_or_for_some_by_code_or_by_name() {
    let words = [
        ("deny", Level::Deny),
        ("warn", Level::Warn),
        ("audit", Level::Audit),
        ("off", Level::Off),
    ];
    for (word, level) in words {
        for code in ["OBP201", "obp201", "ingress-beyond-ceiling"] {
            let config = levels(&format!("{{{code}: {word}}}")).unwrap();
            for point in EnforcementPoint::ALL {
                assert_eq!(config.levels.of(Code::Obp201, point), Some(level), "{code}");
                assert_eq!(config.levels.of(Code::Obp202, point), None, "{code}");
            }
        }
        for point in EnforcementPoint::ALL {
            let text = format!("{{OBP201: {{{}: {word}}}}}", point.as_str());
            let config = levels(&text).unwrap();
            for other in EnforcementPoint::ALL {
                let expected = (other == point).then_some(level);
                assert_eq!(config.levels.of(Code::Obp201, other), expected, "{text}");
            }
        }
    }
}

#[test]
fn an_unknown_code_level_or_point_is_an_error_that_says_what_is_known() {
    let table = [
        ("{OBP2O1: warn}", "`OBP2O1`; the nearest is `OBP201`"),
        ("{OBP999: warn}", "the nearest is `OBP"),
        (
            "{ingress-open-to-everybody: warn}",
            "`ingress-open-to-everybody`; the nearest is `OBP302`",
        ),
        (
            "{OBP201: refuse}",
            "`refuse`, expected one of `deny`, `warn`, `audit`, `off`",
        ),
        (
            "{OBP201: {admission: warn}}",
            "`admission`, expected one of `webhook`, `check`, `audit`",
        ),
        ("{OBP201: [warn]}", "a level (deny, warn, audit, off)"),
        (
            "{OBP201: deny, ingress-beyond-ceiling: off}",
            "one level for OBP201, found it as `OBP201` and as `ingress-beyond-ceiling`",
        ),
    ];
    for (text, expected) in table {
        let error = levels(text).unwrap_err();
        let printed = with_causes(&error);
        assert!(printed.contains(expected), "{text}: {printed}");
    }
}

#[test]
fn an_empty_list_of_reviews_takes_the_place_of_the_default() {
    let empty = yaml(
        "review: {levels: {}, platform: [], healthPorts: [], dnsNamespaces: [], runtimeLabelKeys: [], \
         healthNamespaces: [], apiServerEndpoints: [], metricsNamespaceLabels: {}, tunnelPorts: [], \
         unsafeEgressAllowed: [], unsafeIngressAllowed: []}",
    );
    let config = empty.unwrap().review_config().unwrap();
    assert!(config.dns_namespaces.is_empty() && config.tunnel_ports.is_empty());
    assert!(config.runtime_label_keys.is_empty() && config.health_namespaces.is_empty());
    assert!(config.metrics_namespace_labels.is_empty());
}

#[test]
fn self_managed_needs_no_further_setting() {
    let tls = yaml("tls: self-managed").unwrap().certificate().unwrap();
    let Tls::SelfManaged { secret, rotation } = tls else {
        panic!("{tls:?}");
    };
    let expected = "openbao-perimeter-system/openbao-perimeter-self-managed";
    assert_eq!(secret.to_string(), expected);
    assert!(rotation.names().contains(SERVICE_NAMES[0]));
    let elsewhere = yaml("{tls: self-managed, ownNamespace: security}").unwrap();
    let Tls::SelfManaged { secret, rotation } = elsewhere.certificate().unwrap() else {
        panic!("{elsewhere:?}");
    };
    assert_eq!(
        secret.to_string(),
        "security/openbao-perimeter-self-managed"
    );
    assert!(rotation.names().contains("openbao-perimeter.security.svc"));
}

#[test]
fn values_out_of_range_and_values_that_do_not_fit_together_are_errors() {
    for (text, expected) in [
        ("cluster: {staleAfter: 119s}", "at least `2m`, found `119s`"),
        ("shutdownDelay: 5m", "at most `4m`, found `5m`"),
        (
            "limits: {maxRequests: 0}",
            "`limits.maxRequests`: expected 1 to",
        ),
        ("limits: {bodyTimeout: 0s}", "`limits.bodyTimeout`"),
        ("limits: {bodyTimeout: 61m}", "up to `1h`, found `61m`"),
        (
            "limits: {maxBytesInFlight: 1000}",
            "at least `limits.maxBodyBytes`, `7Mi`, found `1000`",
        ),
        (
            "selfManaged: {lifetime: 200d}",
            "three times as long as a leaf",
        ),
        ("selfManaged: {settle: 80d}", "as a new bundle takes"),
        ("clients: {ca: ca.crt}", "found `ca`"),
        ("clients: {subjects: [a]}", "found `subjects`"),
    ] {
        let problem = problem(&format!("tls: self-managed\n{text}"));
        assert!(problem.contains(expected), "{problem}");
    }
}

#[test]
fn limits_stand_under_a_key_of_their_own() {
    let limits = yaml("limits: {maxRequests: 7, bodyTimeout: 500ms}").unwrap();
    assert_eq!(limits.limits.requests, 7);
    assert_eq!(limits.limits.body, Duration::from_millis(500));
    for (text, problem) in [
        ("limits: {maxRequest: 7}", "maxRequest"),
        ("limits: {bodyTimeout: soon}", "found `soon`"),
    ] {
        let error = yaml(text).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }
}

#[test]
fn a_body_that_is_allowed_also_fits_in_flight() {
    let large = yaml("limits: {maxBodyBytes: 100000000}").unwrap();
    assert_eq!(large.limits.bytes_in_flight, 100_000_000);
}

#[test]
fn a_key_without_a_value_is_an_error_unless_it_may_be_empty() {
    for key in ["operatorNamespace", "baseline", "logFilter", "review"] {
        let error = yaml(&format!("{key}:\n")).unwrap_err().to_string();
        assert!(error.contains("settings.yaml"), "{error}");
    }
    assert_eq!(yaml("cert:\n").unwrap().cert, None);
}

#[test]
fn names_and_numbers_that_match_nothing_are_errors() {
    let table = [
        ("operatorNamespace: Foo", "`operatorNamespace`"),
        ("operatorNamespace: ''", "`operatorNamespace`"),
        (
            "review: {healthNamespaces: ['Kube System']}",
            "`review.healthNamespaces`",
        ),
        (
            "review: {runtimeLabelKeys: ['']}",
            "`review.runtimeLabelKeys`",
        ),
        (
            "review: {runtimeLabelKeys: [' openbao-active']}",
            "`review.runtimeLabelKeys`",
        ),
        ("review: {apiPort: 0}", "`review.apiPort`"),
        ("review: {tunnelPorts: [0]}", "`review.tunnelPorts`"),
        ("review: {apiPort: 8201}", "`review.clusterPort`"),
        ("review: {widths: {blockV4: 33}}", "`review.widths.blockV4`"),
        ("review: {proofBudget: 0}", "`review.proofBudget`"),
    ];
    for (text, key) in table {
        let error = yaml(text).unwrap().review_config().unwrap_err();
        let printed = with_causes(&error);
        assert!(
            printed.contains(key) && printed.contains("expected"),
            "{text}: {printed}"
        );
    }
}
