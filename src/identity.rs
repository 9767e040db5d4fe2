//! The identity guard: a ValidatingAdmissionPolicy about the pod labels by which NetworkPolicies recognise OpenBao.
//!
//! Whoever writes a pod template chooses the labels of its pods. So only the operator may write these labels into a
//! template, and only the controllers that copy its templates may give them to pods. The policy runs inside the API
//! server, needs no object but the written one, and does not depend on our server.

#![deny(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::disallowed_types
)]

mod expressions;

use std::collections::BTreeSet;

use k8s_openapi::api::admissionregistration::v1::{
    AuditAnnotation, MatchCondition, MatchResources, ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding, ValidatingAdmissionPolicySpec, Validation, Variable,
};

use crate::code::{Code, Level};
use crate::config::{EnforcementMode, ReviewConfig};
use crate::validating_policy::{binding, metadata, namespaces, writes};

/// Name of the policy and of its binding.
pub const NAME: &str = "openbao-perimeter-identity";

/// Key of the audit annotation with the message.
const AUDIT_KEY: &str = "identity";

/// Namespaces that no guard of ours looks at, beside our own.
const EXCLUDED_NAMESPACES: [&str; 2] = ["kube-system", "kube-node-lease"];

/// Groups and resources with labels of pods, or of a pod template. `pods/status` and `pods/binding` change labels too.
const RESOURCES: [(&str, &[&str]); 3] = [
    (
        "",
        &[
            "pods",
            "pods/status",
            "pods/binding",
            "bindings",
            "replicationcontrollers",
            "podtemplates",
        ],
    ),
    (
        "apps",
        &[
            "deployments",
            "replicasets",
            "statefulsets",
            "daemonsets",
            "controllerrevisions",
        ],
    ),
    ("batch", &["jobs", "cronjobs"]),
];

/// The settings that the policy and its binding depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityGuard {
    /// Effect of a violation.
    pub level: Level,
    /// Usernames of the operator.
    pub operator_accounts: BTreeSet<String>,
    /// Other usernames that may write the labels.
    pub accounts: BTreeSet<String>,
    /// Namespace of openbao-perimeter.
    pub own_namespace: String,
    /// Ports of the OpenBao API and of Raft, for the message.
    pub ports: [u16; 2],
}

impl IdentityGuard {
    /// The guard of these settings. `review.enforcement` caps the level.
    pub fn of(config: &ReviewConfig) -> Self {
        let cap = match config.enforcement {
            EnforcementMode::Deny => Level::Deny,
            EnforcementMode::Warn => Level::Warn,
            EnforcementMode::Audit => Level::Audit,
        };
        Self {
            // Levels are ordered, the strictest first.
            level: config.identity_level.max(cap),
            operator_accounts: config.operator_accounts.clone(),
            accounts: config.identity_accounts.clone(),
            own_namespace: config.own_namespace.to_string(),
            ports: [config.api_port, config.cluster_port],
        }
    }

    /// The policy.
    pub fn policy(&self) -> ValidatingAdmissionPolicy {
        let variables = expressions::variables(self.ports).into_iter();
        let variables = variables.map(|(name, expression)| Variable {
            name: name.to_owned(),
            expression,
        });
        ValidatingAdmissionPolicy {
            metadata: metadata(NAME),
            spec: Some(ValidatingAdmissionPolicySpec {
                failure_policy: Some("Fail".to_owned()),
                match_constraints: Some(self.matched()),
                match_conditions: Some(vec![MatchCondition {
                    name: "not-trusted".to_owned(),
                    expression: expressions::not_by(
                        self.operator_accounts.iter().chain(&self.accounts),
                    ),
                }]),
                variables: Some(variables.collect()),
                validations: Some(vec![
                    validation(Code::Obp501, expressions::ASSUMES_NOTHING),
                    validation(Code::Obp502, expressions::LOSES_NOTHING),
                ]),
                audit_annotations: Some(vec![AuditAnnotation {
                    key: AUDIT_KEY.to_owned(),
                    value_expression: expressions::AUDITED.to_owned(),
                }]),
                ..ValidatingAdmissionPolicySpec::default()
            }),
            status: None,
        }
    }

    /// The binding; `None` if the level is `off`.
    pub fn binding(&self) -> Option<ValidatingAdmissionPolicyBinding> {
        let actions: &[&str] = match self.level {
            Level::Deny => &["Deny"],
            Level::Warn => &["Warn", "Audit"],
            Level::Audit => &["Audit"],
            Level::Off => return None,
        };
        Some(binding(NAME, actions))
    }

    fn matched(&self) -> MatchResources {
        let excluded = EXCLUDED_NAMESPACES.map(str::to_owned).into_iter();
        let excluded = excluded.chain([self.own_namespace.clone()]);
        let rules = RESOURCES.map(|(group, resources)| writes(group, resources));
        MatchResources {
            match_policy: Some("Equivalent".to_owned()),
            namespace_selector: Some(namespaces("NotIn", excluded)),
            resource_rules: Some(rules.to_vec()),
            ..MatchResources::default()
        }
    }
}

fn validation(code: Code, expression: &str) -> Validation {
    Validation {
        expression: expression.to_owned(),
        // Used if the expression of the message fails.
        message: Some(format!("{code} {}", code.name())),
        message_expression: Some(expressions::MESSAGE.to_owned()),
        reason: Some("Forbidden".to_owned()),
    }
}

#[cfg(test)]
mod tests;
