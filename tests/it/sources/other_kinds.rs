//! Policies of other kinds: watched where they are served, and kept where a cluster is.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use kube::Client;
use kube::client::Body;
use openbao_perimeter::inventory::{Completeness, Kind, Snapshot, Unread};
use openbao_perimeter::sources::kube as source;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::cluster::{
    ApiServer, CLUSTERS, Facts, NAMESPACES, configs, served, start, until, whole,
};

const GLOBAL: &str = "/apis/policy.networking.k8s.io/v1beta1/clusternetworkpolicies";
const CILIUM: &str = "/apis/cilium.io/v2/ciliumnetworkpolicies";
const STORED: &str = "/apis/crd.projectcalico.org/v1/globalnetworkpolicies";
const SERVED: &str = "/apis/projectcalico.org/v3/globalnetworkpolicies";

fn item(namespace: &str, name: &str, spec: &Value) -> Value {
    json!({"spec": spec, "metadata": {"name": name, "namespace": namespace, "resourceVersion": "1"}})
}

fn names(snapshot: &Snapshot, kind: Kind) -> Vec<String> {
    let references = snapshot.references(kind).into_iter();
    references.map(|reference| reference.to_string()).collect()
}

fn cilium(namespace: &str) -> Value {
    item(
        namespace,
        "p",
        &json!({"endpointSelector": {}, "ingress": [{}]}),
    )
}

#[tokio::test]
async fn policies_of_other_kinds_are_followed_where_they_are_served() {
    let server = served();
    let mut facts = start(&server);
    let first = until(&mut facts, |_| true).await;
    assert_eq!(
        first.completeness(Kind::ClusterNetworkPolicy),
        Completeness::Unserved
    );
    assert_eq!(first.count(Kind::ClusterNetworkPolicy), 0);
    server.set(
        GLOBAL,
        vec![item("", "a", &json!({"subject": {"namespaces": {}}}))],
    );
    let next = until(&mut facts, |snapshot| {
        snapshot.count(Kind::ClusterNetworkPolicy) == 1
    })
    .await;
    assert_eq!(
        names(&next, Kind::ClusterNetworkPolicy),
        ["ClusterNetworkPolicy a"]
    );
    let gone = json!({"metadata": {"name": "a", "resourceVersion": "2"}});
    server.send(GLOBAL, "DELETED", gone).await;
    until(&mut facts, |snapshot| {
        snapshot.count(Kind::ClusterNetworkPolicy) == 0
    })
    .await;
}

#[tokio::test]
async fn a_kind_that_may_not_be_listed_keeps_nothing_from_being_published() {
    let server = served();
    server.forbidden.lock().unwrap().insert(GLOBAL.to_owned());
    let mut facts = start(&server);
    let first = until(&mut facts, |_| true).await;
    let expected = Completeness::Unread(Unread::Forbidden);
    assert_eq!(first.completeness(Kind::ClusterNetworkPolicy), expected);
}

/// Facts from a server that answers these paths in another way.
fn start_with(server: &ApiServer, answer: fn(&str) -> Option<(u16, Value)>) -> Facts {
    let server = server.clone();
    let service = tower::service_fn(move |request: Request<Body>| {
        let known = answer(request.uri().path());
        let answer = known.map_or_else(
            || server.answer(&request),
            |(code, body)| whole(code, &body),
        );
        async move { Ok::<_, Infallible>(answer) }
    });
    let (sender, facts) = watch::channel(None);
    let health = Arc::new(source::WatchHealth::new(Duration::from_mins(5), |_, _| {}));
    let client = Client::new(service, "default");
    let shutdown = std::future::pending();
    tokio::spawn(source::watch(client, health, configs(), sender, shutdown));
    facts
}

#[tokio::test]
async fn a_kind_in_a_version_that_is_not_read_is_not_none() {
    let mut facts = start_with(&served(), |path| {
        let version = json!({"groupVersion": "cilium.io/v9", "version": "v9"});
        let resource = json!({"name": "ciliumnetworkpolicies", "singularName": "", "namespaced": true,
            "kind": "CiliumNetworkPolicy", "verbs": ["list"]});
        let body = match path {
            "/apis/cilium.io" => {
                json!({"kind": "APIGroup", "apiVersion": "v1", "name": "cilium.io",
                "preferredVersion": version, "versions": [version]})
            }
            "/apis/cilium.io/v9" => json!({"kind": "APIResourceList", "apiVersion": "v1",
                "groupVersion": "cilium.io/v9", "resources": [resource]}),
            _ => return None,
        };
        Some((200, body))
    });
    let first = until(&mut facts, |_| true).await;
    let expected = Completeness::Unread(Unread::Version("v9".into()));
    assert_eq!(first.completeness(Kind::CiliumNetworkPolicy), expected);
    let clusterwide = first.completeness(Kind::CiliumClusterwideNetworkPolicy);
    assert_eq!(clusterwide, Completeness::Unserved);
}

#[tokio::test]
async fn a_kind_whose_server_fails_keeps_nothing_from_being_published() {
    let mut facts = start_with(&served(), |path| {
        let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure",
            "message": "no endpoints", "reason": "ServiceUnavailable", "code": 503});
        path.starts_with("/apis/projectcalico.org")
            .then_some((503, status))
    });
    let first = until(&mut facts, |_| true).await;
    let expected = Completeness::Unread(Unread::Failed);
    assert_eq!(first.completeness(Kind::CalicoNetworkPolicy), expected);
}

#[tokio::test]
async fn the_stored_group_of_calico_is_read_where_it_is_served() {
    for (paths, expected) in [
        (&[STORED, SERVED][..], "GlobalNetworkPolicy stored"),
        (&[SERVED], "GlobalNetworkPolicy served"),
    ] {
        let server = served();
        for path in paths {
            let name = if *path == STORED { "stored" } else { "served" };
            server.set(path, vec![item("", name, &json!({}))]);
        }
        let answer = |path: &str| {
            let resource = json!({"name": "globalnetworkpolicies", "singularName": "", "namespaced": false,
                "kind": "GlobalNetworkPolicy", "verbs": ["list"]});
            (path == "/apis/projectcalico.org/v3").then(|| {
                (
                    200,
                    json!({"kind": "APIResourceList", "apiVersion": "v1",
                    "groupVersion": "projectcalico.org/v3", "resources": [resource]}),
                )
            })
        };
        let mut facts = start_with(&server, answer);
        let first = until(&mut facts, |snapshot| {
            snapshot.count(Kind::CalicoGlobalNetworkPolicy) == 1
        })
        .await;
        assert_eq!(names(&first, Kind::CalicoGlobalNetworkPolicy), [expected]);
    }
}

#[tokio::test]
async fn only_policies_of_namespaces_with_a_cluster_are_kept() {
    let server = served();
    server.set(CILIUM, vec![cilium("bao"), cilium("shop")]);
    let mut facts = start(&server);
    let of = |snapshot: &Snapshot| names(snapshot, Kind::CiliumNetworkPolicy);
    let bao = "CiliumNetworkPolicy bao/p".to_owned();
    let shop = "CiliumNetworkPolicy shop/p".to_owned();
    let first = until(&mut facts, |snapshot| !of(snapshot).is_empty()).await;
    assert_eq!(of(&first), std::slice::from_ref(&bao));
    let cluster = json!({"spec": {"profile": "Hardened"},
        "metadata": {"name": "new", "namespace": "shop", "resourceVersion": "2"}});
    server.send(CLUSTERS, "ADDED", cluster.clone()).await;
    let next = until(&mut facts, |snapshot| of(snapshot).len() == 2).await;
    assert_eq!(of(&next), [bao.clone(), shop]);
    server.send(CLUSTERS, "DELETED", cluster).await;
    let last = until(&mut facts, |snapshot| of(snapshot).len() == 1).await;
    assert_eq!(of(&last), [bao]);
}

#[tokio::test]
async fn labels_are_known_of_namespaces_with_a_cluster() {
    let server = served();
    let labelled = |name: &str| json!({"metadata": {"name": name, "resourceVersion": "1", "labels": {"team": name}}});
    server.set(NAMESPACES, vec![labelled("bao"), labelled("shop")]);
    let mut facts = start(&server);
    let has = |snapshot: &Snapshot, name: &str| snapshot.has_namespace_labels(name);
    let first = until(&mut facts, |snapshot| has(snapshot, "bao")).await;
    assert!(!has(&first, "shop"));
    let cluster = json!({"spec": {}, "metadata": {"name": "new", "namespace": "shop", "resourceVersion": "2"}});
    server.send(CLUSTERS, "ADDED", cluster).await;
    until(&mut facts, |snapshot| has(snapshot, "shop")).await;
}
