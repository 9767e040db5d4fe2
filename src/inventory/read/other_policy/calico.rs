//! NetworkPolicy and GlobalNetworkPolicy of Calico.
//!
//! Sources: `api` and `libcalico-go/lib/selector` of `github.com/projectcalico/calico` at 87c15906f2.

mod expression;

use serde::Deserialize;

use super::{Key, Requirements, with_spec};
use crate::inventory::other_policy::{Effect, Subject};
use crate::inventory::read::decode::Source;
use crate::inventory::{Fact, ObjectRef, OtherPolicy};
use expression::Expression;
use netpol::label::NAMESPACE_NAME;

/// Prefix of labels of the pod's namespace.
const OF_NAMESPACE: &str = "pcns.";
/// Prefix of labels of the pod's service account.
const OF_ACCOUNT: &str = "pcsa.";

/// The fields of both kinds that are read.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    selector: Option<String>,
    namespace_selector: Option<String>,
    service_account_selector: Option<String>,
    do_not_track: Option<bool>,
    #[serde(rename = "preDNAT")]
    pre_dnat: Option<bool>,
}

pub(super) fn read(source: Source<'_>, fallback: &ObjectRef) -> Fact<OtherPolicy> {
    with_spec(source, fallback, |meta, spec| {
        let subject = subject(&spec, &meta.namespace);
        (subject, Effect::Calico)
    })
}

fn subject(spec: &Spec, namespace: &str) -> Subject {
    // Only host endpoints are selected then.
    if spec.do_not_track == Some(true) || spec.pre_dnat == Some(true) {
        return Subject::default();
    }
    let text = |written: &Option<String>| written.clone().unwrap_or_default();
    let pods = Expression::read(&text(&spec.selector), of_pod);
    let namespaces = Expression::read(&text(&spec.namespace_selector), of_namespace);
    let both = pods.zip(namespaces);
    let Some(parts) = both.and_then(|(pods, namespaces)| pods.and(namespaces).parts()) else {
        return Subject::unknown(namespace);
    };
    let accounts = Requirements {
        keys: Vec::new(),
        is_certain: text(&spec.service_account_selector).trim().is_empty(),
    };
    let parts = parts.into_iter();
    Subject {
        parts: parts
            .filter_map(|part| part.and(accounts.clone()).part(namespace))
            .collect(),
    }
}

/// The label that a key of `selector` means.
fn of_pod(key: &str) -> Key {
    match key {
        "projectcalico.org/namespace" | "pcns.projectcalico.org/name" => {
            Key::Namespace(NAMESPACE_NAME.into())
        }
        "projectcalico.org/orchestrator" => Key::Always("k8s"),
        "projectcalico.org/serviceaccount" => Key::Unknown,
        _ if key.starts_with(OF_ACCOUNT) => Key::Unknown,
        _ => key.strip_prefix(OF_NAMESPACE).map_or_else(
            || Key::Pod(key.into()),
            |label| Key::Namespace(label.into()),
        ),
    }
}

/// The label that a key of `namespaceSelector` means.
fn of_namespace(key: &str) -> Key {
    match key {
        "projectcalico.org/name" => Key::Namespace(NAMESPACE_NAME.into()),
        _ => Key::Namespace(key.into()),
    }
}
