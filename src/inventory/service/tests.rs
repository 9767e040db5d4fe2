//! Translation of Services.

use std::fmt::Write as _;

use serde_json::json;

use super::*;
use crate::inventory::read;

/// The facts of these objects of namespace `a`.
fn services(objects: &[Value]) -> Services {
    let mut services = Services::default();
    for object in objects {
        services.set(read::object(object).expect("an object"));
    }
    services
}

fn service(spec: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "a"}, "spec": spec})
}

fn slice(name: &str, port: &Value, endpoints: &Value) -> Value {
    json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "ports": [port], "endpoints": endpoints,
        "metadata": {"name": name, "namespace": "a", "labels": {SERVICE_NAME: "s"}}})
}

fn on_443(services: &Services) -> Option<Translated> {
    services.translated(("s", "a"), (Protocol::Tcp, 443))
}

fn pods(ports: &[u16]) -> Translated {
    Translated::Pods(ports.iter().copied().collect())
}

#[test]
fn a_service_leads_to_the_port_of_its_pods() {
    let selected =
        |port: Value| services(&[service(&json!({"selector": {"app": "s"}, "ports": [port]}))]);
    assert_eq!(
        on_443(&selected(json!({"port": 443, "targetPort": 9000}))),
        Some(pods(&[9000]))
    );
    assert_eq!(on_443(&selected(json!({"port": 443}))), Some(pods(&[443])));
    for unknown in [
        json!({"port": 443, "targetPort": "https"}),
        json!({"port": 8443, "targetPort": 9000}),
        json!({"port": 443, "protocol": "UDP"}),
        json!({"port": 443, "targetPort": 0}),
        json!({"port": 443, "targetPort": 70000}),
        json!("443"),
    ] {
        assert_eq!(on_443(&selected(unknown.clone())), None, "{unknown}");
    }
    assert_eq!(on_443(&Services::default()), None);
}

#[test]
fn endpoints_tell_the_number_of_a_named_port() {
    let named = json!({"name": "https", "port": 443, "targetPort": "web"});
    let service = service(&json!({"selector": {"app": "s"}, "ports": [named]}));
    let pod = json!([{"addresses": ["10.0.0.1"], "targetRef": {"kind": "Pod"}}]);
    let of = |name: &str, port: u16| slice(name, &json!({"name": "https", "port": port}), &pod);
    let two = [service.clone(), of("s-1", 8443), of("s-2", 9443)];
    assert_eq!(on_443(&services(&two)), Some(pods(&[8443, 9443])));
    let other = slice("s-1", &json!({"name": "metrics", "port": 9090}), &pod);
    assert_eq!(on_443(&services(&[service, other])), None);
}

#[test]
fn endpoints_without_pods_are_addresses() {
    let port = json!({"name": "https", "port": 6443});
    let endpoints =
        json!([{"addresses": ["192.0.2.1", "nonsense"]}, {"addresses": ["::ffff:192.0.2.2"]}]);
    let slices = slice("s", &port, &endpoints);
    let expected = [[192, 0, 2, 1], [192, 0, 2, 2]].map(|address| (IpAddr::from(address), 6443));
    let expected = Some(Translated::Addresses(expected.into()));
    assert_eq!(on_443(&services(std::slice::from_ref(&slices))), expected);
    let written = service(&json!({"ports": [{"name": "https", "port": 443, "targetPort": 6443}]}));
    assert_eq!(on_443(&services(&[written.clone(), slices])), expected);
    assert_eq!(
        on_443(&services(&[written])),
        None,
        "somebody writes them elsewhere"
    );
}

#[test]
fn headless_and_external_services_are_not_translated() {
    let ports = json!([{"port": 443, "targetPort": 9000}]);
    let headless = service(&json!({"clusterIP": "None", "selector": {"app": "s"}, "ports": ports}));
    assert_eq!(on_443(&services(&[headless])), Some(pods(&[443])));
    let external = service(&json!({"type": "ExternalName", "externalName": "storage.example.org"}));
    assert_eq!(on_443(&services(&[external])), Some(Translated::External));
}

#[test]
fn what_is_kept_of_a_service_is_bounded() {
    let addresses: Vec<String> = (0..250).map(|last| format!("192.0.2.{last}")).collect();
    let endpoints = json!([{"addresses": addresses}]);
    let ports: Vec<Value> = (1..1000)
        .map(|port| json!({"name": format!("p{port}"), "port": port}))
        .collect();
    let mut objects = vec![service(&json!({"ports": ports}))];
    let mut name = String::from("s");
    for _ in 0..100 {
        write!(name, "x").unwrap();
        let mut large = slice(&name, &Value::Null, &endpoints);
        large["ports"] = Value::Array(ports.clone());
        objects.push(large);
    }
    let kept = services(&objects);
    let slices = || kept.slices("a", "s");
    assert_eq!(slices().count(), SLICES);
    assert!(slices().all(|slice| slice.addresses.len() == ADDRESSES && slice.ports.len() == PORTS));
    assert_eq!(on_443(&kept), None, "a port beyond what is kept is unknown");
}
