//! What the platform's owner permits for every perimeter: rules as they stand in a NetworkPolicy.

use std::collections::BTreeSet;

use k8s_openapi::api::networking::v1::{NetworkPolicyEgressRule, NetworkPolicyIngressRule};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{SettingsError, known};
use crate::config::{PlatformRule, Pods};
use crate::inventory::Malformed;
use crate::inventory::rules::{self, FieldPath};
use netpol::Direction;
use netpol::rule::Rule;

/// Rules for some zones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PlatformSettings {
    /// Whose connections [default: workload, jobs, controller]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zones: Option<BTreeSet<Pods>>,
    /// Elements of a NetworkPolicy's `spec.ingress`
    #[schemars(with = "Vec<NetworkPolicyIngressRule>")]
    pub ingress: Vec<Value>,
    /// Elements of a NetworkPolicy's `spec.egress`
    #[schemars(with = "Vec<NetworkPolicyEgressRule>")]
    pub egress: Vec<Value>,
}

/// The rules of element `at` of `review.platform`.
pub(super) fn rules(
    settings: &PlatformSettings,
    at: usize,
) -> Result<Vec<PlatformRule>, SettingsError> {
    let zones = settings.zones.clone().unwrap_or_else(|| Pods::ALL.into());
    let element = format!("review.platform[{at}]");
    let mut found = Vec::new();
    let mut push = |direction: Direction, at: usize, rule: Rule| {
        found.push(PlatformRule {
            zones: zones.clone(),
            direction,
            rule,
            path: format!("{element}.{}[{at}]", direction.field()).into(),
        });
    };
    for (at, written) in settings.ingress.iter().enumerate() {
        let path = format!("{element}.ingress[{at}]");
        let rule: NetworkPolicyIngressRule = understood(&path, written)?;
        let root = FieldPath::root(&path);
        push(
            Direction::Ingress,
            at,
            rules::ingress_rule(&root, &rule).map_err(|problems| refused(&problems))?,
        );
    }
    for (at, written) in settings.egress.iter().enumerate() {
        let path = format!("{element}.egress[{at}]");
        let rule: NetworkPolicyEgressRule = understood(&path, written)?;
        let root = FieldPath::root(&path);
        push(
            Direction::Egress,
            at,
            rules::egress_rule(&root, &rule).map_err(|problems| refused(&problems))?,
        );
    }
    Ok(found)
}

fn refused(problems: &[Malformed]) -> SettingsError {
    let problems = problems.iter();
    let told: Vec<String> = problems
        .map(|problem| format!("`{}`: {}", problem.path, problem.problem))
        .collect();
    SettingsError::Platform {
        problem: told.join("; "),
    }
}

/// The typed rule. The API's types pass over keys that they do not know; here such a key is an
/// error, since a rule that means more than it says would open every perimeter.
fn understood<T: DeserializeOwned + Serialize + JsonSchema>(
    path: &str,
    written: &Value,
) -> Result<T, SettingsError> {
    let failed = |problem: String| SettingsError::Platform {
        problem: format!("`{path}`: {problem}"),
    };
    let rule = T::deserialize(written).map_err(|error| failed(error.to_string()))?;
    let again = serde_json::to_value(&rule).map_err(|error| failed(error.to_string()))?;
    match lost_key(written, &again) {
        Some(key) => {
            let hint = known::hint::<T>(written).unwrap_or_default();
            Err(failed(format!("unknown key `{key}`{hint}")))
        }
        None => Ok(rule),
    }
}

/// A key of `written` that `understood` does not have in the same place, unless it stands for nothing.
fn lost_key(written: &Value, understood: &Value) -> Option<String> {
    match (written, understood) {
        (Value::Object(written), Value::Object(understood)) => {
            written.iter().find_map(|(key, value)| {
                let known = understood.get(key);
                match known {
                    None if value.is_null() => None,
                    None => Some(key.clone()),
                    Some(known) => lost_key(value, known),
                }
            })
        }
        (Value::Array(written), Value::Array(understood)) => {
            let pairs = written.iter().zip(understood);
            pairs
                .into_iter()
                .find_map(|(written, understood)| lost_key(written, understood))
        }
        _ => None,
    }
}
