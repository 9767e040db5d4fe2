//! View of a perimeter: each row of the allowlist with its state. Every output
//! of `show` is made from this.

mod make;
mod tiers;

use schemars::JsonSchema;
use serde::Serialize;

pub(crate) use tiers::{TierEffect, TierView};

use super::conditions::Condition;
use crate::baseline::Peers;
use netpol::Direction;

/// Some clusters' perimeters, and that of the operator's own pods.
#[derive(Clone, Debug, JsonSchema, PartialEq, Eq, Serialize)]
pub struct View {
    /// Baseline of the allowlist.
    pub(crate) baseline: &'static str,
    /// Reason for which it is in force.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) baseline_reason: String,
    /// The clusters.
    pub clusters: Vec<ClusterView>,
    /// The operator's pods, with their namespace.
    pub(crate) controller: ZoneView,
    /// Namespaces that reach the operator's metrics by their labels (OBP504).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) counted_namespaces: Vec<String>,
}

/// One cluster's perimeter.
#[derive(Clone, Debug, JsonSchema, PartialEq, Eq, Serialize)]
pub struct ClusterView {
    /// Namespace.
    pub(crate) namespace: String,
    /// Name.
    pub(crate) name: String,
    /// `spec.profile`, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) profile: Option<&'static str>,
    /// Notes about the cluster as a whole.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) notes: Vec<String>,
    /// Its zones.
    pub(crate) zones: Vec<ZoneView>,
    /// The service accounts of its jobs.
    pub(crate) accounts: Vec<Account>,
    /// The status checkpoints.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Policies that let through more than the ceiling permits.
    pub(crate) piercing: Vec<Violation>,
    /// Policies of other kinds that select its pods. No row takes them into account.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) other_policies: Vec<String>,
    /// Stored pods that count as its pods, but do not come from the operator (OBP503). Absent if no pods were read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) foreign_pods: Option<Vec<String>>,
}

/// One group of pods.
#[derive(Clone, Debug, JsonSchema, PartialEq, Eq, Serialize)]
pub(crate) struct ZoneView {
    /// `workload`, `jobs` or `controller`.
    pub(crate) zone: &'static str,
    /// The pods in words.
    pub(crate) pods: &'static str,
    /// Their namespace.
    pub(crate) namespace: String,
    /// The managed policy; the operator's own pods have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) policy: Option<Managed>,
    /// Whether the pods are isolated, in each direction.
    pub(crate) isolation: Vec<Isolation>,
    /// Policies that may be about these pods and cannot be read, or are too large to be proved.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) unreadable: Vec<String>,
    /// The ordered policies that select pods of it, in their order. NetworkPolicies are between the tiers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tiers: Vec<TierView>,
    /// Policies of other kinds that select the operator's pods. Those of a cluster are listed there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) other_policies: Vec<String>,
    /// The rows of the allowlist.
    pub(crate) rows: Vec<RowView>,
}

/// The policy that the operator manages for a zone.
#[derive(Clone, Debug, JsonSchema, PartialEq, Eq, Serialize)]
pub(crate) struct Managed {
    /// Its name.
    pub(crate) name: String,
    /// Whether it is there; one that is not counts as the operator renders it.
    pub(crate) stored: bool,
}

/// Whether pods are isolated in a direction: what no policy isolates is open to everyone.
#[derive(Clone, Debug, JsonSchema, PartialEq, Eq, Serialize)]
pub(crate) struct Isolation {
    /// `ingress` or `egress`.
    pub(crate) direction: &'static str,
    /// The state now.
    pub(crate) state: Isolated,
    /// Code of the rule that says so; it says nothing of the operator's own pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<&'static str>,
    /// The policies that isolate.
    pub(crate) policies: Vec<String>,
}

/// Degree of isolation of pods.
#[derive(Clone, Copy, Debug, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Isolated {
    /// All of them are.
    Yes,
    /// All of them will be once the operator has rendered its policy.
    OnceRendered,
    /// Some of them are.
    Partly,
    /// None of them is.
    No,
    /// A policy that cannot be read may isolate them.
    Unknown,
}

impl Isolation {
    /// The state in words.
    pub(crate) const fn words(&self) -> &'static str {
        match self.state {
            Isolated::Yes => "isolated",
            Isolated::OnceRendered => "isolated once rendered",
            Isolated::Partly => "only partly isolated",
            Isolated::No => "not isolated",
            Isolated::Unknown => "may not be isolated",
        }
    }

    /// Text after the words: the rule of the finding, and the policies that isolate, each as `named`
    /// writes it.
    pub(crate) fn details(&self, named: impl Fn(&str) -> String) -> String {
        let code = self.code.map(|code| format!(" ({code})"));
        let by = match self.state {
            Isolated::Yes => " by ",
            _ => "; so far some of the pods, by ",
        };
        let policies: Vec<String> = self.policies.iter().map(|name| named(name)).collect();
        let by = (!policies.is_empty()).then(|| format!("{by}{}", policies.join(", ")));
        code.unwrap_or_default() + &by.unwrap_or_default()
    }
}

/// One row of the allowlist for one rule that it means here.
#[derive(Clone, Debug, JsonSchema, PartialEq, Eq, Serialize)]
pub(crate) struct RowView {
    /// Name of the row.
    pub(crate) id: &'static str,
    /// `ingress` or `egress`.
    pub(crate) direction: &'static str,
    /// The kind of the other end.
    #[serde(skip)]
    pub(crate) peers: Peers,
    /// The other end, in words.
    pub(crate) peer: String,
    /// Ports; empty where the row means nothing here.
    pub(crate) ports: String,
    /// `floor` or `ceiling`.
    pub(crate) standing: &'static str,
    /// Its state.
    pub(crate) state: State,
    /// Reason of the row.
    pub(crate) reason: &'static str,
    /// The field that declares it, in the OpenBaoCluster or in the settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) declared: Option<String>,
    /// The rules of NetworkPolicies that let it through.
    pub(crate) opened_by: Vec<Opener>,
    /// The rules of ordered policies that decide connections of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tiers: Vec<TierEffect>,
    /// A connection of it that nothing lets through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) missing: Option<String>,
}

/// State of a row.
#[derive(Clone, Copy, Debug, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    /// Of the floor, and all of it is let through.
    Held,
    /// Of the floor, and some of it is not let through.
    Broken,
    /// Of the ceiling, and all of it is let through.
    Open,
    /// Of the ceiling, and some of it is let through.
    PartlyOpen,
    /// Of the ceiling, and nothing of it is let through.
    Closed,
    /// Its condition does not hold here.
    Off,
    /// It depends on something that is not known, such as an address, or the proof is out of budget.
    Undecided,
}

impl State {
    /// The state in words.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Broken => "broken",
            Self::Open => "open",
            Self::PartlyOpen => "partly open",
            Self::Closed => "closed",
            Self::Off => "off",
            Self::Undecided => "unjudged",
        }
    }
}

/// A rule that lets a row through.
#[derive(Clone, Debug, JsonSchema, PartialEq, Eq, Serialize)]
pub(crate) struct Opener {
    /// Name of the policy.
    pub(crate) policy: String,
    /// Field path of the rule.
    pub(crate) rule: String,
    /// Whether the policy is not there, and counts as the operator renders it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) rendered: bool,
}

impl RowView {
    /// Whether it passes because nothing isolates the pods, rather than by a rule.
    pub(crate) fn is_unguarded(&self) -> bool {
        let is_let_through = matches!(self.state, State::Held | State::Open);
        is_let_through && self.opened_by.is_empty() && self.tiers.is_empty()
    }

    /// The rules that let it through, the first ones of many; and how many more there are.
    pub(crate) fn openers(&self) -> (&[Opener], usize) {
        const SHOWN: usize = 3;
        let shown = self.opened_by.get(..SHOWN).unwrap_or(&self.opened_by);
        (shown, self.opened_by.len() - shown.len())
    }
}

/// A service account of a cluster's jobs.
#[derive(Clone, Debug, JsonSchema, PartialEq, Eq, Serialize)]
pub(crate) struct Account {
    /// Name of the ServiceAccount.
    pub(crate) name: String,
    /// Jobs that use it.
    pub(crate) jobs: &'static str,
    /// The zone of those pods.
    pub(crate) zone: &'static str,
}

/// Something that lets through more than the ceiling permits.
#[derive(Clone, Debug, JsonSchema, PartialEq, Eq, Serialize)]
pub(crate) struct Violation {
    /// Code of the rule that says so.
    pub(crate) code: &'static str,
    /// The problem.
    pub(crate) reason: String,
    /// Kind of the policy that does it.
    pub(crate) kind: &'static str,
    /// Name of the policy that does it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) policy: Option<String>,
    /// Field path of the rule in that policy, where one is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<String>,
    /// `workload`, `jobs` or `controller`, where a connection shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) zone: Option<&'static str>,
    /// `ingress` or `egress`, where a connection shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) direction: Option<&'static str>,
    /// The connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) connection: Option<String>,
    /// The remedy.
    pub(crate) help: String,
}

/// Numbers of a cluster's perimeter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Rows of the floor that are held.
    pub(crate) held: usize,
    /// Rows of the floor that are broken.
    pub(crate) broken: usize,
    /// Rows of the ceiling that are open, at least in part.
    pub(crate) open: usize,
    /// Violations of the ceiling.
    pub(crate) beyond: usize,
    /// Zones and directions that are not isolated, not even once the operator has rendered its policy.
    pub(crate) bare: usize,
    /// Status checkpoints that are not true.
    pub(crate) checkpoints: usize,
}

impl ClusterView {
    /// The numbers of all zones.
    pub(crate) fn summary(&self) -> Summary {
        let rows = |states: &[State]| {
            let rows = self.zones.iter().flat_map(|zone| &zone.rows);
            rows.filter(|row| states.contains(&row.state)).count()
        };
        let isolation = self.zones.iter().flat_map(|zone| &zone.isolation);
        let is_bare = |isolation: &&Isolation| {
            !matches!(isolation.state, Isolated::Yes | Isolated::OnceRendered)
        };
        let is_open = |condition: &&Condition| condition.status != "True";
        Summary {
            held: rows(&[State::Held]),
            broken: rows(&[State::Broken]),
            open: rows(&[State::Open, State::PartlyOpen]),
            beyond: self.piercing.len(),
            bare: isolation.filter(is_bare).count(),
            checkpoints: self.conditions.iter().filter(is_open).count(),
        }
    }
}

impl Violation {
    /// The policy and its rule, where they are known.
    pub(crate) fn place(&self) -> Option<String> {
        let policy = self.policy.as_ref()?;
        Some(match &self.path {
            Some(path) => format!("{policy} {path}"),
            None => policy.clone(),
        })
    }
}

/// The word for a direction.
pub(super) const fn word(direction: Direction) -> &'static str {
    direction.field()
}
