use super::*;

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
fn an_unknown_key_is_told_the_nearest_known_one() {
    for (text, known) in [
        ("operatorNamspace: typo\n", "operatorNamespace"),
        ("review: {widhts: {}}\n", "widths"),
        ("review: {widths: {blokV4: 16}}\n", "blockV4"),
        ("review: {platform: [{zone: [jobs]}]}\n", "zones"),
    ] {
        let error = yaml(text).unwrap_err().to_string();
        assert!(error.ends_with(&format!("is `{known}`")), "{error}");
    }
    let text = "review: {platform: [{ingress: [{form: []}]}]}\n";
    let error = yaml(text).unwrap().posture().unwrap_err().to_string();
    assert!(error.ends_with("nearest to `form` is `from`"), "{error}");
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
    let accounts = settings.posture().unwrap().operator_accounts;
    let expected = [
        "system:serviceaccount:bao-system:openbao-operator-controller",
        "system:serviceaccount:bao-system:openbao-operator-provisioner",
    ];
    assert_eq!(accounts.iter().collect::<Vec<_>>(), expected);
    assert_eq!(Settings::default().posture().unwrap(), Posture::default());
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
    assert!(matches!(
        settings.posture(),
        Err(SettingsError::Baseline(_))
    ));
}

#[test]
fn the_file_decides_about_reviews_and_keeps_the_defaults_of_what_it_leaves_out() {
    let text = "review:\n  proofBudget: 7\n  unsafeEgressAllowed: [169.254.169.254/32]\n  widths: {blockV4: 16}\n";
    let posture = yaml(text).unwrap().posture().unwrap();
    let default = Posture::default();
    assert_eq!(posture.proof_budget, 7);
    assert_eq!(
        posture.unsafe_egress_allowed,
        ["169.254.169.254/32".parse().unwrap()]
    );
    assert_eq!(posture.widths.block_v4, 16);
    assert_eq!(posture.widths.block_v6, default.widths.block_v6);
    assert_eq!(posture.caps, default.caps);
    assert!(
        yaml("review: {widhts: {}}\n")
            .unwrap_err()
            .to_string()
            .contains("widhts")
    );
}
