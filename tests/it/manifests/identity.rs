//! The component of the identity guard, compared with the output of the program.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use k8s_openapi::api::admissionregistration::v1::WebhookClientConfig;
use openbao_perimeter::config::ReviewConfig;
use openbao_perimeter::registration::{Configuration, Expected, Trust};
use serde_json::{Value, json};

use super::chart::{CHART, field, template};
use super::overlays::rendered;
use crate::reference::is_blessing;
use crate::support::folder;

const FILE: &str = "manifests/components/identity/identity.yaml";

/// The output of `export identity` with these settings.
pub(crate) fn exported(settings: &str) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let file = folder(&format!("export-identity-{count}")).join("settings.yaml");
    fs::write(&file, settings).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_openbao-perimeter"));
    command.args(["export", "identity", "--config"]).arg(file);
    let output = command.env_remove("POD_NAMESPACE").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_component_is_what_export_prints_with_the_default_settings() {
    let expected = exported("");
    let copy = format!("{CHART}/identity/identity.yaml");
    for file in [FILE, &copy] {
        if is_blessing() {
            fs::write(file, &expected).unwrap();
        }
        let found = fs::read_to_string(file).unwrap_or_default();
        assert!(found == expected, "{file} is stale: run `make docs`");
    }
}

#[test]
#[cfg_attr(not(has_helm), ignore = "helm is not there: make builders")]
fn the_guard_of_the_chart_is_what_export_prints_for_its_settings() {
    for values in [
        &[][..],
        &[
            "identityGuard.accounts={velero,a}",
            "operator.accounts={b,a}",
        ],
        &["operator.namespace=ops", "identityGuard.level=audit"],
        &["identityGuard.level=warn", "enforcement=audit"],
        &["identityGuard.level=audit", "enforcement=warn"],
        &[
            "settings.review.apiPort=8300",
            "settings.review.clusterPort=8301",
        ],
    ] {
        let objects = template(&[&["identityGuard.enabled=true"], values].concat());
        let settings = field(&objects, "ConfigMap", "/data/settings.yaml");
        let printed = exported(settings.as_str().unwrap());
        let printed: Vec<Value> = serde_saphyr::from_multiple(&printed).unwrap();
        assert_eq!(printed.len(), 2);
        for expected in printed {
            let kind = expected["kind"].as_str().unwrap();
            let name = field(&objects, kind, "/metadata/name");
            assert_eq!(name, expected["metadata"]["name"]);
            let spec = field(&objects, kind, "/spec");
            assert_eq!(spec, expected["spec"], "{values:?}: {kind}");
        }
    }
}

#[test]
fn a_kustomization_takes_the_component_beside_the_server() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let overlay = root.join("target/tmp/identity-component");
    fs::create_dir_all(&overlay).unwrap();
    let kustomization = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization",
        "resources": ["../../../manifests"],
        "components": ["../../../manifests/components/identity"],
    });
    fs::write(
        overlay.join("kustomization.yaml"),
        kustomization.to_string(),
    )
    .unwrap();
    let objects = rendered(overlay.to_str().unwrap());
    let of_policies = |object: &&Value| {
        let kind = object["kind"].as_str().unwrap();
        kind.starts_with("ValidatingAdmissionPolicy")
    };
    assert_eq!(objects.iter().filter(of_policies).count(), 2);
}

/// No certificate is served.
struct Nothing;

impl Trust for Nothing {
    fn trusts(&self, _: &WebhookClientConfig) -> Option<bool> {
        None
    }
}

#[test]
fn each_change_of_the_guard_is_noticed_and_what_the_api_server_adds_is_not() {
    let expected = Expected::new(&ReviewConfig::default()).unwrap();
    let text = fs::read_to_string(FILE).unwrap();
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    let parts = [Configuration::Policy, Configuration::Binding];
    let drift = |at: usize, spec: &Value| -> Vec<String> {
        let found = expected.drift(parts[at], spec, &Nothing);
        found.into_iter().map(|found| found.field).collect()
    };
    let [policy, binding] = [0, 1].map(|at| documents[at]["spec"].clone());
    let mut stored = policy.clone();
    stored["matchConstraints"]["objectSelector"] = json!({});
    stored["validations"][0]["expression"] = json!(" variables.allowed ||variables.lost");
    assert_eq!(drift(0, &stored), [""; 0]);
    assert_eq!(drift(1, &binding), [""; 0]);
    for (pointer, value, field) in [
        ("/failurePolicy", json!("Ignore"), "failurePolicy"),
        (
            "/matchConditions/0/expression",
            json!("true"),
            "matchConditions",
        ),
        (
            "/matchConstraints/resourceRules/1/resources",
            json!([]),
            "matchConstraints",
        ),
        ("/variables/2/expression", json!("[]"), "variables"),
        ("/validations/1/expression", json!("true"), "validations"),
        ("/auditAnnotations", json!([]), "auditAnnotations"),
    ] {
        let mut changed = policy.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        assert_eq!(drift(0, &changed), [field], "{pointer}");
    }
    let mut changed = binding;
    changed["validationActions"] = json!(["Audit"]);
    assert_eq!(drift(1, &changed), ["validationActions"]);
}

#[test]
fn the_settings_change_accounts_namespace_ports_and_actions() {
    let printed = exported(
        "operatorNamespace: operators\nownNamespace: perimeter\nreview: {apiPort: 443}\n\
         identity: {level: warn, accounts: [velero]}\n",
    );
    for part in [
        "'system:serviceaccount:operators:openbao-operator-controller'",
        "'velero'",
        "- perimeter\n",
        "(ports 443, 8201)",
        "  - Warn\n  - Audit\n",
    ] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    let capped = exported("review: {enforcement: audit}\nidentity: {level: warn}");
    assert!(
        capped.contains("validationActions:\n  - Audit\n"),
        "{capped}"
    );
    assert!(!exported("identity: {level: off}").contains("ValidatingAdmissionPolicyBinding\n"));
}
