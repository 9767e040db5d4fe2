//! Label selectors of ordered policies. The API server stores invalid ones.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use netpol::label::labels;
use netpol::rule::{Operator, Requirement, Selector};
use netpol::tier::TierSelector;

use crate::inventory::rules::{is_label_key, is_label_value};

/// A selector without its invalid requirements.
pub(super) fn selector(written: &LabelSelector) -> TierSelector {
    let mut is_valid = true;
    let mut pairs = Vec::new();
    for (key, value) in written.match_labels.iter().flatten() {
        if is_label_key(key) && is_label_value(value) {
            pairs.push((key.as_str().into(), value.as_str().into()));
        } else {
            is_valid = false;
        }
    }
    let mut expressions = Vec::new();
    for asked in written.match_expressions.iter().flatten() {
        let values = asked.values.as_deref().unwrap_or_default();
        let operator = match (asked.operator.as_str(), values.is_empty()) {
            ("In", false) => Some(Operator::In),
            ("NotIn", false) => Some(Operator::NotIn),
            ("Exists", true) => Some(Operator::Exists),
            ("DoesNotExist", true) => Some(Operator::DoesNotExist),
            _ => None,
        };
        let is_syntax =
            is_label_key(&asked.key) && values.iter().all(|value| is_label_value(value));
        match operator.filter(|_| is_syntax) {
            Some(operator) => expressions.push(Requirement {
                key: asked.key.as_str().into(),
                operator,
                values: values.iter().map(|value| value.as_str().into()).collect(),
            }),
            None => is_valid = false,
        }
    }
    let selector = Selector {
        labels: labels(pairs),
        expressions,
    };
    if is_valid {
        TierSelector::Valid(selector)
    } else {
        TierSelector::Invalid(selector)
    }
}
