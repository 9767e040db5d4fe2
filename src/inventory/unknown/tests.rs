//! Unknown fields, and a comparison of the known ones with the API types.

use std::collections::BTreeSet;

use k8s_openapi::api::networking::v1::NetworkPolicy;
use schemars::JsonSchema;
use serde_json::{Value, json};

use super::*;
use crate::inventory::crd::NetworkConfig;

/// Path and suggested field of each unknown field.
fn found(kind: Kind, written: &Value) -> Vec<(String, String)> {
    let found = fields(kind, written).into_iter();
    found.map(|field| (field.path, field.nearest)).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let pairs = pairs.iter();
    pairs
        .map(|(path, nearest)| ((*path).to_owned(), (*nearest).to_owned()))
        .collect()
}

#[test]
fn a_misspelt_field_of_a_policy_is_found_at_every_level() {
    let ingress = json!([{"form": [{"podSelector": {}}]}, {"to": []}, {
        "from": [
            {"podSelector": {"name": "x"}},
            {"podselector": {}},
            {"namespaceSelector": {"matchExpressions": [{"key": "a", "op": "In", "value": ["b"]}]}},
            {"ipBlock": {"cidr": "10.0.0.0/8", "excepts": []}},
        ],
        "ports": [{"port": 1, "protcol": "TCP", "endport": 2}],
    }]);
    let written = json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "x", "namespce": "bao", "labels": {"any": "label"}},
        "spec": {"podSelectors": {}, "policyTypes": ["Ingress"], "ingres": [], "ingress": ingress},
        "sepc": {},
    });
    let expected = pairs(&[
        ("metadata.namespce", "namespace"),
        ("sepc", "spec"),
        ("spec.ingres", "ingress"),
        ("spec.ingress[0].form", "from"),
        ("spec.ingress[1].to", "from"),
        ("spec.ingress[2].from[0].podSelector.name", "matchLabels"),
        ("spec.ingress[2].from[1].podselector", "podSelector"),
        (
            "spec.ingress[2].from[2].namespaceSelector.matchExpressions[0].op",
            "operator",
        ),
        (
            "spec.ingress[2].from[2].namespaceSelector.matchExpressions[0].value",
            "values",
        ),
        ("spec.ingress[2].from[3].ipBlock.excepts", "except"),
        ("spec.ingress[2].ports[0].endport", "endPort"),
        ("spec.ingress[2].ports[0].protcol", "protocol"),
        ("spec.podSelectors", "podSelector"),
    ]);
    assert_eq!(found(Kind::NetworkPolicy, &written), expected);
}

#[test]
fn the_right_level_is_suggested_for_a_field_at_the_wrong_one() {
    let rule = json!({"podSelector": {}, "from": [{"ports": []}, {"matchLabels": {}}]});
    let written = json!({"podSelector": {}, "name": "x", "spec": {"ingress": [rule]}});
    let expected = pairs(&[
        ("name", "metadata.name"),
        ("podSelector", "spec.podSelector"),
        ("spec.ingress[0].from[0].ports", "spec.ingress[0].ports"),
        (
            "spec.ingress[0].from[1].matchLabels",
            "podSelector.matchLabels",
        ),
        ("spec.ingress[0].podSelector", "from[].podSelector"),
    ]);
    assert_eq!(found(Kind::NetworkPolicy, &written), expected);
}

#[test]
fn of_a_cluster_only_what_is_about_the_network_is_known_completely() {
    let peers = json!([{"namespaceselector": {}}]);
    let written = json!({
        "metadata": {"name": "bao"},
        "spec": {
            "profile": "Development",
            "fieldOfANewerOperator": {"network": 1},
            "networkPolicies": [],
            "networks": {},
            "Network": {},
            "networking": {},
            "network": {"trustedIngressPeer": [], "trustedIngressPeers": peers},
        },
        "status": {"anything": 1},
    });
    let expected = pairs(&[
        ("spec.Network", "network"),
        ("spec.network.trustedIngressPeer", "trustedIngressPeers"),
        (
            "spec.network.trustedIngressPeers[0].namespaceselector",
            "namespaceSelector",
        ),
        ("spec.networking", "network"),
        ("spec.networks", "network"),
    ]);
    assert_eq!(found(Kind::OpenBaoCluster, &written), expected);
}

#[test]
fn what_has_another_shape_and_other_kinds_have_none() {
    for written in [
        json!(null),
        json!([1]),
        json!("text"),
        json!({"spec": [], "metadata": 1}),
    ] {
        assert_eq!(fields(Kind::NetworkPolicy, &written), [], "{written}");
    }
    assert_eq!(fields(Kind::Namespace, &json!({"spce": 1})), []);
    assert_eq!(
        fields(Kind::OpenBaoRestore, &json!({"spec": {"new": 1}})),
        []
    );
}

#[test]
fn what_is_listed_of_one_object_is_bounded() {
    let many: serde_json::Map<String, Value> =
        (0..1_000).map(|at| (format!("f{at}"), json!(at))).collect();
    let long = "x\n".repeat(10_000);
    let written = json!({"spec": {"ingress": [{&*long: long}]}, "metadata": many});
    let found = fields(Kind::NetworkPolicy, &written);
    assert_eq!(found.len(), LISTED);
    let written = json!({"spec": {"ingress": [{&*long: long}]}});
    let found = &fields(Kind::NetworkPolicy, &written)[0];
    assert!(found.path.len() < 100 && !found.path.contains('\n'));
    assert!(found.value.len() < 1_000);
}

/// Compares a shape with a schema at every level of the shape.
fn assert_complete(shape: Shape, root: &Value, schema: &Value, at: &str) {
    let referred = schema.get("$ref").and_then(Value::as_str);
    let referred = referred.and_then(|path| root.pointer(path.strip_prefix('#')?));
    let nested = schema.get("anyOf").or_else(|| schema.get("allOf"));
    let nested = nested.and_then(|all| all.as_array()?.first());
    if let Some(schema) = referred.or(nested) {
        return assert_complete(shape, root, schema, at);
    }
    match shape {
        Any => {}
        List(element) => {
            assert_complete(*element, root, &schema["items"], &format!("{at}[]"));
        }
        Fields(known) | Open(known) => {
            let properties = schema["properties"]
                .as_object()
                .unwrap_or_else(|| panic!("{at}: {schema}"));
            let names: BTreeSet<&str> = properties.keys().map(String::as_str).collect();
            let known_names = known.iter().map(|(name, _)| *name);
            let known_names: BTreeSet<&str> =
                known_names.filter(|name| *name != "status").collect();
            assert_eq!(known_names, names, "{at}");
            for (name, shape) in known.iter().filter(|(name, _)| *name != "status") {
                assert_complete(*shape, root, &properties[*name], &format!("{at}.{name}"));
            }
        }
    }
}

#[test]
fn the_known_fields_are_those_of_the_api() {
    fn schema<T: JsonSchema>() -> Value {
        schemars::schema_for!(T).to_value()
    }
    let policy = schema::<NetworkPolicy>();
    assert_complete(POLICY, &policy, &policy, "NetworkPolicy");
    let network = schema::<NetworkConfig>();
    assert_complete(NETWORK, &network, &network, "spec.network");
}
