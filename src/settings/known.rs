//! The known key or word that is nearest to an unknown one, found by the schema of the settings.

use std::fmt;

use schemars::JsonSchema;
use serde_json::{Map, Value};

/// Keys of earlier releases, with what they are now.
const RENAMED: [(&str, &str); 2] = [
    ("shutdownDelaySeconds", "shutdownDelay: 2s"),
    ("staleAfterSeconds", "staleAfter: 5m"),
];

/// A problem of a settings file, with the known key or word that was perhaps meant.
pub(super) fn hinted<T: JsonSchema>(problem: &str, text: &str) -> String {
    let names = |name: &str| problem.contains(&format!("`{name}`"));
    if let Some((_, now)) = RENAMED.into_iter().find(|(old, _)| names(old)) {
        return format!("{problem}; it is now written as `{now}`");
    }
    let hints = serde_saphyr::from_str::<Value>(text).map(|written| hints::<T>(&written));
    let mut hints = hints.unwrap_or_default();
    // Of several mistakes the problem is one.
    if hints.len() > 1 {
        hints.retain(|hint| names(&hint.found));
    }
    match &hints[..] {
        [hint] => format!("{problem}{hint}"),
        _ => problem.to_owned(),
    }
}

/// The known key or word that is nearest to the first unknown one; `None` where all are known.
pub(super) fn hint<T: JsonSchema>(written: &Value) -> Option<String> {
    hints::<T>(written).first().map(ToString::to_string)
}

fn hints<T: JsonSchema>(written: &Value) -> Vec<Hint> {
    let root = schemars::schema_for!(T).to_value();
    let mut hints = Vec::new();
    Schema { root: &root }.unknown(&root, written, &mut hints);
    hints
}

/// An unknown key or word, and the nearest known one.
struct Hint {
    kind: &'static str,
    found: String,
    nearest: String,
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            found,
            nearest,
        } = self;
        write!(f, "; the known {kind} nearest to `{found}` is `{nearest}`")
    }
}

struct Schema<'a> {
    root: &'a Value,
}

impl<'a> Schema<'a> {
    /// Finds all unknown keys and words.
    fn unknown(&self, schema: &'a Value, written: &Value, hints: &mut Vec<Hint>) {
        let shapes = self.shapes(schema);
        match written {
            Value::Object(fields) => {
                let mut known = shapes.iter();
                let known = known.find_map(|shape| shape.get("properties")?.as_object());
                if let Some(known) = known {
                    self.unknown_of(known, fields, hints);
                } else {
                    unknown_names(&shapes, fields, hints);
                    self.unknown_in(&shapes, "additionalProperties", fields.values(), hints);
                }
            }
            Value::Array(items) => self.unknown_in(&shapes, "items", items, hints),
            Value::String(word) => hints.extend(unknown_word(&shapes, word)),
            _ => {}
        }
    }

    fn unknown_of(
        &self,
        known: &'a Map<String, Value>,
        fields: &Map<String, Value>,
        hints: &mut Vec<Hint>,
    ) {
        for (key, value) in fields {
            match known.get(key) {
                Some(schema) => self.unknown(schema, value, hints),
                None => hints.extend(nearest("key", key, known.keys().map(String::as_str))),
            }
        }
    }

    fn unknown_in<'v>(
        &self,
        shapes: &[&'a Value],
        field: &str,
        values: impl IntoIterator<Item = &'v Value>,
        hints: &mut Vec<Hint>,
    ) {
        if let Some(schema) = shapes.iter().find_map(|shape| shape.get(field)) {
            for value in values {
                self.unknown(schema, value, hints);
            }
        }
    }

    /// The schema behind references, and its alternatives.
    fn shapes(&self, schema: &'a Value) -> Vec<&'a Value> {
        let referred = schema.get("$ref").and_then(Value::as_str);
        let referred = referred.and_then(|path| self.root.pointer(path.strip_prefix('#')?));
        let alternatives = ["anyOf", "oneOf", "allOf"]
            .into_iter()
            .filter_map(|field| schema.get(field)?.as_array())
            .flatten();
        let behind = referred.into_iter().chain(alternatives);
        std::iter::once(schema)
            .chain(behind.flat_map(|schema| self.shapes(schema)))
            .collect()
    }
}

/// The keys of a map whose keys are listed, and which are none of them.
fn unknown_names(shapes: &[&Value], fields: &Map<String, Value>, hints: &mut Vec<Hint>) {
    let mut listed = shapes.iter();
    let listed = listed.find_map(|shape| shape.get("propertyNames")?.get("enum")?.as_array());
    let Some(listed) = listed else { return };
    let known = || listed.iter().filter_map(Value::as_str);
    // Codes, which are all in capital letters, may be written in small ones.
    let is_code = |known: &str| known.bytes().all(|byte| !byte.is_ascii_lowercase());
    let is_known = |key: &str| {
        known().any(|known| known == key || is_code(known) && known.eq_ignore_ascii_case(key))
    };
    let unknown = fields.keys().filter(|key| !is_known(key));
    hints.extend(unknown.filter_map(|key| nearest("key", key, known())));
}

/// A text that is none of the words which are all that may stand there.
fn unknown_word(shapes: &[&Value], word: &str) -> Option<Hint> {
    let listed = |shape: &&Value| shape.get("enum").is_some() || shape.get("const").is_some();
    let is_free = |shape: &&Value| shape.get("type").is_some_and(|kind| kind == "string");
    if shapes.iter().any(|shape| is_free(shape) && !listed(shape)) {
        return None;
    }
    let one = shapes.iter().filter_map(|shape| shape.get("const"));
    let many = shapes
        .iter()
        .filter_map(|shape| shape.get("enum")?.as_array());
    let known: Vec<&str> = one
        .chain(many.flatten())
        .filter_map(Value::as_str)
        .collect();
    if known.contains(&word) {
        return None;
    }
    nearest("word", word, known.into_iter())
}

fn nearest<'k>(
    kind: &'static str,
    found: &str,
    known: impl Iterator<Item = &'k str>,
) -> Option<Hint> {
    let nearest = known.min_by_key(|known| strsim::damerau_levenshtein(known, found))?;
    Some(Hint {
        kind,
        found: found.to_owned(),
        nearest: nearest.to_owned(),
    })
}

/// Takes the description of a schema away, and of all that is in it.
pub(super) fn without_descriptions(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            // A property of that name would hold a schema, no text.
            if fields.get("description").is_some_and(Value::is_string) {
                fields.remove("description");
            }
            fields.values_mut().for_each(without_descriptions);
        }
        Value::Array(elements) => elements.iter_mut().for_each(without_descriptions),
        _ => {}
    }
}
