//! Reported changes of the webhook configurations.

use std::collections::BTreeSet;
use std::fs;

use k8s_openapi::api::admissionregistration::v1::WebhookClientConfig;
use openbao_perimeter::config::{EnforcementMode, ReviewConfig};
use openbao_perimeter::registration::{Configuration, Expected, Trust, rendered};
use openbao_perimeter::settings::ServerConfig;
use serde_json::{Value, json};

/// A certificate that the bundle verifies or not, or no certificate.
struct Served(Option<bool>);

impl Trust for Served {
    fn trusts(&self, _client: &WebhookClientConfig) -> Option<bool> {
        self.0
    }
}

fn config(accounts: &[&str]) -> ReviewConfig {
    let mut config = ReviewConfig::default();
    if !accounts.is_empty() {
        config.operator_accounts = accounts.iter().map(|name| (*name).to_owned()).collect();
    }
    config
}

fn expected(accounts: &[&str]) -> Expected {
    Expected::new(&config(accounts)).unwrap()
}

/// The webhooks of a configuration as JSON, with the defaults of the API server.
fn stored(configuration: Configuration) -> Value {
    let text = fs::read_to_string("manifests/registrations/webhook.yaml").unwrap();
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    let mut documents = documents.into_iter();
    let mut webhooks = documents
        .find(|document| document["kind"] == configuration.kind())
        .unwrap()["webhooks"]
        .take();
    for webhook in webhooks.as_array_mut().unwrap() {
        webhook["objectSelector"] = json!({});
        webhook["clientConfig"]["caBundle"] = json!("Y2E=");
    }
    webhooks
}

/// The match condition for unchanged writes, with another list in place of the empty one.
fn unchanged_writes_of(list: &str) -> String {
    let webhooks = stored(Configuration::Validating);
    let expression = webhooks[1]["matchConditions"][1]["expression"].as_str();
    let expression = expression.unwrap();
    assert!(expression.contains("[]"), "{expression}");
    expression.replace("[]", list)
}

/// The fields that differ.
fn drift(
    expected: &Expected,
    configuration: Configuration,
    webhooks: &Value,
    served: Option<bool>,
) -> Vec<String> {
    let drift = expected.drift(configuration, webhooks, &Served(served));
    drift.into_iter().map(|found| found.field).collect()
}

#[test]
fn what_the_api_server_stores_of_the_manifest_is_no_drift() {
    for configuration in Configuration::WEBHOOKS {
        for served in [Some(true), None] {
            assert_eq!(
                drift(
                    &expected(&[]),
                    configuration,
                    &stored(configuration),
                    served
                ),
                [""; 0]
            );
        }
    }
}

#[test]
fn each_change_of_an_entry_is_noticed_as_what_it_is() {
    let namespaces = "/0/namespaceSelector/matchExpressions/0/values";
    let conditions = "/0/matchConditions";
    let changes: Vec<(&str, Value, &str)> = vec![
        ("/0/failurePolicy", json!("Ignore"), "failurePolicy"),
        ("/0/rules/0/operations", json!(["CREATE"]), "rules"),
        ("/0/rules", json!([]), "rules"),
        (
            namespaces,
            json!([
                "kube-system",
                "kube-node-lease",
                "openbao-perimeter-system",
                "shop"
            ]),
            "namespaceSelector",
        ),
        (
            "/0/objectSelector",
            json!({"matchLabels": {"a": "b"}}),
            "objectSelector",
        ),
        (conditions, json!([]), "matchConditions"),
        (
            "/0/matchConditions/0/expression",
            json!("false"),
            "matchConditions",
        ),
        (
            "/0/matchConditions/0/name",
            json!("other"),
            "matchConditions",
        ),
        (
            "/0/clientConfig/service/path",
            json!("/elsewhere"),
            "clientConfig",
        ),
        ("/0/clientConfig/service", Value::Null, "clientConfig"),
        ("/0/timeoutSeconds", json!(1), "timeoutSeconds"),
        ("/1/timeoutSeconds", json!(5), "timeoutSeconds"),
        (
            "/1/matchConditions/1/expression",
            json!(unchanged_writes_of("['a']")),
            "matchConditions",
        ),
        (
            "/1/matchConditions/1/expression",
            json!("true"),
            "matchConditions",
        ),
        ("/0/sideEffects", json!("None"), "sideEffects"),
        ("/0/matchPolicy", json!("Exact"), "matchPolicy"),
        ("/0/name", json!("other.perimeter.openbao.org"), "entries"),
    ];
    for (pointer, value, field) in changes {
        let mut webhooks = stored(Configuration::Validating);
        let place = webhooks.pointer_mut(pointer).unwrap();
        assert_ne!(*place, value, "{pointer}");
        *place = value;
        let found = drift(
            &expected(&[]),
            Configuration::Validating,
            &webhooks,
            Some(true),
        );
        let found: BTreeSet<&str> = found.iter().map(String::as_str).collect();
        assert_eq!(found, BTreeSet::from([field]), "{pointer}");
    }
}

#[test]
fn the_order_of_lists_and_an_address_in_place_of_the_service_are_no_drift() {
    let mut webhooks = stored(Configuration::Validating);
    for pointer in [
        "/0/rules",
        "/0/rules/0/operations",
        "/0/namespaceSelector/matchExpressions/0/values",
    ] {
        webhooks
            .pointer_mut(pointer)
            .unwrap()
            .as_array_mut()
            .unwrap()
            .reverse();
    }
    webhooks[1]["clientConfig"] =
        json!({"url": "https://perimeter.example:9443/validate", "caBundle": "Y2E="});
    assert_eq!(
        drift(
            &expected(&[]),
            Configuration::Validating,
            &webhooks,
            Some(true)
        ),
        [""; 0]
    );
}

#[test]
fn a_bundle_that_does_not_hold_the_ca_of_what_is_served_is_noticed_in_each_entry() {
    let webhooks = stored(Configuration::Validating);
    let found = drift(
        &expected(&[]),
        Configuration::Validating,
        &webhooks,
        Some(false),
    );
    assert_eq!(found, ["caBundle", "caBundle", "caBundle"]);
}

#[test]
fn the_operators_accounts_are_those_of_the_settings() {
    let other = ["system:serviceaccount:bao-system:operator"];
    let manifest = stored(Configuration::Validating);
    let found = drift(
        &expected(&other),
        Configuration::Validating,
        &manifest,
        Some(true),
    );
    assert_eq!(found, ["matchConditions", "matchConditions"]);
    let list = "['system:serviceaccount:openbao-operator-system:openbao-operator-controller', \
                'system:serviceaccount:openbao-operator-system:openbao-operator-provisioner']";
    let text = manifest.to_string();
    assert!(text.contains(list));
    let moved = text.replace(list, &format!("[\\\"{}\\\"]", other[0]));
    let moved: Value = serde_json::from_str(&moved).unwrap();
    assert_eq!(
        drift(
            &expected(&other),
            Configuration::Validating,
            &moved,
            Some(true)
        ),
        [""; 0]
    );
    let found = drift(
        &expected(&[]),
        Configuration::Validating,
        &moved,
        Some(true),
    );
    assert_eq!(found, ["matchConditions", "matchConditions"]);
}

#[test]
fn while_no_denial_is_enforced_the_tenants_entry_is_to_fail_open() {
    let manifest = stored(Configuration::Validating);
    let mut open = manifest.clone();
    open[0]["failurePolicy"] = json!("Ignore");
    for enforcement in EnforcementMode::ALL {
        let enforced = enforcement == EnforcementMode::Deny;
        let expected = Expected::new(&ReviewConfig {
            enforcement,
            ..ReviewConfig::default()
        });
        let expected = expected.unwrap();
        for (webhooks, is_open) in [(&manifest, false), (&open, true)] {
            let found = drift(&expected, Configuration::Validating, webhooks, Some(true));
            let fields = ["failurePolicy".to_owned()];
            let fields = if enforced == is_open {
                &fields[..]
            } else {
                &[]
            };
            assert_eq!(found, fields, "{enforcement:?}");
        }
    }
}

#[test]
fn the_rendered_configurations_are_those_of_the_manifest_by_default() {
    let text = fs::read_to_string("manifests/registrations/webhook.yaml").unwrap();
    let manifest: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    assert_eq!(rendered(&config(&[])).unwrap(), manifest);
    let odd = rendered(&config(&["it's\\"])).unwrap();
    let condition = &odd[0]["webhooks"][0]["matchConditions"][0]["expression"];
    assert_eq!(condition, r"!(request.userInfo.username in ['it\'s\\'])");
}

#[test]
fn a_name_that_is_let_past_by_the_systems_list_is_noticed() {
    let text = stored(Configuration::Validating).to_string();
    let system = "'system:serviceaccount:kube-system:namespace-controller'";
    let widened = text.replace(system, &format!("{system}, 'mallory'"));
    assert_ne!(text, widened);
    let widened: Value = serde_json::from_str(&widened).unwrap();
    let found = drift(
        &expected(&[]),
        Configuration::Validating,
        &widened,
        Some(true),
    );
    assert_eq!(found, ["matchConditions", "matchConditions"]);
}

#[test]
fn a_difference_names_the_path_and_both_values() {
    let mut webhooks = stored(Configuration::Validating);
    webhooks[0]["failurePolicy"] = json!("Ignore");
    let condition = &mut webhooks[1]["matchConditions"][1]["expression"];
    *condition = json!(unchanged_writes_of("['a']"));
    let drift = expected(&[]).drift(Configuration::Validating, &webhooks, &Served(None));
    let differences: Vec<String> = drift.iter().map(ToString::to_string).collect();
    let controllers =
        "webhooks[controllers.perimeter.openbao.org].matchConditions[changes-something].expression";
    assert_eq!(
        differences,
        [
            "webhooks[tenants.perimeter.openbao.org].failurePolicy: expected `Fail`, found `Ignore`".to_owned(),
            format!(
                "{controllers}: expected `…ences.orValue([])!=oldObject.metadata.?ownerReferences.orVal…`, \
                 found `…ences.orValue(['a'])!=oldObject.metadata.?ownerReferences.or…`"
            ),
        ]
    );
}

#[test]
fn names_of_a_list_may_stand_in_any_order_and_in_double_quotes() {
    let text = stored(Configuration::Validating).to_string();
    let list = "['system:kube-controller-manager', 'system:serviceaccount:kube-system:generic-garbage-collector', \
                'system:serviceaccount:kube-system:namespace-controller']";
    assert!(text.contains(list));
    let other = "[ \\\"system:serviceaccount:kube-system:namespace-controller\\\",'system:kube-controller-manager' , \
                 'system:serviceaccount:kube-system:generic-garbage-collector']";
    let moved: Value = serde_json::from_str(&text.replace(list, other)).unwrap();
    let found = drift(&expected(&[]), Configuration::Validating, &moved, None);
    assert_eq!(found, [""; 0]);
    let joined = text.replace(
        list,
        &list.replace("', 'system:serviceaccount:kube-system:n", ",n"),
    );
    let joined: Value = serde_json::from_str(&joined).unwrap();
    let found = drift(&expected(&[]), Configuration::Validating, &joined, None);
    assert_eq!(found, ["matchConditions", "matchConditions"]);
}

#[test]
fn namespaces_that_are_left_out_are_a_condition_about_network_policies_alone() {
    let excluded = |patterns: &str| {
        let text = format!("review: {{excludedNamespaces: {patterns}}}");
        let settings: ServerConfig = serde_saphyr::from_str(&text).unwrap();
        settings.review_config()
    };
    let config = excluded("['openshift-*', tigera-operator, 'cattle-*']").unwrap();
    let documents = rendered(&config).unwrap();
    let expected = "request.resource.resource != 'networkpolicies' || (!(request.namespace in ['tigera-operator']) \
                    && !['cattle-', 'openshift-'].exists(prefix, request.namespace.startsWith(prefix)))";
    let entries = documents
        .iter()
        .flat_map(|document| document["webhooks"].as_array().unwrap());
    for entry in entries {
        let conditions = entry["matchConditions"].as_array().into_iter().flatten();
        let mut found = conditions.filter(|condition| condition["name"] == "not-excluded");
        // Cluster-scoped policies have no namespace.
        let has_one = entry["name"] != "platform.perimeter.openbao.org";
        assert_eq!(
            found.next().map(|found| &found["expression"]),
            has_one.then_some(&json!(expected))
        );
    }
    let expected = Expected::new(&config).unwrap();
    let found = drift(
        &expected,
        Configuration::Validating,
        &documents[0]["webhooks"],
        None,
    );
    assert_eq!(found, [""; 0]);
    let manifest = stored(Configuration::Validating);
    let found = drift(&expected, Configuration::Validating, &manifest, None);
    assert_eq!(found, ["matchConditions", "matchConditions"]);
    for patterns in ["['openbao-*']", "[openbao-operator-system]"] {
        let problem = excluded(patterns).unwrap_err().to_string();
        assert!(problem.contains("`review.excludedNamespaces`"), "{problem}");
        assert!(
            problem.contains("do not match `operatorNamespace`"),
            "{problem}"
        );
    }
}
