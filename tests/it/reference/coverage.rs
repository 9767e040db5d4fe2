//! `docs/coverage.md`: every row of the tables in the operator's documentation, with the tests named after
//! it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use openbao_perimeter::baseline::ROWS;
use openbao_perimeter::config::Baseline;

use super::{assert_fresh, code, page, root, table};

mod documented;

use documented::DOCUMENTED;

/// One row of a table in the documentation.
struct Documented {
    /// The name of the table on the page.
    table: &'static str,
    /// The row.
    row: &'static str,
    /// The corresponding rows of our table.
    ids: &'static [&'static str],
    /// The tests of the row.
    tests: &'static [&'static str],
    /// The baselines of the row, if it has no rows in our table and the page's baseline is not enough.
    baselines: &'static [Baseline],
}

impl Documented {
    /// Sets the baselines.
    const fn of(self, baselines: &'static [Baseline]) -> Self {
        Self { baselines, ..self }
    }
}

/// A page of the operator's documentation.
struct Page {
    title: &'static str,
    baseline: Baseline,
    rows: &'static [Documented],
}

/// Every Rust file below a folder.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// The names of the tests of a source text.
fn tests_of(text: &str) -> Vec<&str> {
    let mut lines = text.lines().map(str::trim);
    let mut names = Vec::new();
    while let Some(line) = lines.next() {
        if line == "#[test]" || line.starts_with("#[tokio::test") {
            let function = lines.by_ref().find(|line| line.contains("fn "));
            let name = function.and_then(|line| line.split("fn ").nth(1)?.split('(').next());
            names.extend(name);
        }
    }
    names
}

/// Every test, with its file relative to the repository.
fn tests() -> Vec<(String, String)> {
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    sources(&root().join("tests/it"), &mut files);
    let mut found = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        let file = path.strip_prefix(root()).unwrap().display().to_string();
        let named = tests_of(&text).into_iter();
        found.extend(named.map(|name| (name.to_owned(), file.clone())));
    }
    found
}

/// The baselines with one of these rows. If there are none, the row's own baselines, or else the page's.
fn baselines(page: &Page, documented: &Documented) -> String {
    let has = |baseline: &Baseline| {
        let mut rows = ROWS.iter().filter(|row| documented.ids.contains(&row.id));
        rows.any(|row| row.baselines.contains(baseline))
    };
    let names: Vec<String> = match documented.ids {
        [] if documented.baselines.is_empty() => vec![code(page.baseline.as_str())],
        [] => documented
            .baselines
            .iter()
            .map(|baseline| code(baseline.as_str()))
            .collect(),
        _ => Baseline::ALL
            .iter()
            .filter(|baseline| has(baseline))
            .map(|baseline| code(baseline.as_str()))
            .collect(),
    };
    names.join(", ")
}

fn link(name: &str, tests: &[(String, String)]) -> String {
    let files: Vec<&String> = tests
        .iter()
        .filter(|(test, _)| test == name)
        .map(|(_, file)| file)
        .collect();
    assert_eq!(files.len(), 1, "one test `{name}`, found in {files:?}");
    format!("[{name}](../{})", files[0])
}

#[test]
fn the_page_about_coverage_is_fresh() {
    let tests = tests();
    let about = "Every row of the tables of the operator's network-security documentation, with the tests that are named \
                 after it and the [baselines](reference/baselines.md) that have it. The tests cut each row of the floor (denied) \
                 and open it (allowed). They open each row of the ceiling (allowed), and one port or peer more (denied, \
                 with a connection).";
    let mut text = page(
        "Coverage",
        "`tests/it/reference/coverage/documented.rs`",
        about,
    );
    for documented in DOCUMENTED {
        let _ = write!(text, "\n## {}\n", documented.title);
        let rows = documented.rows.iter().map(|row| {
            let links: Vec<String> = row.tests.iter().map(|test| link(test, &tests)).collect();
            let ids: Vec<String> = row.ids.iter().map(|id| code(id)).collect();
            vec![
                row.table.to_owned(),
                row.row.to_owned(),
                ids.join(", "),
                links.join(", "),
                baselines(documented, row),
            ]
        });
        table(
            &mut text,
            &["table", "row", "our rows", "tests", "baselines"],
            rows,
        );
    }
    assert_fresh("docs/coverage.md", &text);
}

#[test]
fn every_row_of_ours_is_one_of_the_documentation() {
    let rows = DOCUMENTED.iter().flat_map(|page| page.rows);
    let covered: BTreeSet<&str> = rows.flat_map(|row| row.ids).copied().collect();
    let ours: BTreeSet<&str> = ROWS.iter().map(|row| row.id).collect();
    assert_eq!(covered, ours);
}

#[test]
fn every_test_of_a_row_is_about_a_row() {
    let rows = DOCUMENTED.iter().flat_map(|page| page.rows);
    let covered: BTreeSet<&str> = rows.flat_map(|row| row.tests).copied().collect();
    let about_rows = tests();
    let about_rows = about_rows
        .iter()
        .filter(|(_, file)| file.starts_with("src/review/tests/rows/"));
    for (name, file) in about_rows {
        assert!(
            covered.contains(name.as_str()),
            "{file}: {name} is listed nowhere"
        );
    }
}
