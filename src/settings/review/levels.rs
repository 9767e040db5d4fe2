//! The levels of rules, `review.levels`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::code::{Code, Door, Level, UnknownCode};
use crate::posture::Levels;

/// The level of one rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "a level (deny, warn, audit, off), or levels by door (webhook, check, audit)"
)]
pub enum LevelSetting {
    /// At every door.
    Everywhere(Level),
    /// At some doors; the others keep the rule's own.
    #[schemars(extend("propertyNames" = door_names()))]
    Each(BTreeMap<Door, Level>),
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
    serde_json::json!({ "enum": Door::ALL.map(Door::as_str) })
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
                for door in Door::ALL {
                    levels.set(code, door, *level);
                }
            }
            LevelSetting::Each(each) => {
                for (door, level) in each {
                    levels.set(code, *door, *level);
                }
            }
        }
    }
    Ok(())
}
