//! The levels of rules, `review.levels`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::code::{Code, EnforcementPoint, Level, UnknownCode};
use crate::config::Levels;

/// The level of one rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "a level (deny, warn, audit, off), or levels by enforcement point (webhook, check, audit)"
)]
pub enum LevelSetting {
    /// At every point.
    Everywhere(Level),
    /// At some enforcement points; the others keep the rule's own.
    #[schemars(extend("propertyNames" = door_names()))]
    Each(BTreeMap<EnforcementPoint, Level>),
}

/// The schema of the keys of `levels`: the codes and names of the rules.
pub(super) fn rule_names() -> serde_json::Value {
    let codes = Code::ALL.iter();
    let names: Vec<&str> = codes
        .flat_map(|code| [code.as_str(), code.name()])
        .collect();
    serde_json::json!({ "enum": names })
}

/// The schema of the keys of one rule's levels.
fn door_names() -> serde_json::Value {
    serde_json::json!({ "enum": EnforcementPoint::ALL.map(EnforcementPoint::as_str) })
}

/// Gives the rules of `settings` these levels.
pub(super) fn set(
    settings: &BTreeMap<String, LevelSetting>,
    levels: &mut Levels,
) -> Result<(), UnknownCode> {
    for (code, setting) in settings {
        let code: Code = code.parse()?;
        match setting {
            LevelSetting::Everywhere(level) => {
                for point in EnforcementPoint::ALL {
                    levels.set(code, point, *level);
                }
            }
            LevelSetting::Each(each) => {
                for (point, level) in each {
                    levels.set(code, *point, *level);
                }
            }
        }
    }
    Ok(())
}
