//! A net under the webhook: a ValidatingAdmissionPolicy against the policies that open a cluster's perimeter most.
//!
//! It works where the webhook is not called. Where both are called, both must allow, so the net denies only what the
//! webhook denies too. The review itself says where that holds: a cluster is covered if the review denies the
//! narrowest policies of the kind. A wider policy has the same findings.

#![deny(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::disallowed_types
)]

mod expressions;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, MatchResources, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
    ValidatingAdmissionPolicySpec, Validation, Variable,
};
use serde_json::{Value, json};

use crate::baseline::infra_labels;
use crate::code::{Code, EnforcementPoint};
use crate::config::{EnforcementMode, Waiver};
use crate::inventory::{Kind, ObjectRef, read};
use crate::review::{CompiledSnapshot, Edit, Operation, Outcome, Request, Subject, Writer, review};
use crate::validating_policy::{binding, metadata, namespaces, writes};
use netpol::Direction;

/// Name of the policy and of its binding.
pub const NAME: &str = "openbao-perimeter-net";

/// Names of clusters by namespace.
pub(crate) type Clusters = BTreeMap<Arc<str>, BTreeSet<Arc<str>>>;

/// The clusters that the net covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Net {
    /// Clusters whose Raft port must not be open to everyone.
    pub(crate) ingress: Clusters,
    /// Clusters whose egress must not be open to everyone.
    pub(crate) egress: Clusters,
    /// Clusters that are not covered in both directions.
    pub left_out: Vec<ObjectRef>,
    operator_accounts: BTreeSet<String>,
    raft: u16,
    tunnels: Vec<u16>,
}

impl Net {
    /// The net for the clusters and settings of these facts.
    pub fn of(compiled: &CompiledSnapshot) -> Self {
        let config = &compiled.config;
        let mut net = Self {
            ingress: Clusters::new(),
            egress: Clusters::new(),
            left_out: Vec::new(),
            operator_accounts: config.operator_accounts.clone(),
            raft: config.cluster_port,
            tunnels: config.tunnel_ports.clone(),
        };
        for cluster in compiled.snapshot.references(Kind::OpenBaoCluster) {
            let covers = |direction| is_denied(compiled, &cluster, direction);
            let (ingress, egress) = (covers(Direction::Ingress), covers(Direction::Egress));
            for (is_covered, list) in [(ingress, &mut net.ingress), (egress, &mut net.egress)] {
                if is_covered {
                    let names = list.entry(cluster.namespace.clone()).or_default();
                    names.insert(cluster.name.clone());
                }
            }
            if !(ingress && egress) {
                net.left_out.push(cluster);
            }
        }
        net
    }

    /// Returns true if no cluster is covered.
    pub fn is_empty(&self) -> bool {
        self.ingress.is_empty() && self.egress.is_empty()
    }

    /// The policy.
    pub fn policy(&self) -> ValidatingAdmissionPolicy {
        let conditions = expressions::conditions(&self.operator_accounts);
        let conditions = conditions.map(|(name, expression)| MatchCondition {
            name: name.to_owned(),
            expression,
        });
        let variables = expressions::variables(self).map(|(name, expression)| Variable {
            name: name.to_owned(),
            expression,
        });
        let validation = |code: Code, expression: &str, problem: &str| Validation {
            expression: expression.to_owned(),
            message: Some(format!("{code} {}: {problem}", code.name())),
            reason: Some("Forbidden".to_owned()),
            ..Validation::default()
        };
        ValidatingAdmissionPolicy {
            metadata: metadata(NAME),
            spec: Some(ValidatingAdmissionPolicySpec {
                failure_policy: Some("Ignore".to_owned()),
                match_constraints: Some(self.matched()),
                match_conditions: Some(conditions.to_vec()),
                variables: Some(variables.to_vec()),
                validations: Some(vec![
                    validation(
                        Code::Obp201,
                        expressions::INGRESS,
                        &format!(
                            "spec.ingress opens port {} of OpenBao pods to everyone; name the peers, or exclude the \
                             OpenBao pods from spec.podSelector",
                            self.raft
                        ),
                    ),
                    validation(
                        Code::Obp202,
                        expressions::EGRESS,
                        "spec.egress lets OpenBao pods reach everyone on every port; name the peers, or exclude the \
                         OpenBao pods from spec.podSelector",
                    ),
                ]),
                ..ValidatingAdmissionPolicySpec::default()
            }),
            status: None,
        }
    }

    /// The binding.
    pub fn binding(&self) -> ValidatingAdmissionPolicyBinding {
        binding(NAME, &["Deny"])
    }

    fn matched(&self) -> MatchResources {
        let names = self.ingress.keys().chain(self.egress.keys());
        let names: BTreeSet<String> = names.map(ToString::to_string).collect();
        MatchResources {
            match_policy: Some("Equivalent".to_owned()),
            namespace_selector: Some(namespaces("In", names.into_iter())),
            resource_rules: Some(vec![writes("networking.k8s.io", &["networkpolicies"])]),
            ..MatchResources::default()
        }
    }
}

/// Returns true if the webhook denies the narrowest policies of the kind for the servers of a cluster, by whatever name.
fn is_denied(compiled: &CompiledSnapshot, cluster: &ObjectRef, direction: Direction) -> bool {
    let config = &compiled.config;
    let namespace = &cluster.namespace;
    let code = match direction {
        Direction::Ingress => Code::Obp201,
        Direction::Egress => Code::Obp202,
    };
    // A waiver may be for any one object.
    let is_waived = |waiver: &Waiver| {
        let is_here = waiver.namespace.as_ref().is_none_or(|own| own == namespace);
        is_here && waiver.codes.iter().any(|waived| waived.0 == code)
    };
    let excluded = config.excluded_namespaces.iter();
    if config.enforcement_in(namespace) != EnforcementMode::Deny
        || config.waivers.iter().any(|waiver| is_waived(waiver))
        || excluded.clone().any(|pattern| pattern.matches(namespace))
    {
        return false;
    }
    let selector: BTreeMap<&str, &str> = infra_labels(&cluster.name).into();
    let peers = [
        json!([]),
        json!([{"ipBlock": {"cidr": "0.0.0.0/0"}}]),
        json!([{"ipBlock": {"cidr": "::/0"}}]),
    ];
    peers.into_iter().all(|peers| {
        let spec = match direction {
            Direction::Ingress => json!({
                "podSelector": {"matchLabels": selector},
                "policyTypes": ["Ingress"],
                "ingress": [{"from": peers, "ports": [{"port": config.cluster_port, "protocol": "TCP"}]}],
            }),
            Direction::Egress => json!({
                "podSelector": {"matchLabels": selector},
                "policyTypes": ["Egress"],
                "egress": [{"to": peers}],
            }),
        };
        let request = creation(namespace, &spec);
        let verdict = review(compiled, &request);
        let denied = |finding: &crate::rules::Finding| {
            finding.code == code && finding.level == crate::rules::Level::Deny
        };
        verdict.outcome() == Outcome::Deny && verdict.findings.iter().any(denied)
    })
}

/// The creation of a policy by a tenant.
fn creation(namespace: &Arc<str>, spec: &Value) -> Request {
    let object = ObjectRef {
        kind: Kind::NetworkPolicy,
        namespace: namespace.clone(),
        name: "openbao-perimeter-net".into(),
    };
    let written = json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": &*object.name, "namespace": &**namespace},
        "spec": spec,
    });
    let after = read::policy(written.to_string().as_bytes(), &object);
    Request {
        operation: Operation::Create,
        writer: Writer::default(),
        point: EnforcementPoint::Webhook,
        subject: Subject::Policy(Edit {
            object,
            before: None,
            after: Some(after),
            spec_changed: true,
        }),
    }
}

#[cfg(test)]
mod tests;
