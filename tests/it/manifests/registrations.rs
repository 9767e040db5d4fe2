//! The registrations: paths, ports, kinds, timeouts and users.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, RuleWithOperations, ValidatingWebhook,
    ValidatingWebhookConfiguration,
};
use k8s_openapi::api::core::v1::{Namespace, Service};
use openbao_perimeter::admission::{Admission, WebhookKind};
use openbao_perimeter::config::ReviewConfig;
use openbao_perimeter::review::{SYSTEM_WRITERS, Writer, WriterClass};
use openbao_perimeter::server::listener::Limits;
use openbao_perimeter::settings::ServerConfig;
use serde_json::{Value, json};

use super::{container_port, object};

/// Every entry. Mutating entries are read as validating ones, since they have all of their fields.
fn registrations() -> Vec<(WebhookKind, ValidatingWebhook)> {
    let validating: ValidatingWebhookConfiguration = object("registrations/webhook.yaml");
    let mutating: MutatingWebhookConfiguration = object("registrations/webhook.yaml");
    let mutating = serde_json::to_value(mutating.webhooks).unwrap();
    let mutating: Vec<ValidatingWebhook> = serde_json::from_value(mutating).unwrap();
    let validating = validating.webhooks.unwrap().into_iter();
    let validating = validating.map(|webhook| (WebhookKind::Validate, webhook));
    validating
        .chain(
            mutating
                .into_iter()
                .map(|webhook| (WebhookKind::Mutate, webhook)),
        )
        .collect()
}

fn fails_closed(name: &str) -> bool {
    name.starts_with("tenants.")
}

/// Returns true for the entry for cluster-scoped policies of all writers.
fn is_of_the_platform(name: &str) -> bool {
    name.starts_with("platform.")
}

fn timeout(registration: &ValidatingWebhook) -> Duration {
    let seconds = registration.timeout_seconds.unwrap();
    Duration::from_secs(seconds.try_into().unwrap())
}

fn default_listen() -> SocketAddr {
    ServerConfig::default().listen
}

#[test]
fn the_registrations_call_the_paths_and_the_port_that_are_served() {
    let service: Service = object("base/service.yaml");
    for (point, registration) in registrations() {
        let called = registration.client_config.service.unwrap();
        assert_eq!(Some(called.name), service.metadata.name);
        assert_eq!(Some(called.namespace), service.metadata.namespace);
        assert_eq!(called.path.as_deref(), Some(point.path()));
        let ports = service.spec.as_ref().unwrap().ports.as_ref().unwrap();
        let port = ports
            .iter()
            .find(|port| Some(port.port) == called.port)
            .unwrap();
        let target = container_port(port.target_port.as_ref());
        // The tests use the registrations' port without a Service.
        assert_eq!(
            (called.port, target),
            (Some(default_listen().port().into()), called.port)
        );
        assert!(
            registration.client_config.ca_bundle.is_none(),
            "the issuer of the certificate sets it"
        );
    }
}

#[test]
fn each_entry_follows_the_good_practices() {
    for (_, registration) in registrations() {
        let name = &registration.name;
        let expected = if fails_closed(name) { "Fail" } else { "Ignore" };
        assert_eq!(
            registration.failure_policy.as_deref(),
            Some(expected),
            "{name}"
        );
        assert_eq!(
            registration.match_policy.as_deref(),
            Some("Equivalent"),
            "{name}"
        );
        // Denials become Events, but not for dry runs.
        assert_eq!(registration.side_effects, "NoneOnDryRun", "{name}");
        assert_eq!(registration.admission_review_versions, ["v1"], "{name}");
        if is_of_the_platform(name) {
            // A namespace selector does not apply to cluster-scoped objects.
            assert!(registration.namespace_selector.is_none(), "{name}");
            continue;
        }
        let namespaces = registration
            .namespace_selector
            .unwrap()
            .match_expressions
            .unwrap();
        let left_out = namespaces[0].values.as_ref().unwrap();
        let own: Namespace = object("base/namespace.yaml");
        for namespace in [
            "kube-system",
            "kube-node-lease",
            &own.metadata.name.unwrap(),
        ] {
            assert!(
                left_out.iter().any(|left_out| left_out == namespace),
                "{name}: {namespace}"
            );
        }
        assert_eq!((namespaces.len(), left_out.len()), (1, 3), "{name}");
    }
}

#[test]
fn a_call_that_stalls_is_given_up_before_the_api_server_does() {
    let limits = Limits::default();
    for (_, registration) in registrations() {
        let (name, timeout) = (&registration.name, timeout(&registration));
        // The API server sends its timeout, and the answer is due before that. If it is shorter than the server's
        // limits, the entry fails open.
        if fails_closed(name) {
            assert!(limits.handshake < timeout, "{name}");
            assert!(limits.body <= timeout, "{name}");
        }
        assert!(timeout <= Duration::from_secs(10), "{name}");
    }
}

#[test]
fn a_server_that_hangs_delays_a_write_of_the_operator_by_a_second() {
    let mut waiting = registrations().into_iter().map(|(_, entry)| entry);
    let controllers = waiting.find(|entry| entry.name.starts_with("controllers."));
    assert_eq!(timeout(&controllers.unwrap()), Duration::from_secs(1));
}

/// Every kind that a registration could have, as (group, version, kind, resource).
const KINDS: [[&str; 4]; 5] = [
    [
        "networking.k8s.io",
        "v1",
        "NetworkPolicy",
        "networkpolicies",
    ],
    [
        "openbao.org",
        "v1alpha1",
        "OpenBaoCluster",
        "openbaoclusters",
    ],
    [
        "openbao.org",
        "v1alpha1",
        "OpenBaoRestore",
        "openbaorestores",
    ],
    // An unsupported version is sent to the webhook too, and is denied.
    [
        "openbao.org",
        "v1beta1",
        "OpenBaoCluster",
        "openbaoclusters",
    ],
    ["", "v1", "Namespace", "namespaces"],
];

/// Returns true if the code reviews such a write: without facts it denies it.
fn is_judged([group, version, kind, resource]: [&str; 4], operation: &str) -> bool {
    let object = json!({"apiVersion": format!("{group}/{version}"), "kind": kind,
        "metadata": {"name": "a", "namespace": "b"}, "spec": {}});
    // Without facts, an update of metadata only is allowed.
    let mut old = object.clone();
    old["spec"] = json!({"changed": true});
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "1", "name": "a", "namespace": "b", "operation": operation, "userInfo": {},
        "kind": {"group": group, "version": version, "kind": kind},
        "resource": {"group": group, "version": version, "resource": resource},
        "object": object, "oldObject": old,
    }});
    let answer = Admission::default().answer(WebhookKind::Validate, review.to_string().as_bytes());
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    answer["response"]["allowed"] == false
}

#[test]
fn reviewed_kinds_are_registered_and_no_others() {
    let entries = registrations().into_iter();
    let entries = entries.filter(|(_, entry)| !is_of_the_platform(&entry.name));
    for (point, registration) in entries {
        for kind in KINDS {
            for operation in ["CREATE", "UPDATE", "DELETE", "CONNECT"] {
                let expected = match point {
                    WebhookKind::Validate => is_judged(kind, operation),
                    // Only policies that the operator has written before can be repaired.
                    WebhookKind::Mutate => kind[2] == "NetworkPolicy" && operation == "UPDATE",
                };
                let mut rules = registration.rules.iter().flatten();
                let found = rules.any(|rule| covers(rule, kind, operation));
                let name = &registration.name;
                assert_eq!(found, expected, "{name}: {operation} {kind:?}");
            }
        }
    }
}

#[test]
fn no_rule_takes_more_than_it_names() {
    for (_, registration) in registrations() {
        let mut named = registration.rules.clone();
        for rule in named.iter_mut().flatten() {
            // A newer version of the CRD has to be sent to the webhook, so that it can be denied.
            if rule.api_groups.as_deref() == Some(&["openbao.org".to_owned()]) {
                assert_eq!(rule.api_versions.take(), Some(vec!["*".to_owned()]));
            }
        }
        let rules = serde_json::to_string(&named).unwrap();
        assert!(!rules.contains('*'), "{rules}");
        for rule in registration.rules.iter().flatten() {
            let scope = if is_of_the_platform(&registration.name) {
                "Cluster"
            } else {
                "Namespaced"
            };
            assert_eq!(rule.scope.as_deref(), Some(scope), "{rules}");
        }
    }
}

#[test]
fn the_entry_of_the_platform_has_each_ordered_kind_in_the_versions_that_are_read() {
    let mut entries = registrations().into_iter();
    let (_, entry) = entries
        .find(|(_, entry)| is_of_the_platform(&entry.name))
        .unwrap();
    for (kind, plural, versions) in [
        (
            "ClusterNetworkPolicy",
            "clusternetworkpolicies",
            &["v1beta1", "v1alpha2"][..],
        ),
        ("AdminNetworkPolicy", "adminnetworkpolicies", &["v1alpha1"]),
        (
            "BaselineAdminNetworkPolicy",
            "baselineadminnetworkpolicies",
            &["v1alpha1"],
        ),
    ] {
        for version in ["v1", "v1beta1", "v1alpha2", "v1alpha1"] {
            let kind = ["policy.networking.k8s.io", version, kind, plural];
            for operation in ["CREATE", "UPDATE", "DELETE", "CONNECT"] {
                let mut rules = entry.rules.iter().flatten();
                let is_covered = rules.any(|rule| covers(rule, kind, operation));
                let expected = versions.contains(&version) && operation != "CONNECT";
                assert_eq!(is_covered, expected, "{kind:?} {operation}");
            }
        }
    }
}

fn covers(rule: &RuleWithOperations, kind: [&str; 4], operation: &str) -> bool {
    let has = |list: &Option<Vec<String>>, item: &str| {
        list.iter()
            .flatten()
            .any(|found| found == item || found == "*")
    };
    has(&rule.api_groups, kind[0])
        && has(&rule.api_versions, kind[1])
        && has(&rule.resources, kind[3])
        && has(&rule.operations, operation)
}

/// The texts in single quotes in an expression.
fn quoted(expression: &str) -> BTreeSet<&str> {
    expression.split('\'').skip(1).step_by(2).collect()
}

#[test]
fn the_entries_name_the_writers_that_the_code_knows() {
    let config = ReviewConfig::default();
    let operator: BTreeSet<&str> = config
        .operator_accounts
        .iter()
        .map(String::as_str)
        .collect();
    let mut system: BTreeSet<&str> = SYSTEM_WRITERS.iter().copied().collect();
    system.insert("system:controller:");
    let entries = registrations().into_iter();
    let entries = entries.filter(|(_, entry)| !is_of_the_platform(&entry.name));
    for (_, registration) in entries {
        let conditions = registration.match_conditions.iter().flatten();
        let named: BTreeSet<&str> = conditions
            .filter(|condition| condition.expression.contains("username"))
            .flat_map(|condition| quoted(&condition.expression))
            .filter(|text| *text != "DELETE")
            .collect();
        assert_eq!(
            named,
            operator.union(&system).copied().collect(),
            "{}",
            registration.name
        );
        for name in named {
            let writer = Writer {
                name: name.to_owned(),
                ..Writer::default()
            };
            let expected = if operator.contains(name) {
                WriterClass::Operator
            } else {
                WriterClass::System
            };
            assert_eq!(WriterClass::of(&writer, &config), expected, "{name}");
        }
    }
}

/// On AKS the label `control-plane` of a namespace would exempt it, and a tenant may be able to set it.
#[test]
fn no_platform_adds_exemptions() {
    let annotations = [
        object::<ValidatingWebhookConfiguration>("registrations/webhook.yaml").metadata,
        object::<MutatingWebhookConfiguration>("registrations/webhook.yaml").metadata,
    ];
    for metadata in annotations {
        let annotations = metadata.annotations.unwrap();
        assert_eq!(annotations["admissions.enforcer/disabled"], "true");
    }
}
