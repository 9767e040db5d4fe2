//! The rule pages, compared with the rule codes.

use std::collections::BTreeSet;
use std::path::Path;

use openbao_perimeter::rules::Code;

use crate::reference::is_blessing;

/// The parts of a page, in order.
const PARTS: [&str; 5] = [
    "## What it denies",
    "## Why",
    "## Example denied",
    "## What to do instead",
    "## Repair",
];

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rules")
}

fn page(code: Code) -> String {
    let path = folder().join(format!("{code}.md"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_code_has_a_page_whose_title_is_its_code_and_name() {
    for code in Code::ALL {
        let page = page(code);
        let title = page.lines().next();
        assert_eq!(title, Some(format!("# {code} {}", code.name()).as_str()));
    }
}

#[test]
fn every_page_is_about_a_code() {
    let codes: BTreeSet<String> = Code::ALL.iter().map(|code| format!("{code}.md")).collect();
    let pages: BTreeSet<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(pages, codes);
}

/// The page with the levels of the table of causes. More may follow them.
fn with_levels(code: Code, page: &str) -> Option<String> {
    let (head, rest) = page.split_once("\n**Level:** ")?;
    let mut is_quoted = false;
    let end = rest.find(|letter: char| {
        is_quoted ^= letter == '`';
        letter == '.' && !is_quoted
    })?;
    let tail = rest.get(end + 1..)?;
    let levels = code.default_level();
    Some(format!("{head}\n**Level:** {levels}.{tail}"))
}

#[test]
fn every_page_has_the_levels_of_its_rule_and_the_same_parts_in_the_same_order() {
    for code in Code::ALL {
        let page = page(code);
        let expected = with_levels(code, &page).expect("a line with levels");
        if is_blessing() {
            std::fs::write(folder().join(format!("{code}.md")), &expected).unwrap();
        } else {
            assert_eq!(page, expected, "{code}: run `make docs`");
        }
        let parts: Vec<&str> = page
            .lines()
            .filter(|line| line.starts_with("## "))
            .collect();
        assert_eq!(parts, PARTS, "{code}");
    }
}

#[test]
fn every_link_between_pages_leads_to_a_code() {
    for code in Code::ALL {
        let page = page(code);
        for link in page.split("](").skip(1) {
            let target = link.split(')').next().unwrap_or_default();
            if let Some(name) = target
                .strip_suffix(".md")
                .filter(|name| !name.contains('/'))
            {
                let known = Code::ALL.iter().any(|code| code.as_str() == name);
                assert!(known, "{code} links to {target}");
            } else {
                let file = target.split('#').next().unwrap_or_default();
                assert!(folder().join(file).exists(), "{code} links to {target}");
            }
        }
    }
}

/// The names of all tests of the tree.
fn tests(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests(&path, found);
            continue;
        }
        let is_source = path.extension().is_some_and(|ending| ending == "rs");
        let text = if is_source {
            std::fs::read_to_string(&path).unwrap()
        } else {
            String::new()
        };
        for attribute in ["#[test]", "#[tokio::test"] {
            for after in text.split(attribute).skip(1) {
                // More attributes may follow.
                let name = after
                    .split("fn ")
                    .nth(1)
                    .and_then(|rest| rest.split('(').next());
                found.extend(name.map(str::to_owned));
            }
        }
    }
}

#[test]
fn every_test_that_the_threat_model_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut known = BTreeSet::new();
    tests(&root.join("src"), &mut known);
    tests(&root.join("tests"), &mut known);
    tests(&root.join("crates"), &mut known);
    let page = std::fs::read_to_string(root.join("docs/threat-model.md")).unwrap();
    let rows = page
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| ---"));
    let mut published = 0;
    for row in rows.filter(|row| !row.ends_with("| shown by |")) {
        let shown = row.trim_end_matches(" |").rsplit("| ").next().unwrap();
        let named: Vec<&str> = shown.split('`').skip(1).step_by(2).collect();
        // Threats out of scope have no test.
        assert!(
            !named.is_empty() || row.contains("| out of scope |"),
            "{row}"
        );
        for name in named {
            assert!(known.contains(name), "no test `{name}`");
        }
        let number = row.trim_start_matches("| ").split('.').next().unwrap();
        published += usize::from(number.parse() == Ok(published + 1));
    }
    // The threats of the published model.
    assert_eq!(published, 18);
}
