//! Names in the files about certificates, compared with code and other manifests.

use std::collections::BTreeSet;
use std::fs;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule, Role};
use openbao_perimeter::server::tls::self_managed::REGISTRATION;
use openbao_perimeter::settings::{self, SERVICE_NAMES};
use serde_json::Value;

use super::object;

fn names(rules: Vec<PolicyRule>) -> BTreeSet<String> {
    let names = rules.into_iter().filter_map(|rule| rule.resource_names);
    names.flatten().collect()
}

#[test]
fn self_managed_has_rights_to_its_secret_and_its_registrations_only() {
    let secret = settings::default_secret("openbao-perimeter-system");
    let role: Role = object("overlays/self-managed/rbac.yaml");
    assert_eq!(role.metadata.namespace, Some(secret.namespace));
    let rules = role.rules.unwrap();
    let verbs = rules.iter().filter(|rule| rule.resource_names.is_none());
    let verbs: Vec<&str> = verbs
        .flat_map(|rule| &rule.verbs)
        .map(String::as_str)
        .collect();
    assert_eq!(verbs, ["create"], "without a name");
    assert_eq!(names(rules), [secret.name].into());

    let role: ClusterRole = object("overlays/self-managed/rbac.yaml");
    let rules = role.rules.unwrap();
    assert!(rules.iter().all(|rule| rule.resource_names.is_some()));
    assert_eq!(names(rules), [REGISTRATION.to_owned()].into());
}

fn documents_of_cert_manager() -> Vec<Value> {
    let text = fs::read_to_string("certs/cert-manager.yaml").unwrap();
    serde_saphyr::from_multiple(&text).unwrap()
}

/// With another key a renewed CA would not verify the leaf that the pods still serve. cert-manager's default
/// depends on its version.
#[test]
fn the_ca_of_cert_manager_keeps_its_key_and_the_leaf_does_not() {
    let documents = documents_of_cert_manager();
    let certificates = documents
        .iter()
        .filter(|document| document["kind"] == "Certificate");
    let policies: Vec<_> = certificates
        .map(|certificate| {
            let spec = &certificate["spec"];
            (spec["isCA"] == true, &spec["privateKey"]["rotationPolicy"])
        })
        .collect();
    let [never, always] = ["Never", "Always"].map(Value::from);
    assert_eq!(policies, [(true, &never), (false, &always)]);
}

#[test]
fn the_certificate_of_cert_manager_is_the_one_that_the_deployment_mounts() {
    let documents = documents_of_cert_manager();
    let mut leaf = documents
        .iter()
        .filter(|document| document["kind"] == "Certificate" && document["spec"]["isCA"] != true);
    let (Some(leaf), None) = (leaf.next(), leaf.next()) else {
        panic!("expected one leaf");
    };
    assert_eq!(leaf["spec"]["dnsNames"], serde_json::json!(SERVICE_NAMES));
    let deployment: Deployment = object("base/deployment.yaml");
    let pod = deployment.spec.unwrap().template.spec.unwrap();
    let mounted = pod
        .volumes
        .unwrap()
        .into_iter()
        .find_map(|volume| volume.secret);
    assert_eq!(
        leaf["spec"]["secretName"],
        mounted.unwrap().secret_name.unwrap()
    );
    assert_eq!(
        leaf["metadata"]["namespace"],
        deployment.metadata.namespace.unwrap()
    );
}
