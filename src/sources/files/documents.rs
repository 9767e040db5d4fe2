//! Documents of a file, and objects of a document.

use std::path::Path;

use serde_json::Value;
use serde_saphyr::Spanned;

use super::LoadError;
use super::find::STDIN;
use super::unique::Unique;
use crate::inventory::read;

/// The documents of a file, each with its first line. Empty documents are left out.
pub(super) fn read(path: &Path, text: &str) -> Result<Vec<(usize, Value)>, LoadError> {
    if path
        .extension()
        .is_some_and(|extension| extension == "json")
    {
        json(path, text)
    } else {
        yaml(path, text)
    }
}

/// The text of a file or of standard input.
pub(super) fn text(path: &Path) -> Result<String, LoadError> {
    let text = if path.as_os_str() == STDIN {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(path)
    };
    text.map_err(|error| LoadError::Read {
        path: path.to_owned(),
        error,
    })
}

fn json(path: &Path, text: &str) -> Result<Vec<(usize, Value)>, LoadError> {
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<Unique>();
    let mut documents = Vec::new();
    loop {
        let rest = &text[stream.byte_offset()..];
        let start = text.len() - rest.trim_start().len();
        match stream.next() {
            None => return Ok(documents),
            Some(Ok(Unique(value))) => documents.push((line_of(text, start), value)),
            Some(Err(error)) => {
                return Err(LoadError::Syntax {
                    path: path.to_owned(),
                    line: error.line(),
                    column: error.column(),
                    found: without_place(&error.to_string()),
                });
            }
        }
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text[..offset].bytes().filter(|byte| *byte == b'\n').count()
}

/// Removes the position that both parsers add to their messages. It is reported separately.
fn without_place(message: &str) -> String {
    let cut = message.rfind(" at line ").unwrap_or(message.len());
    message[..cut].to_owned()
}

fn yaml(path: &Path, text: &str) -> Result<Vec<(usize, Value)>, LoadError> {
    // The files are trusted, so a dump of a large cluster is accepted. An alias bomb is not.
    // Numbers are read as kubectl reads them: `010` is eight.
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_documents: 1_000_000,
            max_events: 100_000_000,
            max_nodes: 50_000_000,
            max_total_scalar_bytes: 1024 * 1024 * 1024,
        },
        legacy_octal_numbers: true,
        with_snippet: false,
    };
    let documents: Result<Vec<Spanned<Value>>, _> =
        serde_saphyr::from_multiple_with_options(text, options);
    let documents = documents.map_err(|error| syntax(path, text, &error))?;
    let located = documents
        .into_iter()
        .map(|document| (line(document.referenced.line()), document.value));
    Ok(located.collect())
}

fn syntax(path: &Path, text: &str, error: &serde_saphyr::Error) -> LoadError {
    let place = error.location();
    let at = |part: Option<u64>| part.map_or(0, line);
    let row = at(place.map(|place| place.line()));
    let found_at = text.lines().nth(row.saturating_sub(1));
    let is_template = found_at.is_some_and(|row| row.contains("{{"));
    let hint = if is_template {
        "; render the template first"
    } else {
        ""
    };
    LoadError::Syntax {
        path: path.to_owned(),
        line: row,
        column: at(place.map(|place| place.column())),
        found: without_place(&error.without_snippet().to_string()) + hint,
    }
}

fn line(number: u64) -> usize {
    usize::try_from(number).unwrap_or_default()
}

/// The objects of a document, each with its index in nested lists: the document itself, or the items of a
/// `List` or of a typed list.
pub(super) fn items(document: Value) -> Vec<(Vec<usize>, Value)> {
    let mut found = Vec::new();
    collect(document, &[], &mut found);
    found
}

fn collect(mut document: Value, at: &[usize], found: &mut Vec<(Vec<usize>, Value)>) {
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
        found.push((at.to_vec(), document));
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
        collect(item, &[at, &[index]].concat(), found);
    }
}
