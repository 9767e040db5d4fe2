//! The connectivity diff of `check --before`, for people and for machines.

use std::fmt::Write as _;

use netpol::Difference;
use schemars::JsonSchema;
use serde::Serialize;

use super::markdown::cell;
use crate::cli::text::{BAD, GOOD, STRONG, styled, wrapped};
use crate::review::connectivity::{Cause, Connectivity, ConnectivityChange, Denied, Effect};
use crate::review::render;
use crate::rules::text::pods_named;

/// Connections that the change opens and closes.
#[derive(Debug, Default, JsonSchema, Serialize)]
pub(super) struct Diff {
    /// Opened connections first.
    changes: Vec<Change>,
    /// Zone whose connections could not be compared.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_compared: Vec<NotCompared>,
}

/// Connections that one rule opens or closes.
#[derive(Debug, PartialEq, JsonSchema, Serialize)]
struct Change {
    /// `opened` or `closed`.
    effect: &'static str,
    /// The OpenBaoCluster, or the operator's namespace.
    cluster: String,
    /// Affected pods of it.
    pods: Vec<&'static str>,
    /// `ingress` or `egress`.
    direction: &'static str,
    /// The policy that allows it; absent if no policy isolates the pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    /// The rule of the policy that allows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// True if the policy is in no file and counts as the operator renders it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    rendered: bool,
    /// The ordered policy that denies it in the other state.
    #[serde(skip_serializing_if = "Option::is_none")]
    denied_by: Option<String>,
    /// The rule of that policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    denied_field: Option<String>,
    /// Example of a connection.
    connection: String,
    /// The reading on which it depends that the example is allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    depends_on: Option<&'static str>,
    /// The same in words.
    #[serde(skip)]
    condition: Option<String>,
    /// The direction and the pods, for people.
    #[serde(skip)]
    what: String,
    /// The rule, for people.
    #[serde(skip)]
    why: String,
}

/// Zone whose connections could not be compared.
#[derive(Debug, PartialEq, JsonSchema, Serialize)]
struct NotCompared {
    /// The OpenBaoCluster, or the operator's namespace.
    cluster: String,
    /// Zone of it.
    pods: &'static str,
    /// The reason.
    reason: String,
}

impl Diff {
    pub(super) fn new(found: &Connectivity) -> Self {
        let not_compared = found.not_compared.iter().map(|part| NotCompared {
            cluster: part.cluster.to_string(),
            pods: part.pods.describe(),
            reason: part.reason.clone(),
        });
        Self {
            changes: found.changes.iter().map(Change::new).collect(),
            not_compared: not_compared.collect(),
        }
    }

    /// The diffs of two object sets. What is in both is there once.
    pub(super) fn joined(mut self, other: Self) -> Self {
        let changes = other.changes.into_iter();
        let changes: Vec<Change> = changes.filter(|new| !self.changes.contains(new)).collect();
        self.changes.extend(changes);
        let parts = other.not_compared.into_iter();
        let parts: Vec<NotCompared> = parts
            .filter(|new| !self.not_compared.contains(new))
            .collect();
        self.not_compared.extend(parts);
        self
    }

    /// Returns true if some pods could not be compared.
    pub(super) fn is_incomplete(&self) -> bool {
        !self.not_compared.is_empty()
    }

    /// The diff as a table of Markdown; empty if nothing changed.
    pub(super) fn markdown(&self) -> String {
        let mut text = String::new();
        if self.changes.is_empty() && self.not_compared.is_empty() {
            return text;
        }
        text.push_str(
            "\n#### Connectivity\n\n| Change | Connections | Cause | Example |\n| --- | --- | --- | --- |\n",
        );
        for change in &self.changes {
            let example = change.example();
            let cells = [change.effect, &change.what, &change.why, &example];
            let _ = writeln!(text, "| {} |", cells.map(cell).join(" | "));
        }
        for part in &self.not_compared {
            let _ = writeln!(text, "\n{}", cell(&part.line()));
        }
        text
    }

    /// The diff for people; empty if nothing changed.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        if self.changes.is_empty() && self.not_compared.is_empty() {
            return text;
        }
        let _ = writeln!(text, "{}", styled(STRONG, "connectivity"));
        for change in &self.changes {
            let (mark, style) = match change.effect {
                "opened" => ("+", BAD),
                _ => ("-", GOOD),
            };
            let line = wrapped(&format!("{} {}", change.effect, change.what), "", "    ");
            let _ = writeln!(text, "{} {line}", styled(style, mark));
            let _ = writeln!(text, "{}", wrapped(&change.why, "    ", "      "));
            let example = format!("for example: {}", change.example());
            let _ = writeln!(text, "{}", wrapped(&example, "    ", "      "));
        }
        for part in &self.not_compared {
            let _ = writeln!(text, "{}", wrapped(&part.line(), "? ", "    "));
        }
        text.push('\n');
        text
    }
}

impl NotCompared {
    fn line(&self) -> String {
        format!(
            "the {} pods of {} were not compared: {}",
            self.pods, self.cluster, self.reason
        )
    }
}

impl Change {
    /// The example with its condition.
    fn example(&self) -> String {
        match &self.condition {
            Some(condition) => format!("{}; it depends on whether {condition}", self.connection),
            None => self.connection.clone(),
        }
    }

    fn new(change: &ConnectivityChange) -> Self {
        let pods = pods_named(&change.cluster, &change.pods);
        let what = match change.direction {
            netpol::Direction::Ingress => format!("ingress to {pods}"),
            netpol::Direction::Egress => format!("egress from {pods}"),
        };
        let (policy, field, rendered) = match &change.cause {
            Cause::Rule {
                policy,
                path,
                rendered,
            } => (Some(policy.to_string()), Some(path.clone()), *rendered),
            Cause::NotIsolated => (None, None, false),
        };
        Self {
            effect: change.effect.as_str(),
            cluster: change.cluster.to_string(),
            pods: change.pods.iter().map(|pods| pods.describe()).collect(),
            direction: change.direction.field(),
            policy,
            field,
            rendered,
            denied_by: change.denied.as_ref().map(|own| own.policy.to_string()),
            denied_field: change.denied.as_ref().map(|own| own.path.clone()),
            connection: render::connection(&change.example),
            depends_on: change.depends.map(Difference::as_str),
            condition: change.depends.map(|depends| depends.to_string()),
            what,
            why: why(change),
        }
    }
}

fn why(change: &ConnectivityChange) -> String {
    let cause = allowed(change.effect, &change.cause);
    let Some(Denied { policy, path }) = &change.denied else {
        return cause;
    };
    match change.effect {
        Effect::Opened => format!("{cause}; was denied by {policy}, {path}"),
        Effect::Closed => format!("{cause}; denied by {policy}, {path}"),
    }
}

fn allowed(effect: Effect, cause: &Cause) -> String {
    match (cause, effect) {
        (
            Cause::Rule {
                policy,
                path,
                rendered,
            },
            effect,
        ) => {
            let verb = match effect {
                Effect::Opened => "allowed by",
                Effect::Closed => "was allowed by",
            };
            let rendered = if *rendered {
                ", as the operator renders it"
            } else {
                ""
            };
            format!("{verb} {policy}, {path}{rendered}")
        }
        (Cause::NotIsolated, Effect::Opened) => {
            "no policy isolates these pods in this direction now".to_owned()
        }
        (Cause::NotIsolated, Effect::Closed) => {
            "no policy isolated these pods in this direction before the change".to_owned()
        }
    }
}
