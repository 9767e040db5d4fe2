//! The JSON schema of the settings file.

use serde_json::Value;

use super::{Settings, known};

impl Settings {
    /// The JSON schema of the file, for editors and for the documentation.
    pub fn schema() -> Value {
        let mut schema = schemars::schema_for!(Self).to_value();
        untold(&mut schema);
        tidy(&mut schema);
        schema
    }
}

/// Kubernetes' own types stand there with their shape; what they mean is told by Kubernetes.
fn untold(schema: &mut Value) {
    let defined = schema.get_mut("$defs").and_then(Value::as_object_mut);
    let theirs = defined.into_iter().flatten();
    for (_, kind) in theirs.filter(|(name, _)| name.starts_with("io.k8s.")) {
        known::without_descriptions(kind);
    }
}

/// Forbids keys that are not listed, in the API's own types too: theirs are open, and rules of
/// `review.platform` with an unknown key are refused. Takes out defaults that say nothing: what is
/// not set stands in the descriptions.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.get("properties").is_some_and(Value::is_object) {
                fields.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
            let says_nothing = |default: &Value| default.is_null() || default.is_object();
            if fields.get("default").is_some_and(says_nothing) {
                fields.remove("default");
            }
            fields.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}
