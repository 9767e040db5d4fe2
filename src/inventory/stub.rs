//! NetworkPolicies of which only name, version and selector are kept: those of namespaces without an
//! OpenBaoCluster, and those that were not read yet.
//!
//! Tenants decide how many policies exist and how large they are. In a namespace without an OpenBaoCluster
//! their content does not matter. It is read when a cluster is created.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::read::maps_only;
use super::read::outline::Outline;
use super::rules::{self, FieldPath};
use super::{Fact, Policy};
use netpol::pod_space::PodSpace;
use netpol::rule::Selector;

/// Maximum length of a selector, in bytes of JSON.
const MAX_SELECTOR_LENGTH: usize = 1024;

/// The parts of an unread NetworkPolicy that are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stub {
    /// Name.
    pub(crate) name: Arc<str>,
    /// Its `resourceVersion`; 0 if it is unknown.
    pub(crate) version: u64,
    /// `spec.podSelector` as JSON; `None` if it is too long.
    pods: Option<Box<str>>,
}

impl Stub {
    /// The stub of a policy from JSON.
    pub fn read(outline: &Outline, json: &[u8]) -> Self {
        Self {
            name: outline.name.clone(),
            version: outline.number(),
            pods: selector_text(json),
        }
    }

    /// The stub of a policy that was read.
    pub(crate) fn of(policy: &Fact<Policy>) -> Self {
        let selector = match policy {
            Fact::Read(policy) => Some(&policy.pods),
            Fact::Unreadable(broken) => broken.pods(),
        };
        let text = selector.and_then(|selector| serde_json::to_string(&written(selector)).ok());
        Self {
            name: policy.meta().name.clone(),
            version: 0,
            pods: text
                .filter(|text| text.len() <= MAX_SELECTOR_LENGTH)
                .map(Into::into),
        }
    }

    /// Its `spec.podSelector`; `None` if it is unknown. It may select any pod then.
    pub(crate) fn selector(&self) -> Option<Selector> {
        selector(self.pods.as_deref()?)
    }

    /// Returns true if it may select a pod of a zone.
    pub(crate) fn may_select(&self, zone: &PodSpace) -> bool {
        self.selector().is_none_or(|selector| {
            let pods = selector.label_set();
            pods.is_some_and(|pods| zone.select(&pods).is_some())
        })
    }
}

/// The `spec.podSelector` of a policy from JSON, if a prefix of the text is enough to read it.
pub(super) fn selector_of(json: &[u8]) -> Option<Selector> {
    selector(&selector_text(json)?)
}

/// The same for a policy given as a value.
pub(super) fn selector_in(policy: &Value) -> Option<Selector> {
    let spec = match policy.as_object()?.get("spec") {
        None | Some(Value::Null) => return Some(Selector::default()),
        Some(spec) => spec.as_object()?,
    };
    let pods = spec
        .get("podSelector")
        .map_or_else(|| "{}".to_owned(), Value::to_string);
    selector(&pods).filter(|_| pods.len() <= MAX_SELECTOR_LENGTH)
}

fn selector_text(json: &[u8]) -> Option<Box<str>> {
    #[derive(Deserialize)]
    struct Object<'a> {
        #[serde(borrow, default)]
        spec: Option<Spec<'a>>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Spec<'a> {
        #[serde(borrow, default)]
        pod_selector: Option<&'a RawValue>,
    }
    let object: Object<'_> = maps_only::from_slice(json).ok()?;
    let pods = object.spec.and_then(|spec| spec.pod_selector);
    let text = pods.map_or("{}", RawValue::get);
    (text.len() <= MAX_SELECTOR_LENGTH).then(|| text.into())
}

fn selector(text: &str) -> Option<Selector> {
    let written: Option<LabelSelector> = serde_json::from_str(text).ok()?;
    let at = FieldPath::root("spec.podSelector");
    rules::selector(&at, &written.unwrap_or_default()).ok()
}

fn written(selector: &Selector) -> LabelSelector {
    let labels = selector.labels.iter();
    let labels = labels.map(|(key, value)| (key.to_string(), value.to_string()));
    let expressions = selector.expressions.iter();
    let expressions = expressions.map(|requirement| LabelSelectorRequirement {
        key: requirement.key.to_string(),
        operator: requirement.operator.as_str().to_owned(),
        values: Some(requirement.values.iter().map(ToString::to_string).collect()),
    });
    LabelSelector {
        match_labels: Some(labels.collect()),
        match_expressions: Some(expressions.collect()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::inventory::read::outline::outline;
    use netpol::label::Values;
    use netpol::pod_space::OtherKeys;

    fn stub(spec: &Value) -> Stub {
        let policy = json!({"metadata": {"name": "web", "namespace": "shop", "resourceVersion": "7"}, "spec": spec});
        let policy = policy.to_string();
        Stub::read(&outline(policy.as_bytes()).unwrap(), policy.as_bytes())
    }

    fn zone() -> PodSpace {
        PodSpace::new(
            [("app", Values::one_of(["bao"]))],
            Vec::new(),
            OtherKeys::Absent,
        )
    }

    #[test]
    fn a_stub_knows_which_pods_its_policy_may_select() {
        let many: Vec<String> = (0..200).map(|number| format!("value-{number}")).collect();
        for (spec, selects) in [
            (json!({}), true),
            (json!(null), true),
            (json!({"podSelector": null}), true),
            (json!({"podSelector": {}, "ingress": [{}, {}]}), true),
            (
                json!({"podSelector": {"matchLabels": {"app": "bao"}}}),
                true,
            ),
            (
                json!({"podSelector": {"matchLabels": {"app": "web"}}}),
                false,
            ),
            (
                json!({"podSelector": {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["bao"]}]}}),
                false,
            ),
            // A selector that is too long or malformed may select any pod.
            (
                json!({"podSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": many}]}}),
                true,
            ),
            (json!({"podSelector": {"matchLabels": {"app": "-"}}}), true),
            (json!({"podSelector": 7}), true),
        ] {
            let stub = stub(&spec);
            assert_eq!((&*stub.name, stub.version), ("web", 7));
            assert_eq!(stub.may_select(&zone()), selects, "{spec}");
        }
    }

    #[test]
    fn the_stub_of_a_policy_that_was_read_selects_the_same() {
        for selector in [
            json!({}),
            json!({"matchLabels": {"app": "web", "tier": "db"}}),
            json!({"matchExpressions": [{"key": "app", "operator": "Exists"},
                {"key": "tier", "operator": "In", "values": ["a", "b"]}]}),
        ] {
            let spec = json!({"podSelector": selector});
            let policy = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
                "metadata": {"name": "web", "namespace": "shop"}, "spec": spec});
            let Some(crate::inventory::Object::Policy(policy)) =
                crate::inventory::read::object(&policy)
            else {
                panic!("a policy");
            };
            assert_eq!(
                Stub::of(&policy).selector(),
                stub(&spec).selector(),
                "{selector}"
            );
            assert!(stub(&spec).selector().is_some());
        }
    }
}
