//! A view as one page that needs nothing else: no scripts, no fonts, no images. Readable in the light
//! and in the dark, on paper and on phones.

use std::fmt::Write as _;

use super::escaped::Escaped;
use super::picture::Mark;
use super::svg::{self, Layout};
use super::view::{ClusterView, Isolated, Isolation, RowView, State, View, ZoneView};

const STYLE: &str = include_str!("html/style.css");

/// The page.
pub fn page(view: &View) -> String {
    let names: Vec<String> = view
        .clusters
        .iter()
        .map(|cluster| format!("{}/{}", cluster.namespace, cluster.name))
        .collect();
    let title = format!("Perimeter of {}", names.join(", "));
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n",
        Escaped(&title)
    );
    out.push_str(&svg::heads());
    let _ = writeln!(
        out,
        "<header><h1>OpenBao network perimeter</h1><p>Baseline <code>{}</code></p></header>\n<main>",
        Escaped(view.baseline)
    );
    for cluster in &view.clusters {
        of_cluster(&mut out, cluster);
    }
    let _ = writeln!(
        out,
        "<section class=\"card\"><h2>The operator's own pods</h2>\
         <p class=\"lead\">Namespace <code>{}</code>. Nobody renders a policy for them: these rows are judged where \
         policies isolate them.</p>",
        Escaped(&view.controller.namespace)
    );
    of_zone(&mut out, &view.controller);
    out.push_str("</section>\n</main>\n</body>\n</html>\n");
    out
}

fn of_cluster(out: &mut String, cluster: &ClusterView) {
    let name = format!("{}/{}", cluster.namespace, cluster.name);
    let _ = writeln!(
        out,
        "<section class=\"card\"><h2>OpenBaoCluster {}</h2>",
        Escaped(&name)
    );
    if let Some(profile) = cluster.profile {
        let _ = writeln!(out, "<p class=\"lead\">Profile <code>{profile}</code></p>");
    }
    for note in &cluster.notes {
        let _ = writeln!(out, "<p class=\"note\">{}</p>", Escaped(note));
    }
    out.push_str("<figure>\n");
    for layout in [Layout::Wide, Layout::Narrow] {
        out.push_str(&svg::picture(cluster, layout));
    }
    out.push_str("<figcaption>");
    for mark in Mark::ALL {
        let _ = write!(
            out,
            "<span class=\"key\"><i class=\"{}\"></i>{}</span>",
            mark.class(),
            mark.meaning()
        );
    }
    out.push_str("</figcaption>\n</figure>\n");
    piercing(out, cluster);
    for zone in &cluster.zones {
        let title = if zone.zone == "jobs" {
            "Backup and restore jobs"
        } else {
            "OpenBao pods"
        };
        let _ = writeln!(out, "<h3>{title}</h3>");
        of_zone(out, zone);
    }
    conditions(out, cluster);
    accounts(out, cluster);
    out.push_str("</section>\n");
}

fn piercing(out: &mut String, cluster: &ClusterView) {
    if cluster.piercing.is_empty() {
        return;
    }
    out.push_str("<h3>Beyond the ceiling</h3>\n");
    for found in &cluster.piercing {
        let _ = write!(
            out,
            "<div class=\"finding\"><p><b>{}</b> {}</p>",
            Escaped(found.code),
            Escaped(&found.reason)
        );
        if let Some(place) = found.place() {
            let _ = write!(out, "<p>NetworkPolicy {}</p>", Escaped(&place));
        }
        if let Some(connection) = &found.connection {
            let _ = write!(out, "<p>Let through: {}</p>", Escaped(connection));
        }
        let _ = writeln!(out, "<pre>{}</pre></div>", Escaped(&found.help));
    }
}

fn of_zone(out: &mut String, zone: &ZoneView) {
    out.push_str("<ul class=\"facts\">");
    if let Some(policy) = &zone.policy {
        let stored = if policy.stored {
            ""
        } else {
            " (not there: counts as the operator renders it)"
        };
        let _ = write!(
            out,
            "<li>Managed policy <code>{}</code>{stored}</li>",
            Escaped(&policy.name)
        );
    }
    for isolation in &zone.isolation {
        isolated(out, isolation);
    }
    for name in &zone.unreadable {
        let _ = write!(
            out,
            "<li><b class=\"state unjudged\">not judged</b> NetworkPolicy <code>{}</code> cannot be read, or is too \
             large to be proved</li>",
            Escaped(name)
        );
    }
    out.push_str("</ul>\n");
    let (off, rows): (Vec<&RowView>, Vec<&RowView>) =
        zone.rows.iter().partition(|row| row.state == State::Off);
    table(out, &rows);
    if !off.is_empty() {
        let _ = writeln!(
            out,
            "<details><summary>{} rows that mean nothing here</summary>",
            off.len()
        );
        table(out, &off);
        out.push_str("</details>\n");
    }
}

fn isolated(out: &mut String, isolation: &Isolation) {
    let class = match isolation.state {
        Isolated::Yes => "held",
        Isolated::Partly | Isolated::No => "broken",
        Isolated::OnceRendered | Isolated::Unknown => "unjudged",
    };
    let _ = write!(
        out,
        "<li>{} {}{}</li>",
        Escaped(isolation.direction),
        state(class, isolation.words()),
        isolation.details(|name| format!("<code>{}</code>", Escaped(name)))
    );
}

/// The beginning of a table with these columns.
fn table_head(out: &mut String, columns: &[&str]) {
    out.push_str("<table><thead><tr>");
    for column in columns {
        let _ = write!(out, "<th>{column}</th>");
    }
    out.push_str("</tr></thead><tbody>\n");
}

/// A cell; `content` is markup already. On phones each cell stands alone, with its column's name.
fn cell(out: &mut String, column: &str, content: &str) {
    let _ = write!(out, "<td data-label=\"{column}\"><div>{content}</div></td>");
}

fn state(class: &str, word: &str) -> String {
    format!("<b class=\"state {class}\">{}</b>", Escaped(word))
}

fn table(out: &mut String, rows: &[&RowView]) {
    let columns = [
        "Direction",
        "Other end",
        "Ports",
        "State",
        "Why",
        "Opened by",
    ];
    table_head(out, &columns);
    for row in rows {
        out.push_str("<tr>");
        let standing = format!("<span class=\"standing\">{}</span>", Escaped(row.standing));
        let is_what = state(row.state.class(), row.state.as_str());
        let cells = [
            Escaped(row.direction).to_string(),
            Escaped(&row.peer).to_string(),
            Escaped(&row.ports).to_string(),
            format!("{is_what} {standing}"),
            why(row),
            opened_by(row),
        ];
        for (column, content) in columns.iter().zip(&cells) {
            cell(out, column, content);
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table>\n");
}

fn why(row: &RowView) -> String {
    let mut text = format!("<code>{}</code> {}", Escaped(row.id), Escaped(row.reason));
    if let Some(declared) = &row.declared {
        let _ = write!(text, " (<code>{}</code>)", Escaped(declared));
    }
    text
}

fn opened_by(row: &RowView) -> String {
    let (openers, more) = row.openers();
    let openers = openers.iter().map(|opener| {
        let (policy, rule) = (Escaped(&opener.policy), Escaped(&opener.rule));
        format!("<code>{policy}</code> {rule}")
    });
    let mut text = openers.collect::<Vec<_>>().join("<br>");
    if row.is_unguarded() {
        text.push_str("nothing isolates these pods");
    }
    if more > 0 {
        let _ = write!(text, "<br>and {more} more");
    }
    if let Some(missing) = &row.missing {
        let missing = Escaped(missing);
        let _ = write!(text, "<p class=\"missing\">Not let through: {missing}</p>");
    }
    text
}

fn conditions(out: &mut String, cluster: &ClusterView) {
    if cluster.conditions.is_empty() {
        return;
    }
    out.push_str("<h3>Status checkpoints</h3>\n");
    let columns = ["Checkpoint", "Status", "Reason", "Message"];
    table_head(out, &columns);
    for condition in &cluster.conditions {
        let class = match condition.status {
            "True" => "held",
            "False" => "broken",
            _ => "unjudged",
        };
        let mut message = Escaped(&condition.message).to_string();
        if let Some(live) = condition.live_words() {
            let _ = write!(message, "<p class=\"missing\">{}</p>", Escaped(&live));
        }
        let cells = [
            Escaped(&condition.title()).to_string(),
            state(class, condition.status),
            Escaped(condition.reason).to_string(),
            message,
        ];
        out.push_str("<tr>");
        for (column, content) in columns.iter().zip(&cells) {
            cell(out, column, content);
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table>\n");
}

fn accounts(out: &mut String, cluster: &ClusterView) {
    out.push_str("<h3>Service accounts of the jobs</h3>\n<ul class=\"facts\">");
    for account in &cluster.accounts {
        let _ = write!(
            out,
            "<li><code>{}</code> {} jobs, zone {}</li>",
            Escaped(&account.name),
            account.jobs,
            account.zone
        );
    }
    out.push_str("</ul>\n");
}

impl State {
    /// The name of its style.
    const fn class(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Broken => "broken",
            Self::Open => "open",
            Self::PartlyOpen | Self::NotJudged => "unjudged",
            Self::Closed | Self::Off => "off",
        }
    }
}
