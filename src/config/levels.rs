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
pub struct Levels {
    rules: BTreeMap<Code, LevelSetting>,
    /// Levels by the beginning of codes; that of `*` is empty.
    prefixes: BTreeMap<String, LevelSetting>,
}

/// Levels by the code or name of a rule, or by the beginning of codes and `*`.
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
        self.rules.insert(code, LevelSetting::Each(each));
    }

    /// The level of a rule at a point; `None` where the rule keeps its own. The rule's own key comes first, then the
    /// longest beginning of its code.
    pub(crate) fn of(&self, code: Code, point: EnforcementPoint) -> Option<Level> {
        let rule = self.rules.get(&code).and_then(|set| set.at(point));
        // Beginnings of one code are in the order of their length.
        let mut prefixes = self.prefixes.iter().rev();
        rule.or_else(|| {
            prefixes.find_map(|(prefix, set)| {
                let matches = code.as_str().starts_with(prefix);
                matches.then(|| set.at(point)).flatten()
            })
        })
    }
}

impl LevelSetting {
    /// The level at a point, if it is set.
    fn at(&self, point: EnforcementPoint) -> Option<Level> {
        match self {
            Self::Everywhere(level) => Some(*level),
            Self::Each(each) => each.get(&point).copied(),
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
    /// No code begins with the text before `*`.
    #[error("expected `*`, or a prefix of codes such as `OBP3*`, found `{0}`")]
    NoRule(String),
}

impl TryFrom<Written> for Levels {
    type Error = LevelsError;

    fn try_from(written: Written) -> Result<Self, LevelsError> {
        let mut levels = Self::default();
        for (key, level) in written {
            if let Some(prefix) = key.strip_suffix('*') {
                let prefix = prefix.to_ascii_uppercase();
                if !Code::ALL
                    .iter()
                    .any(|code| code.as_str().starts_with(&prefix))
                {
                    return Err(LevelsError::NoRule(key));
                }
                levels.prefixes.insert(prefix, level);
                continue;
            }
            let code = key.parse()?;
            if levels.rules.insert(code, level).is_some() {
                return Err(LevelsError::Twice { code });
            }
        }
        Ok(levels)
    }
}

impl From<Levels> for Written {
    fn from(Levels { rules, prefixes }: Levels) -> Self {
        let rules = rules
            .into_iter()
            .map(|(code, level)| (code.to_string(), level));
        let prefixes = prefixes.into_iter();
        rules
            .chain(prefixes.map(|(prefix, level)| (format!("{prefix}*"), level)))
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

/// Schema of the keys of `levels`: the codes and names of the rules, and beginnings of codes.
pub(super) fn rule_names() -> Value {
    let codes = Code::ALL.iter();
    let names: Vec<&str> = codes
        .flat_map(|code| [code.as_str(), code.name()])
        .collect();
    json!({ "anyOf": [{ "enum": names }, { "pattern": r"^(\*|OBP[0-9]{0,2}\*)$" }] })
}

/// Schema of the keys of one rule's levels.
fn point_names() -> Value {
    json!({ "enum": EnforcementPoint::ALL.map(EnforcementPoint::as_str) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(text: &str) -> Result<Levels, String> {
        serde_saphyr::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn the_rules_own_key_comes_before_the_longest_beginning_of_its_code() {
        let text = "{'*': audit, 'OBP3*': warn, 'obp30*': {check: off}, OBP302: {webhook: deny}}";
        let levels = levels(text).unwrap();
        let [webhook, check, audit] = EnforcementPoint::ALL;
        for (code, expected) in [
            (Code::Obp201, [Level::Audit; 3]),
            (Code::Obp313, [Level::Warn; 3]),
            (Code::Obp301, [Level::Warn, Level::Off, Level::Warn]),
            (Code::Obp302, [Level::Deny, Level::Off, Level::Warn]),
        ] {
            let found = [webhook, check, audit].map(|point| levels.of(code, point));
            assert_eq!(found, expected.map(Some), "{code}");
        }
        let written = serde_json::to_string(&levels).unwrap();
        assert_eq!(serde_json::from_str::<Levels>(&written).unwrap(), levels);
    }

    #[test]
    fn a_beginning_of_no_code_is_an_error() {
        for key in ["OBP9*", "ingress*", "OBP*2*"] {
            let error = levels(&format!("{{'{key}': warn}}")).unwrap_err();
            assert!(error.contains("prefix of codes"), "{error}");
        }
    }
}
