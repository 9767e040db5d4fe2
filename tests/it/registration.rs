//! Which changes of our webhook configurations are noticed, and as what.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use k8s_openapi::api::admissionregistration::v1::WebhookClientConfig;
use openbao_perimeter::config::ReviewConfig;
use openbao_perimeter::registration::{Configuration, Entries, Expected, Trust, What};
use serde_json::{Value, json};

/// A certificate that nobody trusts, that everybody does, or none.
struct Served(Option<bool>);

impl Trust for Served {
    fn trusts(&self, _client: &WebhookClientConfig) -> Option<bool> {
        self.0
    }
}

fn expected(accounts: &[&str]) -> Expected {
    let written = ReviewConfig::default().operator_accounts;
    let accounts: BTreeSet<String> = accounts
        .iter()
        .map(|account| (*account).to_owned())
        .collect();
    let accounts = if accounts.is_empty() {
        written.clone()
    } else {
        accounts
    };
    Expected::new(written, accounts).unwrap()
}

/// The webhooks of a configuration as JSON, with what the API server adds to them.
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

/// The expression that lets unchanged writes past, with another list in place of the empty one.
fn unchanged_writes_of(list: &str) -> String {
    let webhooks = stored(Configuration::Validating);
    let expression = webhooks[1]["matchConditions"][1]["expression"].as_str();
    let expression = expression.unwrap();
    assert!(expression.contains("[]"), "{expression}");
    expression.replace("[]", list)
}

fn drift(
    expected: &Expected,
    configuration: Configuration,
    webhooks: Value,
    served: Option<bool>,
) -> Vec<(What, usize)> {
    let live: Entries = serde_json::from_value(webhooks).unwrap();
    let drift: BTreeMap<What, usize> = expected.drift(configuration, Some(&live), &Served(served));
    drift.into_iter().collect()
}

#[test]
fn what_the_api_server_stores_of_the_manifest_is_no_drift() {
    for configuration in Configuration::ALL {
        for served in [Some(true), None] {
            assert_eq!(
                drift(&expected(&[]), configuration, stored(configuration), served),
                []
            );
        }
        let missing = expected(&[]).drift(configuration, None, &Served(None));
        assert_eq!(missing, BTreeMap::from([(What::Missing, 1)]));
    }
}

#[test]
fn each_change_of_an_entry_is_noticed_as_what_it_is() {
    let namespaces = "/0/namespaceSelector/matchExpressions/0/values";
    let conditions = "/0/matchConditions";
    let changes: Vec<(&str, Value, What)> = vec![
        ("/0/failurePolicy", json!("Ignore"), What::FailurePolicy),
        ("/0/rules/0/operations", json!(["CREATE"]), What::Rules),
        ("/0/rules", json!([]), What::Rules),
        (
            namespaces,
            json!([
                "kube-system",
                "kube-node-lease",
                "openbao-perimeter-system",
                "shop"
            ]),
            What::Selectors,
        ),
        (
            "/0/objectSelector",
            json!({"matchLabels": {"a": "b"}}),
            What::Selectors,
        ),
        (conditions, json!([]), What::MatchConditions),
        (
            "/0/matchConditions/0/expression",
            json!("false"),
            What::MatchConditions,
        ),
        (
            "/0/matchConditions/0/name",
            json!("other"),
            What::MatchConditions,
        ),
        (
            "/0/clientConfig/service/path",
            json!("/elsewhere"),
            What::Path,
        ),
        ("/0/clientConfig/service", Value::Null, What::Path),
        ("/0/timeoutSeconds", json!(1), What::Timeout),
        ("/1/timeoutSeconds", json!(5), What::Timeout),
        (
            "/1/matchConditions/1/expression",
            json!(unchanged_writes_of("['a']")),
            What::MatchConditions,
        ),
        (
            "/1/matchConditions/1/expression",
            json!("true"),
            What::MatchConditions,
        ),
        ("/0/sideEffects", json!("None"), What::Terms),
        ("/0/matchPolicy", json!("Exact"), What::Terms),
        (
            "/0/name",
            json!("other.perimeter.openbao.org"),
            What::Entries,
        ),
    ];
    for (pointer, value, what) in changes {
        let mut webhooks = stored(Configuration::Validating);
        let place = webhooks.pointer_mut(pointer).unwrap();
        assert_ne!(*place, value, "{pointer}");
        *place = value;
        let found = drift(
            &expected(&[]),
            Configuration::Validating,
            webhooks,
            Some(true),
        );
        let whats: Vec<What> = found.into_iter().map(|(what, _)| what).collect();
        assert_eq!(whats, [what], "{pointer}");
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
            webhooks,
            Some(true)
        ),
        []
    );
}

#[test]
fn a_bundle_that_does_not_hold_the_ca_of_what_is_served_is_noticed_in_each_entry() {
    let webhooks = stored(Configuration::Validating);
    let found = drift(
        &expected(&[]),
        Configuration::Validating,
        webhooks,
        Some(false),
    );
    assert_eq!(found, [(What::Bundle, 2)]);
}

#[test]
fn the_operators_accounts_are_those_of_the_settings() {
    let other = ["system:serviceaccount:bao-system:operator"];
    let manifest = stored(Configuration::Validating);
    let found = drift(
        &expected(&other),
        Configuration::Validating,
        manifest.clone(),
        Some(true),
    );
    assert_eq!(found, [(What::OperatorAccounts, 2)]);
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
            moved.clone(),
            Some(true)
        ),
        []
    );
    let mut changing = expected(&[]);
    let found = drift(
        &changing,
        Configuration::Validating,
        moved.clone(),
        Some(true),
    );
    assert_eq!(found, [(What::OperatorAccounts, 2)]);
    // The settings change at run time.
    changing.expect_accounts(other.map(str::to_owned).into());
    let found = drift(&changing, Configuration::Validating, moved, Some(true));
    assert_eq!(found, []);
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
        widened,
        Some(true),
    );
    assert_eq!(found, [(What::MatchConditions, 2)]);
}
