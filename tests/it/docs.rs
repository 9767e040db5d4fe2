//! The pages about the rules, held against the codes.

use std::collections::BTreeSet;
use std::path::Path;

use openbao_perimeter::rules::Code;

/// The parts of a page, in order.
const PARTS: [&str; 5] = [
    "## What it refuses",
    "## Why",
    "## Example refused",
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

#[test]
fn every_page_has_a_level_and_the_same_parts_in_the_same_order() {
    for code in Code::ALL {
        let page = page(code);
        assert!(page.contains("\n**Level:** "), "{code}");
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
                assert!(folder().join(target).exists(), "{code} links to {target}");
            }
        }
    }
}
