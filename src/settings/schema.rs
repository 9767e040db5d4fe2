//! The JSON schema of the settings file.

use serde_json::Value;

use super::Settings;

impl Settings {
    /// The JSON schema of the file, for editors and for the documentation.
    pub fn schema() -> Value {
        let mut schema = schemars::schema_for!(Self).to_value();
        tidy(&mut schema);
        schema
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
