//! Parts of a question in words.

use std::fmt::Write as _;

use super::flow::Flow;
use super::{Question, Resolved};
use netpol::PeerSet;
use netpol::label::{LabelSet, Values};
use netpol::names::Names;
use netpol::port::{PortSet, Protocol};

/// Parts that an answer lists.
const LISTED: usize = 3;

/// The parts in words: each by what is narrower than the question.
pub(super) fn parts<'f>(
    question: &Question<'_>,
    parts: impl IntoIterator<Item = &'f Flow>,
    is_uncertain: bool,
) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for part in parts {
        let mut text = describe(question, part);
        if is_uncertain {
            text.push_str(", and not in every network plugin");
        }
        if !words.contains(&text) {
            words.push(text);
        }
    }
    let more = words.len().saturating_sub(LISTED);
    words.truncate(LISTED);
    if more > 0 {
        words.push(format!("{more} more"));
    }
    words
}

fn describe(question: &Question<'_>, part: &Flow) -> String {
    let mut words = Vec::new();
    words.extend(end("from", &part.from, &question.from));
    words.extend(end("to", &part.to, &question.to));
    if !question.ports.is_subset(&part.ports) {
        words.push(format!("on {}", ports(&part.ports)));
    }
    if words.is_empty() {
        let (word, peers) = match &question.from {
            Resolved::Peers(_) => ("from", &part.from),
            Resolved::Side(_) => ("to", &part.to),
        };
        let kind = match peers {
            PeerSet::Pods { .. } => "pods",
            PeerSet::V4(_) | PeerSet::V6(_) => "addresses",
        };
        words.push(format!("{word} {kind}"));
    }
    words.join(" ")
}

/// The part of an end, if it is narrower than asked.
fn end(word: &str, part: &PeerSet, asked: &Resolved<'_>) -> Option<String> {
    let ranges = match part {
        PeerSet::Pods { namespaces, pods } => return of_pods(word, (namespaces, pods), asked),
        PeerSet::V4(addresses) => {
            let ranges = addresses.ranges();
            listed(ranges.map(|range| (range.start().to_string(), range.end().to_string())))
        }
        PeerSet::V6(addresses) => {
            let ranges = addresses.ranges();
            listed(ranges.map(|range| (range.start().to_string(), range.end().to_string())))
        }
    };
    let is_whole = match asked {
        Resolved::Peers(peers) => peers.iter().any(|peers| peers.is_subset(part)),
        Resolved::Side(_) => false,
    };
    (!is_whole).then(|| format!("{word} {ranges}"))
}

fn of_pods(
    word: &str,
    (namespaces, pods): (&LabelSet, &LabelSet),
    asked: &Resolved<'_>,
) -> Option<String> {
    let side = asked.side();
    let known = |key: &str| side.map_or_else(Values::any, |side| side.zone.values(key));
    let pods = pods.constrained();
    let pods = pods.filter(|(key, values)| !known(key).is_subset(values));
    let pods: Vec<String> = pods.map(|(key, values)| label(key, values)).collect();
    // Labels of the namespace that are known of a side narrow nothing.
    let is_asked = |key: &str| side.is_some_and(|side| side.knows(key));
    let namespaces = namespaces.constrained().filter(|(key, _)| !is_asked(key));
    let namespaces: Vec<String> = namespaces.map(|(key, values)| label(key, values)).collect();
    if pods.is_empty() && namespaces.is_empty() {
        return None;
    }
    let mut text = format!("{word} pods");
    if !pods.is_empty() {
        let _ = write!(text, " with {}", pods.join(", "));
    }
    if !namespaces.is_empty() {
        let _ = write!(text, " in namespaces with {}", namespaces.join(", "));
    }
    Some(text)
}

fn listed(ranges: impl Iterator<Item = (String, String)>) -> String {
    let mut words: Vec<String> = ranges
        .map(|(first, last)| {
            if first == last {
                first
            } else {
                format!("{first}-{last}")
            }
        })
        .collect();
    let more = words.len().saturating_sub(LISTED);
    words.truncate(LISTED);
    if more > 0 {
        words.push(format!("and {more} more"));
    }
    words.join(", ")
}

fn label(key: &str, values: &Values) -> String {
    let list = |names: Vec<&str>| names.join(", ");
    let (Names::Only(named) | Names::AllBut(named)) = values.values();
    let listed: Vec<&str> = named.iter().map(|name| &**name).collect();
    match (values.values(), values.allows_absent()) {
        (Names::Only(_), true) if listed.is_empty() => format!("no {key}"),
        (Names::Only(_), false) if listed.len() == 1 => format!("{key}={}", list(listed)),
        (Names::Only(_), is_absent) => {
            let or = if is_absent { " or none" } else { "" };
            format!("{key} in ({}){or}", list(listed))
        }
        (Names::AllBut(_), false) if listed.is_empty() => key.to_owned(),
        (Names::AllBut(_), _) => format!("{key} not in ({})", list(listed)),
    }
}

fn ports(set: &PortSet) -> String {
    let mut words = Vec::new();
    for protocol in Protocol::ALL {
        let ports = set.ports(protocol);
        if ports.numbers().len() == u32::from(u16::MAX) {
            words.push(format!("every {protocol} port"));
            continue;
        }
        let ranges = ports.numbers().ranges();
        let ranges = ranges.map(|range| (range.start().to_string(), range.end().to_string()));
        let (Names::Only(names) | Names::AllBut(names)) = ports.names();
        let names = names
            .iter()
            .map(|name| (name.to_string(), name.to_string()));
        let numbers = listed(ranges.chain(names));
        if !numbers.is_empty() {
            words.push(format!("{protocol} {numbers}"));
        }
    }
    words.join(" and ")
}
