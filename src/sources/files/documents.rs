//! Documents of a text, and objects of a document, as kubectl reads them: YAML documents between lines of `---`, and
//! JSON values one after another. Each document is parsed by itself, so a broken one leaves the others.

use serde_json::Value;
use serde_saphyr::Spanned;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};

use super::syntax::{self, Broken};
use super::unique::Noted;
use crate::inventory::read;

/// A document.
pub(super) struct Document {
    /// Line of its first value, from 1.
    pub(super) line: usize,
    /// The value.
    pub(super) value: Value,
    /// Paths of keys that stand in it twice.
    pub(super) repeated: Vec<String>,
    /// Source file, which a comment of Helm names.
    pub(super) source: Option<String>,
}

/// Calls `take` with each document of a text, and with each part of it that is none. Empty documents are left out.
/// A part that begins like JSON may be YAML, unless the text `is_json`.
pub(super) fn each(text: &str, is_json: bool, mut take: impl FnMut(Result<Document, Broken>)) {
    for (first, part) in parts(text) {
        if part.lines().all(is_empty) {
            continue;
        }
        let body = part.trim_start();
        let begin = part.len() - body.len();
        let mut place = |document: Result<Document, Broken>| {
            take(match document {
                Ok(document) => Ok(Document {
                    line: first + document.line - 1,
                    ..document
                }),
                Err(broken) => Err(broken.moved(first - 1)),
            });
        };
        if body.starts_with(['{', '[']) {
            let (documents, broken) = json(part, begin);
            let Some(broken) = broken else {
                documents.into_iter().map(Ok).for_each(place);
                continue;
            };
            // A mapping of YAML may begin so, too.
            match yaml(part) {
                Ok(documents) if !is_json => documents.into_iter().map(Ok).for_each(place),
                other => {
                    let is_meant = is_json || !documents.is_empty() || syntax::is_json(body);
                    documents.into_iter().map(Ok).for_each(&mut place);
                    place(Err(other.err().filter(|_| !is_meant).unwrap_or(broken)));
                }
            }
            continue;
        }
        match yaml(part) {
            Ok(documents) => documents.into_iter().map(Ok).for_each(place),
            Err(broken) => place(Err(broken)),
        }
    }
}

/// True for a line that is part of no value.
fn is_empty(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#') || matches!(line, "---" | "...")
}

/// The parts of a text between lines that begin with `---`, each with its first line.
fn parts(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = Some((1, text));
    std::iter::from_fn(move || {
        let (first, text) = rest.take()?;
        let (mut offset, mut has_directive, mut has_value) = (0, false, false);
        for (number, line) in text.split_inclusive('\n').enumerate() {
            // Directives stand before the line that begins their document.
            let is_after_directives = has_directive && !has_value;
            if number > 0 && is_separator(line) && !is_after_directives {
                rest = Some((first + number, &text[offset..]));
                return Some((first, &text[..offset]));
            }
            has_directive |= line.starts_with('%');
            has_value =
                has_value || !line.starts_with('%') && !is_empty(line) || is_separator(line);
            offset += line.len();
        }
        Some((first, text))
    })
}

fn is_separator(line: &str) -> bool {
    line.strip_prefix("---")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
}

/// The values of a text, one after another from `begin` on, up to the first that is no JSON.
fn json(text: &str, begin: usize) -> (Vec<Document>, Option<Broken>) {
    let values = &text[begin..];
    let mut stream = serde_json::Deserializer::from_str(values).into_iter::<Noted>();
    let mut documents = Vec::new();
    // Lines are counted once for all values.
    let (mut line, mut counted) = (1, 0);
    loop {
        let rest = &values[stream.byte_offset()..];
        let start = begin + values.len() - rest.trim_start().len();
        match stream.next() {
            None => return (documents, None),
            Some(Ok(noted)) => {
                line += breaks(&text[counted..start]);
                counted = start;
                documents.push(Document {
                    line,
                    value: noted.value,
                    repeated: noted.repeated,
                    source: None,
                });
            }
            Some(Err(error)) => {
                let broken = syntax::json(&error).moved(breaks(&text[..begin]));
                return (documents, Some(broken));
            }
        }
    }
}

fn breaks(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

/// Parts (values, and starts and ends of lists and maps) that aliases may stand for: so many for each byte of
/// the text, at least `MIN_REPLAYED` and at most `MAX_REPLAYED`.
const REPLAYED_PER_BYTE: usize = 4;
const MIN_REPLAYED: usize = 10_000;
const MAX_REPLAYED: usize = 1_000_000;

/// The key of a map whose values are added to the map that has it.
const MERGE: &str = "<<";

fn yaml(text: &str) -> Result<Vec<Document>, Broken> {
    // A dump of a large cluster is accepted. An alias bomb is not: an alias is replaced by what it stands for.
    // Numbers are read as kubectl reads them: `010` is eight.
    let replayed = text.len().saturating_mul(REPLAYED_PER_BYTE);
    let replayed = replayed.clamp(MIN_REPLAYED, MAX_REPLAYED);
    let options = serde_saphyr::options! {
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: replayed,
        },
        budget: serde_saphyr::budget! {
            // What aliases stand for is bounded instead.
            enforce_alias_anchor_ratio: false,
            max_documents: 1_000_000,
            max_events: 100_000_000,
            max_nodes: 50_000_000,
            max_total_scalar_bytes: 1024 * 1024 * 1024,
        },
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        emit_comments: false,
        legacy_octal_numbers: true,
        // Elsewhere the parser need not remember the keys of each map.
        merge_keys: if text.contains(MERGE) { MergeKeyPolicy::Merge } else { MergeKeyPolicy::AsOrdinary },
        with_snippet: false,
    };
    let documents: Result<Vec<Spanned<Noted>>, _> =
        serde_saphyr::from_multiple_with_options(text, options);
    let documents = documents.map_err(|error| syntax::yaml(text, &error))?;
    let has_sources = text.contains(SOURCE);
    let located = documents.into_iter().map(|document| {
        let line = syntax::number(document.referenced.line());
        Document {
            line,
            value: document.value.value,
            repeated: document.value.repeated,
            source: has_sources.then(|| source(text, line)).flatten(),
        }
    });
    Ok(located.collect())
}

/// The comment in which Helm names the file of a document.
const SOURCE: &str = "# Source: ";

/// The file that Helm names in a comment before the document that begins at `line`.
fn source(text: &str, line: usize) -> Option<String> {
    let before = text.lines().take(line.saturating_sub(1));
    let comment = before.filter_map(|line| line.strip_prefix(SOURCE));
    comment.last().map(|source| source.trim().to_owned())
}

/// Place of an object in a document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Item {
    /// True if the document is an array of objects. The first index is one of it then.
    pub(crate) is_in_array: bool,
    /// Index in a `List`, and in nested lists; empty for a document of its own.
    pub(crate) indexes: Vec<usize>,
}

impl Item {
    fn below(&self, index: usize) -> Self {
        Self {
            is_in_array: self.is_in_array,
            indexes: [&self.indexes[..], &[index]].concat(),
        }
    }
}

/// The objects of a document: the document itself, the elements of an array, or the items of a `List` or of a typed
/// list.
pub(super) fn items(document: Value) -> Vec<(Item, Value)> {
    let mut found = Vec::new();
    if let Value::Array(elements) = document {
        for (index, element) in elements.into_iter().enumerate() {
            let item = Item {
                is_in_array: true,
                indexes: vec![index],
            };
            collect(element, &item, &mut found);
        }
    } else {
        collect(document, &Item::default(), &mut found);
    }
    found
}

fn collect(mut document: Value, at: &Item, found: &mut Vec<(Item, Value)>) {
    let kind = document.get("kind").and_then(Value::as_str);
    let item_kind = kind.and_then(|kind| kind.strip_suffix("List"));
    let item_kind = item_kind.map(str::to_owned);
    let version = document.get("apiVersion").cloned();
    // An empty list may have no `items`. Other kinds may also end in `List`.
    let is_list = item_kind.as_deref().is_some_and(|kind| {
        let version = version.as_ref().and_then(Value::as_str).unwrap_or_default();
        kind.is_empty() || read::kind(version, kind).is_some()
    });
    if is_list && document.get("items").is_none_or(Value::is_null) {
        return;
    }
    let items = document.get_mut("items").filter(|items| items.is_array());
    let (Some(item_kind), Some(Value::Array(items))) = (item_kind, items.map(Value::take)) else {
        found.push((at.clone(), document));
        return;
    };
    for (index, mut item) in items.into_iter().enumerate() {
        // Items of a typed list need not repeat their kind.
        if let Value::Object(fields) = &mut item
            && !item_kind.is_empty()
        {
            let kind = Value::String(item_kind.clone());
            fields.entry("kind").or_insert(kind);
            if let Some(version) = &version {
                fields
                    .entry("apiVersion")
                    .or_insert_with(|| version.clone());
            }
        }
        collect(item, &at.below(index), found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<Result<usize, usize>> {
        let mut found = Vec::new();
        each(text, false, |document| {
            found.push(
                document
                    .map(|found| found.line)
                    .map_err(|broken| broken.line),
            );
        });
        found
    }

    #[test]
    fn a_merge_key_is_merged_and_a_text_with_its_letters_stays() {
        let value = |text: &str| {
            let mut found = Vec::new();
            each(text, false, |document| {
                let value = document.map(|found| found.value);
                found.push(value.map_err(|broken| broken.line));
            });
            found
        };
        let merged = serde_json::json!({"a": {"x": 1}, "b": {"x": 1, "y": 2}});
        assert_eq!(value("a: &a {x: 1}\nb:\n  <<: *a\n  y: 2\n"), [Ok(merged)]);
        let plain = serde_json::json!({"a": "<<", "b": "1 << 2"});
        assert_eq!(value("a: '<<'\nb: 1 << 2\n"), [Ok(plain)]);
    }

    #[test]
    fn each_document_has_its_first_line_and_a_broken_one_leaves_the_others() {
        for (text, expected) in [
            ("", vec![]),
            ("# only\n---\n...\n", vec![]),
            ("a: 1\n---\nb: 2\n", vec![Ok(1), Ok(3)]),
            (
                "--- # first\na: 1\n--- {b: 2}\n---\n\nc: 3",
                vec![Ok(2), Ok(3), Ok(6)],
            ),
            ("a: 1\r\n---\r\nb: 2\r\n", vec![Ok(1), Ok(3)]),
            ("a: [\n---\nb: 2\n---\n}\n", vec![Err(1), Ok(3), Err(5)]),
            ("%YAML 1.2\n---\na: 1\n", vec![Ok(3)]),
            (
                "{\"a\": 1}\n\n{\"a\": 2}{\"a\": 3}\n",
                vec![Ok(1), Ok(3), Ok(3)],
            ),
            ("{\"a\": 1}\n{\"a\" 2}\n", vec![Ok(1), Err(2)]),
            ("{a: 1}\n", vec![Ok(1)]),
            ("text: |\n  a\n  ---\n  b\n", vec![Ok(1)]),
        ] {
            assert_eq!(lines(text), expected, "{text:?}");
        }
    }
}
