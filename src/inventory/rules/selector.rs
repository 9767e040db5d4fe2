//! Label selectors, and the syntax of label keys and values.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

use super::{FieldPath, Problems};
use netpol::label::Labels;
use netpol::rule::{Operator, Requirement, Selector};

const OPERATORS: [Operator; 4] = [
    Operator::In,
    Operator::NotIn,
    Operator::Exists,
    Operator::DoesNotExist,
];

/// Converts a selector. Problems are added to `problems`.
pub(super) fn read(
    at: &FieldPath<'_>,
    written: &LabelSelector,
    problems: &mut Problems,
) -> Selector {
    let labels_at = at.field("matchLabels");
    let pairs = written.match_labels.as_ref();
    // Exact capacity: facts are kept for a long time.
    let mut labels = Labels::with_capacity(pairs.map_or(0, BTreeMap::len));
    for (key, value) in pairs.into_iter().flatten() {
        check_key(&labels_at, key, problems);
        check_value(&labels_at.key(key), value, problems);
        labels.insert(key.as_str().into(), value.as_str().into());
    }
    let expressions_at = at.field("matchExpressions");
    let expressions = written.match_expressions.iter().flatten().enumerate();
    let expressions = expressions
        .filter_map(|(i, written)| requirement(&expressions_at.index(i), written, problems))
        .collect();
    Selector {
        labels,
        expressions,
    }
}

/// Returns `None` only if it adds a problem.
fn requirement(
    at: &FieldPath<'_>,
    written: &LabelSelectorRequirement,
    problems: &mut Problems,
) -> Option<Requirement> {
    check_key(&at.field("key"), &written.key, problems);
    let values = written.values.as_deref().unwrap_or_default();
    let values_at = at.field("values");
    for (i, value) in values.iter().enumerate() {
        check_value(&values_at.index(i), value, problems);
    }
    let operator = OPERATORS
        .into_iter()
        .find(|operator| operator.as_str() == written.operator);
    let Some(operator) = operator else {
        let problem = format!(
            "expected one of `In`, `NotIn`, `Exists`, `DoesNotExist`, found `{}`",
            written.operator
        );
        problems.add(&at.field("operator"), &written.operator, problem);
        return None;
    };
    let wants_values = matches!(operator, Operator::In | Operator::NotIn);
    if wants_values && values.is_empty() {
        let problem = format!("expected values for `{}`, found none", operator.as_str());
        problems.add(&values_at, &values, problem);
    } else if !wants_values && !values.is_empty() {
        let problem = format!("expected no values for `{}`, found some", operator.as_str());
        problems.add(&values_at, &values, problem);
    }
    Some(Requirement {
        key: written.key.as_str().into(),
        operator,
        values: values
            .iter()
            .map(|value| Arc::from(value.as_str()))
            .collect(),
    })
}

fn check_key(at: &FieldPath<'_>, key: &str, problems: &mut Problems) {
    if !is_label_key(key) {
        let problem = format!(
            "expected a label key (an optional DNS subdomain and `/`, then up to 63 of \
             `A-Za-z0-9-_.` with an alphanumeric at each end), found `{key}`"
        );
        problems.add(at, &key, problem);
    }
}

fn check_value(at: &FieldPath<'_>, value: &str, problems: &mut Problems) {
    if !is_label_value(value) {
        let problem = format!(
            "expected a label value (up to 63 of `A-Za-z0-9-_.` with an alphanumeric at each \
             end), found `{value}`"
        );
        problems.add(at, &value, problem);
    }
}

/// `IsQualifiedName` of the API machinery.
pub(crate) fn is_label_key(key: &str) -> bool {
    match key.split_once('/') {
        None => is_label_name(key),
        Some((prefix, name)) => is_dns_subdomain(prefix) && is_label_name(name),
    }
}

/// `IsValidLabelValue` of the API machinery.
pub(crate) fn is_label_value(value: &str) -> bool {
    value.is_empty() || is_label_name(value)
}

fn is_label_name(text: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let inner = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    let bytes = text.as_bytes();
    bytes.len() <= 63 && edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(inner)
}

/// `IsDNS1123Subdomain`. Unlike a namespace name, its parts have no length limit.
pub(crate) fn is_dns_subdomain(text: &str) -> bool {
    let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_part = |part: &str| {
        let bytes = part.as_bytes();
        bytes.first().is_some_and(plain)
            && bytes.last().is_some_and(plain)
            && bytes.iter().all(|byte| plain(byte) || *byte == b'-')
    };
    text.len() <= 253 && text.split('.').all(is_part)
}
