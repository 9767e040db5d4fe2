//! The codes of the rules: names, default levels and pages. The rules themselves are in `review::rules`, levels of
//! the settings in `config`.

#![deny(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::disallowed_types
)]

mod codes;

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use codes::{CAUSES, NAMES};
pub use codes::{Cause, Code};

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

/// Level of the findings of a cause about a problem that the write introduces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DefaultLevel {
    Deny,
    Warn,
    Audit,
    /// Denies for a Hardened cluster whose operator enforces its contract, warns otherwise.
    DenyForHardened,
    /// Denies where the newest operator does, warns otherwise.
    DenyInV04,
    /// Denies in `check`, warns otherwise.
    DenyInCheck,
}

/// One row of the table of causes.
struct CauseRow {
    code: Code,
    level: DefaultLevel,
    /// The findings that it applies to; empty for those that no other cause of the rule applies to.
    when: &'static str,
}

impl Cause {
    const fn row(self) -> &'static CauseRow {
        &CAUSES[self as usize]
    }

    /// The rule.
    pub(crate) const fn code(self) -> Code {
        self.row().code
    }

    /// The level. `is_strict` is true if the operator of the baseline does not accept it for this cluster, or for a
    /// cause that denies in `check`, at that enforcement point.
    pub(crate) const fn level(self, is_strict: bool) -> Level {
        match self.row().level {
            DefaultLevel::Deny => Level::Deny,
            DefaultLevel::DenyForHardened | DefaultLevel::DenyInV04 | DefaultLevel::DenyInCheck
                if is_strict =>
            {
                Level::Deny
            }
            DefaultLevel::Warn
            | DefaultLevel::DenyForHardened
            | DefaultLevel::DenyInV04
            | DefaultLevel::DenyInCheck => Level::Warn,
            DefaultLevel::Audit => Level::Audit,
        }
    }
}

impl fmt::Display for CauseRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (level, stricter) = match self.level {
            DefaultLevel::Deny => ("deny", None),
            DefaultLevel::Warn => ("warn", None),
            DefaultLevel::Audit => ("audit", None),
            DefaultLevel::DenyForHardened => ("warn", Some("deny for Hardened in `v0.4`")),
            DefaultLevel::DenyInV04 => ("warn", Some("deny in `v0.4`")),
            DefaultLevel::DenyInCheck => ("warn", Some("deny in `check`")),
        };
        f.write_str(level)?;
        let separator = if self.when.is_empty() {
            "; "
        } else {
            write!(f, " {}", self.when)?;
            ", "
        };
        stricter.map_or(Ok(()), |stricter| write!(f, "{separator}{stricter}"))
    }
}

impl Code {
    /// The code as printed.
    pub const fn as_str(self) -> &'static str {
        NAMES[self as usize].0
    }

    /// The name of the rule.
    pub const fn name(self) -> &'static str {
        NAMES[self as usize].1
    }

    /// The page in Markdown: cause, reason, an example, and a remedy.
    pub const fn page(self) -> &'static str {
        NAMES[self as usize].2
    }

    /// The levels without settings, in words.
    pub fn default_level(self) -> String {
        let causes = CAUSES.iter().filter(|cause| cause.code == self);
        let levels: Vec<String> = causes.map(ToString::to_string).collect();
        levels.join("; ")
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
