//! CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy.
//!
//! Sources: `pkg/policy/api` and `pkg/k8s/apis/cilium.io` of `github.com/cilium/cilium` v1.20.2.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{FEW, Key, Requirements, fact, of, pod_key};
use crate::inventory::other_policy::{Effect, Part, Subject};
use crate::inventory::read::decode::Source;
use crate::inventory::rules::is_label_key;
use crate::inventory::{Fact, ObjectRef, OtherPolicy};
use netpol::label::NAMESPACE_NAME;

/// Label with the name of the pod's namespace.
const NAMESPACE: &str = "io.kubernetes.pod.namespace";
/// Prefix of labels of the pod's namespace.
const OF_NAMESPACE: &str = "io.cilium.k8s.namespace.labels.";
/// Prefix of the labels with the pod's service account and cluster.
const OF_POLICY: &str = "io.cilium.k8s.policy.";
/// Prefixes of labels that an agent does not know with its default settings.
const IGNORED: [&str; 4] = [
    "controller-revision-hash",
    "statefulset.kubernetes.io/pod-name",
    "apps.kubernetes.io/pod-index",
    "topology.kubernetes.io/",
];

/// The fields of a rule that are read.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Rule {
    endpoint_selector: Option<LabelSelector>,
    node_selector: Option<IgnoredAny>,
    ingress: Option<Vec<IgnoredAny>>,
    ingress_deny: Option<Vec<IgnoredAny>>,
    egress: Option<Vec<IgnoredAny>>,
    egress_deny: Option<Vec<IgnoredAny>>,
    enable_default_deny: Option<DefaultDeny>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct DefaultDeny {
    ingress: Option<bool>,
    egress: Option<bool>,
}

/// Rules outside of `spec`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct MoreRules {
    specs: Option<Vec<Rule>>,
}

pub(super) fn read(source: Source<'_>, fallback: &ObjectRef) -> Fact<OtherPolicy> {
    let spec = source.decode::<Rule, IgnoredAny>(fallback);
    let read = spec.and_then(|(meta, spec, _)| {
        let more: MoreRules = source.fields(fallback)?;
        let rules: Vec<Rule> = spec
            .into_iter()
            .chain(more.specs.unwrap_or_default())
            .collect();
        let subject = subject(&rules, &meta.namespace);
        Ok(of(&meta, subject, effect(&rules)))
    });
    fact(read)
}

/// The pods of all rules that have an effect, or of all rules if none has.
fn subject(rules: &[Rule], namespace: &str) -> Subject {
    let is_ignored = rules.iter().all(Rule::is_ignored);
    let rules = rules.iter();
    let effective = rules.filter(|rule| is_ignored || !rule.is_ignored());
    let parts = effective.filter_map(|rule| rule.part(namespace));
    Subject {
        parts: parts.take(FEW + 1).collect(),
    }
}

fn effect(rules: &[Rule]) -> Effect {
    let has = |cuts: fn(&Rule) -> bool| rules.iter().any(cuts);
    if rules.iter().all(Rule::is_ignored) {
        Effect::CiliumIgnores
    } else if has(Rule::cuts_egress) {
        Effect::CiliumCutsEgress
    } else if has(Rule::cuts_ingress) {
        Effect::CiliumCutsIngress
    } else {
        Effect::Cilium
    }
}

fn has_entries(list: Option<&Vec<IgnoredAny>>) -> bool {
    list.is_some_and(|list| !list.is_empty())
}

impl Rule {
    /// Returns true if no list has an entry: no agent accepts it.
    fn is_ignored(&self) -> bool {
        let lists = [
            &self.ingress,
            &self.ingress_deny,
            &self.egress,
            &self.egress_deny,
        ];
        !lists.into_iter().any(|list| has_entries(list.as_ref()))
    }

    fn cuts_egress(&self) -> bool {
        let default = self.enable_default_deny.as_ref();
        has_entries(self.egress_deny.as_ref())
            && !has_entries(self.egress.as_ref())
            && default.and_then(|default| default.egress) != Some(false)
    }

    fn cuts_ingress(&self) -> bool {
        let default = self.enable_default_deny.as_ref();
        has_entries(self.ingress_deny.as_ref())
            && !has_entries(self.ingress.as_ref())
            && default.and_then(|default| default.ingress) != Some(false)
    }

    /// The pods that it selects, of a namespace or of all if it is empty; `None` if it selects none.
    fn part(&self, namespace: &str) -> Option<Part> {
        match (&self.endpoint_selector, &self.node_selector) {
            (Some(pods), None) => {
                let pods = without_own_namespace(pods, namespace);
                Requirements::of(&pods, meaning).part(namespace)
            }
            // It is about nodes.
            (None, Some(_)) => None,
            // The API server accepts exactly one of them.
            _ => Some(Part {
                is_certain: false,
                ..Part::whole(namespace)
            }),
        }
    }
}

/// The selector of a namespaced policy without a label for the namespace: the agent puts its own there.
fn without_own_namespace(pods: &LabelSelector, namespace: &str) -> LabelSelector {
    let mut pods = pods.clone();
    if let Some(labels) = pods.match_labels.as_mut().filter(|_| !namespace.is_empty()) {
        labels.retain(|key, _| stripped(key) != Some(NAMESPACE));
    }
    pods
}

/// The key without a source that means the label of a pod; `None` for another source.
fn stripped(key: &str) -> Option<&str> {
    match key.split_once(':') {
        None => Some(key),
        Some(("k8s" | "any", key)) => Some(key),
        Some(_) => None,
    }
}

/// The label that a key of a selector means; `None` if no label can have the key, or if it depends on the settings
/// of the agent whether it is known.
fn meaning(key: &str) -> Option<Key> {
    let Some(key) = stripped(key) else {
        return Some(Key::Never);
    };
    if key == NAMESPACE {
        return Some(Key::Namespace(NAMESPACE_NAME.into()));
    }
    if let Some(label) = key.strip_prefix(OF_NAMESPACE) {
        return is_label_key(label).then(|| Key::Namespace(label.into()));
    }
    if key.starts_with(OF_POLICY) {
        return Some(Key::Unknown);
    }
    let is_ignored = IGNORED.iter().any(|ignored| key.starts_with(ignored));
    pod_key(key).filter(|_| !is_ignored)
}
