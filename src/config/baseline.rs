//! Baselines: versions of the operator's allowlist, and how one is chosen.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::release::{Detected, Undetermined};

/// Version of the operator's allowlist, named after the first release of the operator that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Baseline {
    /// Operator before 0.1.
    Classic,
    /// Operator 0.1 up to, not including, 0.4.
    V01,
    /// Operator 0.4 and newer.
    V04,
}

impl Baseline {
    /// All baselines, the oldest first.
    pub const ALL: [Self; 3] = [Self::Classic, Self::V01, Self::V04];

    /// The newest one.
    pub const NEWEST: Self = Self::V04;

    /// The name in settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::V01 => "v0.1",
            Self::V04 => "v0.4",
        }
    }

    /// The baseline of a release of the operator.
    pub const fn of_release(major: u32, minor: u32) -> Self {
        match (major, minor) {
            (0, 0) => Self::Classic,
            (0, 1..4) => Self::V01,
            _ => Self::V04,
        }
    }
}

impl Default for Baseline {
    fn default() -> Self {
        Self::NEWEST
    }
}

impl fmt::Display for Baseline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The setting `baseline`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(transform = with_former_name)]
pub enum BaselineSetting {
    /// In a cluster, that of the operator's Deployment. Elsewhere, the newest.
    #[default]
    Auto,
    /// Operator before 0.1.
    Classic,
    /// Operator 0.1 up to, not including, 0.4.
    #[serde(rename = "v0.1")]
    V01,
    /// Operator 0.4 and newer.
    #[serde(rename = "v0.4", alias = "next")]
    V04,
}

/// Earlier name of the newest baseline, which stays valid in settings and flags.
const FORMER_NEWEST: &str = "next";

/// Adds the earlier name to the schema of the names.
fn with_former_name(schema: &mut schemars::Schema) {
    if let Some(Value::Array(names)) = schema.get_mut("oneOf") {
        let about = "The earlier name of `v0.4`.";
        names.push(json!({"description": about, "type": "string", "const": FORMER_NEWEST}));
    }
}

impl BaselineSetting {
    /// All values.
    pub const ALL: [Self; 4] = [Self::Auto, Self::Classic, Self::V01, Self::V04];

    /// The baseline that it names; `None` for `auto`.
    pub const fn named(self) -> Option<Baseline> {
        match self {
            Self::Auto => None,
            Self::Classic => Some(Baseline::Classic),
            Self::V01 => Some(Baseline::V01),
            Self::V04 => Some(Baseline::V04),
        }
    }

    /// The name in settings.
    pub const fn as_str(self) -> &'static str {
        match self.named() {
            None => "auto",
            Some(baseline) => baseline.as_str(),
        }
    }
}

impl From<Baseline> for BaselineSetting {
    fn from(baseline: Baseline) -> Self {
        match baseline {
            Baseline::Classic => Self::Classic,
            Baseline::V01 => Self::V01,
            Baseline::V04 => Self::V04,
        }
    }
}

/// A baseline name that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected one of `auto`, `classic`, `v0.1`, `v0.4`, found `{0}`")]
pub struct UnknownBaseline(String);

impl FromStr for BaselineSetting {
    type Err = UnknownBaseline;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = if text == FORMER_NEWEST {
            Baseline::NEWEST.as_str()
        } else {
            text
        };
        let mut known = Self::ALL.into_iter();
        let found = known.find(|setting| setting.as_str() == text);
        found.ok_or_else(|| UnknownBaseline(text.to_owned()))
    }
}

/// The baseline in force, and the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaselineChoice {
    /// The baseline.
    pub baseline: Baseline,
    /// The reason.
    pub reason: BaselineReason,
}

/// Reason for which a baseline is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BaselineReason {
    /// A setting names it. The text is its source, such as `flag --baseline`.
    Set(String),
    /// No setting names one, and there is no cluster to ask.
    NotSet,
    /// The operator's Deployment names its release.
    Detected(Detected),
    /// The operator's Deployment named this release earlier, and names none now.
    DetectedLast(Detected, Undetermined),
    /// The operator's Deployment names no release, and never did.
    Undetermined(Undetermined),
}

impl BaselineChoice {
    /// The choice without a cluster to ask. `source` is that of the setting.
    pub fn offline(setting: BaselineSetting, source: &str) -> Self {
        let Some(baseline) = setting.named() else {
            return Self {
                baseline: Baseline::NEWEST,
                reason: BaselineReason::NotSet,
            };
        };
        Self {
            baseline,
            reason: BaselineReason::Set(source.to_owned()),
        }
    }

    /// The choice in a cluster. `last` is the release that was detected last.
    pub fn detected(found: Result<Detected, Undetermined>, last: Option<&Detected>) -> Self {
        let (baseline, reason) = match (found, last) {
            (Ok(found), _) => (found.baseline, BaselineReason::Detected(found)),
            (Err(problem), Some(last)) => {
                let reason = BaselineReason::DetectedLast(last.clone(), problem);
                (last.baseline, reason)
            }
            (Err(problem), None) => (Baseline::NEWEST, BaselineReason::Undetermined(problem)),
        };
        Self { baseline, reason }
    }

    /// The reason for which the release of the operator is not known, if it was asked for.
    pub const fn undetermined(&self) -> Option<&Undetermined> {
        match &self.reason {
            BaselineReason::DetectedLast(_, problem) | BaselineReason::Undetermined(problem) => {
                Some(problem)
            }
            BaselineReason::Set(_) | BaselineReason::NotSet | BaselineReason::Detected(_) => None,
        }
    }
}

impl fmt::Display for BaselineReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set(source) => write!(f, "set by {source}"),
            Self::NotSet => f.write_str("the newest, since no setting names one"),
            Self::Detected(found) => write!(f, "{found}"),
            Self::DetectedLast(last, problem) => write!(f, "{last}, detected last; {problem}"),
            Self::Undetermined(problem) => write!(f, "the newest; {problem}"),
        }
    }
}

impl fmt::Display for BaselineChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "baseline {}: {}", self.baseline, self.reason)
    }
}
