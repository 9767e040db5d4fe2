//! The known key that is nearest to an unknown one, found by the schema of the settings.

use schemars::JsonSchema;
use serde_json::{Map, Value};

/// A problem of a settings file, with the known key that was perhaps meant.
pub(super) fn hinted<T: JsonSchema>(problem: &str, text: &str) -> String {
    let written = serde_saphyr::from_str::<Value>(text);
    let hint = written.ok().and_then(|written| hint::<T>(&written));
    format!("{problem}{}", hint.unwrap_or_default())
}

/// Names the known key that is nearest to the first unknown one; `None` where all are known.
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
                    None => self.unknown_in(&shapes, "additionalProperties", fields.values()),
                }
            }
            Value::Array(items) => self.unknown_in(&shapes, "items", items),
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
            let nearest = nearest(key, known.keys())?;
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

fn nearest<'k>(key: &str, known: impl Iterator<Item = &'k String>) -> Option<&'k String> {
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
