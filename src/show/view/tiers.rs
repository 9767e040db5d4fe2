//! Ordered policies in a view.

use schemars::JsonSchema;
use serde::Serialize;

/// An ordered policy that selects pods of a zone.
#[derive(Clone, Debug, JsonSchema, PartialEq, Eq, Serialize)]
pub(crate) struct TierView {
    /// Its kind and name.
    pub(crate) policy: String,
    /// `Admin`, before the NetworkPolicies, or `Baseline`, after them.
    pub(crate) tier: &'static str,
    /// Its priority; the lowest comes first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) priority: Option<u16>,
    /// Number of its rules for ingress.
    pub(crate) ingress: usize,
    /// Number of its rules for egress.
    pub(crate) egress: usize,
    /// False if the settings say that its kind is not enforced.
    pub(crate) enforced: bool,
}

impl TierView {
    /// Tier, priority, name and rules, in words.
    pub(crate) fn line(&self) -> String {
        let priority = self.priority;
        let priority = priority.map(|priority| format!(", priority {priority}"));
        let rules = |count: usize, direction: &str| match count {
            0 => None,
            1 => Some(format!("1 {direction} rule")),
            _ => Some(format!("{count} {direction} rules")),
        };
        let rules = [rules(self.ingress, "ingress"), rules(self.egress, "egress")];
        let rules: Vec<String> = rules.into_iter().flatten().collect();
        let rules = match &rules[..] {
            [] => "no rule".to_owned(),
            rules => rules.join(" and "),
        };
        let effect = if self.enforced {
            ""
        } else {
            "; without effect, as `review.dataplane.kinds` says"
        };
        let (tier, policy) = (self.tier, &self.policy);
        format!(
            "tier {tier}{}: {policy} ({rules}){effect}",
            priority.unwrap_or_default()
        )
    }

    /// Returns true if it comes before the NetworkPolicies.
    pub(crate) fn is_before(&self) -> bool {
        self.tier == "Admin"
    }
}

/// A rule of an ordered policy that decides connections of a row, whatever the NetworkPolicies say.
#[derive(Clone, Debug, JsonSchema, PartialEq, Eq, Serialize)]
pub(crate) struct TierEffect {
    /// `opens` or `stops`.
    pub(crate) effect: &'static str,
    /// Kind and name of the policy.
    pub(crate) policy: String,
    /// Field path of the rule.
    pub(crate) rule: String,
    /// True if it depends on something that is not known.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) uncertain: bool,
}

impl TierEffect {
    /// The effect, for people.
    pub(crate) fn line(&self) -> String {
        let Self {
            effect,
            policy,
            rule,
            uncertain,
        } = self;
        let verb = match (*effect, uncertain) {
            ("opens", false) => "opened by",
            ("opens", true) => "perhaps opened by",
            (_, false) => "stopped by",
            (_, true) => "perhaps stopped by",
        };
        format!("{verb} {policy}, {rule}")
    }
}
