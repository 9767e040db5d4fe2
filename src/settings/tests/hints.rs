//! Hints about keys and words that no setting has.

use super::{with_causes, yaml};

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
            "word nearest to `webhok` is `webhook`",
        ),
        (
            "review: {levels: {obp201: {Audit: warn}}}\n",
            "word nearest to `Audit` is `audit`",
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
        let printed = with_causes(&error);
        assert!(printed.contains(known), "{text}: {printed}");
    }
    for (text, path) in [
        ("levels: {OBP201: warn}\n", "review.levels"),
        ("accounts: []\n", "identity.accounts"),
    ] {
        let error = yaml(text).unwrap_err().to_string();
        assert!(error.ends_with(&format!("write it as `{path}`")), "{error}");
    }
    let text = "review: {platform: [{ingress: [{form: []}]}]}\n";
    let error = yaml(text).unwrap().review_config().unwrap_err().to_string();
    assert!(
        error.ends_with("`form`; the known key nearest to it is `from`"),
        "{error}"
    );
}

#[test]
fn of_two_mistakes_the_hint_is_about_the_one_that_is_told() {
    let text = "tlss: ephemeral\nbaselin: next\nreview: {widhts: {}}\n";
    let error = yaml(text).unwrap_err().to_string();
    assert!(error.contains("unknown field `baselin`"), "{error}");
    assert!(
        error.ends_with("nearest to `baselin` is `baseline`"),
        "{error}"
    );
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
