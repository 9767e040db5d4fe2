//! Labels of pods that exist.

use serde_json::{Value, json};

use super::copies::servers;
use super::samples::{four, named, object, two};
use super::stage::{Stage, TENANT, WRITER, assert_denied, assert_quiet, path, stage};
use crate::control_plane::Output;
use crate::example::OPERATOR;

const SCHEDULER: &str = "system:kube-scheduler";

/// A namespace with the servers of a cluster, and a pod `web` of a tenant.
fn settled(namespace: &str) -> &'static Stage {
    let stage = stage();
    stage.namespace(namespace);
    assert_quiet(&stage.apply(OPERATOR, &servers(namespace)));
    let web = object(named("Pod"), namespace, "web", &json!({}));
    assert_quiet(&stage.apply(TENANT, &web));
    stage.wait_for_pods(namespace, "openbao.org/cluster=bao", 3);
    stage
}

/// A merge patch of the metadata of a pod.
fn patch(user: &str, namespace: &str, pod: &str, metadata: &Value, args: &[&str]) -> Output {
    let patch = json!({ "metadata": metadata }).to_string();
    let mut all = vec![
        "patch",
        "pod",
        pod,
        "-n",
        namespace,
        "--type=merge",
        "-p",
        &patch,
    ];
    all.extend(args);
    stage().kubectl(user, &all).run()
}

#[test]
fn no_label_of_the_five_is_added_changed_or_removed_on_a_server_pod() {
    let namespace = "relabelled";
    settled(namespace);
    let relabel = |pod: &str, key: &str, value: &Value| {
        patch(
            TENANT,
            namespace,
            pod,
            &json!({"labels": {key: value}}),
            &["--dry-run=server"],
        )
    };
    for key in four().as_object().expect("labels").keys() {
        assert_denied(&relabel("bao-0", key, &Value::Null), "OBP502");
        let code = if key == "openbao.org/cluster" {
            "OBP501"
        } else {
            "OBP502"
        };
        assert_denied(&relabel("bao-0", key, &json!("other")), code);
        // On a pod of nobody only the label of the cluster counts.
        let added = relabel("web", key, &json!("bao"));
        if key == "openbao.org/cluster" {
            assert_denied(&added, "OBP501");
        } else {
            assert_quiet(&added);
        }
    }
    assert_denied(
        &relabel("bao-0", "openbao.org/component", &json!("backup")),
        "OBP501",
    );
    let lost = relabel("bao-0", "app.kubernetes.io/name", &Value::Null);
    let words = "OBP502 identity-lost: Pod relabelled/bao-0, metadata.labels: without the previous \
                 app.kubernetes.io/name, no policy isolates these pods of OpenBaoCluster bao; to do: ";
    assert!(lost.stderr.contains(words), "{lost:?}");
}

#[test]
fn other_metadata_of_a_server_pod_may_change() {
    let namespace = "annotated";
    settled(namespace);
    let metadata = json!({"labels": {"openbao-active": "true", "tier": "vault"},
        "annotations": {"seen": "yes"}, "finalizers": ["example.com/hold"]});
    assert_quiet(&patch(TENANT, namespace, "bao-0", &metadata, &[]));
    let owners = json!({"ownerReferences": Value::Null, "finalizers": Value::Null});
    assert_quiet(&patch(WRITER, namespace, "bao-0", &owners, &[]));
    // The controller adopts the pod again.
    stage().wait_for_pods(namespace, "openbao.org/cluster=bao", 3);
}

#[test]
fn the_status_of_a_pod_takes_no_labels_of_a_cluster() {
    let namespace = "statuses";
    settled(namespace);
    let status = ["--subresource=status"];
    let set = |pod: &str, labels: &Value| {
        patch(
            WRITER,
            namespace,
            pod,
            &json!({ "labels": labels }),
            &status,
        )
    };
    assert_denied(&set("web", &two()), "OBP501");
    assert_denied(
        &set("bao-1", &json!({"openbao.org/cluster": Value::Null})),
        "OBP502",
    );
    assert_quiet(&set("bao-1", &json!({"openbao-sealed": "false"})));
    let patch = json!({"status": {"message": "starting"}}).to_string();
    let args = [
        "patch",
        "pod",
        "bao-1",
        "-n",
        namespace,
        "--type=merge",
        "-p",
        &patch,
    ];
    assert_quiet(
        &stage()
            .kubectl(WRITER, &[&args[..], &status].concat())
            .run(),
    );
}

/// A binding of a pod to a node, with these labels.
fn binding(namespace: &str, pod: &str, labels: &Value) -> String {
    let binding = json!({"apiVersion": "v1", "kind": "Binding",
        "metadata": {"name": pod, "namespace": namespace, "labels": labels},
        "target": {"apiVersion": "v1", "kind": "Node", "name": "node-1"}});
    binding.to_string()
}

#[test]
fn a_binding_gives_no_pod_a_label_of_the_five_and_the_scheduler_binds_a_server_pod() {
    let namespace = "bound";
    let stage = settled(namespace);
    let (by_pod, plain) = (
        path("v1", namespace, "pods/web/binding"),
        path("v1", namespace, "bindings"),
    );
    let mut denied = vec![two()];
    denied.extend(
        four()
            .as_object()
            .expect("labels")
            .iter()
            .map(|(key, value)| json!({key: value})),
    );
    let call = |labels: &Value| {
        let body = binding(namespace, "web", labels);
        [(by_pod.clone(), body.clone()), (plain.clone(), body)]
    };
    for answer in stage.post(WRITER, denied.iter().flat_map(call).collect()) {
        assert!(
            answer.is_err_and(|said| said.contains("OBP501 identity-assumed: Binding bound/web"))
        );
    }
    let allowed = [json!({}), json!({"topology.kubernetes.io/zone": "a"})];
    for answer in stage.post(WRITER, allowed.iter().flat_map(call).collect()) {
        assert_eq!(answer, Ok(()));
    }
    let path = path("v1", namespace, "pods/bao-2/binding").replace("?dryRun=All", "");
    let bind = ["create", "--raw", &path, "-f", "-"];
    let bound = stage
        .kubectl(SCHEDULER, &bind)
        .stdin(&binding(namespace, "bao-2", &json!({})))
        .run();
    assert_quiet(&bound);
    let node = [
        "get",
        "pod",
        "bao-2",
        "-n",
        namespace,
        "-o=jsonpath={.spec.nodeName}",
    ];
    assert_eq!(stage.plane.kubectl(node).run_ok(), "node-1");
}
