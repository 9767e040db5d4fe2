//! Memory that the policies of guarded namespaces may take.

use std::sync::Arc;

use openbao_perimeter::config::ReviewConfig;
use openbao_perimeter::inventory::{NamespaceFacts, Snapshot};
use serde_json::{Value, json};

use super::{CLUSTERS, OF_SHOP, POLICIES, Scene, in_shop, until, without_cluster};

#[tokio::test]
async fn the_policies_of_a_namespace_take_so_much_together_and_no_more() {
    let peer = json!({"podSelector": {"matchLabels": {"app": "a"}}, "namespaceSelector": {"matchLabels": {"b": "c"}}});
    let rule = json!({"from": vec![peer; 1_000]});
    let spec = json!({"ingress": vec![rule; 15]});
    let heavy = |number: usize| in_shop(&format!("heavy-{number}"), "1", &spec);
    let server = without_cluster();
    server.set(CLUSTERS, vec![in_shop("bao", "1", &json!({}))]);
    server.set(POLICIES, (0..4).map(heavy).collect());
    server.set(OF_SHOP, (0..4).map(heavy).collect());
    let mut scene = Scene::start(server);
    let read = |shop: &NamespaceFacts| {
        shop.policies
            .values()
            .filter(|fact| fact.read().is_some())
            .count()
    };
    let facts = scene.until(|shop| shop.policies.len() == 4).await;
    let shop = facts.namespace("shop").expect("facts");
    let most = read(shop);
    assert!((1..4).contains(&most), "{most}");
    // When one is deleted, there is room for another.
    let name = shop.policies.iter().find(|(_, fact)| fact.read().is_some());
    let (name, _) = name.expect("one that was read");
    let rest = (0..4)
        .map(heavy)
        .filter(|policy| policy["metadata"]["name"] != **name);
    scene.server.set(OF_SHOP, rest.collect());
    scene
        .server
        .send(POLICIES, "DELETED", in_shop(name, "5", &json!({})))
        .await;
    scene
        .until(|shop| shop.policies.len() == 3 && read(shop) == most && shop.stubs.is_empty())
        .await;
}

#[tokio::test]
async fn the_policies_of_all_guarded_namespaces_take_so_much_together_and_no_more() {
    const TENANTS: [&str; 3] = ["shop", "mall", "fair"];
    let peer = json!({"podSelector": {"matchLabels": {"app": "a"}}});
    let large = json!({"ingress": [{"from": vec![peer; 1_000]}]});
    let of = |namespace: &str, name: &str, spec: &Value| json!({"spec": spec, "metadata": {"name": name, "namespace": namespace, "resourceVersion": "1"}});
    let mut policies = Vec::new();
    for namespace in TENANTS {
        policies.extend((0..4).map(|number| of(namespace, &format!("large-{number}"), &large)));
    }
    policies.push(of("small", "web", &json!({"ingress": [{}]})));
    let server = without_cluster();
    let clusters = TENANTS.into_iter().chain(["small"]);
    server.set(
        CLUSTERS,
        clusters
            .clone()
            .map(|name| of(name, "bao", &json!({})))
            .collect(),
    );
    for namespace in clusters {
        let own = policies
            .iter()
            .filter(|policy| policy["metadata"]["namespace"] == namespace);
        let path = format!("/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies");
        server.set(&path, own.cloned().collect());
    }
    server.set(POLICIES, policies);
    let mut scene = Scene::start(server);
    let count = |facts: &Snapshot, namespace: &str| {
        let facts = facts
            .namespace(namespace)
            .filter(|facts| facts.stubs.is_empty())?;
        Some(
            facts
                .policies
                .values()
                .filter(|fact| fact.read().is_some())
                .count(),
        )
    };
    let read = move |facts: &Snapshot| -> Option<Vec<usize>> {
        ["small", "shop", "mall", "fair"]
            .map(|name| count(facts, name))
            .into_iter()
            .collect()
    };
    until(&mut scene.facts, |facts| {
        read(facts) == Some(vec![1, 4, 4, 4])
    })
    .await;
    // A large policy counts as 0.55 MiB: each namespace gets 1.33 MiB.
    let config = ReviewConfig {
        policy_memory: 4 * 1024 * 1024,
        ..ReviewConfig::default()
    };
    scene.configs.send_replace(Arc::new(config));
    until(&mut scene.facts, |facts| {
        read(facts) == Some(vec![1, 2, 2, 2])
    })
    .await;
    scene.configs.send_replace(Arc::default());
    until(&mut scene.facts, |facts| {
        read(facts) == Some(vec![1, 4, 4, 4])
    })
    .await;
}
