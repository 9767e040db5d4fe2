//! The pages of `docs/reference` and `docs/coverage.md`, generated from the code. `make docs` writes them;
//! otherwise a page that differs from the code fails its test.

mod baselines;
mod check;
mod cli;
mod coverage;
mod metrics;
mod perimeter;
mod rules;
mod settings;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Set by `make docs`.
const WRITE: &str = "OBP_BLESS";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns true if generated files are to be written. Otherwise they are compared.
pub(crate) fn is_blessing() -> bool {
    std::env::var_os(WRITE).is_some_and(|value| value == "1")
}

/// Compares the page with the code, or writes it.
fn assert_fresh(page: &str, expected: &str) {
    let path = root().join(page);
    if is_blessing() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    let lines = found.lines().chain([""]);
    let stale = lines.zip(expected.lines().chain([""])).enumerate();
    let stale = stale
        .into_iter()
        .find(|(_, (found, expected))| found != expected);
    assert!(
        found == expected,
        "{page} is stale: run `make docs`. First difference, line and found and expected: {stale:?}"
    );
}

/// The header of a page.
fn page(title: &str, source: &str, about: &str) -> String {
    format!(
        "<!-- Written by `make docs` from {source}; change it there. -->\n# {title}\n\n{about}\n"
    )
}

/// Writes a table with these rows.
fn table(text: &mut String, head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
    let _ = write!(
        text,
        "\n| {} |\n|{}\n",
        head.join(" | "),
        " --- |".repeat(head.len())
    );
    for row in rows {
        assert_eq!(row.len(), head.len(), "{row:?}");
        let cells: Vec<String> = row
            .iter()
            .map(|cell| cell.replace('|', "\\|").replace('\n', " "))
            .collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

/// Every page, including the generated ones.
fn pages(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            pages(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "md") {
            found.push(path);
        }
    }
}

/// The anchors of a page's headings.
fn anchors(page: &str) -> Vec<String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| -> String {
        let title = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = title
            .chars()
            .filter(|c| c.is_alphanumeric() || "-_ ".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn every_link_of_a_page_leads_to_a_file_and_a_heading() {
    let mut found = Vec::new();
    pages(&root().join("docs"), &mut found);
    let others = [
        "README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "CHANGELOG.md",
        "certs/README.md",
    ];
    found.extend(others.map(|page| root().join(page)));
    for page in found {
        let text = fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1) {
            let target = link.split(')').next().unwrap_or_default();
            if target.contains("://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = match file {
                "" => page.clone(),
                file => page.parent().unwrap().join(file),
            };
            assert!(path.exists(), "{}: {target}", page.display());
            if !anchor.is_empty() {
                let text = fs::read_to_string(&path).unwrap();
                let is_there = anchors(&text).iter().any(|found| found == anchor);
                assert!(is_there, "{}: {target}", page.display());
            }
        }
    }
}
