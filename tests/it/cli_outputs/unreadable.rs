//! Input that could not be read, in each format.

use std::fs;

use crate::cli_views::INVENTORY;
use crate::support::{folder, run_with};

#[test]
fn what_could_not_be_read_is_in_every_output() {
    let here = folder("output-unreadable");
    let file = here.join("tab.yaml");
    fs::write(&file, "a: [\n").unwrap();
    let file = file.to_str().unwrap();
    for (format, expected) in [
        (
            "markdown",
            "### OpenBao perimeter: 0 objects checked, none denied, 1 could not be read\n",
        ),
        ("junit", "errors=\"1\""),
        ("github", "::error title=unreadable input::"),
        ("sarif", "\"executionSuccessful\": false"),
        ("json", "\"unreadable\": [\n"),
    ] {
        let (status, out, _) = run_with(
            &[],
            &["check", "--inventory", INVENTORY, "-o", format, file],
        );
        assert_eq!(status, Some(2), "{format}");
        assert!(
            out.contains(expected) && out.contains("tab.yaml"),
            "{format}: {out}"
        );
    }
}
