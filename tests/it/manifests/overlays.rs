//! Output of kustomize for each installation, compared with the code. `kubectl` is that of the control plane.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use clap::Parser as _;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::PodSpec;
use openbao_perimeter::cli::{Cli, Command as Subcommand};
use openbao_perimeter::config::ReviewConfig;
use openbao_perimeter::settings::{ServerConfig, Tls};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::control_plane::binary;
use crate::support::folder;

/// The overlays for the server. Each has its registrations in a subfolder.
pub(crate) const INSTALLS: [&str; 3] = [
    "manifests",
    "manifests/overlays/cert-manager",
    "manifests/overlays/self-managed",
];
/// The folders of the registrations.
pub(crate) const REGISTRATIONS: [&str; 3] = [
    "manifests/registrations",
    "manifests/overlays/cert-manager/registrations",
    "manifests/overlays/self-managed/registrations",
];
const NAMESPACE: &str = "openbao-perimeter-system";
const OPERATOR: &str = "openbao-operator-system";

/// The objects that `kubectl apply -k` applies.
pub(crate) fn rendered(folder: &str) -> Vec<Value> {
    let mut command = Command::new(binary("kubectl"));
    let output = command.args(["kustomize", folder]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.is_empty(),
        "{folder}: {said}"
    );
    serde_saphyr::from_multiple(&String::from_utf8(output.stdout).unwrap()).unwrap()
}

pub(super) fn of_kind<'a>(objects: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    objects.iter().filter(move |object| object["kind"] == kind)
}

/// The one object of a kind.
pub(crate) fn one<T: DeserializeOwned>(objects: &[Value], kind: &str) -> T {
    let mut found = of_kind(objects, kind);
    let object = found.next().unwrap();
    assert!(found.next().is_none(), "one {kind}");
    serde_json::from_value(object.clone()).unwrap()
}

pub(crate) fn pod(objects: &[Value]) -> PodSpec {
    let deployment: Deployment = one(objects, "Deployment");
    deployment.spec.unwrap().template.spec.unwrap()
}

/// The settings of the container, including its file.
fn settings(install: &str, objects: &[Value]) -> ServerConfig {
    let map: Value = one(objects, "ConfigMap");
    let mounts = pod(objects).containers.remove(0).volume_mounts.unwrap();
    let mount = mounts.iter().find(|mount| mount.name == "settings");
    let mount = mount.unwrap().mount_path.clone();
    let here = folder(&install.replace('/', "-"));
    for (file, text) in map["data"].as_object().unwrap() {
        fs::write(here.join(file), text.as_str().unwrap()).unwrap();
    }
    let here = format!("--config={}", here.display());
    let args = pod(objects).containers.remove(0).args.unwrap();
    let typed = args
        .iter()
        .map(|arg| arg.replace(&format!("--config={mount}"), &here));
    let typed = ["openbao-perimeter".to_owned()].into_iter().chain(typed);
    let Subcommand::Serve(serve) = Cli::try_parse_from(typed).unwrap().command else {
        panic!("expected `serve`");
    };
    serve.settings.read().unwrap()
}

#[test]
fn each_way_to_install_starts_the_server_with_the_certificate_that_it_promises() {
    for install in INSTALLS {
        let objects = rendered(install);
        let settings = settings(install, &objects);
        settings.validate().unwrap();
        let ports = [
            settings.listen,
            settings.probes_listen,
            settings.metrics_listen,
        ];
        assert_eq!(ports.map(|address| address.port()), [9443, 8081, 8080]);
        assert!(ports.iter().all(|address| address.ip().is_unspecified()));
        let mounts = pod(&objects).containers.remove(0).volume_mounts.unwrap();
        match settings.certificate().unwrap() {
            Tls::Files { cert, key } => {
                assert_ne!(install, INSTALLS[2]);
                for file in [&cert, &key] {
                    let folder = file.parent().unwrap();
                    let mounted = mounts.iter().find(|m| Path::new(&m.mount_path) == folder);
                    assert_eq!(mounted.unwrap().name, "tls", "{}", file.display());
                }
            }
            Tls::SelfManaged { .. } => assert_eq!(install, INSTALLS[2]),
            Tls::Ephemeral { .. } => panic!("{install}: nobody would trust it"),
        }
        // The values in the file are the defaults, so that a change of defaults is noticed.
        assert_eq!(
            settings.review_config().unwrap(),
            ReviewConfig::default(),
            "{install}"
        );
    }
}

#[test]
fn as_many_large_reviews_run_at_once_as_bodies_of_the_largest_size_fit() {
    for install in INSTALLS {
        let limits = settings(install, &rendered(install)).limits;
        assert_eq!(
            limits.workers,
            limits.bytes_in_flight / limits.body_bytes,
            "{install}"
        );
    }
}

#[test]
fn every_volume_is_mounted_and_comes_from_what_is_applied_with_it() {
    for install in INSTALLS {
        let objects = rendered(install);
        let mut pod = pod(&objects);
        let mounts = pod.containers.remove(0).volume_mounts.unwrap();
        let mounted: BTreeSet<&str> = mounts.iter().map(|mount| mount.name.as_str()).collect();
        let mut volumes = BTreeSet::new();
        for volume in pod.volumes.as_ref().unwrap() {
            volumes.insert(volume.name.as_str());
            if let Some(map) = &volume.config_map {
                let object: Value = one(&objects, "ConfigMap");
                assert_eq!(object["metadata"]["name"], map.name);
                assert_eq!(object["metadata"]["namespace"], NAMESPACE);
            } else {
                let secret = volume.secret.as_ref().unwrap().secret_name.as_deref();
                let mut made = of_kind(&objects, "Certificate").map(|made| &made["spec"]);
                let made = made.any(|spec| spec["secretName"].as_str() == secret);
                // Created by hand with this name if nothing else creates it.
                let by_hand = install == INSTALLS[0] && secret == Some("openbao-perimeter-tls");
                assert!(made || by_hand, "{install}: {secret:?}");
            }
        }
        assert_eq!(volumes, mounted, "{install}");
        assert!(mounts.iter().all(|mount| mount.read_only == Some(true)));
    }
}

#[test]
fn every_object_has_our_label_and_is_in_our_namespace() {
    const CLUSTER_SCOPED: [&str; 4] = [
        "Namespace",
        "ClusterRole",
        "ClusterRoleBinding",
        "WebhookConfiguration",
    ];
    for folder in INSTALLS.iter().chain(&REGISTRATIONS) {
        for object in rendered(folder) {
            let (kind, metadata) = (object["kind"].as_str().unwrap(), &object["metadata"]);
            let label = &metadata["labels"]["app.kubernetes.io/name"];
            assert_eq!(label, "openbao-perimeter", "{folder}: {kind}");
            let namespace = metadata["namespace"].as_str();
            let expected = match kind {
                _ if CLUSTER_SCOPED.iter().any(|scoped| kind.ends_with(scoped)) => None,
                // It reads one Service there.
                "Role" | "RoleBinding" if namespace == Some("default") => Some("default"),
                // And the operator's Deployments.
                "Role" | "RoleBinding" if namespace == Some(OPERATOR) => Some(OPERATOR),
                _ => Some(NAMESPACE),
            };
            assert_eq!(namespace, expected, "{folder}: {kind}");
        }
    }
}

#[test]
fn what_selects_pods_selects_ours() {
    for install in INSTALLS {
        let objects = rendered(install);
        let at = |kind: &str, path: &str| {
            let object: Value = one(&objects, kind);
            object.pointer(path).unwrap().clone()
        };
        let labels = at("Deployment", "/spec/template/metadata/labels");
        for (kind, path) in [
            ("Deployment", "/spec/selector/matchLabels"),
            ("Service", "/spec/selector"),
            ("PodDisruptionBudget", "/spec/selector/matchLabels"),
            ("NetworkPolicy", "/spec/podSelector/matchLabels"),
        ] {
            assert_eq!(at(kind, path), labels, "{install}: {kind}");
        }
        for spread in pod(&objects).topology_spread_constraints.unwrap() {
            let selected = spread.label_selector.unwrap().match_labels;
            assert_eq!(serde_json::to_value(selected).unwrap(), labels);
        }
    }
}

#[test]
fn the_registrations_of_each_way_to_install_differ_in_an_annotation_only() {
    let plain = rendered(REGISTRATIONS[0]);
    let mut injected = rendered(REGISTRATIONS[1]);
    for object in &mut injected {
        let annotations = object["metadata"]["annotations"].as_object_mut().unwrap();
        let from = annotations
            .remove("cert-manager.io/inject-ca-from")
            .unwrap();
        let from = from.as_str();
        let (namespace, name) = from.unwrap().split_once('/').unwrap();
        let install = rendered(INSTALLS[1]);
        let mut certificates = of_kind(&install, "Certificate");
        assert!(certificates.any(|certificate| {
            let metadata = &certificate["metadata"];
            metadata["namespace"] == namespace && metadata["name"] == name
        }));
    }
    assert_eq!(injected, plain);
    assert_eq!(rendered(REGISTRATIONS[2]), plain);
}

#[test]
fn a_pod_is_given_the_time_that_its_end_takes() {
    let objects = rendered(INSTALLS[0]);
    let mut pod = pod(&objects);
    let given = pod.termination_grace_period_seconds.unwrap();
    let lifecycle = pod.containers.remove(0).lifecycle.unwrap();
    let first = lifecycle.pre_stop.unwrap().sleep.unwrap().seconds;
    let config = settings(INSTALLS[0], &objects);
    let first = Duration::from_secs(first.try_into().unwrap());
    let given = Duration::from_secs(given.try_into().unwrap());
    assert!(first + config.shutdown_delay + config.limits.drain < given);
}

/// The overlay of the installation page, after the copy that the page makes first.
#[test]
fn the_overlay_of_the_install_page_keeps_the_settings_of_the_base() {
    let page = fs::read_to_string("docs/operations/install.md").unwrap();
    let blocks = page.split("```yaml\n").skip(1);
    let mut blocks = blocks.filter_map(|rest| rest.split("```").next());
    let overlay = blocks.find(|block| block.contains("configMapGenerator"));
    let base = "manifests/base/settings.yaml";
    assert!(page.contains(&format!("cp ../openbao-perimeter/{base} settings.yaml")));

    let beside = folder("install-page");
    let repository = beside.join("openbao-perimeter");
    std::os::unix::fs::symlink(env!("CARGO_MANIFEST_DIR"), &repository).unwrap();
    let own = beside.join("own");
    fs::create_dir_all(&own).unwrap();
    fs::write(own.join("kustomization.yaml"), overlay.unwrap()).unwrap();
    fs::copy(base, own.join("settings.yaml")).unwrap();

    let own = rendered(own.to_str().unwrap());
    let plain = rendered(INSTALLS[2]);
    let map = |objects: &[Value]| one::<Value>(objects, "ConfigMap");
    assert_eq!(map(&own), map(&plain));
    let image = pod(&own).containers.remove(0).image.unwrap();
    assert!(
        image.starts_with("registry.example/openbao-perimeter"),
        "{image}"
    );
}
