//! The webhook configurations for the settings: those of the manifest, with what the settings change.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::config::{EnforcementMode, NamespacePattern, OWN_NAMESPACE, ReviewConfig};

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
    for document in &mut documents {
        relocate(document, &config.own_namespace);
    }
    let written = list(&ReviewConfig::default().operator_accounts);
    let accounts = list(&config.operator_accounts);
    let webhooks = documents
        .iter_mut()
        .filter_map(|document| document.get_mut("webhooks")?.as_array_mut());
    for webhook in webhooks.flatten() {
        if config.enforcement != EnforcementMode::Deny && webhook["failurePolicy"] == "Fail" {
            webhook["failurePolicy"] = json!("Ignore");
        }
        // The entry without conditions is about cluster-scoped policies.
        let conditions = webhook.get_mut("matchConditions");
        let Some(conditions) = conditions.and_then(Value::as_array_mut) else {
            continue;
        };
        for condition in &mut *conditions {
            if let Some(text) = condition["expression"].as_str() {
                condition["expression"] = json!(text.replace(&written, &accounts));
            }
        }
        if let Some(expression) = not_excluded(&config.excluded_namespaces) {
            conditions.push(json!({"name": "not-excluded", "expression": expression}));
        }
    }
    Ok(documents)
}

/// Puts the server in another namespace.
fn relocate(value: &mut Value, namespace: &str) {
    match value {
        Value::String(text) if text == OWN_NAMESPACE => namespace.clone_into(text),
        Value::Array(items) => items.iter_mut().for_each(|item| relocate(item, namespace)),
        Value::Object(fields) => fields
            .values_mut()
            .for_each(|field| relocate(field, namespace)),
        _ => {}
    }
}

/// Condition that is false for NetworkPolicies of these namespaces. Other kinds are sent from there, too.
fn not_excluded(patterns: &[NamespacePattern]) -> Option<String> {
    let (prefixes, names): (Vec<_>, Vec<_>) = patterns
        .iter()
        .partition(|pattern| pattern.prefix().is_some());
    let names = names.into_iter().map(|name| name.as_str().to_owned());
    let prefixes = prefixes.into_iter().filter_map(NamespacePattern::prefix);
    let names: BTreeSet<String> = names.collect();
    let prefixes: BTreeSet<String> = prefixes.map(str::to_owned).collect();
    let terms = [
        ("!(request.namespace in ", &names, ")"),
        (
            "!",
            &prefixes,
            ".exists(prefix, request.namespace.startsWith(prefix))",
        ),
    ];
    let terms = terms.into_iter().filter(|(_, list, _)| !list.is_empty());
    let terms: Vec<String> = terms
        .map(|(before, names, after)| format!("{before}{}{after}", list(names)))
        .collect();
    let terms = terms.join(" && ");
    let is_other = "request.resource.resource != 'networkpolicies'";
    (!terms.is_empty()).then(|| format!("{is_other} || ({terms})"))
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
