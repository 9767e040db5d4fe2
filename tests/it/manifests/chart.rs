//! The Helm chart: the same objects as the kustomizations, and what each value changes.

mod values;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use openbao_perimeter::registration::rendered as rendered_for;
use openbao_perimeter::settings::ServerConfig;
use serde_json::{Value, json};

use super::overlays::{INSTALLS, REGISTRATIONS, rendered};

pub(crate) const CHART: &str = "charts/openbao-perimeter";
const NAMESPACE: &str = "openbao-perimeter-system";
/// Certificate modes, in the order of [`INSTALLS`] and [`REGISTRATIONS`].
const MODES: [&str; 3] = ["secret", "cert-manager", "self-managed"];
/// Labels that only Helm sets.
const HELM_LABELS: [&str; 4] = [
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/version",
    "helm.sh/chart",
];

/// The helm that `make builders` builds, or the one on the PATH.
pub(crate) fn program() -> &'static Path {
    let built = Path::new("target/builders/helm");
    if built.is_file() {
        built
    } else {
        Path::new("helm")
    }
}

fn helm(args: &[&str]) -> Output {
    let output = Command::new(program()).args(args).output();
    output.expect("run helm")
}

fn try_template(values: &[&str]) -> Result<Vec<Value>, String> {
    template_in(NAMESPACE, values)
}

fn template_in(namespace: &str, values: &[&str]) -> Result<Vec<Value>, String> {
    let template = ["template", "perimeter", CHART, "-n", namespace];
    let sets = values.iter().flat_map(|value| ["--set", value]);
    let args: Vec<&str> = template.into_iter().chain(sets).collect();
    let output = helm(&args);
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let objects: Vec<Value> = serde_saphyr::from_multiple(&text).expect("YAML");
    Ok(objects
        .into_iter()
        .filter(|object| !object.is_null())
        .collect())
}

pub(crate) fn template(values: &[&str]) -> Vec<Value> {
    try_template(values).unwrap_or_else(|problem| panic!("{values:?}: {problem}"))
}

/// Objects by kind, namespace and name, without what is Helm's alone and without line breaks in expressions.
pub(crate) fn index(objects: Vec<Value>) -> BTreeMap<String, Value> {
    let named = objects.into_iter().map(|mut object| {
        plain(&mut object);
        let meta = &object["metadata"];
        let name = format!("{} {} {}", object["kind"], meta["namespace"], meta["name"]);
        (name, object)
    });
    named.collect()
}

fn plain(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|key, _| !HELM_LABELS.contains(&key.as_str()) && key != "caBundle");
            if let Some(settings) = fields.get_mut("settings.yaml") {
                let text = settings.as_str().expect("text");
                *settings = serde_saphyr::from_str(text).expect("settings");
            }
            fields.values_mut().for_each(plain);
        }
        Value::Array(items) => items.iter_mut().for_each(plain),
        Value::String(text) => *text = text.split_whitespace().collect::<Vec<_>>().join(" "),
        _ => {}
    }
}

/// The object of this kind at this path.
pub(crate) fn field(objects: &[Value], kind: &str, pointer: &str) -> Value {
    let mut of_kind = objects.iter().filter(|object| object["kind"] == kind);
    let found = of_kind.find_map(|object| object.pointer(pointer));
    found.cloned().unwrap_or_else(|| panic!("{kind} {pointer}"))
}

#[test]
#[cfg_attr(not(has_helm), ignore = "helm is not there: make builders")]
fn the_chart_and_the_kustomizations_have_the_same_objects() {
    for (mode, (install, registrations)) in MODES.iter().zip(INSTALLS.iter().zip(REGISTRATIONS)) {
        let certificate = format!("certificates.mode={mode}");
        let values = [
            certificate.as_str(),
            "registrations.enabled=true",
            "certificates.caBundle=-----BEGIN CERTIFICATE-----",
        ];
        let mut ours = index(template(&values));
        // `helm install --create-namespace` makes the namespace, and only Helm has tests.
        let test = format!(r#""Pod" "{NAMESPACE}" "openbao-perimeter-test""#);
        assert!(ours.remove(&test).is_some(), "{:?}", ours.keys());
        let mut theirs = rendered(install);
        theirs.extend(rendered(registrations));
        theirs.retain(|object| object["kind"] != "Namespace");
        let theirs = index(theirs);
        assert_eq!(
            ours.keys().collect::<Vec<_>>(),
            theirs.keys().collect::<Vec<_>>(),
            "{mode}"
        );
        for (name, object) in theirs {
            assert_eq!(ours[&name], object, "{mode}: {name}");
        }
    }
}

const ON: &str = "registrations.enabled=true";
const POD: &str = "/spec/template/spec";

/// Checks what stands at a place of an object with these values.
#[track_caller]
fn reaches(values: &[&str], kind: &str, pointer: &str, expected: &Value) {
    let mut objects = template(values);
    // The settings are a ConfigMap too.
    objects
        .retain(|object| object["metadata"]["name"] != "openbao-perimeter" || kind != "ConfigMap");
    assert_eq!(field(&objects, kind, pointer), *expected, "{values:?}");
}

#[test]
#[cfg_attr(not(has_helm), ignore = "helm is not there: make builders")]
fn each_value_about_pods_reaches_the_deployment() {
    let pod = |values: &[&str], field: &str, expected: &Value| {
        reaches(values, "Deployment", &format!("{POD}/{field}"), expected);
    };
    let image = ["image.repository=r/x", "image.tag=t"];
    pod(&image, "containers/0/image", &json!("r/x:t"));
    pod(
        &["image.pullPolicy=Always"],
        "containers/0/imagePullPolicy",
        &json!("Always"),
    );
    pod(
        &["imagePullSecrets[0].name=s"],
        "imagePullSecrets",
        &json!([{"name": "s"}]),
    );
    pod(
        &["resources.limits.memory=1Gi"],
        "containers/0/resources/limits/memory",
        &json!("1Gi"),
    );
    let context = json!({"runAsNonRoot": true, "runAsGroup": 65532, "fsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"}});
    pod(
        &["podSecurityContext.runAsUser=null"],
        "securityContext",
        &context,
    );
    pod(&["nodeSelector.a=b"], "nodeSelector", &json!({"a": "b"}));
    pod(
        &["tolerations[0].key=a"],
        "tolerations",
        &json!([{"key": "a"}]),
    );
    pod(
        &["affinity.podAffinity.x=y"],
        "affinity/podAffinity/x",
        &json!("y"),
    );
    let secret = ["certificates.mode=secret", "certificates.secretName=s"];
    pod(&secret, "volumes/1/secret/secretName", &json!("s"));
    let annotations = "/spec/template/metadata/annotations";
    reaches(
        &["podAnnotations.a=b"],
        "Deployment",
        annotations,
        &json!({"a": "b"}),
    );
    reaches(&["replicas=3"], "Deployment", "/spec/replicas", &json!(3));
}

#[test]
#[cfg_attr(not(has_helm), ignore = "helm is not there: make builders")]
fn each_other_value_reaches_its_object() {
    let validating = "ValidatingWebhookConfiguration";
    let ca = [
        "certificates.mode=secret",
        "certificates.caBundle=-----BEGIN CERTIFICATE-----",
        ON,
    ];
    reaches(
        &ca,
        validating,
        "/webhooks/2/clientConfig/caBundle",
        &json!("LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t"),
    );
    let policy = "/webhooks/0/failurePolicy";
    reaches(
        &["enforcement=audit", ON],
        validating,
        policy,
        &json!("Ignore"),
    );
    let ports = ["networkPolicy.apiServerPorts={6443}"];
    let egress = json!([{"ports": [{"port": 6443, "protocol": "TCP"}]}]);
    reaches(&ports, "NetworkPolicy", "/spec/egress", &egress);
    let monitor = [
        "monitoring.serviceMonitor=true",
        "monitoring.labels.release=p",
    ];
    reaches(
        &monitor,
        "ServiceMonitor",
        "/metadata/labels/release",
        &json!("p"),
    );
    let rule = ["monitoring.prometheusRule=true"];
    reaches(
        &rule,
        "PrometheusRule",
        "/spec/groups/0/name",
        &json!("openbao-perimeter"),
    );
    let dashboard = ["monitoring.dashboard=true"];
    reaches(
        &dashboard,
        "ConfigMap",
        "/metadata/labels/grafana_dashboard",
        &json!("1"),
    );
}

#[test]
#[cfg_attr(not(has_helm), ignore = "helm is not there: make builders")]
fn deployments_are_read_where_the_operator_is_and_only_to_detect_the_baseline() {
    let places = |values: &[&str]| {
        let roles = template(values).into_iter();
        let roles = roles.filter(|role| role["rules"].to_string().contains("deployments"));
        let places = roles.map(|role| role["metadata"]["namespace"].clone());
        places.collect::<Vec<Value>>()
    };
    assert_eq!(places(&["operator.namespace=ops"]), ["ops"]);
    assert_eq!(
        places(&["operator.namespace=ops", "baseline=v0.4"]),
        [""; 0]
    );
    assert!(try_template(&["baseline=v0.2"]).is_err());
}

#[test]
#[cfg_attr(not(has_helm), ignore = "helm is not there: make builders")]
fn the_operators_names_reach_settings_and_registrations_together() {
    let objects = template(&[
        "registrations.enabled=true",
        "operator.namespace=ops",
        "baseline=next",
        "enforcement=warn",
    ]);
    let settings = field(&objects, "ConfigMap", "/data/settings.yaml");
    let settings: Value = serde_saphyr::from_str(settings.as_str().unwrap()).unwrap();
    let expected = json!({"baseline": "next", "limits": {"maxWorkers": 4}, "operatorNamespace": "ops",
        "review": {"enforcement": "warn"}});
    assert_eq!(settings, expected);
    let own = "system:serviceaccount:ops:openbao-operator-controller";
    for pointer in [
        "/webhooks/0/matchConditions/0/expression",
        "/webhooks/1/matchConditions/0/expression",
    ] {
        let text = field(&objects, "ValidatingWebhookConfiguration", pointer).to_string();
        assert!(
            text.contains(own) && !text.contains("openbao-operator-system"),
            "{text}"
        );
    }
    let accounts = template(&["registrations.enabled=true", "operator.accounts={me,you}"]);
    let text = field(
        &accounts,
        "MutatingWebhookConfiguration",
        "/webhooks/0/matchConditions/0/expression",
    );
    assert_eq!(text, "!(request.userInfo.username in ['me', 'you'])");
    let settings = field(&accounts, "ConfigMap", "/data/settings.yaml").to_string();
    assert!(
        settings.contains("operatorAccounts:\\n- me\\n- you"),
        "{settings}"
    );
}

/// The server would report every difference.
#[test]
#[cfg_attr(not(has_helm), ignore = "helm is not there: make builders")]
fn the_registrations_are_those_that_the_settings_of_the_chart_render() {
    for values in [
        &[][..],
        &["enforcement=audit", "operator.namespace=ops"],
        &["excludedNamespaces={kube-flannel,legacy,dev-*,ci-*}"],
        &["excludedNamespaces={dev-*}", "operator.accounts={me}"],
    ] {
        let objects = template(&[&["registrations.enabled=true"], values].concat());
        let settings = field(&objects, "ConfigMap", "/data/settings.yaml");
        let settings: ServerConfig = serde_saphyr::from_str(settings.as_str().unwrap()).unwrap();
        let expected = rendered_for(&settings.review_config().unwrap()).unwrap();
        assert_same_webhooks(&objects, expected);
    }
    // The Deployment names this namespace in OBP_OWN_NAMESPACE.
    let elsewhere = template_in("security", &["registrations.enabled=true"]).unwrap();
    let settings = "{ownNamespace: security, baseline: auto}";
    let settings: ServerConfig = serde_saphyr::from_str(settings).unwrap();
    let expected = rendered_for(&settings.review_config().unwrap()).unwrap();
    assert_same_webhooks(&elsewhere, expected);
}

fn assert_same_webhooks(objects: &[Value], expected: Vec<Value>) {
    for mut expected in expected {
        let kind = expected["kind"].as_str().unwrap().to_owned();
        let mut ours = field(objects, &kind, "/webhooks");
        plain(&mut ours);
        plain(&mut expected);
        assert_eq!(ours, expected["webhooks"], "{kind}");
    }
}

#[test]
#[cfg_attr(not(has_helm), ignore = "helm is not there: make builders")]
fn registrations_come_only_when_they_are_enabled() {
    let objects = template(&[]);
    let is_registration =
        |object: &&Value| object["apiVersion"] == "admissionregistration.k8s.io/v1";
    assert_eq!(objects.iter().filter(is_registration).count(), 0);
}

#[test]
fn the_chart_has_the_version_and_the_monitoring_of_this_release() {
    let chart = fs::read_to_string(format!("{CHART}/Chart.yaml")).unwrap();
    let chart: Value = serde_saphyr::from_str(&chart).unwrap();
    assert_eq!(chart["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
    for file in ["alerts.yaml", "dashboard.json"] {
        let copy = fs::read_to_string(format!("{CHART}/monitoring/{file}")).unwrap();
        let original = fs::read_to_string(format!("manifests/monitoring/{file}")).unwrap();
        assert_eq!(
            copy, original,
            "copy manifests/monitoring/{file} to {CHART}/monitoring"
        );
    }
}
