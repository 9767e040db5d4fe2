//! `GatewayIntegrationReady`.

use serde_json::{Value, json};

use super::{cluster, config_of, pair, snapshot};
use crate::advice::checkpoint::checkpoints;
use crate::config::Baseline;
use crate::inventory::Status::{False, True, Unknown};
use crate::inventory::{Change, Completeness, Kind, Snapshot, Status};

fn condition(kind: &str, status: &str) -> Value {
    json!({"type": kind, "status": status, "reason": "X"})
}

fn gateway(listeners: &Value, programmed: &Value) -> Value {
    json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
        "metadata": {"name": "shared", "namespace": "edge"},
        "spec": {"gatewayClassName": "traefik", "listeners": listeners},
        "status": {"conditions": programmed}})
}

fn class(conditions: &Value, features: &Value) -> Value {
    json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass",
        "metadata": {"name": "traefik"}, "spec": {"controllerName": "x/y"},
        "status": {"conditions": conditions, "supportedFeatures": features}})
}

fn https() -> Value {
    json!([{"name": "https", "protocol": "HTTPS", "port": 443}])
}

fn programmed() -> Value {
    json!([condition("Programmed", "True")])
}

fn accepted() -> Value {
    json!([
        condition("Accepted", "True"),
        condition("SupportedVersion", "True")
    ])
}

fn features() -> Value {
    json!([{"name": "HTTPRoute"}, {"name": "BackendTLSPolicy"}, {"name": "Mesh"}])
}

fn used(extra: &Value) -> Value {
    let mut used = json!({"enabled": true, "hostname": "bao.example.org",
        "gatewayRef": {"name": " shared ", "namespace": "edge"}});
    let extra = extra.as_object().expect("a map").clone();
    used.as_object_mut().expect("a map").extend(extra);
    used
}

fn checked_in(at: Baseline, used: &Value, facts: &Snapshot) -> (Status, &'static str) {
    let spec = json!({"profile": "Development", "tls": {"enabled": true}, "gateway": used});
    let found = checkpoints(&cluster(&spec), facts, &config_of(at));
    pair(&found[1], at)
}

fn checked(used: &Value, objects: &[Value]) -> (Status, &'static str) {
    checked_in(Baseline::V01, used, &snapshot(objects))
}

/// The usual Gateway with another class.
fn with_class(class: Value) -> (Status, &'static str) {
    checked(
        &used(&json!({})),
        &[gateway(&https(), &programmed()), class],
    )
}

/// The usual class with another Gateway.
fn with_gateway(used: &Value, gateway: Value) -> (Status, &'static str) {
    checked(used, &[gateway, class(&accepted(), &features())])
}

#[test]
fn gateway_integration_ready() {
    let found = with_class(class(&accepted(), &features()));
    assert_eq!(found, (True, "GatewayIntegrationReady"));
    // Older versions of the API have names only.
    let found = with_class(class(
        &accepted(),
        &json!(["HTTPRoute", "BackendTLSPolicy"]),
    ));
    assert_eq!(found, (True, "GatewayIntegrationReady"));
}

#[test]
fn gateway_route_pending_and_its_like_are_unknown_here() {
    let objects = [
        gateway(&https(), &programmed()),
        class(&accepted(), &features()),
    ];
    let found = checked_in(Baseline::V04, &used(&json!({})), &snapshot(&objects));
    assert_eq!(found, (Unknown, "Unknown"));
}

#[test]
fn gateway_api_missing() {
    let unserved = [Change::Completeness(Kind::Gateway, Completeness::Unserved)];
    let facts = Snapshot::default().apply(unserved);
    let found = checked_in(Baseline::V01, &used(&json!({})), &facts);
    assert_eq!(found, (False, "GatewayAPIMissing"));
}

#[test]
fn gateway_reference_missing() {
    let expected = (False, "GatewayReferenceMissing");
    assert_eq!(checked(&used(&json!({})), &[]), expected);
    let nameless = used(&json!({"gatewayRef": {"name": " "}}));
    assert_eq!(
        with_gateway(&nameless, gateway(&https(), &programmed())),
        expected
    );
    // Without a namespace, the cluster's own is meant.
    let elsewhere = used(&json!({"gatewayRef": {"name": "shared"}}));
    assert_eq!(
        with_gateway(&elsewhere, gateway(&https(), &programmed())),
        expected
    );
    // A reference without a name is invalid wherever Gateways are known.
    assert_eq!(
        checked_in(Baseline::V01, &nameless, &Snapshot::default()),
        expected
    );
}

#[test]
fn a_gateway_that_may_be_elsewhere_is_unknown() {
    let found = checked_in(Baseline::V01, &used(&json!({})), &Snapshot::default());
    assert_eq!(found, (Unknown, "Unknown"));
    let only = snapshot(&[gateway(&https(), &programmed())]);
    let only = only.apply([Change::Completeness(Kind::GatewayClass, Completeness::Part)]);
    assert_eq!(
        checked_in(Baseline::V01, &used(&json!({})), &only),
        (Unknown, "Unknown")
    );
}

#[test]
fn a_gateway_that_cannot_be_read_is_unknown() {
    let broken = gateway(&json!("x"), &programmed());
    assert_eq!(
        with_gateway(&used(&json!({})), broken),
        (Unknown, "Unknown")
    );
}

#[test]
fn gateway_class_missing() {
    let expected = (False, "GatewayClassMissing");
    assert_eq!(
        checked(&used(&json!({})), &[gateway(&https(), &programmed())]),
        expected
    );
    let mut classless = gateway(&https(), &programmed());
    classless["spec"]["gatewayClassName"] = json!(" ");
    assert_eq!(with_gateway(&used(&json!({})), classless), expected);
}

#[test]
fn gateway_listener_incompatible() {
    let expected = (False, "GatewayListenerIncompatible");
    let tls = |mode: &str| json!([{"name": "tls", "protocol": "TLS", "tls": {"mode": mode}}]);
    let through = json!({"tlsPassthrough": true});
    for (extra, listeners) in [
        (json!({}), json!([])),
        (json!({}), tls("Passthrough")),
        (json!({"listenerName": "web"}), https()),
        (through.clone(), https()),
        (through.clone(), tls("Terminate")),
        (
            json!({"listenerName": "tcp"}),
            json!([{"name": "tcp", "protocol": "TCP"}]),
        ),
    ] {
        let found = with_gateway(&used(&extra), gateway(&listeners, &programmed()));
        assert_eq!(found, expected, "{extra} {listeners}");
    }
    let both = json!([{"name": "web", "protocol": "HTTP"}, {"name": "https", "protocol": "HTTPS"}]);
    let named = used(&json!({"listenerName": "https"}));
    let found = with_gateway(&named, gateway(&both, &programmed()));
    assert_eq!(found, (True, "GatewayIntegrationReady"));
}

#[test]
fn a_listener_is_looked_at_before_the_class() {
    let found = checked(&used(&json!({})), &[gateway(&json!([]), &programmed())]);
    assert_eq!(found, (False, "GatewayListenerIncompatible"));
}

#[test]
fn gateway_class_not_accepted() {
    let refused = json!([
        condition("Accepted", "False"),
        condition("SupportedVersion", "False")
    ]);
    assert_eq!(
        with_class(class(&refused, &json!([]))),
        (False, "GatewayClassNotAccepted")
    );
}

#[test]
fn gateway_class_pending() {
    let expected = (Unknown, "GatewayClassPending");
    for conditions in [
        json!([]),
        json!([condition("Accepted", "Unknown")]),
        json!([condition("Accepted", "True")]),
        json!([
            condition("Accepted", "True"),
            condition("SupportedVersion", "Unknown")
        ]),
    ] {
        assert_eq!(
            with_class(class(&conditions, &features())),
            expected,
            "{conditions}"
        );
    }
}

#[test]
fn gateway_version_unsupported() {
    let old = json!([
        condition("Accepted", "True"),
        condition("SupportedVersion", "False")
    ]);
    assert_eq!(
        with_class(class(&old, &features())),
        (False, "GatewayVersionUnsupported")
    );
}

#[test]
fn gateway_capabilities_unknown() {
    let found = with_class(class(&accepted(), &json!([])));
    assert_eq!(found, (Unknown, "GatewayCapabilitiesUnknown"));
}

#[test]
fn gateway_feature_unsupported() {
    let http = class(&accepted(), &json!([{"name": "HTTPRoute"}]));
    assert_eq!(
        with_class(http.clone()),
        (False, "GatewayFeatureUnsupported")
    );
    // Without backend TLS, no BackendTLSPolicy is needed.
    let objects = [gateway(&https(), &programmed()), http];
    let plain = used(&json!({"backendTLS": {"enabled": false}}));
    assert_eq!(checked(&plain, &objects), (True, "GatewayIntegrationReady"));
    let passed = json!([{"name": "tls", "protocol": "TLS", "tls": {"mode": "Passthrough"}}]);
    let through = used(&json!({"tlsPassthrough": true}));
    let found = with_gateway(&through, gateway(&passed, &programmed()));
    assert_eq!(found, (False, "GatewayFeatureUnsupported"), "TLSRoute");
}

#[test]
fn gateway_not_programmed() {
    let off = gateway(&https(), &json!([condition("Programmed", "False")]));
    assert_eq!(
        with_gateway(&used(&json!({})), off),
        (False, "GatewayNotProgrammed")
    );
}

#[test]
fn gateway_programming_pending() {
    for conditions in [
        json!([]),
        json!(null),
        json!([condition("Programmed", "Unknown")]),
    ] {
        let pending = gateway(&https(), &conditions);
        let found = with_gateway(&used(&json!({})), pending);
        assert_eq!(found, (Unknown, "GatewayProgrammingPending"));
    }
}

#[test]
fn tls_is_on_where_the_cluster_says_nothing_of_it() {
    let only_routes = class(&accepted(), &json!([{"name": "HTTPRoute"}]));
    let facts = snapshot(&[gateway(&https(), &programmed()), only_routes]);
    let with = |spec: Value| {
        let mut spec = spec;
        spec["profile"] = json!("Development");
        spec["gateway"] = used(&json!({}));
        let found = checkpoints(&cluster(&spec), &facts, &config_of(Baseline::V01));
        pair(&found[1], Baseline::V01)
    };
    let missing = (False, "GatewayFeatureUnsupported");
    let enabled = |on: bool| json!({"tls": {"enabled": on}});
    assert_eq!(with(json!({})), missing);
    assert_eq!(with(json!({"tls": {"mode": "External"}})), missing);
    assert_eq!(with(enabled(true)), missing);
    assert_eq!(with(enabled(false)), (True, "GatewayIntegrationReady"));
}
