use std::path::Path;

use super::*;
use crate::code::{Code, EnforcementPoint, Level};

fn yaml(text: &str) -> Result<Settings, SettingsError> {
    Settings::from_yaml(Path::new("settings.yaml"), text)
}

#[test]
fn a_flag_wins_over_the_file_and_the_file_fills_the_rest() {
    let flags = Settings {
        operator_namespace: Some("flags".into()),
        ..Settings::default()
    };
    let file = yaml("operatorNamespace: file\noperatorAccounts: [a, b]\nlisten: 127.0.0.1:1\n");
    let merged = flags.or(file.unwrap());
    assert_eq!(merged.operator_namespace.as_deref(), Some("flags"));
    assert_eq!(merged.operator_accounts, ["a", "b"]);
    assert_eq!(merged.listen, Some(SocketAddr::from(([127, 0, 0, 1], 1))));
}

#[test]
fn an_unknown_key_is_an_error_that_names_it() {
    let error = yaml("operatorNames: typo\n").unwrap_err().to_string();
    assert!(error.contains("operatorNames"), "{error}");
}

#[test]
fn an_unknown_key_or_word_is_told_the_nearest_known_one() {
    for (text, known) in [
        ("operatorNamspace: typo\n", "operatorNamespace"),
        ("review: {widhts: {}}\n", "widths"),
        ("review: {widths: {blokV4: 16}}\n", "blockV4"),
        ("review: {platform: [{zone: [jobs]}]}\n", "zones"),
    ] {
        let error = yaml(text).unwrap_err().to_string();
        assert!(error.ends_with(&format!("is `{known}`")), "{error}");
    }
    for (text, known) in [
        (
            "review: {levels: {OBP201: {webhok: warn}}}\n",
            "key nearest to `webhok` is `webhook`",
        ),
        (
            "review: {levels: {obp201: {Audit: warn}}}\n",
            "key nearest to `Audit` is `audit`",
        ),
        (
            "review: {levels: {OBP201: wrn}}\n",
            "word nearest to `wrn` is `warn`",
        ),
        (
            "review: {levels: {OBP201: {check: awdit}}}\n",
            "word nearest to `awdit` is `audit`",
        ),
        (
            "review: {operatorLevel: dney}\n",
            "word nearest to `dney` is `deny`",
        ),
        (
            "review: {platform: [{zones: [job]}]}\n",
            "word nearest to `job` is `jobs`",
        ),
    ] {
        let error = yaml(text).unwrap_err();
        let told = told(&error);
        assert!(told.contains(known), "{text}: {told}");
    }
    let text = "review: {platform: [{ingress: [{form: []}]}]}\n";
    let error = yaml(text).unwrap().config().unwrap_err().to_string();
    assert!(error.ends_with("nearest to `form` is `from`"), "{error}");
}

#[test]
fn of_two_mistakes_the_hint_is_about_the_one_that_is_told() {
    let text = "tlss: ephemeral\nbaselin: next\nreview: {widhts: {}}\n";
    let error = yaml(text).unwrap_err().to_string();
    assert!(error.contains("unknown field `tlss`"), "{error}");
    assert!(error.ends_with("nearest to `tlss` is `tls`"), "{error}");
}

#[test]
fn a_key_of_an_earlier_release_is_told_as_it_is_now() {
    for (text, now) in [
        ("shutdownDelaySeconds: 5", "`shutdownDelay: 2s`"),
        ("cluster: {staleAfterSeconds: 300}", "`staleAfter: 5m`"),
    ] {
        let error = yaml(text).unwrap_err().to_string();
        assert!(error.ends_with(now), "{error}");
    }
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
    let long = yaml("tls: ephemeral\nshutdownDelay: 5m").unwrap();
    assert!(matches!(
        long.server(),
        Err(SettingsError::ShutdownDelay { .. })
    ));
}

#[test]
fn an_empty_file_sets_nothing() {
    for text in ["", "# nothing yet\n", "---\n"] {
        assert_eq!(yaml(text).unwrap(), Settings::default(), "{text:?}");
    }
}

#[test]
fn the_default_accounts_follow_the_operators_namespace() {
    let settings = Settings {
        operator_namespace: Some("bao-system".into()),
        ..Settings::default()
    };
    let accounts = settings.config().unwrap().operator_accounts;
    let expected = [
        "system:serviceaccount:bao-system:openbao-operator-controller",
        "system:serviceaccount:bao-system:openbao-operator-provisioner",
    ];
    assert_eq!(accounts.iter().collect::<Vec<_>>(), expected);
    assert_eq!(
        Settings::default().config().unwrap(),
        ReviewConfig::default()
    );
}

#[test]
fn an_account_without_a_name_is_refused() {
    for account in ["", " "] {
        let settings = yaml(&format!("operatorAccounts: [operator, \"{account}\"]")).unwrap();
        let error = settings.config().unwrap_err().to_string();
        assert!(error.contains("`operatorAccounts`"), "{error}");
    }
}

#[test]
fn certificate_files_are_asked_for_by_name() {
    let error = Settings::default().server().unwrap_err().to_string();
    assert!(error.contains("`cert` and `key`"), "{error}");
}

#[test]
fn an_unknown_baseline_is_refused() {
    let settings = Settings {
        baseline: Some("v9".into()),
        ..Settings::default()
    };
    assert!(matches!(settings.config(), Err(SettingsError::Baseline(_))));
}

#[test]
fn the_file_decides_about_reviews_and_keeps_the_defaults_of_what_it_leaves_out() {
    let text = "review:\n  proofBudget: 7\n  unsafeEgressAllowed: [169.254.169.254/32]\n  widths: {blockV4: 16}\n";
    let config = yaml(text).unwrap().config().unwrap();
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

/// An error with its cause.
fn told(error: &SettingsError) -> String {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    format!("{error}: {}", cause.unwrap_or_default())
}

/// The posture of a file with these levels.
fn levels(levels: &str) -> Result<ReviewConfig, SettingsError> {
    yaml(&format!("review: {{levels: {levels}}}\n"))?.config()
}

#[test]
fn a_level_is_set_for_all_doors_or_for_some_by_code_or_by_name() {
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
fn an_unknown_code_level_or_door_is_an_error_that_says_what_is_known() {
    let table = [
        ("{OBP2O1: warn}", "`OBP2O1`; the nearest is `OBP201`"),
        ("{OBP999: warn}", "the nearest is `OBP"),
        (
            "{ingress-open-to-everybody: warn}",
            "`ingress-open-to-everybody`; the nearest is `OBP302`",
        ),
        ("{OBP201: refuse}", "a level (deny, warn, audit, off)"),
        (
            "{OBP201: {admission: warn}}",
            "levels by enforcement point (webhook, check, audit)",
        ),
    ];
    for (text, expected) in table {
        let error = levels(text).unwrap_err();
        let told = told(&error);
        assert!(told.contains(expected), "{text}: {told}");
    }
}
