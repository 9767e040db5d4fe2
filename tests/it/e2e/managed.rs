//! Writes of managed policies: the operator's own, and edits and deletions by tenants.

use serde_json::{Value, json};

use super::stage::{APPLY, Scene, plane, tenant_anywhere};
use super::verdicts::{assert_denied, assert_quiet};
use crate::control_plane::Output;
use crate::example;

const NAME: &str = "bao-network-policy";

#[test]
fn the_operator_creates_and_updates_its_policies_without_a_message() {
    let scene = Scene::with_cluster("operator-writes");
    let written = |manifests: &str| {
        let as_operator = || example::as_operator(plane(), manifests);
        for output in [
            as_operator().with("--dry-run=server").run(),
            as_operator().run(),
        ] {
            assert!(output.status_ok && output.stderr.is_empty(), "{output:?}");
        }
    };
    let created = example::managed_policies(plane(), scene.namespace);
    written(&created);

    // The declaration grows, and then the rendered policy.
    let repeat = scene.scene("allowed-policy-repeats-a-declared-connection");
    assert_quiet(&scene.write(APPLY, &scene.scene("allowed-cluster-declares-a-namespace")));
    scene.wait_until_allowed(&repeat.replace("name: monitoring\n", "name: web\n"));
    let (head, tail) = created
        .split_once("  egress:\n")
        .expect("a policy with egress");
    let web = "    - from:
        - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: web}}
      ports:
        - {protocol: TCP, port: 8200}
";
    written(&format!("{head}{web}  egress:\n{tail}"));
    let stored = scene.policy(NAME).expect("stored");
    assert_eq!(stored["spec"]["ingress"].as_array().map(Vec::len), Some(5));
}

/// The commands with which kubectl changes a stored object.
#[derive(Clone, Copy, Debug)]
enum Way {
    Apply,
    Patch,
    Replace,
    ServerSideApply,
}

impl Way {
    const ALL: [Self; 4] = [
        Self::Apply,
        Self::Patch,
        Self::Replace,
        Self::ServerSideApply,
    ];

    /// Gives the managed policy another spec, as the tenant.
    fn write(self, scene: &Scene, spec: &Value) -> Output {
        let mut policy = scene.policy(NAME).expect("the operator's policy");
        policy["spec"] = spec.clone();
        let mut bare = policy.clone();
        bare["metadata"] = json!({"name": NAME});
        match self {
            Self::Apply => scene.write(APPLY, &bare.to_string()),
            Self::Replace => scene.write(&["replace", "-f", "-"], &policy.to_string()),
            Self::ServerSideApply => {
                let args = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
                scene.write(&args, &bare.to_string())
            }
            Self::Patch => {
                let patch = json!([{"op": "replace", "path": "/spec", "value": spec}]).to_string();
                scene.write(
                    &["patch", "networkpolicy", NAME, "--type=json", "-p", &patch],
                    "",
                )
            }
        }
    }
}

fn spec_of(scene: &Scene, file: &str) -> Value {
    let policy: Value = serde_saphyr::from_str(&scene.scene(file)).expect("YAML");
    policy["spec"].clone()
}

/// Checks that the policy is stored unchanged whichever command writes the spec of this file, that a warning
/// reports the repair, and that the operator has nothing to write.
fn assert_repaired(namespace: &'static str, file: &str, restored: &str) {
    let scene = Scene::rendered(namespace);
    let whole = scene.policy(NAME).expect("rendered")["spec"].clone();
    let edited = spec_of(&scene, file);
    for way in Way::ALL {
        let answer = way.write(&scene, &edited);
        assert!(answer.status_ok, "{way:?}: {answer:?}");
        for word in ["Warning: ", "restores", restored] {
            assert!(answer.stderr.contains(word), "{way:?}, {word}: {answer:?}");
        }
        let stored = scene.policy(NAME).expect("stored");
        assert_eq!(stored["spec"], whole, "{way:?}");
        scene.render();
        let after = scene.policy(NAME).expect("stored");
        let generation = |policy: &Value| policy["metadata"]["generation"].clone();
        assert_eq!(generation(&after), generation(&stored), "{way:?}");
    }
}

#[test]
fn a_dropped_raft_rule_is_put_back_with_a_warning() {
    assert_repaired(
        "raft-rule-dropped",
        "repaired-raft-rule-removed",
        "core rule `raft-peers-in`",
    );
}

#[test]
fn a_dropped_policy_type_is_put_back_with_a_warning() {
    assert_repaired(
        "policy-type-dropped",
        "repaired-policy-types-cut-to-ingress",
        "`Egress`",
    );
}

#[test]
fn a_rule_dropped_from_the_jobs_policy_is_put_back_with_a_warning() {
    let scene = Scene::rendered("jobs-rule-dropped");
    let stored = || scene.policy("bao-jobs-network-policy").expect("rendered")["spec"].clone();
    let whole = stored();
    let patch = r#"[{"op": "remove", "path": "/spec/egress/0"}]"#;
    let patch = [
        "patch",
        "networkpolicy",
        "bao-jobs-network-policy",
        "--type=json",
        "-p",
        patch,
    ];
    let answer = scene.write(&patch, "");
    assert!(
        answer.status_ok && answer.stderr.contains("restores"),
        "{answer:?}"
    );
    assert_eq!(stored(), whole);
}

#[test]
fn an_edit_that_also_opens_the_api_to_everyone_is_denied() {
    let scene = Scene::rendered("managed-policy-opened");
    let edited = spec_of(&scene, "refused-OBP201-managed-policy-opened-to-everyone");
    for way in Way::ALL {
        assert_denied(&way.write(&scene, &edited), "OBP201");
    }
    let mut edited = spec_of(&scene, "repaired-policy-types-cut-to-ingress");
    let everyone = json!({"ports": [{"protocol": "TCP", "port": 8200}]});
    edited["ingress"]
        .as_array_mut()
        .expect("a list")
        .push(everyone);
    for way in Way::ALL {
        assert_denied(&way.write(&scene, &edited), "OBP201");
    }
}

#[test]
fn the_managed_policy_keeps_its_labels_and_its_owner() {
    let scene = Scene::rendered("managed-policy-retargeted");
    let relabelled = scene.scene("refused-OBP104-managed-policy-relabelled");
    assert_denied(&scene.write(APPLY, &relabelled), "OBP104");
    let disowned = r#"{"metadata": {"ownerReferences": null}}"#;
    let patch = [
        "patch",
        "networkpolicy",
        NAME,
        "--type=merge",
        "-p",
        disowned,
    ];
    assert_denied(&scene.write(&patch, ""), "OBP104");
    let annotate = ["annotate", "networkpolicy", NAME, "team=storage"];
    assert_quiet(&scene.write(&annotate, ""));
}

#[test]
fn managed_policies_cannot_be_deleted_while_their_cluster_lives() {
    let scene = Scene::rendered("managed-policies-deleted");
    assert_quiet(&scene.write(APPLY, &scene.scene("allowed-policy-for-web-pods")));
    for name in [NAME, "bao-jobs-network-policy"] {
        assert_denied(
            &scene.write(&["delete", "networkpolicy", name], ""),
            "OBP103",
        );
    }
    let all = ["delete", "networkpolicy", "--all"];
    assert_denied(
        &scene
            .tenant(&[&all[..], &["--dry-run=server"]].concat())
            .run(),
        "OBP103",
    );
    assert!(scene.policy("web").is_some(), "deleted by a dry run");
    assert_denied(&scene.tenant(&all).run(), "OBP103");
    assert!(
        scene.policy("web").is_none(),
        "a tenant's own policy may go"
    );

    let path = format!(
        "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
        scene.namespace
    );
    let dry_path = format!("{path}?dryRun=All");
    for path in [dry_path, path] {
        let before = scene.versions();
        // Arguments with a namespace cannot be combined with a path.
        let answer = tenant_anywhere(&["delete", "--raw", &path]).run();
        assert_denied(&answer, "OBP103");
        assert_eq!(scene.versions(), before);
    }
    assert_eq!(scene.versions().matches("NetworkPolicy/bao-").count(), 2);
}
