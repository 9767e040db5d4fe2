//! The cases in `tests/cases`. Each is a folder named after a rule and shows one behaviour in its files. Each
//! is run through the function behind `check` and through the router in memory. Denied cases are also run on
//! a real API server (`e2e::cases`).

mod format;
mod play;
mod release;
mod remedies;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use openbao_perimeter::code::{Code, Level};

pub(crate) use format::{Case, all};

use crate::reference::is_blessing;

/// The problems with a case; empty if it ends as expected.
fn wrong(case: &Case) -> String {
    let found = play::offline(case);
    let found = match play::in_memory(case, &found.edit) {
        Ok(()) => play::expectation(case, &found.state),
        Err(problem) => return problem,
    };
    let path = case.folder.join("expect.yaml");
    if case.expect.is_none() && is_blessing() {
        fs::write(path, serde_saphyr::to_string(&found).unwrap()).unwrap();
        return String::new();
    }
    match &case.expect {
        Some(expected) if *expected == found => String::new(),
        expected => format!("expected {expected:#?}\nfound {found:#?}"),
    }
}

#[test]
fn every_case_ends_as_it_expects_through_check_and_through_the_router() {
    let mut problems = String::new();
    for case in all() {
        let wrong = wrong(&case);
        if !wrong.is_empty() {
            let _ = write!(problems, "\n{}: {wrong}\n", case.name);
        }
    }
    assert!(problems.is_empty(), "{problems}");
}

/// The strictest default level of a rule.
fn strictest(code: Code) -> Level {
    let words = code.default_level();
    let mut levels = Level::ALL.into_iter();
    let level = levels.find(|level| words.contains(level.as_str()));
    level.expect("a level")
}

/// The rules about labels that NetworkPolicies believe, about which no webhook is asked; `e2e::identity` has their scenes.
const ABOUT_LABELS: [Code; 4] = [Code::Obp501, Code::Obp502, Code::Obp503, Code::Obp504];

#[test]
fn every_code_has_an_accept_and_a_reject_case() {
    let cases = all();
    let of = |code: Code| cases.iter().filter(move |case| case.code == code);
    let levels = |case: &Case| -> Vec<Level> {
        let found = case.expect.iter().flat_map(|expect| &expect.findings);
        let found = found.filter(|finding| finding.code == case.code.as_str());
        found.map(format::ExpectedFinding::level).collect()
    };
    let mut missing = BTreeSet::new();
    let codes = Code::ALL.into_iter();
    for code in codes.filter(|code| !ABOUT_LABELS.contains(code)) {
        let strictest = strictest(code);
        if !of(code).any(|case| levels(case).contains(&strictest)) {
            missing.insert(format!("{code}: a case that finds it at level {strictest}"));
        }
        if !of(code).any(|case| levels(case).is_empty()) {
            missing.insert(format!("{code}: a case that is near it and does not"));
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_case_says_in_one_sentence_what_it_shows() {
    for case in all() {
        let about = case.about.trim_end();
        let is_sentence = about.ends_with('.') && about.lines().count() == 1;
        assert!(is_sentence, "{}: {about:?}", case.name);
    }
}

#[test]
fn no_folder_holds_a_file_that_means_nothing() {
    let known = [
        "about.md",
        "inventory.yaml",
        "case.yaml",
        "before.yaml",
        "request.yaml",
        "expect.yaml",
    ];
    for case in all() {
        for entry in fs::read_dir(&case.folder).unwrap() {
            let name = entry.unwrap().file_name().to_string_lossy().into_owned();
            assert!(known.contains(&name.as_str()), "{}: {name}", case.name);
        }
    }
}
