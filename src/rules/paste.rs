//! Values as YAML, to be pasted from a finding.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde_json::Value;

use crate::inventory::render;
use netpol::address::Cidr;
use netpol::rule::{Peer, Selector};

/// A value as block YAML.
pub fn yaml(value: &Value) -> String {
    // Every JSON value has a YAML form, and JSON is YAML too.
    serde_saphyr::to_string(value)
        .map_or_else(|_| value.to_string(), |text| text.trim_end().to_owned())
}

/// Characters of a line of compact YAML.
const WIDTH: usize = 96;

/// A value as YAML of few lines: objects and lists that fit a line stand in it.
pub fn compact(value: &Value) -> String {
    let mut lines = Vec::new();
    block(value, 0, &mut lines);
    lines.join("\n")
}

/// Writes a value as block lines, of which only what is inside may be in flow style.
fn block(value: &Value, indent: usize, lines: &mut Vec<String>) {
    let margin = " ".repeat(indent);
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                let key = scalar(key);
                if matches!(value, Value::Array(elements) if has_objects(elements)) {
                    lines.push(format!("{margin}{key}:"));
                    block(value, indent, lines);
                    continue;
                }
                let line = format!("{margin}{key}: {}", flow(value));
                if value.is_object() && line.len() > WIDTH {
                    lines.push(format!("{margin}{key}:"));
                    block(value, indent + 2, lines);
                } else {
                    lines.push(line);
                }
            }
        }
        Value::Array(elements) if !elements.is_empty() => {
            for element in elements {
                if is_flat(element) || !element.is_object() {
                    let line = format!("{margin}- {}", flow(element));
                    if line.len() <= WIDTH || !element.is_object() {
                        lines.push(line);
                        continue;
                    }
                }
                let first = lines.len();
                block(element, indent + 2, lines);
                if let Some(line) = lines.get_mut(first) {
                    line.replace_range(..indent + 2, &format!("{margin}- "));
                }
            }
        }
        other => lines.push(format!("{margin}{}", flow(other))),
    }
}

fn has_objects(elements: &[Value]) -> bool {
    elements
        .iter()
        .any(|element| matches!(element, Value::Object(_)))
}

/// Returns true if an object has several fields and only scalars in them.
fn is_flat(value: &Value) -> bool {
    let nests = |value: &Value| matches!(value, Value::Object(_) | Value::Array(_));
    value
        .as_object()
        .is_some_and(|fields| fields.len() != 1 && !fields.values().any(nests))
}

/// A value as YAML in one line.
pub(crate) fn flow(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter();
            let fields: Vec<String> = fields
                .map(|(key, value)| format!("{}: {}", scalar(key), flow(value)))
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
        Value::Array(elements) => {
            let elements: Vec<String> = elements.iter().map(flow).collect();
            format!("[{}]", elements.join(", "))
        }
        Value::String(text) => scalar(text),
        other => other.to_string(),
    }
}

/// A text, in quotes where YAML would read something else without them.
fn scalar(text: &str) -> String {
    const WORDS: &[&str] = &["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_./-".contains(c))
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    let is_address = text.parse::<Ipv4Addr>().is_ok() || text.parse::<Ipv4Net>().is_ok();
    if is_plain || is_address {
        text.to_owned()
    } else {
        Value::from(text).to_string()
    }
}

/// A peer with canonical blocks, which every API server accepts, if all parsers agree on them.
pub fn canonical(peer: &Peer) -> Peer {
    let Peer::Block { cidr, except } = peer else {
        return peer.clone();
    };
    let masked = |cidr: &Cidr| {
        let net = cidr.canonical().filter(|_| cidr.is_masked());
        net.map_or_else(|| cidr.clone(), Cidr::from_net)
    };
    Peer::Block {
        cidr: masked(cidr),
        except: except.iter().map(masked).collect(),
    }
}

/// A selector.
pub(super) fn paste_selector(selector: &Selector) -> String {
    yaml(&render::selector(selector))
}
