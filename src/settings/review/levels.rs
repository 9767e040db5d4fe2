//! The levels of rules, `review.levels`: a map in the file, and as flags one level at a time.

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

/// `CODE=LEVEL`, or `CODE@DOOR=LEVEL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LevelFlag {
    code: Code,
    door: Option<Door>,
    level: Level,
}

impl LevelFlag {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let Some((rule, level)) = text.split_once('=') else {
            return Err(format!(
                "expected `CODE=LEVEL` or `CODE@DOOR=LEVEL` such as `OBP304=warn`, found `{text}`"
            ));
        };
        let (code, door) = match rule.split_once('@') {
            Some((code, door)) => (code, Some(parse_door(door)?)),
            None => (rule, None),
        };
        let code: Code = code
            .parse()
            .map_err(|error: UnknownCode| error.to_string())?;
        let level = parse_level(level)?;
        Ok(Self { code, door, level })
    }
}

/// The levels of flags as the file would have them. A level for one door counts beside one for all
/// doors, whichever comes first; of two for the same the last counts.
pub(super) fn of_flags(flags: &[LevelFlag]) -> BTreeMap<String, LevelSetting> {
    let mut levels = BTreeMap::new();
    for flag in flags.iter().filter(|flag| flag.door.is_none()) {
        let everywhere = LevelSetting::Everywhere(flag.level);
        levels.insert(flag.code.to_string(), everywhere);
    }
    for flag in flags {
        let Some(door) = flag.door else { continue };
        let setting = levels.entry(flag.code.to_string());
        let setting = setting.or_insert_with(|| LevelSetting::Each(BTreeMap::new()));
        if let LevelSetting::Everywhere(level) = *setting {
            *setting = LevelSetting::Each(Door::ALL.map(|door| (door, level)).into());
        }
        if let LevelSetting::Each(each) = setting {
            each.insert(door, flag.level);
        }
    }
    levels
}

pub(super) fn parse_level(text: &str) -> Result<Level, String> {
    word(text, Level::ALL, Level::as_str, "a level")
}

fn parse_door(text: &str) -> Result<Door, String> {
    word(text, Door::ALL, Door::as_str, "a door")
}

fn word<T: Copy, const N: usize>(
    text: &str,
    all: [T; N],
    as_str: impl Fn(T) -> &'static str,
    what: &str,
) -> Result<T, String> {
    let known = all.iter().copied().find(|one| as_str(*one) == text);
    known.ok_or_else(|| {
        let words = all.map(as_str).join(", ");
        format!("expected {what} ({words}), found `{text}`")
    })
}
