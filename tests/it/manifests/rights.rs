//! Permissions of the service account in each installation.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use k8s_openapi::api::rbac::v1::PolicyRule;
use openbao_perimeter::inventory::Kind;
use serde_json::{Value, json};

use super::chart::{field, index, template};
use super::overlays::{INSTALLS, of_kind, rendered};

/// Permissions: resource with its group, verb, and resource names.
fn grants(objects: &[Value]) -> BTreeMap<(String, String), BTreeSet<String>> {
    let mut grants: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for role in of_kind(objects, "Role").chain(of_kind(objects, "ClusterRole")) {
        let rules: Vec<PolicyRule> = serde_json::from_value(role["rules"].clone()).unwrap();
        for rule in rules {
            assert!(rule.non_resource_urls.is_none());
            for group in rule.api_groups.iter().flatten() {
                for resource in rule.resources.iter().flatten() {
                    for verb in &rule.verbs {
                        let resource = format!("{resource}.{group}");
                        let names = rule.resource_names.iter().flatten().cloned();
                        let granted = grants.entry((resource, verb.clone())).or_default();
                        granted.extend(names);
                    }
                }
            }
        }
    }
    grants
}

#[test]
fn beyond_reading_the_account_may_do_what_is_listed_here() {
    let asks = [
        ("subjectaccessreviews.authorization.k8s.io", "create", ""),
        ("events.events.k8s.io", "create", ""),
        ("events.events.k8s.io", "patch", ""),
    ];
    let self_managed = [
        ("secrets.", "create", ""),
        ("secrets.", "update", "openbao-perimeter-self-managed"),
        (
            "validatingwebhookconfigurations.admissionregistration.k8s.io",
            "patch",
            "openbao-perimeter",
        ),
        (
            "mutatingwebhookconfigurations.admissionregistration.k8s.io",
            "patch",
            "openbao-perimeter",
        ),
    ];
    for install in INSTALLS {
        let mut expected = asks.to_vec();
        if install == INSTALLS[2] {
            expected.extend(self_managed);
        }
        let grants = grants(&rendered(install));
        let writes = grants
            .iter()
            .filter(|((_, verb), _)| !["get", "list", "watch"].contains(&verb.as_str()));
        let found: BTreeSet<(&str, &str, String)> = writes
            .map(|((resource, verb), names)| {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                (resource.as_str(), verb.as_str(), names.join(","))
            })
            .collect();
        let expected = expected
            .into_iter()
            .map(|(resource, verb, names)| (resource, verb, names.to_owned()));
        assert_eq!(found, expected.collect(), "{install}");
    }
}

/// Read one by one, for the ports behind Services.
const PORTS: [(&str, &str); 2] = [
    ("services.", "get"),
    ("endpointslices.discovery.k8s.io", "list"),
];

/// Read in the operator's namespace, for its release.
const DEPLOYMENTS: &str = "deployments.apps";

#[test]
fn deployments_are_read_in_the_operators_namespace_only() {
    for install in INSTALLS {
        let objects = rendered(install);
        let roles = of_kind(&objects, "Role").chain(of_kind(&objects, "ClusterRole"));
        let roles = roles.filter(|role| role["rules"].to_string().contains("deployments"));
        let places: Vec<Value> = roles
            .map(|role| json!([role["kind"], role["metadata"]["namespace"]]))
            .collect();
        assert_eq!(places, [json!(["Role", "openbao-operator-system"])]);
        let bindings = of_kind(&objects, "RoleBinding");
        let mut places = bindings.map(|binding| &binding["metadata"]["namespace"]);
        assert!(places.any(|place| place == "openbao-operator-system"));
    }
}

#[test]
fn what_the_account_reads_of_all_namespaces_is_what_is_watched() {
    let watched: BTreeSet<String> = Kind::WATCHED
        .into_iter()
        .flat_map(|kind| {
            let name = kind.as_str().to_lowercase();
            let plural = match name.strip_suffix("policy") {
                Some(stem) => format!("{stem}policies"),
                None if kind == Kind::GatewayClass => format!("{name}es"),
                None => format!("{name}s"),
            };
            let groups = kind.groups();
            groups.map(move |group| format!("{plural}.{group}"))
        })
        .collect();
    for install in INSTALLS {
        let grants = grants(&rendered(install));
        for verb in ["get", "list", "watch"] {
            let mut readable = BTreeSet::new();
            for ((resource, granted), names) in &grants {
                if granted != verb {
                    continue;
                }
                // By name: one Service, our registrations, our Secret.
                let by_name = !names.is_empty();
                let is_port = PORTS.contains(&(resource.as_str(), granted.as_str()));
                let is_known =
                    by_name || watched.contains(resource) || resource == DEPLOYMENTS || is_port;
                assert!(is_known, "{verb} {resource}");
                readable.insert(resource.clone());
            }
            assert!(readable.is_superset(&watched), "{install}: {verb}");
        }
    }
}

#[test]
#[cfg_attr(not(has_helm), ignore = "helm is not there: make builders")]
fn what_needs_further_rights_brings_its_setting_and_the_rights_of_the_component() {
    for (value, component, key, setting) in [
        (
            "reports=openreports",
            "reports",
            "cluster",
            json!({"reports": "openreports"}),
        ),
        (
            "identityGuard.audit=true",
            "identity-audit",
            "identity",
            json!({"audit": "on"}),
        ),
    ] {
        let objects = template(&[value]);
        let settings = field(&objects, "ConfigMap", "/data/settings.yaml");
        let settings: Value = serde_saphyr::from_str(settings.as_str().unwrap()).unwrap();
        assert_eq!(settings[key], setting);
        let rights = format!("manifests/components/{component}/rbac.yaml");
        let rights = fs::read_to_string(rights).unwrap();
        let rights = index(serde_saphyr::from_multiple(&rights).unwrap());
        assert_eq!(rights.len(), 2);
        let ours = index(objects);
        for (name, object) in rights {
            assert_eq!(ours[&name], object, "{name}");
        }
        let without = index(template(&[]));
        assert_eq!(ours.len(), without.len() + 2);
    }
}
