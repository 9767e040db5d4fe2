//! The pods of a zone that a selector selects, and patterns of label keys.

use std::sync::Arc;

use crate::LabelSet;
use crate::label::Values;
use crate::pod_space::{OtherKeys, PodSpace, matches};

fn one(key: &'static str, values: Values) -> LabelSet {
    LabelSet::any().and(key, values).expect("satisfiable")
}

fn zone(others: OtherKeys) -> PodSpace {
    let known = [("app", Values::one_of(["bao", "vault"]))];
    PodSpace::new(known, vec!["run".into(), "openbao-*".into()], others)
}

#[test]
fn a_star_in_a_pattern_stands_for_any_text() {
    let table = [
        ("run", "run", true),
        ("run", "runs", false),
        ("run", "ru", false),
        ("", "", true),
        ("", "x", false),
        ("*", "", true),
        ("*", "anything", true),
        ("openbao-*", "openbao-active", true),
        ("openbao-*", "openbao-", true),
        ("openbao-*", "openbao", false),
        ("*/index", "apps/index", true),
        ("*/index", "apps/index/2", false),
        ("a*b*c", "abc", true),
        ("a*b*c", "a-b-c", true),
        ("a*b*c", "acb", false),
        ("a*b*c", "a-b-", false),
        // No part of the text is matched twice, not even the end.
        ("a*bb*b", "abb", false),
        ("a*bb*b", "abbb", true),
        ("ab*bc", "abc", false),
        ("ab*bc", "abbc", true),
        ("a*bc*bd*e", "abcbde", true),
        ("a*bc*bd*e", "abdbce", false),
    ];
    for (pattern, text, expected) in table {
        assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
    }
}

#[test]
fn a_selector_selects_the_part_of_the_zone_that_it_names() {
    use OtherKeys::{Absent, Free};
    let selected = |others, selector: &LabelSet| zone(others).select(selector);
    let whole = Some(LabelSet::any());
    let bao = one("app", Values::one_of(["bao"]));
    for others in [Absent, Free] {
        assert_eq!(selected(others, &bao), Some(bao.clone()));
        assert_eq!(selected(others, &one("app", Values::one_of(["web"]))), None);
        assert_eq!(selected(others, &one("app", Values::absent())), None);
        assert_eq!(selected(others, &one("app", Values::present())), whole);
        let wider = one("app", Values::one_of(["bao", "web"]));
        assert_eq!(selected(others, &wider), Some(bao.clone()));
        for key in ["run", "openbao-active"] {
            let present = one(key, Values::present());
            assert_eq!(selected(others, &present), Some(present.clone()));
        }
    }
    let present = one("other", Values::present());
    assert_eq!(selected(Absent, &present), None);
    assert_eq!(selected(Free, &present), Some(present.clone()));
    assert_eq!(selected(Absent, &one("other", Values::absent())), whole);
}

#[test]
fn what_the_zone_knows_is_written_out_on_the_keys_asked_for() {
    let keys: Vec<Arc<str>> = ["app", "run", "other"].map(Arc::from).into();
    let known = Values::one_of(["bao", "vault"]);
    let written = zone(OtherKeys::Absent).written_out(&LabelSet::any(), &keys);
    let expected = one("app", known.clone()).and("other", Values::absent());
    assert_eq!(Some(written), expected);
    // Values that are narrower already are unchanged.
    let bao = one("app", Values::one_of(["bao"]));
    let written = zone(OtherKeys::Free).written_out(&bao, &keys);
    assert_eq!(written, bao);
    assert_eq!(zone(OtherKeys::Absent).written_out(&bao, &[]), bao);
    let listed: Vec<_> = zone(OtherKeys::Free)
        .known()
        .map(|(key, values)| (key.to_string(), values.clone()))
        .collect();
    assert_eq!(listed, [("app".to_owned(), known)]);
}
