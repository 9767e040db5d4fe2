//! Levels of rules, the key `review.levels`.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::code::{Code, EnforcementPoint, Level, UnknownCode};

/// Levels that replace the rules' own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Written", into = "Written")]
#[schemars(with = "Written")]
pub struct Levels(BTreeMap<Code, LevelSetting>);

/// Levels by the code or name of a rule.
type Written = BTreeMap<String, LevelSetting>;

/// Level of one rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum LevelSetting {
    /// At every enforcement point.
    Everywhere(Level),
    /// At some enforcement points; the others keep the rule's own.
    #[schemars(extend("propertyNames" = point_names()))]
    Each(BTreeMap<EnforcementPoint, Level>),
}

impl Levels {
    /// Gives a rule a level at one enforcement point.
    #[cfg(test)]
    pub(crate) fn set(&mut self, code: Code, point: EnforcementPoint, level: Level) {
        let mut each = EnforcementPoint::ALL
            .into_iter()
            .filter_map(|point| Some((point, self.of(code, point)?)))
            .collect::<BTreeMap<_, _>>();
        each.insert(point, level);
        self.0.insert(code, LevelSetting::Each(each));
    }

    /// The level of a rule at a point; `None` where the rule keeps its own.
    pub(crate) fn of(&self, code: Code, point: EnforcementPoint) -> Option<Level> {
        match self.0.get(&code)? {
            LevelSetting::Everywhere(level) => Some(*level),
            LevelSetting::Each(each) => each.get(&point).copied(),
        }
    }
}

/// Levels that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LevelsError {
    /// A key is no rule.
    #[error(transparent)]
    Unknown(#[from] UnknownCode),
    /// Two keys are one rule, by its code and by its name.
    #[error("expected one level for {code}, found it as `{code}` and as `{name}`", name = .code.name())]
    Twice {
        /// The rule.
        code: Code,
    },
}

impl TryFrom<Written> for Levels {
    type Error = LevelsError;

    fn try_from(written: Written) -> Result<Self, LevelsError> {
        let mut levels = BTreeMap::new();
        for (key, level) in written {
            let code = key.parse()?;
            if levels.insert(code, level).is_some() {
                return Err(LevelsError::Twice { code });
            }
        }
        Ok(Self(levels))
    }
}

impl From<Levels> for Written {
    fn from(Levels(levels): Levels) -> Self {
        let levels = levels.into_iter();
        levels
            .map(|(code, level)| (code.to_string(), level))
            .collect()
    }
}

impl<'de> Deserialize<'de> for LevelSetting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LevelVisitor)
    }
}

/// Visitor of a level, or of levels by enforcement point.
struct LevelVisitor;

impl<'de> Visitor<'de> for LevelVisitor {
    type Value = LevelSetting;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a level (deny, warn, audit, off), or levels by enforcement point (webhook, check, audit)")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<LevelSetting, E> {
        Level::deserialize(StrDeserializer::new(text)).map(LevelSetting::Everywhere)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<LevelSetting, A::Error> {
        BTreeMap::deserialize(MapAccessDeserializer::new(map)).map(LevelSetting::Each)
    }
}

/// Schema of the keys of `levels`: the codes and names of the rules.
pub(super) fn rule_names() -> Value {
    let codes = Code::ALL.iter();
    let names: Vec<&str> = codes
        .flat_map(|code| [code.as_str(), code.name()])
        .collect();
    json!({ "enum": names })
}

/// Schema of the keys of one rule's levels.
fn point_names() -> Value {
    json!({ "enum": EnforcementPoint::ALL.map(EnforcementPoint::as_str) })
}
