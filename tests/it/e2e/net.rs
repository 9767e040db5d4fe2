//! The net on a real API server: whatever it denies, the review denies too.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use axum::http::{Method, Request};
use futures_util::StreamExt as _;
use kube::{Client, Error};
use netpol::testing::dice::Seeded;
use openbao_perimeter::admission::{Admission, WebhookKind};
use openbao_perimeter::config::ReviewConfig;
use openbao_perimeter::review::CompiledSnapshot;
use openbao_perimeter::sources::files;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::race::client_of;
use super::stage::LIMIT;
use crate::control_plane::{ControlPlane, wait_until};
use crate::support::{folder, review, run_with};

const NAMESPACE: &str = "bao";
/// A user with every right on NetworkPolicies.
const WRITER: &str = "writer";
/// Policies that are created, and updates of stored ones.
const CREATED: usize = 5_000;
const STORED: usize = 50;
const UPDATES: usize = 100;
/// Calls at the same time.
const AT_ONCE: usize = 8;
const COLLECTION: &str = "/apis/networking.k8s.io/v1/namespaces/bao/networkpolicies";

/// A cluster that declares clients, and one that anyone may reach in Development.
const CLUSTERS: &str = "
apiVersion: openbao.org/v1alpha1
kind: OpenBaoCluster
metadata: {name: bao, namespace: bao}
spec:
  profile: Hardened
  network:
    trustedIngressPeers: [{namespaceSelector: {matchLabels: {team: web}}}]
    egressRules: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}], ports: [{port: 443}]}]
---
apiVersion: openbao.org/v1alpha1
kind: OpenBaoCluster
metadata: {name: other, namespace: bao}
spec: {profile: Development}
";

/// Up to two of these.
fn some(dice: &mut Seeded, from: &[Value]) -> Value {
    let number = dice.roll(3);
    (0..number).map(|_| dice.pick(from)).collect()
}

/// A policy of any kind.
fn policy(dice: &mut Seeded, name: &str) -> Value {
    let labels = |cluster: &str, keys: &[usize]| {
        let all = [
            ("app.kubernetes.io/instance", cluster),
            ("app.kubernetes.io/managed-by", "openbao-operator"),
            ("app.kubernetes.io/name", "openbao"),
            ("openbao.org/cluster", cluster),
        ];
        let chosen: serde_json::Map<String, Value> = keys
            .iter()
            .map(|key| (all[*key].0.to_owned(), all[*key].1.into()))
            .collect();
        json!({"matchLabels": chosen})
    };
    let selector = dice.pick(&[
        json!({}),
        json!({"matchLabels": {}}),
        labels("bao", &[3]),
        labels("bao", &[0, 1, 2, 3]),
        labels("other", &[2, 3]),
        labels("absent", &[3]),
        json!({"matchLabels": {"openbao.org/cluster": "bao", "app": "web"}}),
        json!({"matchLabels": {"app": "web"}}),
        json!({"matchExpressions": [{"key": "openbao.org/cluster", "operator": "Exists"}]}),
        json!({"matchExpressions": [{"key": "openbao.org/cluster", "operator": "DoesNotExist"}]}),
    ]);
    let types = dice.pick(&[
        json!(["Ingress"]),
        json!(["Egress"]),
        json!(["Ingress", "Egress"]),
        json!(["Ingress", "Egress"]),
    ]);
    let mut spec = json!({"podSelector": selector, "policyTypes": types});
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        let rules = (0..dice.roll(4)).map(|_| rule(dice, peers)).collect();
        if dice.roll(8) > 0 {
            spec[direction] = rules;
        }
    }
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": spec,
    })
}

fn rule(dice: &mut Seeded, peers: &str) -> Value {
    let block = |cidr: &str| json!({"ipBlock": {"cidr": cidr}});
    let mut rule = json!({});
    if dice.roll(3) > 0 {
        rule[peers] = some(
            dice,
            &[
                block("0.0.0.0/0"),
                block("::/0"),
                block("0.0.0.0/1"),
                block("10.0.0.0/8"),
                json!({"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}),
                json!({"namespaceSelector": {}}),
                json!({"podSelector": {"matchLabels": {"app": "web"}}}),
            ],
        );
    }
    if dice.roll(2) > 0 {
        rule["ports"] = some(
            dice,
            &[
                json!({"port": 8200}),
                json!({"port": 8201, "protocol": "TCP"}),
                json!({"port": 8201, "protocol": "UDP"}),
                json!({"port": 8000, "endPort": 9000}),
                json!({"port": 8202, "endPort": 9000}),
                json!({"port": 443}),
                json!({"port": 15008}),
                json!({"port": "raft"}),
                json!({"protocol": "TCP"}),
                json!({"protocol": "UDP"}),
            ],
        );
    }
    rule
}

/// The answer of an API server: nothing, or its message.
type Answer = Result<(), String>;

async fn call(client: &Client, method: Method, path: &str, body: String) -> Answer {
    let request = Request::builder().method(method).uri(path);
    let request = request.header("content-type", "application/json");
    match client
        .request_text(request.body(body.into_bytes()).unwrap())
        .await
    {
        Ok(_) => Ok(()),
        Err(Error::Api(status)) => Err(status.message),
        Err(error) => panic!("{error}"),
    }
}

/// Dry runs of these writes of policies.
fn answers(runtime: &Runtime, client: &Client, method: &Method, written: &[Value]) -> Vec<Answer> {
    let calls = written.iter().map(|policy| {
        let name = policy["metadata"]["name"].as_str().unwrap();
        let path = match *method {
            Method::PUT => format!("{COLLECTION}/{name}?dryRun=All"),
            _ => format!("{COLLECTION}?dryRun=All"),
        };
        call(
            client,
            method.clone(),
            Box::leak(path.into_boxed_str()),
            policy.to_string(),
        )
    });
    runtime.block_on(
        futures_util::stream::iter(calls)
            .buffered(AT_ONCE)
            .collect(),
    )
}

/// Whether the review denies the write.
fn is_denied(admission: &Admission, before: Option<&Value>, after: &Value) -> bool {
    let mut review = review();
    let request = &mut review["request"];
    request["name"] = after["metadata"]["name"].clone();
    request["namespace"] = NAMESPACE.into();
    request["object"] = after.clone();
    if let Some(before) = before {
        request["operation"] = "UPDATE".into();
        request["oldObject"] = before.clone();
    }
    let answer = admission.answer(WebhookKind::Validate, review.to_string().as_bytes());
    let response: Value = serde_json::from_slice(&answer.body).unwrap();
    response["response"]["allowed"] == false
}

fn is_of_the_net(answer: &Answer) -> bool {
    answer
        .as_ref()
        .is_err_and(|message| message.contains("'openbao-perimeter-net'"))
}

/// Asserts that the review denies what the net denies. Returns how often the net does.
fn compare(
    admission: &Admission,
    before: Option<&Value>,
    written: &[Value],
    answers: &[Answer],
) -> usize {
    let pairs = written.iter().zip(answers);
    let of_the_net = pairs.filter(|(_, answer)| is_of_the_net(answer));
    let checked = of_the_net.map(|(after, answer)| {
        assert!(
            is_denied(admission, before, after),
            "only the net denies {after} after {before:?}: {answer:?}"
        );
    });
    checked.count()
}

#[test]
fn the_net_denies_only_what_the_review_denies() {
    let plane = ControlPlane::start();
    plane.apply_ok(
        "
apiVersion: v1
kind: Namespace
metadata: {name: bao}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: policies}
rules: [{apiGroups: [networking.k8s.io], resources: ['*'], verbs: ['*']}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: policies}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: policies}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: writer}]
",
    );
    let folder = folder("net");
    fs::write(folder.join("clusters.yaml"), CLUSTERS).unwrap();
    let (code, net, err) = run_with(&[], &["export", "net", "-f", folder.to_str().unwrap()]);
    let note = "note: baseline v0.4: the newest, since no setting names one\n";
    assert_eq!((code, err.as_str()), (Some(0), note));

    let config = Arc::new(ReviewConfig::default());
    let facts = files::load(Path::new(&folder)).unwrap();
    let admission = Admission::new(Arc::clone(&config));
    admission.publish(CompiledSnapshot::compile(None, Arc::new(facts), config));

    let runtime = Runtime::new().unwrap();
    let client = runtime.block_on(client_of(&plane, Some(WRITER)));
    let mut dice = Seeded::new(0x9e37_79b9_7f4a_7c15);
    // Stored before the net, so that all shapes are there.
    let stored: Vec<Value> = (0..STORED)
        .map(|number| policy(&mut dice, &format!("stored-{number}")))
        .collect();
    let calls = stored
        .iter()
        .map(|policy| call(&client, Method::POST, COLLECTION, policy.to_string()));
    let made: Vec<Answer> = runtime.block_on(
        futures_util::stream::iter(calls)
            .buffered(AT_ONCE)
            .collect(),
    );
    let stored: Vec<&Value> = stored
        .iter()
        .zip(&made)
        .filter_map(|(policy, made)| made.is_ok().then_some(policy))
        .collect();

    plane.apply_ok(&net);
    let mut open = policy(&mut dice, "open");
    open["spec"] = json!({"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{}]});
    wait_until("the net denies", LIMIT, || {
        let answer = answers(
            &runtime,
            &client,
            &Method::POST,
            std::slice::from_ref(&open),
        );
        is_of_the_net(&answer[0]).then_some(())
    });

    let created: Vec<Value> = (0..CREATED).map(|_| policy(&mut dice, "created")).collect();
    let answered = answers(&runtime, &client, &Method::POST, &created);
    let creations = compare(&admission, None, &created, &answered);

    let (mut updates, mut pairs) = (0, 0);
    for before in stored {
        let name = before["metadata"]["name"].as_str().unwrap();
        let written: Vec<Value> = (0..UPDATES).map(|_| policy(&mut dice, name)).collect();
        let answered = answers(&runtime, &client, &Method::PUT, &written);
        updates += compare(&admission, Some(before), &written, &answered);
        pairs += written.len();
    }
    println!("the net denies {creations} of {CREATED} creations and {updates} of {pairs} updates");
    assert!(
        pairs >= 4_000 && creations > 500 && updates > 50,
        "{creations}, {updates} of {pairs}"
    );
}
