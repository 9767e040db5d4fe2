//! `docs/reference/rules.md`: the catalogue.

use std::fmt::Write as _;

use openbao_perimeter::code::Code;

use super::{assert_fresh, page, table};
use crate::cases;

/// The families of codes, by their first digit.
const FAMILIES: &[(char, &str)] = &[
    ('1', "The floor, and the managed policies"),
    ('2', "The ceiling"),
    ('3', "Declarations of an OpenBaoCluster"),
    ('4', "Objects and proofs that cannot be decided"),
    ('5', "Pod labels and excluded namespaces"),
    ('6', "Status checkpoints, and what they do not cover"),
    ('7', "Waivers"),
];

fn cases_of(code: Code) -> String {
    let cases = cases::all();
    let links = cases.iter().filter(|case| case.code == code);
    let links: Vec<String> = links
        .map(|case| format!("[{}](../../tests/cases/{}/)", case.end(), case.name))
        .collect();
    links.join(", ")
}

#[test]
fn the_page_about_rules_is_fresh() {
    let about = "Each rule has a code that never changes its meaning, and a page with cause, reason, example and \
                 remedy: `openbao-perimeter explain CODE` prints it. The levels are the defaults for a write that \
                 introduces the problem; [`review.levels`](settings.md) changes them.";
    let mut text = page(
        "Rules",
        "`src/code/codes.rs` and `src/review/rules/table.rs`",
        about,
    );
    for (digit, family) in FAMILIES {
        let codes = Code::ALL.into_iter();
        let mut codes = codes
            .filter(|code| code.as_str()[3..].starts_with(*digit))
            .peekable();
        if codes.peek().is_none() {
            continue;
        }
        let _ = write!(text, "\n## {family}\n");
        let rows = codes.map(|code| {
            vec![
                format!("[{code}](../rules/{code}.md)"),
                code.name().to_owned(),
                code.default_level(),
                code.rule().summary.to_owned(),
                cases_of(code),
            ]
        });
        table(
            &mut text,
            &["code", "name", "level", "it finds", "cases"],
            rows,
        );
    }
    for code in Code::ALL {
        assert!(
            text.contains(&format!("[{code}]")),
            "{code} is of no family"
        );
    }
    assert_fresh("docs/reference/rules.md", &text);
}
