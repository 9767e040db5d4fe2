//! The catalogue of rules: codes, names, default levels and summaries. The checks are in `rules`; levels of
//! the settings are in `config`.

#![deny(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::disallowed_types
)]

mod rules;

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use rules::{Code, RULES};

/// Effect of a finding.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The write is denied.
    Deny,
    /// The client gets a warning.
    Warn,
    /// It is only logged, counted and added to the audit annotations.
    Audit,
    /// None: the finding is dropped.
    Off,
}

impl Level {
    /// All levels, the strictest first.
    pub const ALL: [Self; 4] = [Self::Deny, Self::Warn, Self::Audit, Self::Off];

    /// The name in settings, logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Warn => "warn",
            Self::Audit => "audit",
            Self::Off => "off",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Enforcement points whose level the settings can set separately.
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
pub enum EnforcementPoint {
    /// The webhooks, and the command `review`.
    #[default]
    Webhook,
    /// The command `check`.
    Check,
    /// The background audit of stored objects.
    Audit,
}

impl EnforcementPoint {
    /// All enforcement points, in the order of the documentation.
    pub(crate) const ALL: [Self; 3] = [Self::Webhook, Self::Check, Self::Audit];

    /// The name in settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Check => "check",
            Self::Audit => "audit",
        }
    }
}

/// Error for a code that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the code of a rule, found `{found}`; the nearest is `{nearest}`")]
pub struct UnknownCode {
    found: String,
    nearest: Code,
}

/// Importance of a rule's findings among those of the same level. The most important come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Weight {
    /// Connections that are cut or opened, and objects that cannot be checked.
    Exposure,
    /// Declarations that open too much or that will not work.
    Mistake,
    /// Possible improvements.
    Style,
    /// Parts without any effect.
    NoEffect,
}

/// Facts that a finding of a rule depends on. With others it could be another finding, so a denial is confirmed by a
/// live read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// None: the object alone is at fault.
    Object,
    /// Facts about other objects.
    Facts,
    /// Facts, in reviews of restores: the contract for a restore is that of its cluster.
    FactsOfRestore,
    /// Facts, in reviews of clusters and restores: an undecided proof may be about a deleted policy.
    FactsUnlessPolicy,
    /// Facts, in deletions: they may have the object that the request deletes.
    FactsOfDeletion,
}

/// One row of the table of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The code.
    pub code: Code,
    /// The code as printed.
    pub text: &'static str,
    /// The name.
    pub name: &'static str,
    /// The level without settings, in words: a rule with several causes has several.
    pub default_level: &'static str,
    /// Importance of its findings.
    pub weight: Weight,
    /// Facts that its findings depend on.
    pub basis: Basis,
    /// One sentence without a full stop.
    pub summary: &'static str,
    /// The page in Markdown: cause, reason, an example, and a remedy.
    pub page: &'static str,
}

impl Code {
    /// The row of the rule.
    pub const fn rule(self) -> &'static Rule {
        &RULES[self as usize]
    }

    /// The code as printed.
    pub const fn as_str(self) -> &'static str {
        self.rule().text
    }

    /// The name of the rule.
    pub const fn name(self) -> &'static str {
        self.rule().name
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Code {
    type Err = UnknownCode;

    /// A code, or the name of a rule.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut all = Self::ALL.into_iter();
        let known =
            all.find(|code| code.as_str().eq_ignore_ascii_case(text) || code.name() == text);
        known.ok_or_else(|| UnknownCode {
            found: text.to_owned(),
            nearest: nearest(text),
        })
    }
}

/// The code or name with the smallest edit distance.
fn nearest(text: &str) -> Code {
    let upper = text.to_ascii_uppercase();
    let edits = |code: &Code| {
        strsim::damerau_levenshtein(code.as_str(), &upper)
            .min(strsim::damerau_levenshtein(code.name(), text))
    };
    Code::ALL
        .into_iter()
        .min_by_key(edits)
        .unwrap_or(Code::Obp101)
}
