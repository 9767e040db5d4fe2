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

/// How `auto` finds the release of the operator.
const AUTO: &str = "\
`baseline: auto`, the default, takes the baseline of the operator that runs. It reads the Deployments in the operator's namespace:

* The operator's Deployment has the label `app.kubernetes.io/name: openbao-operator`, or an image of this name. The tag of its image \
names the release. If the image has a digest alone, the labels `app.kubernetes.io/version` and `helm.sh/chart` do. A provisioner \
counts only where no controller is there, and a Deployment with no replicas does not count.
* A Deployment that changes changes the baseline at once, without a restart.
* If no release is found (a tag such as `main` or `latest`, a digest without labels, no Deployment, no permission to list \
Deployments, two operators with different baselines), the baseline detected last stays in force, or else the newest. The log, \
`openbao_perimeter_baseline_doubts` and `/readyz?verbose` say so, and the server stays ready. The same three report a policy of \
the operator that is as another baseline renders it.
* Commands that read files take `--baseline`, else the file of the repository, else the settings, else the newest. `check`, `show` \
and `can` print which one and why, `render` in its first line; with `--live` they read the Deployments, too.

`next` is an earlier name of `v0.4`, and stays valid.
";

/// Releases of the operator: their baseline, what differs from the row before, and the sources.
const RELEASES: [[&str; 4]; 3] = [
    [
        "before 0.1, until January 2026",
        "`classic`",
        "namespace `kube-system` reaches every port of the OpenBao pods; jobs have no policy; anyone reaches 8200 where \
         `spec.ingress.enabled`; no `trustedIngressPeers`, `dnsNamespace`, `dnsEndpointIPs`; no checkpoints",
        "the documentation of December 2025; [1c970ca](https://github.com/dc-tec/openbao-operator/commit/1c970ca) ends it",
    ],
    [
        "0.1 up to, not including, 0.4",
        "`v0.1`",
        "a policy for jobs; `trustedIngressPeers`, `dnsNamespace`, `dnsEndpointIPs`; the checkpoints. `kube-system` is not rendered, \
         and permitted on 8200. An Ingress opens nothing since 0.2; in 0.1.0 and 0.1.1 anyone reaches 8200 where \
         `spec.ingress.enabled`, which this baseline does not permit: the audit reports such a policy. Since 0.3 trusted peers \
         reach the port of the metrics listener, too",
        "the documentation of 0.1.0; the notes of [0.2.0](https://github.com/dc-tec/openbao-operator/blob/main/release-notes/0.2.0.md) \
         and [0.3.0](https://github.com/dc-tec/openbao-operator/blob/main/release-notes/0.3.0.md); PRs [54](https://github.com/dc-tec/openbao-operator/pull/54), \
         [56](https://github.com/dc-tec/openbao-operator/pull/56), [58](https://github.com/dc-tec/openbao-operator/pull/58), \
         [389](https://github.com/dc-tec/openbao-operator/pull/389) (2026-05-01, after 0.1.1 and before 0.2.0), \
         [481](https://github.com/dc-tec/openbao-operator/pull/481) (2026-05-25, before 0.3.0)",
    ],
    [
        "0.4 and newer; 0.5.3 is the newest that was read",
        "`v0.4`",
        "the Gateway's namespace is not let in; the contract for Hardened \
         clusters is enforced; policies carry `openbao.org/owner-uid`, and leftovers are not adopted; clusters of restores get \
         no policies",
        "the rendering code of 0.4.0 to 0.5.3; PRs \
         [505](https://github.com/dc-tec/openbao-operator/pull/505), [507](https://github.com/dc-tec/openbao-operator/pull/507)",
    ],
];

/// The section about releases of the operator.
fn releases(text: &mut String) {
    text.push_str("\n## Releases of the operator\n");
    let rows = RELEASES.map(|row| row.map(str::to_owned).to_vec());
    let columns = ["operator", "baseline", "what differs", "sources"];
    table(text, &columns, rows);
    let _ = write!(
        text,
        "\nOf releases 0.2 and 0.3 the notes, and the changes between them, were read, not their code as tagged. Where a policy of the \
         operator differs from the baseline, the server names the one that fits. The rows of each baseline are in [the reference](reference/baselines.md).\n\n{AUTO}"
    );
}

#[test]
fn every_baseline_has_a_release() {
    let named = RELEASES.map(|[_, baseline, ..]| baseline.to_owned());
    let baselines = Baseline::ALL.map(|baseline| code(baseline.as_str()));
    assert_eq!(named, baselines);
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
    releases(&mut text);
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
