//! Storage of policies, and each way in which a cluster can appear in their namespace.

mod memory;

use std::sync::Arc;
use std::time::Duration;

use openbao_perimeter::config::{ReviewConfig, SizeLimits};
use openbao_perimeter::inventory::{Fact, NamespaceFacts, Snapshot};
use openbao_perimeter::sources::kube as source;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::cluster::{ApiServer, CLUSTERS, Facts, POLICIES, served, until};

/// The policies of namespace `shop`.
const OF_SHOP: &str = "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies";
const NAMES: [&str; 2] = ["all", "web"];

struct Scene {
    server: ApiServer,
    facts: Facts,
    configs: watch::Sender<Arc<ReviewConfig>>,
}

impl Scene {
    fn start(server: ApiServer) -> Self {
        let (configs, decided) = watch::channel(Arc::default());
        let (sender, facts) = watch::channel(None);
        let health = Arc::new(source::WatchHealth::new(Duration::from_mins(5), |_, _| {}));
        let client = server.client();
        let shutdown = std::future::pending();
        tokio::spawn(source::watch(client, health, decided, sender, shutdown));
        Self {
            server,
            facts,
            configs,
        }
    }

    /// Waits until the facts of `shop` fulfil a condition.
    async fn until(&mut self, holds: impl Fn(&NamespaceFacts) -> bool) -> Arc<Snapshot> {
        until(&mut self.facts, |facts| {
            facts.namespace("shop").is_some_and(|shop| holds(shop))
        })
        .await
    }

    /// Waits until the policies of `shop` were read, and checks that they were never taken for absent.
    async fn until_read(&mut self) {
        let whole = self
            .until(|shop| {
                let known = shop.policies.keys().chain(shop.stubs.keys());
                assert_eq!(known.count(), NAMES.len(), "{shop:?}");
                is_read(shop)
            })
            .await;
        let shop = whole.namespace("shop").expect("facts");
        assert!(shop.policies.keys().map(AsRef::as_ref).eq(NAMES));
        assert!(shop.policies.values().all(|policy| policy.read().is_some()));
    }
}

fn is_read(shop: &NamespaceFacts) -> bool {
    !shop.clusters.is_empty() && shop.stubs.is_empty()
}

fn are_stubs(shop: &NamespaceFacts) -> bool {
    shop.policies.is_empty() && shop.stubs.keys().map(AsRef::as_ref).eq(NAMES)
}

fn in_shop(name: &str, version: &str, spec: &Value) -> Value {
    json!({"spec": spec, "metadata": {"name": name, "namespace": "shop", "resourceVersion": version}})
}

fn shop_policies() -> Vec<Value> {
    let web = json!({"podSelector": {"matchLabels": {"app": "web"}}, "ingress": [{}, {}]});
    vec![
        in_shop("all", "1", &json!({"ingress": [{}]})),
        in_shop("web", "1", &web),
    ]
}

/// An API server without a cluster in `shop`.
fn without_cluster() -> ApiServer {
    let server = served();
    server.set(POLICIES, shop_policies());
    server.set(OF_SHOP, shop_policies());
    server
}

#[tokio::test]
async fn of_policies_where_no_cluster_is_nothing_but_stubs_are_kept() {
    let mut scene = Scene::start(without_cluster());
    let facts = scene.until(are_stubs).await;
    assert_eq!(
        facts.count(openbao_perimeter::inventory::Kind::NetworkPolicy),
        2
    );
    // A later policy, and the removal of another one.
    scene
        .server
        .send(
            POLICIES,
            "ADDED",
            in_shop("late", "3", &json!({"ingress": [{}]})),
        )
        .await;
    scene
        .server
        .send(POLICIES, "DELETED", in_shop("web", "4", &json!({})))
        .await;
    let names = |shop: &NamespaceFacts| {
        shop.stubs
            .keys()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    let facts = scene.until(|shop| names(shop) == ["all", "late"]).await;
    assert!(facts.namespace("shop").expect("facts").policies.is_empty());
}

#[tokio::test]
async fn policies_of_a_cluster_that_was_stored_before_the_start_are_kept_at_once() {
    let server = without_cluster();
    server.set(CLUSTERS, vec![in_shop("bao", "1", &json!({}))]);
    // Nothing else is read.
    server.lists.lock().expect("unpoisoned").remove(OF_SHOP);
    let mut scene = Scene::start(server);
    scene.until_read().await;
}

#[tokio::test]
async fn policies_are_read_when_a_cluster_is_made() {
    let mut scene = Scene::start(without_cluster());
    scene.until(are_stubs).await;
    scene
        .server
        .send(CLUSTERS, "ADDED", in_shop("bao", "5", &json!({})))
        .await;
    scene.until_read().await;
}

#[tokio::test]
async fn policies_are_read_when_a_list_brings_a_cluster_that_was_made_meanwhile() {
    let mut scene = Scene::start(without_cluster());
    scene.until(are_stubs).await;
    scene
        .server
        .set(CLUSTERS, vec![in_shop("bao", "5", &json!({}))]);
    let expired = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure",
        "reason": "Expired", "message": "too old", "code": 410});
    scene.server.send(CLUSTERS, "ERROR", expired).await;
    scene.until_read().await;
}

#[tokio::test]
async fn a_cluster_that_cannot_be_read_guards_its_namespace_too() {
    let mut scene = Scene::start(without_cluster());
    scene.until(are_stubs).await;
    let odd = json!({"network": 7});
    scene
        .server
        .send(CLUSTERS, "ADDED", in_shop("bao", "5", &odd))
        .await;
    scene.until_read().await;
}

#[tokio::test]
async fn a_cluster_between_two_events_of_policies_misses_none() {
    let mut scene = Scene::start(without_cluster());
    scene.until(are_stubs).await;
    let open = json!({"podSelector": {"matchLabels": {"app": "web"}}, "ingress": [{}]});
    let changed = in_shop("web", "6", &open);
    scene
        .server
        .set(OF_SHOP, vec![shop_policies().remove(0), changed.clone()]);
    scene
        .server
        .send(CLUSTERS, "ADDED", in_shop("bao", "5", &json!({})))
        .await;
    scene.server.send(POLICIES, "MODIFIED", changed).await;
    let rules = |shop: &NamespaceFacts| {
        let policy = shop.policies.get("web").and_then(Fact::read);
        policy.map(|policy| policy.ingress.len())
    };
    scene
        .until(|shop| is_read(shop) && rules(shop) == Some(1))
        .await;
    // A late watch event is older than the read.
    scene
        .server
        .send(POLICIES, "MODIFIED", in_shop("all", "7", &json!({})))
        .await;
    let facts = scene.until(|shop| {
        assert_eq!(rules(shop), Some(1));
        shop.policies
            .get("all")
            .and_then(Fact::read)
            .is_some_and(|all| all.ingress.is_empty())
    });
    facts.await;
}

#[tokio::test]
async fn an_event_that_is_older_than_what_was_read_changes_nothing() {
    let mut scene = Scene::start(without_cluster());
    scene.until(are_stubs).await;
    let three = json!({"podSelector": {"matchLabels": {"app": "web"}}, "ingress": [{}, {}, {}]});
    scene.server.set(
        OF_SHOP,
        vec![shop_policies().remove(0), in_shop("web", "9", &three)],
    );
    scene
        .server
        .send(CLUSTERS, "ADDED", in_shop("bao", "5", &json!({})))
        .await;
    scene.until_read().await;
    scene
        .server
        .send(POLICIES, "DELETED", in_shop("web", "7", &json!({})))
        .await;
    scene
        .server
        .send(POLICIES, "ADDED", in_shop("web", "8", &json!({})))
        .await;
    scene
        .server
        .send(POLICIES, "MODIFIED", in_shop("all", "10", &json!({})))
        .await;
    let facts = scene
        .until(|shop| {
            let all = shop.policies.get("all").and_then(Fact::read);
            all.is_some_and(|all| all.ingress.is_empty())
        })
        .await;
    let web = facts
        .policy("shop", "web")
        .and_then(Fact::read)
        .expect("web");
    assert_eq!(web.ingress.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn policies_that_cannot_be_read_are_unknown_until_they_can() {
    let mut scene = Scene::start(without_cluster());
    scene.until(are_stubs).await;
    scene
        .server
        .lists
        .lock()
        .expect("unpoisoned")
        .remove(OF_SHOP);
    scene
        .server
        .send(CLUSTERS, "ADDED", in_shop("bao", "5", &json!({})))
        .await;
    scene
        .until(|shop| !shop.clusters.is_empty() && are_stubs(shop))
        .await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    scene
        .until(|shop| !shop.clusters.is_empty() && are_stubs(shop))
        .await;
    scene.server.set(OF_SHOP, shop_policies());
    scene.until_read().await;
}

#[tokio::test]
async fn stubs_are_kept_again_when_the_last_cluster_is_gone() {
    let server = without_cluster();
    server.set(CLUSTERS, vec![in_shop("bao", "1", &json!({}))]);
    let mut scene = Scene::start(server);
    scene.until_read().await;
    scene
        .server
        .send(CLUSTERS, "DELETED", in_shop("bao", "5", &json!({})))
        .await;
    scene.until(are_stubs).await;
    scene
        .server
        .send(CLUSTERS, "ADDED", in_shop("bao", "6", &json!({})))
        .await;
    scene.until_read().await;
}

#[tokio::test]
async fn the_operators_namespace_is_guarded_without_a_cluster_wherever_it_is() {
    let mut scene = Scene::start(without_cluster());
    scene.until(are_stubs).await;
    let config = ReviewConfig {
        operator_namespace: "shop".into(),
        ..ReviewConfig::default()
    };
    scene.configs.send_replace(Arc::new(config));
    scene
        .until(|shop| shop.policies.len() == 2 && shop.stubs.is_empty())
        .await;
    scene.configs.send_replace(Arc::default());
    scene.until(are_stubs).await;
}

#[tokio::test]
async fn of_a_policy_that_no_proof_can_bear_only_its_names_and_its_selector_are_kept() {
    let rules = vec![json!({}); 160_000];
    let web = json!({"matchLabels": {"app": "web"}});
    let huge = in_shop("huge", "1", &json!({"podSelector": web, "ingress": rules}));
    let large = in_shop(
        "large",
        "1",
        &json!({"podSelector": web, "ingress": rules[..20_001]}),
    );
    for ignores_limits in [false, true] {
        let mut server = without_cluster();
        server.ignores_limits = ignores_limits;
        server.set(CLUSTERS, vec![in_shop("bao", "1", &json!({}))]);
        server.set(POLICIES, vec![huge.clone()]);
        let mut scene = Scene::start(server);
        scene.until(|shop| shop.policies.contains_key("huge")).await;
        scene.server.send(POLICIES, "ADDED", large.clone()).await;
        let facts = scene
            .until(|shop| shop.policies.contains_key("large"))
            .await;
        for (name, what) in [("huge", "values"), ("large", "rules")] {
            let Some(Fact::Unreadable(broken)) = facts.policy("shop", name) else {
                panic!("{name} was read");
            };
            let large = broken.too_large.as_ref().expect("too large");
            assert_eq!(large.what, what);
            let pods = broken.pods().expect("a selector");
            assert_eq!(pods.labels.get("app").map(AsRef::as_ref), Some("web"));
        }
        // Other limits allow it to be read.
        scene.server.set(OF_SHOP, vec![huge.clone(), large.clone()]);
        let config = ReviewConfig {
            caps: SizeLimits {
                rules: 30_000,
                ..SizeLimits::default()
            },
            ..ReviewConfig::default()
        };
        scene.configs.send_replace(Arc::new(config));
        let large =
            |shop: &NamespaceFacts| shop.policies.get("large").and_then(Fact::read).is_some();
        let facts = scene.until(large).await;
        assert!(
            facts
                .policy("shop", "huge")
                .is_some_and(|huge| huge.read().is_none())
        );
    }
}
