//! Waivers: findings about known objects that warn until a day, the key `review.waivers`.

use std::fmt;
use std::sync::Arc;

use k8s_openapi::jiff::ToSpan as _;
use k8s_openapi::jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ReviewConfig;
use crate::code::{Code, UnknownCode};

/// Maximum number of waivers.
pub(crate) const MAX_WAIVERS: usize = 100;
/// Minimum and maximum length of a reason, in characters.
pub(crate) const REASON: [usize; 2] = [10, 500];
/// Days before its end from which a waiver is ending.
const ENDING_DAYS: i32 = 14;
/// Code about the floor of a whole cluster.
pub(crate) const BY_CLUSTER: Code = Code::Obp101;
/// Codes that no waiver can have: nothing was proved.
pub(crate) const NOT_WAIVED: [Code; 3] = [Code::Obp401, Code::Obp402, Code::Obp403];

/// Element of `review.waivers`: findings with these codes about one object, or about one cluster, warn until a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    /// Codes or names of rules; none of OBP401 to OBP403, and OBP101 only with `cluster`
    pub(crate) codes: Vec<WaivedCode>,
    /// Namespace, exact. Left out for an object without a namespace
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) namespace: Option<Arc<str>>,
    /// Object with the findings, `NetworkPolicy/NAME`; the kind may carry its group, `NetworkPolicy.projectcalico.org/NAME`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) object: Option<WaivedObject>,
    /// OpenBaoCluster with the findings, in place of `object`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cluster: Option<Arc<str>>,
    /// Reason, 10 to 500 characters
    pub(crate) reason: Arc<str>,
    /// Last day, in UTC, such as `2027-01-31`; at most `maxWaiverDays` ahead
    #[serde(with = "super::date::required")]
    #[schemars(with = "String")]
    pub(crate) until: Date,
}

/// The code of a waiver.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct WaivedCode(pub(crate) Code);

impl TryFrom<String> for WaivedCode {
    type Error = UnknownCode;

    fn try_from(text: String) -> Result<Self, UnknownCode> {
        text.parse().map(Self)
    }
}

impl From<WaivedCode> for String {
    fn from(WaivedCode(code): WaivedCode) -> Self {
        code.to_string()
    }
}

/// Kind and name of an object, `KIND[.GROUP]/NAME`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct WaivedObject {
    /// Kind.
    pub(crate) kind: Arc<str>,
    /// API group, if it is written.
    pub(crate) group: Option<Arc<str>>,
    /// Name.
    pub(crate) name: Arc<str>,
}

/// Error of a text that names no object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected kind and name such as `NetworkPolicy/web`, found `{0}`")]
pub struct NoObject(String);

impl TryFrom<String> for WaivedObject {
    type Error = NoObject;

    fn try_from(text: String) -> Result<Self, NoObject> {
        let Some((kind, name)) = text.split_once('/') else {
            return Err(NoObject(text));
        };
        let (kind, group) = match kind.split_once('.') {
            Some((kind, group)) => (kind, Some(group)),
            None => (kind, None),
        };
        if [kind, name].contains(&"") || group == Some("") || name.contains(['/', '*']) {
            return Err(NoObject(text));
        }
        Ok(Self {
            kind: kind.into(),
            group: group.map(Into::into),
            name: name.into(),
        })
    }
}

impl fmt::Display for WaivedObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        if let Some(group) = &self.group {
            write!(f, ".{group}")?;
        }
        write!(f, "/{}", self.name)
    }
}

impl From<WaivedObject> for String {
    fn from(object: WaivedObject) -> Self {
        object.to_string()
    }
}

/// State of a waiver on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WaiverState {
    /// Its end is more than two weeks ahead.
    Active,
    /// Its end is at most two weeks ahead.
    Ending,
    /// Its end has passed. It has no effect.
    Expired,
}

impl WaiverState {
    /// All, in the order of time.
    pub const ALL: [Self; 3] = [Self::Active, Self::Ending, Self::Expired];

    /// The name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Ending => "ending",
            Self::Expired => "expired",
        }
    }
}

impl Waiver {
    /// True for a finding with this code.
    pub(crate) fn has(&self, code: Code) -> bool {
        self.codes.iter().any(|WaivedCode(own)| *own == code)
    }

    /// The codes, separated by commas.
    pub(crate) fn codes(&self) -> String {
        let codes: Vec<&str> = self
            .codes
            .iter()
            .map(|WaivedCode(code)| code.as_str())
            .collect();
        codes.join(", ")
    }

    /// Its subject: `NetworkPolicy/web in shop`.
    pub(crate) fn subject(&self) -> String {
        let object = match (&self.object, &self.cluster) {
            (Some(object), _) => object.to_string(),
            (None, Some(cluster)) => format!("OpenBaoCluster/{cluster}"),
            (None, None) => String::new(),
        };
        match &self.namespace {
            Some(namespace) => format!("{object} in {namespace}"),
            None => object,
        }
    }
}

impl ReviewConfig {
    /// State of a waiver today. Without a date it has expired.
    pub(crate) fn waiver_state(&self, waiver: &Waiver) -> WaiverState {
        let ending = self
            .today
            .map(|today| today.saturating_add(ENDING_DAYS.days()));
        match (self.is_until(waiver.until), ending) {
            (true, Some(ending)) if waiver.until <= ending => WaiverState::Ending,
            (true, _) => WaiverState::Active,
            (false, _) => WaiverState::Expired,
        }
    }

    /// A line for `/readyz?verbose` if waivers end soon or have ended.
    pub(crate) fn waiver_notice(&self) -> Option<String> {
        let texts = self.waivers.iter().filter_map(|waiver| {
            let word = match self.waiver_state(waiver) {
                WaiverState::Active => return None,
                WaiverState::Ending => "ends after",
                WaiverState::Expired => "ended after",
            };
            let (codes, subject, until) = (waiver.codes(), waiver.subject(), waiver.until);
            Some(format!(
                "the waiver of {codes} for {subject} {word} {until}"
            ))
        });
        let texts: Vec<String> = texts.collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    }
}
