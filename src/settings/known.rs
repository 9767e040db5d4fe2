//! The known key or word that is nearest to an unknown one, found by the schema of the settings.

use schemars::JsonSchema;
use serde_json::{Map, Value};

/// A problem of a settings file, with the known key or word that was perhaps meant.
pub(super) fn hinted<T: JsonSchema>(problem: &str, text: &str) -> String {
    let written = serde_saphyr::from_str::<Value>(text);
    let hint = written.ok().and_then(|written| hint::<T>(&written));
    format!("{problem}{}", hint.unwrap_or_default())
}

/// Names the known key or word that is nearest to the first unknown one; `None` where all are known.
pub(super) fn hint<T: JsonSchema>(written: &Value) -> Option<String> {
    let root = schemars::schema_for!(T).to_value();
    let schema = Schema { root: &root };
    schema.unknown(&root, written)
}

struct Schema<'a> {
    root: &'a Value,
}

impl<'a> Schema<'a> {
    fn unknown(&self, schema: &'a Value, written: &Value) -> Option<String> {
        let shapes = self.shapes(schema);
        match written {
            Value::Object(fields) => {
                let mut known = shapes.iter();
                let known = known.find_map(|shape| shape.get("properties")?.as_object());
                match known {
                    Some(known) => self.unknown_of(known, fields),
                    None => unknown_name(&shapes, fields).or_else(|| {
                        self.unknown_in(&shapes, "additionalProperties", fields.values())
                    }),
                }
            }
            Value::Array(items) => self.unknown_in(&shapes, "items", items),
            Value::String(word) => unknown_word(&shapes, word),
            _ => None,
        }
    }

    fn unknown_of(
        &self,
        known: &'a Map<String, Value>,
        fields: &Map<String, Value>,
    ) -> Option<String> {
        fields.iter().find_map(|(key, value)| {
            if let Some(schema) = known.get(key) {
                return self.unknown(schema, value);
            }
            let nearest = nearest(key, known.keys().map(String::as_str))?;
            Some(format!("; the known key nearest to `{key}` is `{nearest}`"))
        })
    }

    fn unknown_in<'v>(
        &self,
        shapes: &[&'a Value],
        field: &str,
        values: impl IntoIterator<Item = &'v Value>,
    ) -> Option<String> {
        let schema = shapes.iter().find_map(|shape| shape.get(field))?;
        let mut values = values.into_iter();
        values.find_map(|value| self.unknown(schema, value))
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

/// The first key of a map whose keys are listed, and which is none of them.
fn unknown_name(shapes: &[&Value], fields: &Map<String, Value>) -> Option<String> {
    let mut listed = shapes.iter();
    let listed = listed.find_map(|shape| shape.get("propertyNames")?.get("enum")?.as_array())?;
    let known = || listed.iter().filter_map(Value::as_str);
    // Codes, which are all in capital letters, may be written in small ones.
    let is_code = |known: &str| known.bytes().all(|byte| !byte.is_ascii_lowercase());
    let is_known = |key: &str| {
        known().any(|known| known == key || is_code(known) && known.eq_ignore_ascii_case(key))
    };
    let key = fields.keys().find(|key| !is_known(key))?;
    let nearest = nearest(key, known())?;
    Some(format!("; the known key nearest to `{key}` is `{nearest}`"))
}

/// A text that is none of the words which are all that may stand there.
fn unknown_word(shapes: &[&Value], word: &str) -> Option<String> {
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
    let nearest = nearest(word, known.into_iter())?;
    Some(format!(
        "; the known word nearest to `{word}` is `{nearest}`"
    ))
}

fn nearest<'k>(key: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    known.min_by_key(|known| strsim::damerau_levenshtein(known, key))
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
