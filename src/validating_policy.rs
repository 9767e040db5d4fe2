//! Parts of our ValidatingAdmissionPolicies: both have the same metadata and binding, and expressions with literals.

use std::fmt::Write as _;

use k8s_openapi::api::admissionregistration::v1::{
    NamedRuleWithOperations, ValidatingAdmissionPolicyBinding, ValidatingAdmissionPolicyBindingSpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{
    LabelSelector, LabelSelectorRequirement, ObjectMeta,
};

/// The metadata of a policy, and of its binding.
pub(crate) fn metadata(name: &str) -> ObjectMeta {
    let labels = [("app.kubernetes.io/name", "openbao-perimeter")];
    let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
    ObjectMeta {
        name: Some(name.to_owned()),
        labels: Some(labels.into()),
        ..ObjectMeta::default()
    }
}

/// The binding of the policy with this name.
pub(crate) fn binding(name: &str, actions: &[&str]) -> ValidatingAdmissionPolicyBinding {
    let actions = actions.iter().map(|action| (*action).to_owned());
    ValidatingAdmissionPolicyBinding {
        metadata: metadata(name),
        spec: ValidatingAdmissionPolicyBindingSpec {
            policy_name: name.to_owned(),
            validation_actions: actions.collect(),
            ..ValidatingAdmissionPolicyBindingSpec::default()
        },
    }
}

/// Namespaces by name: `In` these, or `NotIn` these.
pub(crate) fn namespaces(operator: &str, names: impl Iterator<Item = String>) -> LabelSelector {
    LabelSelector {
        match_expressions: Some(vec![LabelSelectorRequirement {
            key: netpol::label::NAMESPACE_NAME.to_owned(),
            operator: operator.to_owned(),
            values: Some(names.collect()),
        }]),
        match_labels: None,
    }
}

/// Creations and updates of namespaced resources of a group, in version v1.
pub(crate) fn writes(group: &str, resources: &[&str]) -> NamedRuleWithOperations {
    let resources = resources.iter().copied().map(str::to_owned);
    NamedRuleWithOperations {
        api_groups: Some(vec![group.to_owned()]),
        api_versions: Some(vec!["v1".to_owned()]),
        operations: Some(vec!["CREATE".to_owned(), "UPDATE".to_owned()]),
        resources: Some(resources.collect()),
        scope: Some("Namespaced".to_owned()),
        ..NamedRuleWithOperations::default()
    }
}

/// A list of texts, one on each line.
pub(crate) fn list(texts: &[impl AsRef<str>]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| quoted(text.as_ref())).collect();
    format!("[\n  {}\n]", texts.join(",\n  "))
}

/// A text literal.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::from("'");
    for letter in text.chars() {
        match letter {
            '\'' | '\\' => quoted.extend(['\\', letter]),
            letter if letter.is_control() => {
                let _never = write!(quoted, "\\u{:04x}", u32::from(letter));
            }
            letter => quoted.push(letter),
        }
    }
    quoted + "'"
}
