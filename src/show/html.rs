//! A view as one page that needs nothing else: no scripts, no fonts, no images. Readable in the light
//! and in the dark, on paper and on phones.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::picture::Mark;
use super::svg::{self, Layout};
use super::view::{ClusterView, Isolated, Isolation, RowView, State, View, ZoneView};

const STYLE: &str = include_str!("html/style.css");

/// Source, time and version of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// The facts, in words.
    pub from: String,
    /// The time, in RFC 3339.
    pub at: String,
    /// Version of the program.
    pub version: String,
}

/// The page.
pub fn page(view: &View, provenance: &Provenance) -> String {
    let names: Vec<String> = view.clusters.iter().map(name).collect();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                title { "Perimeter of " (names.join(", ")) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (svg::heads())
                header {
                    h1 { "OpenBao network perimeter" }
                    p { "Baseline " code { (view.baseline) } }
                    p.made {
                        "Made from " (provenance.from) " at " time datetime=(provenance.at) { (provenance.at) }
                        " by openbao-perimeter " (provenance.version)
                    }
                }
                nav aria-label="Contents" {
                    ul {
                        @for (at, cluster) in view.clusters.iter().enumerate() { (entry(at, cluster)) }
                        li { a href="#operator" { "The operator's own pods" } }
                    }
                }
                main {
                    @for (at, cluster) in view.clusters.iter().enumerate() { (of_cluster(at, cluster)) }
                    section.card id="operator" {
                        h2 { "The operator's own pods" }
                        p.lead {
                            "Namespace " code { (view.controller.namespace) }
                            ". The operator renders no policy for them: these rows are checked where other policies isolate them."
                        }
                        (of_zone(&view.controller))
                        (listed("Policies of other kinds, not checked", &view.controller.other_policies))
                    }
                }
            }
        }
    };
    page.into_string() + "\n"
}

fn name(cluster: &ClusterView) -> String {
    format!("{}/{}", cluster.namespace, cluster.name)
}

/// The entry of a cluster in the table of contents, with the number of its problems.
fn entry(at: usize, cluster: &ClusterView) -> Markup {
    let summary = cluster.summary();
    html! {
        li {
            a href={ "#cluster-" (at) } { (name(cluster)) }
            @if summary.broken > 0 { " " (state("broken", &format!("{} broken", summary.broken))) }
            @if summary.beyond > 0 { " " (state("broken", &format!("{} beyond the ceiling", summary.beyond))) }
        }
    }
}

fn of_cluster(at: usize, cluster: &ClusterView) -> Markup {
    html! {
        section.card id={ "cluster-" (at) } {
            h2 { "OpenBaoCluster " (name(cluster)) }
            @if let Some(profile) = cluster.profile {
                p.lead { "Profile " code { (profile) } }
            }
            @for note in &cluster.notes { p.note { (note) } }
            figure {
                (svg::picture(cluster, Layout::Wide))
                (svg::picture(cluster, Layout::Narrow))
                figcaption {
                    @for mark in Mark::ALL {
                        span.key { i class=(mark.class()) {} (mark.meaning()) }
                    }
                }
            }
            (piercing(cluster))
            (listed("Policies of other kinds, not checked", &cluster.other_policies))
            (listed("Pods that are not the operator's", cluster.foreign_pods.as_deref().unwrap_or_default()))
            @for zone in &cluster.zones {
                h3 {
                    @if zone.zone == "jobs" { "Backup and restore jobs" } @else { "OpenBao pods" }
                }
                (of_zone(zone))
            }
            (conditions(cluster))
            h3 { "Service accounts of the jobs" }
            ul.facts {
                @for account in &cluster.accounts {
                    li { code { (account.name) } " " (account.jobs) " jobs, zone " (account.zone) }
                }
            }
        }
    }
}

fn piercing(cluster: &ClusterView) -> Markup {
    html! {
        @if !cluster.piercing.is_empty() {
            h3 { "Beyond the ceiling" }
        }
        @for found in &cluster.piercing {
            div.finding {
                p { b { (found.code) } " " (found.reason) }
                @if let Some(place) = found.place() {
                    p { (found.kind) " " (place) }
                }
                @if let Some(connection) = &found.connection {
                    p { "Let through: " (connection) }
                }
                pre { (found.help) }
            }
        }
    }
}

fn listed(heading: &str, lines: &[String]) -> Markup {
    html! {
        @if !lines.is_empty() {
            h3 { (heading) }
            ul.facts { @for line in lines { li { (line) } } }
        }
    }
}

/// The layers that select these pods, in their order.
fn tiers(zone: &ZoneView) -> Markup {
    let of = |is_before| {
        zone.tiers
            .iter()
            .filter(move |own| own.is_before() == is_before)
    };
    html! {
        @if !zone.tiers.is_empty() {
            p { "Decided in this order:" }
            ol {
                @for own in of(true) { li { (own.line()) } }
                li { "NetworkPolicies" }
                @for own in of(false) { li { (own.line()) } }
            }
        }
    }
}

fn of_zone(zone: &ZoneView) -> Markup {
    let (off, rows): (Vec<&RowView>, Vec<&RowView>) =
        zone.rows.iter().partition(|row| row.state == State::Off);
    html! {
        ul.facts {
            @if let Some(policy) = &zone.policy {
                li {
                    "Managed policy " code { (policy.name) }
                    @if !policy.stored { " (does not exist: assumed as the operator renders it)" }
                }
            }
            @for isolation in &zone.isolation { (isolated(isolation)) }
            @for name in &zone.unreadable {
                li {
                    (state("unjudged", "not judged")) " NetworkPolicy " code { (name) }
                    " cannot be read, or is too large to check"
                }
            }
        }
        (tiers(zone))
        (rows_table(&rows))
        @if !off.is_empty() {
            details {
                summary { (off.len()) " rows that do not apply here" }
                (rows_table(&off))
            }
        }
    }
}

fn isolated(isolation: &Isolation) -> Markup {
    let class = match isolation.state {
        Isolated::Yes => "held",
        Isolated::Partly | Isolated::No => "broken",
        Isolated::OnceRendered | Isolated::Unknown => "unjudged",
    };
    let details = isolation.details(|name| html! { code { (name) } }.into_string());
    html! {
        li { (isolation.direction) " " (state(class, isolation.words())) (PreEscaped(details)) }
    }
}

fn state(class: &str, word: &str) -> Markup {
    html! { b class={ "state " (class) } { (word) } }
}

/// A table. On phones each cell stands alone, with its column's name.
fn table<const N: usize>(columns: [&str; N], rows: impl Iterator<Item = [Markup; N]>) -> Markup {
    html! {
        table {
            thead { tr { @for column in columns { th { (column) } } } }
            tbody {
                @for cells in rows {
                    tr {
                        @for (column, cell) in columns.iter().zip(&cells) {
                            td data-label=(column) { div { (cell) } }
                        }
                    }
                }
            }
        }
    }
}

fn rows_table(rows: &[&RowView]) -> Markup {
    let columns = [
        "Direction",
        "Other end",
        "Ports",
        "State",
        "Why",
        "Opened by",
    ];
    let cells = rows.iter().map(|row| {
        let standing = html! { span.standing { (row.standing) } };
        [
            html! { (row.direction) },
            html! { (row.peer) },
            html! { (row.ports) },
            html! { (state(row.state.class(), row.state.as_str())) " " (standing) },
            why(row),
            opened_by(row),
        ]
    });
    if rows.iter().all(|row| row.tiers.is_empty()) {
        return table(columns, cells);
    }
    let [direction, end, ports, state, why, by] = columns;
    let columns = [direction, end, ports, state, "Tiers", why, by];
    let cells = rows.iter().zip(cells).map(|(row, cells)| {
        let [direction, end, ports, state, why, by] = cells;
        [direction, end, ports, state, of_tiers(row), why, by]
    });
    table(columns, cells)
}

/// The effect of ordered policies on a row.
fn of_tiers(row: &RowView) -> Markup {
    html! {
        @for (at, tier) in row.tiers.iter().enumerate() {
            @if at > 0 { br; }
            (tier.line())
        }
    }
}

fn why(row: &RowView) -> Markup {
    html! {
        code { (row.id) } " " (row.reason)
        @if let Some(declared) = &row.declared { " (" code { (declared) } ")" }
    }
}

fn opened_by(row: &RowView) -> Markup {
    let (openers, more) = row.openers();
    html! {
        @for (at, opener) in openers.iter().enumerate() {
            @if at > 0 { br; }
            code { (opener.policy) } " " (opener.rule)
        }
        @if row.is_unguarded() { "nothing isolates these pods" }
        @if more > 0 { br; "and " (more) " more" }
        @if let Some(missing) = &row.missing {
            p.missing { "Blocked: " (missing) }
        }
    }
}

fn conditions(cluster: &ClusterView) -> Markup {
    let rows = cluster.conditions.iter().map(|condition| {
        let class = match condition.status {
            "True" => "held",
            "False" => "broken",
            _ => "unjudged",
        };
        let live = condition.live_words();
        [
            html! { (condition.title()) },
            state(class, condition.status),
            html! { (condition.reason) },
            html! {
                (condition.message)
                @if let Some(live) = live { p.missing { (live) } }
            },
        ]
    });
    html! {
        @if !cluster.conditions.is_empty() {
            h3 { "Status checkpoints" }
            (table(["Checkpoint", "Status", "Reason", "Message"], rows))
        }
    }
}

impl State {
    /// The name of its style.
    const fn class(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Broken => "broken",
            Self::Open => "open",
            Self::PartlyOpen | Self::Undecided => "unjudged",
            Self::Closed | Self::Off => "off",
        }
    }
}
