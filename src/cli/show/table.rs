//! A view as text: a heading for each zone, its rows in columns.

use std::fmt::Write as _;

use anstyle::Style;

use crate::cli::text::{BAD, DOUBTFUL, FAINT, GOOD, MARK, NARROWEST, STRONG, styled, wrapped};
use crate::printable;
use crate::show::view::{ClusterView, Isolated, RowView, State, TierView, View, ZoneView};

/// The whole view.
pub(super) fn of(view: &View) -> String {
    let mut text = String::new();
    for cluster in &view.clusters {
        of_cluster(&mut text, cluster, view.baseline);
    }
    let heading = format!(
        "The operator's own pods, namespace {}",
        view.controller.namespace
    );
    let _ = writeln!(text, "{}", styled(STRONG, &heading));
    of_zone(&mut text, &view.controller);
    if !view.counted_namespaces.is_empty() {
        let names = view.counted_namespaces.join(", ");
        let line = format!("namespaces let in to the metrics by their labels (OBP504): {names}");
        let _ = writeln!(text, "{}", wrapped(&line, "  ", "    "));
    }
    if !view.controller.other_policies.is_empty() {
        text.push('\n');
        listed(&mut text, OTHER_POLICIES, &view.controller.other_policies);
    }
    baseline(&mut text, view);
    text
}

fn baseline(text: &mut String, view: &View) {
    if !view.baseline_reason.is_empty() {
        let line = format!("baseline {}: {}", view.baseline, view.baseline_reason);
        let _ = writeln!(text, "\n{}", wrapped(&line, "", "  "));
    }
}

/// One line for each cluster.
pub(super) fn overview(view: &View) -> String {
    let mut text = String::new();
    let names: Vec<String> = view
        .clusters
        .iter()
        .map(|cluster| format!("{}/{}", cluster.namespace, cluster.name))
        .collect();
    let widest = names.iter().map(|name| name.chars().count()).max();
    let widest = widest.unwrap_or_default().max("OpenBaoCluster".len());
    let head = format!(
        "{:<widest$}  {:<11}  {:>4}  {:>6}  {:>4}  {:>6}  {:>12}  {:>11}",
        "OpenBaoCluster",
        "profile",
        "held",
        "broken",
        "open",
        "beyond",
        "not isolated",
        "checkpoints"
    );
    let _ = writeln!(text, "{}", styled(STRONG, &head));
    for (name, cluster) in names.iter().zip(&view.clusters) {
        let of = cluster.summary();
        let count = |number: usize, width: usize, style: Style| {
            let shown = format!("{number:>width$}");
            if number > 0 {
                styled(style, &shown)
            } else {
                shown
            }
        };
        let _ = writeln!(
            text,
            "{name:<widest$}  {:<11}  {}  {}  {}  {}  {}  {}",
            cluster.profile.unwrap_or("-"),
            count(of.held, 4, GOOD),
            count(of.broken, 6, BAD),
            count(of.open, 4, MARK),
            count(of.beyond, 6, BAD),
            count(of.bare, 12, BAD),
            count(of.checkpoints, 11, DOUBTFUL),
        );
    }
    for (name, cluster) in names.iter().zip(&view.clusters) {
        let foreign = cluster.foreign_pods.as_ref().map_or(0, Vec::len);
        if foreign > 0 {
            let line = format!("{name}: {foreign} pods are not the operator's (OBP503)");
            let _ = writeln!(text, "{}", styled(BAD, &wrapped(&line, "", "  ")));
        }
    }
    let hint = "\nheld and broken count rows of the floor, beyond counts violations of the ceiling, checkpoints \
                counts conditions that are not True; `--cluster` shows one cluster in detail";
    let _ = writeln!(text, "{}", wrapped(hint.trim_start(), "", ""));
    baseline(&mut text, view);
    text
}

fn of_cluster(text: &mut String, cluster: &ClusterView, baseline: &str) {
    let name = format!("OpenBaoCluster {}/{}", cluster.namespace, cluster.name);
    let profile = cluster
        .profile
        .map(|profile| format!(", profile {profile}"));
    let _ = writeln!(
        text,
        "{} (baseline {baseline}{})\n",
        styled(STRONG, &name),
        profile.unwrap_or_default()
    );
    for note in &cluster.notes {
        let _ = writeln!(text, "{}\n", wrapped(note, "note: ", "  "));
    }
    for zone in &cluster.zones {
        let heading = match zone.zone {
            "jobs" => "Backup and restore jobs",
            _ => "OpenBao pods",
        };
        let _ = writeln!(text, "{}", styled(STRONG, heading));
        of_zone(text, zone);
        text.push('\n');
    }
    piercing(text, cluster);
    listed(text, OTHER_POLICIES, &cluster.other_policies);
    let foreign = cluster.foreign_pods.as_deref().unwrap_or_default();
    listed(text, "Pods that are not the operator's (OBP503)", foreign);
    conditions(text, cluster);
    let _ = writeln!(text, "{}", styled(STRONG, "Service accounts of the jobs"));
    for account in &cluster.accounts {
        let _ = writeln!(
            text,
            "  {} ({} jobs, zone {})",
            account.name, account.jobs, account.zone
        );
    }
    text.push('\n');
}

fn piercing(text: &mut String, cluster: &ClusterView) {
    if cluster.piercing.is_empty() {
        return;
    }
    let _ = writeln!(text, "{}", styled(BAD, "Beyond the ceiling"));
    for found in &cluster.piercing {
        let _ = writeln!(
            text,
            "{}",
            wrapped(&format!("{} {}", found.code, found.reason), "  ", "    ")
        );
        if let Some(place) = found.place() {
            let line = format!("{} {place}", found.kind);
            let _ = writeln!(text, "{}", wrapped(&line, "    ", "      "));
        }
        if let Some(connection) = &found.connection {
            let line = format!("for example: {connection}");
            let _ = writeln!(text, "{}", wrapped(&line, "    ", "      "));
        }
    }
    text.push('\n');
}

const OTHER_POLICIES: &str = "Policies of other kinds, not checked (OBP404)";

fn listed(text: &mut String, heading: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(text, "{}", styled(DOUBTFUL, heading));
    for line in lines.iter().take(LISTED) {
        let line = printable::line(line);
        let _ = writeln!(text, "{}", wrapped(&line, "  ", "    "));
    }
    if lines.len() > LISTED {
        let _ = writeln!(text, "  … and {} more", lines.len() - LISTED);
    }
    text.push('\n');
}

/// Maximum number of policies or pods that are listed.
const LISTED: usize = 50;

/// Width of the status before the words about a checkpoint.
const CONDITION: &str = "          ";

fn conditions(text: &mut String, cluster: &ClusterView) {
    if cluster.conditions.is_empty() {
        return;
    }
    let _ = writeln!(text, "{}", styled(STRONG, "Status checkpoints"));
    for condition in &cluster.conditions {
        let style = match condition.status {
            "True" => GOOD,
            "False" => BAD,
            _ => DOUBTFUL,
        };
        let status = styled(style, &format!("{:<7}", condition.status));
        let head = format!("{} ({})", condition.title(), condition.reason);
        let head = wrapped(&head, CONDITION, CONDITION);
        let _ = writeln!(text, "  {status} {}", head.trim_start());
        let said = std::iter::once(condition.message.clone()).chain(condition.live_words());
        for line in said {
            let _ = writeln!(text, "{}", wrapped(&line, CONDITION, CONDITION));
        }
    }
    text.push('\n');
}

fn of_zone(text: &mut String, zone: &ZoneView) {
    if let Some(policy) = &zone.policy {
        let stored = if policy.stored {
            ""
        } else {
            ", which does not exist and is assumed as the operator renders it"
        };
        let line = format!("managed policy {}{stored}", policy.name);
        let _ = writeln!(text, "{}", wrapped(&line, "  ", "    "));
    }
    for isolation in &zone.isolation {
        let details = isolation.details(str::to_owned);
        let style = match isolation.state {
            Isolated::Yes => GOOD,
            Isolated::Partly | Isolated::No => BAD,
            Isolated::OnceRendered | Isolated::Unknown => DOUBTFUL,
        };
        let words = isolation.words();
        let line = wrapped(
            &format!("{}: {words}{details}", isolation.direction),
            "  ",
            "    ",
        );
        // Styled after it is wrapped: styles have no width.
        let _ = writeln!(text, "{}", line.replacen(words, &styled(style, words), 1));
    }
    for name in &zone.unreadable {
        let line = format!("NetworkPolicy {name} cannot be read, or is too large to check");
        let _ = writeln!(text, "{}", styled(DOUBTFUL, &wrapped(&line, "  ", "    ")));
    }
    tiers(text, zone);
    for row in zone.rows.iter().filter(|row| row.state != State::Off) {
        of_row(text, row);
    }
    let off: Vec<String> = zone
        .rows
        .iter()
        .filter(|row| row.state == State::Off)
        .map(|row| format!("{} {}", row.direction, row.id))
        .collect();
    if !off.is_empty() {
        let line = format!("off: {}", off.join(", "));
        let _ = writeln!(text, "{}", styled(FAINT, &wrapped(&line, "  ", "    ")));
    }
}

/// The layers that select these pods, in their order.
fn tiers(text: &mut String, zone: &ZoneView) {
    if zone.tiers.is_empty() {
        return;
    }
    let (before, after): (Vec<_>, Vec<_>) = zone.tiers.iter().partition(|own| own.is_before());
    let lines = before.into_iter().map(TierView::line);
    let lines = lines.chain(["NetworkPolicies".to_owned()]);
    let lines = lines.chain(after.into_iter().map(TierView::line));
    text.push_str("  decided in this order:\n");
    for (at, line) in lines.enumerate() {
        let number = format!("    {}. ", at + 1);
        let _ = writeln!(text, "{}", wrapped(&line, &number, "       "));
    }
}

fn of_row(text: &mut String, row: &RowView) {
    let arrow = if row.direction == "ingress" {
        "<-"
    } else {
        "->"
    };
    let style = style(row.state);
    let state = styled(style, &format!("{:<11}", row.state.as_str()));
    let standing = row.standing;
    let ports = if row.ports.is_empty() {
        String::new()
    } else {
        format!(", {}", row.ports)
    };
    let head = wrapped(
        &format!("{arrow} {}{ports}", row.peer),
        &" ".repeat(INDENT),
        &" ".repeat(INDENT + 3),
    );
    let _ = writeln!(text, "  {state} {standing:<7} {}", head.trim_start());
    let declared = row.declared.as_ref();
    let declared = declared
        .map(|field| format!(", {field}"))
        .unwrap_or_default();
    let indent = " ".repeat(INDENT + 3);
    let line = wrapped(
        &format!("{}: {}{declared}", row.id, row.reason),
        &indent,
        &indent,
    );
    let _ = writeln!(text, "{}", styled(FAINT, &line));
    if !row.opened_by.is_empty() {
        let line = wrapped(&format!("by {}", openers(row)), &indent, &indent);
        let _ = writeln!(text, "{}", styled(FAINT, &line));
    }
    for tier in &row.tiers {
        let style = match (tier.effect, tier.uncertain) {
            (_, true) => DOUBTFUL,
            ("opens", _) => MARK,
            _ => BAD,
        };
        let line = wrapped(&tier.line(), &indent, &indent);
        let _ = writeln!(text, "{}", styled(style, &line));
    }
    if row.is_unguarded() {
        let line = format!("{indent}since nothing isolates these pods");
        let _ = writeln!(text, "{}", styled(FAINT, &line));
    }
    if let Some(missing) = &row.missing {
        let line = wrapped(&format!("blocked: {missing}"), &indent, &indent);
        let _ = writeln!(text, "{}", styled(style, &line));
    }
}

/// Column in which the words of a row begin.
const INDENT: usize = 2 + 11 + 1 + 7 + 1;
const _: () = assert!(INDENT + 40 < NARROWEST, "a row has room for its words");

/// The rules that let a row through; the first ones where they are many.
fn openers(row: &RowView) -> String {
    let (shown, more) = row.openers();
    let shown: Vec<String> = shown
        .iter()
        .map(|opener| format!("{} {}", opener.policy, opener.rule))
        .collect();
    let more = match more {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", shown.join(", "))
}

const fn style(state: State) -> Style {
    match state {
        State::Held => GOOD,
        State::Broken => BAD,
        State::Open => MARK,
        State::PartlyOpen | State::Undecided => DOUBTFUL,
        State::Closed | State::Off => FAINT,
    }
}
