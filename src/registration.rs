//! Our webhook configurations and the identity guard, compared with those for the settings.
//!
//! Webhook configurations are never subject to webhooks, so nothing can forbid a change. A change is
//! reported: metric, log, Event. Nothing is put back: that would fight the tool that delivers the
//! manifests, and an administrator who breaks the glass.

mod rendered;
pub(crate) mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use k8s_openapi::api::admissionregistration::v1::WebhookClientConfig;
use serde::Deserialize as _;
use serde_json::{Map, Value, json};

use crate::config::ReviewConfig;
use crate::identity::{self, IdentityGuard};
pub use rendered::{ManifestError, rendered};

/// Characters of a value that are shown.
const SHOWN: usize = 60;
/// Characters before the first difference of two long values.
const BEFORE: usize = 15;

/// The kinds of our objects in the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Configuration {
    /// `ValidatingWebhookConfiguration`.
    Validating,
    /// `MutatingWebhookConfiguration`.
    Mutating,
    /// `ValidatingAdmissionPolicy`, that of the identity guard.
    Policy,
    /// `ValidatingAdmissionPolicyBinding`, that of the identity guard.
    Binding,
}

impl Configuration {
    /// All.
    pub const ALL: [Self; 4] = [
        Self::Validating,
        Self::Mutating,
        Self::Policy,
        Self::Binding,
    ];

    /// Those with webhooks.
    pub const WEBHOOKS: [Self; 2] = [Self::Validating, Self::Mutating];

    /// The kind as the API writes it.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Validating => "ValidatingWebhookConfiguration",
            Self::Mutating => "MutatingWebhookConfiguration",
            Self::Policy => "ValidatingAdmissionPolicy",
            Self::Binding => "ValidatingAdmissionPolicyBinding",
        }
    }

    /// True for the identity guard, which is optional.
    pub(crate) fn is_of_the_guard(self) -> bool {
        !Self::WEBHOOKS.contains(&self)
    }

    /// The field that is compared.
    pub(crate) fn field(self) -> &'static str {
        if self.is_of_the_guard() {
            "spec"
        } else {
            "webhooks"
        }
    }

    /// The name of the object, where the webhook configurations have the name `registration`.
    pub(crate) fn name(self, registration: &str) -> &str {
        if self.is_of_the_guard() {
            identity::NAME
        } else {
            registration
        }
    }
}

/// Difference between a configuration and the manifest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// Field of an entry, such as `failurePolicy`; `MISSING` and the like where there is no entry.
    pub field: String,
    /// Path of the value that differs, and both values; empty where there is no entry.
    pub(crate) detail: String,
}

impl Difference {
    /// The configuration does not exist.
    pub(crate) const MISSING: &'static str = "missing";
    /// The configuration cannot be watched, so it is unknown.
    pub(crate) const UNWATCHED: &'static str = "unwatched";
    /// An entry is missing, or unknown to the manifest.
    pub(crate) const ENTRIES: &'static str = "entries";
    /// The API server would not trust the certificate that is served.
    pub(crate) const CA_BUNDLE: &'static str = "caBundle";

    /// Difference of a whole configuration.
    pub(crate) fn whole(field: &str) -> Self {
        Self {
            field: field.to_owned(),
            detail: String::new(),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.detail.is_empty() {
            &self.field
        } else {
            &self.detail
        })
    }
}

/// Whether the API server trusts the certificate that is served, by the `clientConfig` of an entry.
pub trait Trust: Send + Sync {
    /// `None` where no certificate is served.
    fn trusts(&self, client: &WebhookClientConfig) -> Option<bool>;
}

/// The configurations for the settings.
#[derive(Clone, Debug)]
pub struct Expected(BTreeMap<Configuration, Value>);

impl Expected {
    /// The configurations for these settings.
    ///
    /// # Errors
    /// The manifest cannot be read: a bug of ours.
    pub fn new(config: &ReviewConfig) -> Result<Self, ManifestError> {
        let webhooks = rendered(config)?.into_iter().filter_map(|mut document| {
            let mut all = Configuration::ALL.into_iter();
            let configuration = all.find(|known| document["kind"] == known.kind())?;
            Some((configuration, document["webhooks"].take()))
        });
        let mut all: BTreeMap<Configuration, Value> = webhooks.collect();
        let guard = IdentityGuard::of(config);
        let policy = guard.policy().spec;
        all.insert(Configuration::Policy, json!(policy));
        if let Some(binding) = guard.binding() {
            all.insert(Configuration::Binding, json!(binding.spec));
        }
        Ok(Self(all))
    }

    /// True if the object is expected. Of the level `off` there is no binding.
    pub(crate) fn has(&self, configuration: Configuration) -> bool {
        self.0.contains_key(&configuration)
    }

    /// The differences of a configuration with these `webhooks`, or of a part of the guard with this `spec`.
    pub fn drift(
        &self,
        configuration: Configuration,
        webhooks: &Value,
        trust: &dyn Trust,
    ) -> BTreeSet<Difference> {
        if configuration.is_of_the_guard() {
            return self.guard_drift(configuration, webhooks);
        }
        let expected = self.0.get(&configuration).map(comparable);
        let expected = expected.unwrap_or_default();
        let found = comparable(webhooks);
        let mut drift = BTreeSet::new();
        for name in keys(&expected, &found) {
            let path = format!("webhooks{name}");
            let (Value::Object(expected), Value::Object(found)) = (&expected[&name], &found[&name])
            else {
                let detail = describe(&path, &expected[&name], &found[&name]);
                let field = Difference::ENTRIES.to_owned();
                drift.insert(Difference { field, detail });
                continue;
            };
            for field in expected.keys().chain(found.keys()) {
                let (expected, found) = (expected.get(field), found.get(field));
                let mut details = Vec::new();
                let path = format!("{path}.{field}");
                compare(
                    &path,
                    expected.unwrap_or(&Value::Null),
                    found.unwrap_or(&Value::Null),
                    &mut details,
                );
                let field = field.clone();
                drift.extend(details.into_iter().map(|detail| Difference {
                    field: field.clone(),
                    detail,
                }));
            }
        }
        drift.extend(untrusted(webhooks, trust));
        drift
    }
}

impl Expected {
    /// The differences of a part of the guard.
    fn guard_drift(&self, configuration: Configuration, spec: &Value) -> BTreeSet<Difference> {
        let expected = self.0.get(&configuration).map(comparable);
        let expected = expected.unwrap_or_else(|| json!({}));
        let found = comparable(spec);
        let mut drift = BTreeSet::new();
        for field in keys(&expected, &found) {
            let mut details = Vec::new();
            let path = format!("spec.{field}");
            compare(&path, &expected[&field], &found[&field], &mut details);
            drift.extend(details.into_iter().map(|detail| Difference {
                field: field.clone(),
                detail,
            }));
        }
        drift
    }
}

/// Entries whose CA bundle does not fit the certificate that is served.
fn untrusted(webhooks: &Value, trust: &dyn Trust) -> Vec<Difference> {
    let entries = webhooks.as_array().into_iter().flatten();
    let differs = entries.filter_map(|entry| {
        let client = WebhookClientConfig::deserialize(&entry["clientConfig"]).ok()?;
        (trust.trusts(&client) == Some(false)).then(|| Difference {
            field: Difference::CA_BUNDLE.to_owned(),
            detail: format!(
                "webhooks[{}].clientConfig.caBundle: does not hold the CA of the served certificate",
                entry["name"].as_str().unwrap_or_default()
            ),
        })
    });
    differs.collect()
}

/// Adds a text for each value that differs.
fn compare(path: &str, expected: &Value, found: &Value, details: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(_), Value::Object(_)) => {
            for key in keys(expected, found) {
                let dot = if key.starts_with('[') { "" } else { "." };
                let path = format!("{path}{dot}{key}");
                compare(&path, &expected[&key], &found[&key], details);
            }
        }
        (expected, found) if expected == found => {}
        (expected, found) => details.push(describe(path, expected, found)),
    }
}

/// The keys of two objects.
fn keys(one: &Value, other: &Value) -> BTreeSet<String> {
    let objects = [one, other].into_iter().filter_map(Value::as_object);
    objects.flat_map(Map::keys).cloned().collect()
}

fn describe(path: &str, expected: &Value, found: &Value) -> String {
    let text = |value: &Value| match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let (expected, found) = (text(expected), text(found));
    let same = expected.chars().zip(found.chars());
    let same = same.take_while(|(one, other)| one == other).count();
    let from = same.saturating_sub(BEFORE);
    let excerpt = |text: &str| {
        let length = text.chars().count();
        if length <= SHOWN {
            return text.to_owned();
        }
        let shown: String = text.chars().skip(from).take(SHOWN).collect();
        let before = if from > 0 { "…" } else { "" };
        let after = if length > from + SHOWN { "…" } else { "" };
        format!("{before}{shown}{after}")
    };
    let (expected, found) = (excerpt(&expected), excerpt(&found));
    format!("{path}: expected `{expected}`, found `{found}`")
}

/// A value without the differences that say nothing: the order of lists and of names, the empty selector
/// that the API server adds, the Service that an overlay names, and the CA bundle, which has a check of its
/// own. Lists of named elements become objects.
fn comparable(value: &Value) -> Value {
    match value {
        Value::Array(items) => {
            let named = items.iter().map(|item| {
                let name = format!("[{}]", item.get("name")?.as_str()?);
                Some((name, comparable(item)))
            });
            if let Some(named) = named.collect::<Option<Map<_, _>>>() {
                return Value::Object(named);
            }
            let mut items: Vec<Value> = items.iter().map(comparable).collect();
            items.sort_by_key(Value::to_string);
            Value::Array(items)
        }
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| {
                let value = match (key.as_str(), value) {
                    ("expression", Value::String(text)) => Value::String(expression(text)),
                    ("clientConfig", client) => json!({ "path": path(client) }),
                    (_, value) => comparable(value),
                };
                (key.clone(), value)
            });
            let is_empty =
                |value: &Value| value.is_null() || value.as_object().is_some_and(Map::is_empty);
            Value::Object(fields.filter(|(_, value)| !is_empty(value)).collect())
        }
        other => other.clone(),
    }
}

/// The path that is called, by Service or by address.
fn path(client: &Value) -> Option<String> {
    if let Some(service) = client.get("service").filter(|service| !service.is_null()) {
        return service["path"].as_str().map(str::to_owned);
    }
    let url = client.get("url")?.as_str()?.split_once("://")?.1;
    let path = url.split_once('/').map_or("", |(_host, path)| path);
    let path = path.split(['?', '#']).next().unwrap_or_default();
    Some(format!("/{path}"))
}

/// A CEL expression without white space, with single quotes, and with the elements of each list in order.
fn expression(text: &str) -> String {
    let plain = |text: &str| text.split_whitespace().collect::<String>();
    let quoted = |item: &str| {
        let item = item.trim();
        let inner = item
            .strip_prefix('"')
            .and_then(|item| item.strip_suffix('"'));
        match inner.filter(|inner| !inner.contains(['\'', '"', '\\'])) {
            Some(inner) => format!("'{inner}'"),
            None => item.to_owned(),
        }
    };
    let parts = text
        .split('[')
        .enumerate()
        .map(|(at, part)| match part.split_once(']') {
            Some((items, rest)) if at > 0 => {
                let mut items: Vec<String> = items.split(',').map(quoted).collect();
                items.sort();
                format!("{}]{}", items.join(","), plain(rest))
            }
            _ => plain(part),
        });
    parts.collect::<Vec<_>>().join("[")
}
