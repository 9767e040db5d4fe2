//! JSON schema of the settings file.

use serde_json::Value;

use super::ServerConfig;

impl ServerConfig {
    /// The JSON schema of the settings file, for editors and for the documentation.
    pub fn schema() -> Value {
        let mut schema = schemars::schema_for!(Self).to_value();
        let defined = schema.get_mut("$defs").and_then(Value::as_object_mut);
        // Kubernetes documents its own types.
        for (name, kind) in defined.into_iter().flatten() {
            if name.starts_with("io.k8s.") {
                remove_descriptions(kind);
            }
        }
        tidy(&mut schema);
        schema
    }
}

/// Removes the description of a schema, and of all that is in it.
fn remove_descriptions(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            // A property of that name would hold a schema, no text.
            if fields.get("description").is_some_and(Value::is_string) {
                fields.remove("description");
            }
            fields.values_mut().for_each(remove_descriptions);
        }
        Value::Array(elements) => elements.iter_mut().for_each(remove_descriptions),
        _ => {}
    }
}

/// Forbids keys that are not listed, in the API's own types too: theirs are open, and rules of
/// `review.platform` with an unknown key are errors. Removes the defaults of groups, whose keys have their own.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.get("properties").is_some_and(Value::is_object) {
                fields.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
            let is_group = fields.contains_key("$ref");
            let says_nothing =
                |default: &Value| default.is_null() || is_group && default.is_object();
            if fields.get("default").is_some_and(says_nothing) {
                fields.remove("default");
            }
            fields.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}
