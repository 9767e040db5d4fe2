//! The webhook configurations for the settings: those of the manifest, with what the settings change.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::config::{EnforcementMode, ReviewConfig};

/// The shipped configurations.
const MANIFEST: &str = include_str!("../../manifests/registrations/webhook.yaml");

/// Error of a manifest that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the registrations of the manifest: {0}")]
pub struct ManifestError(String);

/// The webhook configurations for these settings.
///
/// # Errors
/// The manifest cannot be read: a bug of ours.
pub fn rendered(config: &ReviewConfig) -> Result<Vec<Value>, ManifestError> {
    let mut documents: Vec<Value> =
        serde_saphyr::from_multiple(MANIFEST).map_err(|error| ManifestError(error.to_string()))?;
    let written = list(&ReviewConfig::default().operator_accounts);
    let accounts = list(&config.operator_accounts);
    let webhooks = documents
        .iter_mut()
        .filter_map(|document| document.get_mut("webhooks")?.as_array_mut());
    for webhook in webhooks.flatten() {
        if config.enforcement != EnforcementMode::Deny && webhook["failurePolicy"] == "Fail" {
            webhook["failurePolicy"] = json!("Ignore");
        }
        let conditions = webhook.get_mut("matchConditions");
        let conditions = conditions.and_then(Value::as_array_mut).into_iter();
        for condition in conditions.flatten() {
            if let Some(text) = condition["expression"].as_str() {
                condition["expression"] = json!(text.replace(&written, &accounts));
            }
        }
    }
    Ok(documents)
}

/// A list of names in CEL.
fn list(names: &BTreeSet<String>) -> String {
    let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
    format!("[{}]", names.join(", "))
}

/// A string in CEL.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'"))
}
