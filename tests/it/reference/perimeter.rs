//! `docs/reference/perimeter.md`: each baseline as a picture.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use netpol::Direction;
use openbao_perimeter::baseline::{ROWS, Row, RowStatus};
use openbao_perimeter::config::{Baseline, Zone};

use super::baselines::{peers, ports, zone};
use super::{assert_fresh, page};

/// Text in a node or on an arrow, without quotes and back-quotes, which have a meaning in Mermaid.
fn plain(text: &str) -> String {
    text.replace(['`', '"'], "")
}

/// The rows of one zone, with one node for each peer and direction.
fn picture(text: &mut String, pods: Zone, rows: &[&Row]) {
    let own = pods.as_str();
    let _ = writeln!(
        text,
        "\n```mermaid\nflowchart LR\n  {own}([\"{}\"])",
        zone(pods)
    );
    let mut nodes: BTreeMap<String, String> = BTreeMap::new();
    for row in rows {
        let side = match row.direction {
            Direction::Ingress => "in",
            Direction::Egress => "out",
        };
        let label = plain(peers(row.peers));
        let next = format!("{side}{}", nodes.len() + 1);
        let node = nodes.entry(format!("{side} {label}")).or_insert_with(|| {
            let _ = writeln!(text, "  {next}[\"{label}\"]");
            next
        });
        let arrow = match row.status {
            RowStatus::Required => "==>",
            RowStatus::Permitted => "-.->",
        };
        let (from, to) = match row.direction {
            Direction::Ingress => (node.as_str(), own),
            Direction::Egress => (own, node.as_str()),
        };
        let _ = writeln!(
            text,
            "  {from} {arrow}|\"{}\"| {to}",
            plain(&ports(row.ports))
        );
    }
    text.push_str("```\n");
}

#[test]
fn the_page_with_the_perimeters_is_fresh() {
    let about = "Each baseline as a picture, from the rows of [the table](baselines.md). A thick arrow is required: \
                 no write may cut it. A dotted arrow is permitted: a policy may open it, if its condition holds. \
                 Everything else is denied.";
    let mut text = page("Perimeters", "`src/baseline/table.rs`", about);
    for baseline in Baseline::ALL {
        let _ = write!(text, "\n## `{baseline}`\n");
        for pods in Zone::ALL {
            let rows = ROWS.iter();
            let rows: Vec<&Row> = rows
                .filter(|row| row.pods == pods && row.baselines.contains(&baseline))
                .collect();
            let _ = write!(text, "\n### {}\n", zone(pods));
            if rows.is_empty() {
                text.push_str("\nOutside any restriction.\n");
            } else {
                picture(&mut text, pods, &rows);
            }
        }
    }
    assert_fresh("docs/reference/perimeter.md", &text);
}
