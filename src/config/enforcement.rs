//! The cap over the answers of the webhooks: the keys `review.enforcement` and `review.enforcementByNamespace`.

use std::fmt::Write as _;

use k8s_openapi::jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ReviewConfig;
use super::namespace_pattern::{NamespacePattern, matches_one};

/// The strictest answer of the webhooks. It caps every answer; the decision stays what it is.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum EnforcementMode {
    /// Writes are denied.
    #[default]
    Deny,
    /// Every write is allowed. A denial becomes a warning.
    Warn,
    /// Every write is allowed, without warnings.
    Audit,
}

impl EnforcementMode {
    /// All, the strictest first.
    pub const ALL: [Self; 3] = [Self::Deny, Self::Warn, Self::Audit];

    /// The name in settings, logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Warn => "warn",
            Self::Audit => "audit",
        }
    }
}

/// Element of `review.enforcementByNamespace`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NamespaceEnforcement {
    /// Names of namespaces, exact or with `*` at the end
    pub(crate) namespaces: Vec<NamespacePattern>,
    /// Strictest answer in these namespaces
    pub(crate) enforcement: EnforcementMode,
    /// Last day, in UTC, such as `2027-03-31`. Required for `warn` and `audit`
    #[serde(default, with = "super::date::optional")]
    #[schemars(with = "Option<String>")]
    pub(crate) until: Option<Date>,
}

impl ReviewConfig {
    /// The strictest answer to a write in this namespace. A write without a namespace has the global one.
    pub fn enforcement_in(&self, namespace: &str) -> EnforcementMode {
        let entry = self
            .active()
            .find(|entry| !namespace.is_empty() && matches_one(&entry.namespaces, namespace));
        entry.map_or(self.enforcement, |entry| entry.enforcement)
    }

    /// The same configuration on this day, in UTC.
    #[must_use]
    pub fn on(self, today: Date) -> Self {
        Self {
            today: Some(today),
            ..self
        }
    }

    /// Returns true if the day changes what is in force.
    pub(crate) fn has_dates(&self) -> bool {
        let mut entries = self.enforcement_by_namespace.iter();
        !self.waivers.is_empty() || entries.any(|entry| entry.until.is_some())
    }

    /// Returns true if this last day has not passed. Without a date of today it has.
    pub(crate) fn is_until(&self, last: Date) -> bool {
        self.today.is_some_and(|today| today <= last)
    }

    /// The entries that have not ended.
    fn active(&self) -> impl Iterator<Item = &NamespaceEnforcement> {
        let entries = self.enforcement_by_namespace.iter();
        entries.filter(|entry| entry.until.is_none_or(|until| self.is_until(until)))
    }

    /// A line for `/readyz?verbose` if not every denial is enforced.
    pub(crate) fn enforcement_notice(&self) -> Option<String> {
        let is_lax = self.enforcement != EnforcementMode::Deny;
        let mut text = if is_lax {
            let mode = self.enforcement.as_str();
            format!("`review.enforcement` is `{mode}`: writes are reviewed, none is denied")
        } else {
            String::new()
        };
        let others = self
            .active()
            .filter(|entry| entry.enforcement != self.enforcement);
        for (at, entry) in others.enumerate() {
            let names: Vec<&str> = entry
                .namespaces
                .iter()
                .map(NamespacePattern::as_str)
                .collect();
            let separator = if at == 0 && !is_lax { "" } else { "; " };
            let mode = entry.enforcement.as_str();
            let _never = write!(text, "{separator}`{mode}` in {}", names.join(", "));
            if let Some(until) = entry.until {
                let _never = write!(text, " until {until}");
            }
        }
        (!text.is_empty()).then_some(text)
    }
}
