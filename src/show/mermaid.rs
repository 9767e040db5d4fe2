//! The picture as a Mermaid flowchart, which Markdown pages draw.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::conditions::Condition;
use super::picture::{Arrow, Band, FRAMES, Mark, Way, bands};
use super::view::{ClusterView, View};

/// Styles that can be read on light and on dark pages.
const STYLES: [&str; 5] = [
    "protected stroke-width:3px",
    "declared stroke:#0969da,stroke-width:2px,stroke-dasharray:6 4",
    "permitted stroke:#8c6d1f,stroke-dasharray:2 3",
    "broken stroke:#cf222e,stroke-width:2px,stroke-dasharray:6 4",
    "beyond stroke:#cf222e,stroke-width:3px",
];

/// One flowchart with a box for each cluster.
pub fn flowchart(view: &View) -> String {
    let mut text = "flowchart LR\n".to_owned();
    for (number, cluster) in view.clusters.iter().enumerate() {
        draw(&mut text, number, cluster);
    }
    for style in STYLES {
        let _ = writeln!(text, "  classDef {style}");
    }
    text
}

fn draw(text: &mut String, number: usize, cluster: &ClusterView) {
    let bands = bands(cluster);
    let id = |key: &str| format!("c{number}_{}", key.replace('-', "_"));
    let title = escaped(&format!(
        "OpenBaoCluster {}/{}",
        cluster.namespace, cluster.name
    ));
    let _ = writeln!(text, "  subgraph c{number}[\"{title}\"]");
    for band in &bands {
        let lines = std::iter::once(band.title.to_owned()).chain(band.notes.clone());
        let _ = writeln!(
            text,
            "    {}[\"{}\"]:::protected",
            id(band.key),
            label(lines)
        );
        for ((frame, title), names) in FRAMES.into_iter().zip([&band.before, &band.after]) {
            if !names.is_empty() {
                let key = id(&format!("{}_{frame}", band.key));
                let lines = std::iter::once(title.to_owned()).chain(names.clone());
                let _ = writeln!(text, "    {key}[\"{}\"]", label(lines));
            }
        }
    }
    if !cluster.conditions.is_empty() {
        let title = "Status checkpoints".to_owned();
        let lines = cluster.conditions.iter().map(condition);
        let lines = label(std::iter::once(title).chain(lines));
        let _ = writeln!(text, "    {}[\"{lines}\"]", id("checkpoints"));
    }
    let _ = writeln!(text, "  end");
    let protected = |key: &str| bands.iter().any(|band| band.key == key);
    let others = bands.iter().flat_map(|band| &band.arrows);
    let mut nodes: BTreeMap<&str, Vec<&Arrow>> = BTreeMap::new();
    for arrow in others.filter(|arrow| !protected(&arrow.key)) {
        nodes.entry(&arrow.key).or_default().push(arrow);
    }
    for (key, arrows) in nodes {
        let _ = writeln!(
            text,
            "  {}[\"{}\"]{}",
            id(key),
            node(&arrows),
            class(&arrows)
        );
    }
    for (from, to, link, labels) in links(&bands) {
        let labels = label(labels.iter().cloned());
        let _ = writeln!(text, "  {} {link}|\"{labels}\"| {}", id(from), id(to));
    }
}

fn condition(condition: &Condition) -> String {
    let (status, reason) = (condition.status, condition.reason);
    format!("{}: {status} ({reason})", condition.title())
}

/// The words of a node that several bands may talk with.
fn node(arrows: &[&Arrow]) -> String {
    let mut lines: Vec<String> = Vec::new();
    let all = arrows.iter().flat_map(|arrow| &arrow.lines);
    for line in all {
        if !lines.contains(line) {
            lines.push(line.clone());
        }
    }
    let title = arrows.first().map_or("", |arrow| arrow.title).to_owned();
    label(std::iter::once(title).chain(lines))
}

/// A node is not marked as cut where it is cut in one band only; its links show that.
fn class(arrows: &[&Arrow]) -> String {
    let all_cut = arrows.iter().all(|arrow| arrow.mark == Mark::Broken);
    let marks = arrows.iter().map(|arrow| arrow.mark);
    let worst = marks.filter(|mark| all_cut || *mark != Mark::Broken).max();
    let worst = worst.filter(|mark| *mark != Mark::Core);
    worst.map_or_else(String::new, |mark| format!(":::{}", mark.class()))
}

type Link<'a> = (&'a str, &'a str, &'static str, &'a [String]);

/// The links, each once: what the jobs may reach at the OpenBao pods stands in both bands.
fn links(bands: &[Band]) -> Vec<Link<'_>> {
    let mut links: Vec<Link<'_>> = Vec::new();
    for band in bands {
        for arrow in &band.arrows {
            let (from, to) = match arrow.way {
                Way::In => (arrow.key.as_str(), band.key),
                Way::Out | Way::Both => (band.key, arrow.key.as_str()),
            };
            let link = match (arrow.mark, arrow.way) {
                (Mark::Broken, _) => "--x",
                (Mark::Declared | Mark::Permitted, Way::Both) => "<-.->",
                (Mark::Declared | Mark::Permitted, _) => "-.->",
                (_, Way::Both) => "<-->",
                (Mark::Beyond, _) => "==>",
                (Mark::Core, _) => "-->",
            };
            let known = links
                .iter_mut()
                .find(|known| (known.0, known.1) == (from, to));
            match known {
                Some(known) if link == "--x" => known.2 = link,
                Some(_) => {}
                None => links.push((from, to, link, &arrow.labels)),
            }
        }
    }
    links
}

fn label(lines: impl Iterator<Item = String>) -> String {
    lines
        .filter(|line| !line.is_empty())
        .map(|line| escaped(&line))
        .collect::<Vec<_>>()
        .join("<br/>")
}

/// Text inside quotes: what could end it or be taken for markup as an entity, as Mermaid writes them.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '"' | '#' | '<' | '>' | '&' | '`' | '\\' => {
                let _ = write!(escaped, "#{};", u32::from(c));
            }
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
