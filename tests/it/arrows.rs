//! The arrows of docs/architecture.md: the modules that each module may use. Other crates have no arrows.

use std::fs;
use std::path::{Path, PathBuf};

/// Each module, and the modules of this crate that it may use.
const ARROWS: &[(&str, &[&str])] = &[
    ("code", &[]),
    ("config", &["code", "size"]),
    ("features", &["config"]),
    ("inventory", &["config"]),
    ("baseline", &["inventory", "config"]),
    ("rules", &["baseline", "code", "inventory", "config"]),
    (
        "advice",
        &["baseline", "code", "inventory", "config", "rules"],
    ),
    (
        "review",
        &[
            "advice",
            "baseline",
            "code",
            "inventory",
            "config",
            "printable",
            "rules",
        ],
    ),
    (
        "show",
        &[
            "advice",
            "baseline",
            "code",
            "inventory",
            "config",
            "review",
            "rules",
        ],
    ),
    ("validating_policy", &[]),
    (
        "identity",
        &["baseline", "validating_policy", "code", "config", "review"],
    ),
    (
        "net",
        &[
            "baseline",
            "validating_policy",
            "code",
            "config",
            "inventory",
            "review",
            "rules",
        ],
    ),
    ("printable", &[]),
    (
        "reach",
        &["baseline", "config", "inventory", "review", "rules"],
    ),
    ("telemetry", &[]),
    ("crypto", &[]),
    ("duration", &[]),
    ("size", &[]),
    ("file_events", &[]),
    (
        "settings",
        &[
            "code",
            "config",
            "duration",
            "inventory",
            "server",
            "size",
            "telemetry",
        ],
    ),
    ("rate", &[]),
    (
        "sources",
        &[
            "crypto",
            "file_events",
            "inventory",
            "config",
            "printable",
            "rate",
        ],
    ),
    (
        "audit",
        &[
            "code",
            "config",
            "inventory",
            "printable",
            "review",
            "rules",
        ],
    ),
    ("events", &["audit", "inventory"]),
    ("reports", &["audit"]),
    ("registration", &["audit", "config", "identity"]),
    (
        "admission",
        &[
            "audit",
            "code",
            "inventory",
            "config",
            "printable",
            "review",
            "rules",
        ],
    ),
    (
        "server",
        &[
            "admission",
            "audit",
            "crypto",
            "duration",
            "file_events",
            "inventory",
            "review",
            "size",
        ],
    ),
    (
        "cli",
        &[
            "admission",
            "audit",
            "baseline",
            "code",
            "crypto",
            "duration",
            "events",
            "file_events",
            "identity",
            "inventory",
            "config",
            "net",
            "printable",
            "reach",
            "registration",
            "reports",
            "review",
            "rules",
            "server",
            "settings",
            "show",
            "sources",
            "telemetry",
        ],
    ),
];

fn files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

fn part(path: &Path) -> String {
    let below = path
        .strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
        .unwrap();
    let first = below
        .components()
        .next()
        .unwrap()
        .as_os_str()
        .to_string_lossy()
        .into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// The modules that a file's code uses as `crate::module`, without its tests and comments.
fn used(text: &str) -> Vec<String> {
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let names = code.flat_map(|line| line.split("crate::").skip(1));
    let word = |rest: &str| {
        rest.split(|c: char| !c.is_alphanumeric() && c != '_')
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    names.map(word).filter(|name| !name.is_empty()).collect()
}

#[test]
fn no_module_uses_one_above_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut seen = 0;
    for file in files(&src) {
        let own = part(&file);
        let is_test = file
            .components()
            .any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "tests.rs")));
        if is_test || matches!(own.as_str(), "lib" | "main") {
            continue;
        }
        let (_, allowed) = ARROWS
            .iter()
            .find(|(name, _)| *name == own)
            .unwrap_or_else(|| panic!("`{own}` has no arrows"));
        for used in used(&fs::read_to_string(&file).unwrap()) {
            seen += 1;
            let is_fine = used == own || allowed.contains(&used.as_str());
            assert!(
                is_fine,
                "{} uses `{used}`, which `{own}` must not",
                file.display()
            );
        }
    }
    assert!(
        seen > 100,
        "the walk over the sources finds imports: {seen}"
    );
}
