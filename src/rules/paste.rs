//! What may be pasted from a finding: values as YAML.

use serde_json::{Value, json};

use crate::inventory::render;
use crate::perimeter::Direction;
use crate::perimeter::rule::{Rule, Selector};

/// A value as block YAML, ready to be pasted.
pub fn yaml(value: &Value) -> String {
    // A JSON value always has a YAML form; JSON itself is YAML too.
    serde_saphyr::to_string(value)
        .map_or_else(|_| value.to_string(), |text| text.trim_end().to_owned())
}

/// A rule as an element of its list.
pub(super) fn paste_rule(rule: &Rule, direction: Direction) -> String {
    yaml(&json!([render::rule(rule, direction)]))
}

/// The peers of an ingress rule as a list.
pub(super) fn paste_peers(rule: &Rule) -> String {
    yaml(&rule.peers.iter().map(render::peer).collect())
}

/// A selector.
pub(super) fn paste_selector(selector: &Selector) -> String {
    yaml(&render::selector(selector))
}
