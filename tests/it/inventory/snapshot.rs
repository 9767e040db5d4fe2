//! Objects by kind, snapshots, and the schema.

use std::sync::Arc;

use openbao_perimeter::audit::Metrics;
use openbao_perimeter::cli::crds;
use openbao_perimeter::inventory::{Change, Fact, Kind, Object, Snapshot, read};
use serde_json::{Value, json};

#[test]
fn objects_are_known_by_group_and_kind() {
    let object = |version: &str, kind: &str, name: &str, extra: Value| {
        let mut value = json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}});
        value
            .as_object_mut()
            .expect("an object")
            .extend(extra.as_object().cloned().unwrap_or_default());
        read::object(&value)
    };
    let none = || json!({});
    assert!(matches!(
        object("networking.k8s.io/v1", "NetworkPolicy", "a", none()),
        Some(Object::Policy(_))
    ));
    assert!(matches!(
        object("openbao.org/v1beta1", "OpenBaoCluster", "a", none()),
        Some(Object::Cluster(_))
    ));
    for version in ["crd.projectcalico.org/v1", "projectcalico.org/v3"] {
        assert!(matches!(
            object(version, "NetworkPolicy", "a", none()),
            Some(Object::OtherPolicy(Kind::CalicoNetworkPolicy, _))
        ));
    }
    for (version, kind) in [
        ("example.org/v1", "NetworkPolicy"),
        ("v1", "NetworkPolicy"),
        ("v1", "ConfigMap"),
        ("example.org/v1", "Namespace"),
    ] {
        assert_eq!(object(version, kind, "a", none()), None, "{version} {kind}");
    }
    let terminating = |extra| match object("v1", "Namespace", "a", extra) {
        Some(Object::Namespace(Fact::Read(namespace))) => namespace.terminating,
        other => panic!("{other:?} is no namespace"),
    };
    assert!(!terminating(json!({"status": {"phase": "Active"}})));
    assert!(terminating(json!({"status": {"phase": "Terminating"}})));
    assert!(terminating(
        json!({"metadata": {"name": "a", "deletionTimestamp": "2026-01-01T00:00:00Z"}})
    ));
}

#[test]
fn only_the_api_servers_own_service_has_its_addresses() {
    let service = |namespace: &str, name: &str, spec: Value| {
        let metadata = json!({"name": name, "namespace": namespace});
        read::object(
            &json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}),
        )
    };
    let addresses = |spec| match service("default", "kubernetes", spec) {
        Some(Object::ApiServer(addresses)) => addresses
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        other => panic!("{other:?} is not the API server's service"),
    };
    assert_eq!(
        addresses(json!({"clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1", "fd00::1"]})),
        ["10.96.0.1", "fd00::1"]
    );
    assert_eq!(addresses(json!({"clusterIP": "10.96.0.1"})), ["10.96.0.1"]);
    assert!(addresses(json!({"clusterIP": "None", "clusterIPs": ["None"]})).is_empty());
    for (namespace, name) in [("bao", "kubernetes"), ("default", "web")] {
        let other = service(namespace, name, json!({"clusterIP": "10.96.0.1"}));
        assert!(matches!(other, Some(Object::Service(_))), "{other:?}");
    }
}

fn policy_object(namespace: &str, name: &str, spec: &Value) -> Object {
    let metadata = json!({"name": name, "namespace": namespace});
    let value = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec,
    });
    read::object(&value).expect("a policy")
}

#[test]
fn a_snapshot_shares_every_namespace_that_did_not_change() {
    let set = |namespace, name| Change::Set(policy_object(namespace, name, &json!({})));
    let first = Snapshot::default().apply([set("a", "x"), set("b", "x"), set("c", "x")]);
    let remove = Change::Remove(policy_object("c", "x", &json!({})).reference());
    let second = first.apply([set("a", "y"), set("b", "x"), remove]);
    let same = |name: &str| {
        let (before, after) = (first.namespace(name), second.namespace(name));
        before
            .zip(after)
            .map(|(before, after)| Arc::ptr_eq(before, after))
    };
    assert_eq!(same("a"), Some(false));
    assert_eq!(same("b"), Some(true), "the same state is no change");
    assert_eq!(same("c"), None, "nothing is left of it");
    assert_eq!(
        (
            first.count(Kind::NetworkPolicy),
            second.count(Kind::NetworkPolicy)
        ),
        (3, 3)
    );
    let reread = Snapshot::default()
        .apply([set("a", "x"), set("a", "y"), set("b", "z")])
        .sharing(&second);
    let kept = |name: &str| {
        let (before, after) = (second.namespace(name), reread.namespace(name));
        before
            .zip(after)
            .map(|(before, after)| Arc::ptr_eq(before, after))
    };
    assert_eq!((kept("a"), kept("b")), (Some(true), Some(false)));
}

#[test]
fn an_unreadable_object_stays_in_the_snapshot() {
    let broken = policy_object("a", "x", &json!({"ingress": [{"from": [{}]}]}));
    let snapshot = Snapshot::default().apply([Change::Set(broken.clone())]);
    let listed: Vec<_> = snapshot.unreadable().collect();
    assert!(matches!(&listed[..], [(Kind::NetworkPolicy, broken)] if &*broken.meta.name == "x"));
    assert!(snapshot.policy("a", "x").is_some());
    assert_eq!(
        snapshot.references(Kind::NetworkPolicy),
        [broken.reference()]
    );
}

#[test]
fn gateways_their_classes_and_restores_are_kept_and_go_again() {
    let of = |version: &str, kind: &str, metadata: Value, spec: Value| {
        let value =
            json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec});
        read::object(&value).expect("a kind of ours")
    };
    let gateway = "gateway.networking.k8s.io/v1";
    let objects = [
        of(
            gateway,
            "Gateway",
            json!({"name": "g", "namespace": "edge"}),
            json!({"listeners": null}),
        ),
        of(gateway, "GatewayClass", json!({"name": "c"}), json!({})),
        of(
            "openbao.org/v1alpha1",
            "OpenBaoRestore",
            json!({"name": "r", "namespace": "bao"}),
            json!({}),
        ),
        of(
            gateway,
            "Gateway",
            json!({"name": "odd", "namespace": "edge"}),
            json!({"listeners": "x"}),
        ),
    ];
    let kinds = [Kind::Gateway, Kind::GatewayClass, Kind::OpenBaoRestore];
    let counts = |snapshot: &Snapshot| kinds.map(|kind| snapshot.count(kind));
    let set = |snapshot: &Snapshot| snapshot.apply(objects.iter().cloned().map(Change::Set));
    let snapshot = set(&Snapshot::default());
    assert_eq!(counts(&snapshot), [2, 1, 1]);
    assert_eq!(set(&snapshot), snapshot, "the same again changes nothing");
    let unreadable: Vec<_> = snapshot.unreadable().map(|(kind, _)| kind).collect();
    assert_eq!(unreadable, [Kind::Gateway]);
    let known: Vec<_> = kinds
        .iter()
        .flat_map(|kind| snapshot.references(*kind))
        .collect();
    let shown: Vec<_> = known.iter().map(ToString::to_string).collect();
    let expected = [
        "Gateway edge/g",
        "Gateway edge/odd",
        "GatewayClass c",
        "OpenBaoRestore bao/r",
    ];
    assert_eq!(shown, expected);
    let none = snapshot.apply(known.into_iter().map(Change::Remove));
    assert_eq!(none, Snapshot::default());
}

#[test]
fn the_schema_is_structural_and_keeps_what_it_does_not_know() {
    let yaml = crds::derived().expect("yaml");
    let documents: Vec<Value> = serde_saphyr::from_multiple(&yaml).expect("yaml again");
    let [crd, restore] = &documents[..] else {
        panic!("expected two documents: {yaml}");
    };
    assert_eq!(restore["metadata"]["name"], "openbaorestores.openbao.org");
    assert_eq!(restore["spec"]["names"]["shortNames"], json!(["obrestore"]));
    assert_eq!(crd["metadata"]["name"], "openbaoclusters.openbao.org");
    assert_eq!(crd["spec"]["names"]["shortNames"], json!(["bao", "baoc"]));
    let version = &crd["spec"]["versions"][0];
    assert_eq!(version["name"], "v1alpha1");
    assert_eq!(version["subresources"]["status"], json!({}));
    let schema = &version["schema"]["openAPIV3Schema"]["properties"];
    for block in [
        &schema["spec"],
        &schema["status"],
        &schema["spec"]["properties"]["network"],
    ] {
        assert_eq!(
            block["x-kubernetes-preserve-unknown-fields"],
            json!(true),
            "{block}"
        );
        assert_eq!(block["type"], "object", "{block}");
    }
    let network = &schema["spec"]["properties"]["network"]["properties"];
    for field in [
        "apiServerCIDR",
        "apiServerEndpointIPs",
        "dnsNamespace",
        "dnsEndpointIPs",
        "egressRules",
        "ingressRules",
        "trustedIngressPeers",
    ] {
        assert!(network[field].is_object(), "{field}");
    }
    let port =
        &network["ingressRules"]["items"]["properties"]["ports"]["items"]["properties"]["port"];
    assert_eq!(port["x-kubernetes-int-or-string"], json!(true));
    for word in ["$ref", "anyOf", "oneOf", "\"enum\"", "definitions"] {
        for crd in &documents {
            assert!(!crd.to_string().contains(word), "{word} in {yaml}");
        }
    }
}

fn named(kind: &str, namespace: &str, name: &str) -> Object {
    let version = match kind {
        "NetworkPolicy" => "networking.k8s.io/v1",
        _ => "openbao.org/v1alpha1",
    };
    let metadata = json!({"name": name, "namespace": namespace});
    read::object(&json!({"apiVersion": version, "kind": kind, "metadata": metadata})).expect("ours")
}

fn of(objects: &[Object]) -> Snapshot {
    Snapshot::default().apply(objects.iter().cloned().map(Change::Set))
}

#[test]
fn only_the_namespaces_that_a_change_touches_are_touched() {
    let before = of(&[
        named("NetworkPolicy", "a", "p"),
        named("NetworkPolicy", "b", "p"),
    ]);
    let same = before.apply([Change::Set(named("NetworkPolicy", "a", "p"))]);
    assert!(same.touched(&before).is_empty());
    let gone = Change::Remove(named("NetworkPolicy", "b", "p").reference());
    let after = before.apply([Change::Set(named("OpenBaoCluster", "c", "bao")), gone]);
    let touched = after.touched(&before);
    assert_eq!(
        touched.iter().map(|name| &**name).collect::<Vec<_>>(),
        ["b", "c"]
    );
}

#[test]
fn a_namespace_that_is_read_again_loses_only_objects_of_those_kinds_that_were_not_read() {
    let known = of(&[
        named("NetworkPolicy", "a", "old"),
        named("NetworkPolicy", "a", "kept"),
        named("OpenBaoCluster", "a", "bao"),
        named("NetworkPolicy", "b", "other"),
    ]);
    let policies = vec![
        named("NetworkPolicy", "a", "kept"),
        named("NetworkPolicy", "a", "new"),
    ];
    let renewed = known.renewed(&"a".into(), &[Kind::NetworkPolicy], policies.clone());
    let expected = of(&[
        named("NetworkPolicy", "a", "new"),
        named("NetworkPolicy", "a", "kept"),
        named("OpenBaoCluster", "a", "bao"),
        named("NetworkPolicy", "b", "other"),
    ]);
    assert_eq!(renewed, expected);
    let again = renewed.renewed(&"a".into(), &[Kind::NetworkPolicy], policies);
    assert!(again.touched(&renewed).is_empty(), "nothing new");
}

#[test]
fn the_gauges_of_the_inventory_follow_each_change() {
    let metrics = Metrics::new();
    let gauge = |kind: &str| {
        let line = format!("openbao_perimeter_inventory_objects{{kind=\"{kind}\"}} ");
        let text = metrics.text().expect("text");
        let mut lines = text.lines();
        lines.find_map(|found| found.strip_prefix(&line)?.parse::<usize>().ok())
    };
    let mut known = Snapshot::default();
    for objects in [
        vec![
            named("NetworkPolicy", "a", "p"),
            named("NetworkPolicy", "b", "p"),
        ],
        vec![
            named("NetworkPolicy", "a", "p"),
            named("OpenBaoCluster", "a", "bao"),
        ],
        vec![],
        vec![named("NetworkPolicy", "c", "p")],
    ] {
        let next = of(&objects);
        metrics.inventory(&known, &next);
        for kind in [Kind::NetworkPolicy, Kind::OpenBaoCluster] {
            assert_eq!(gauge(kind.as_str()), Some(next.count(kind)), "{objects:?}");
        }
        known = next;
    }
}
