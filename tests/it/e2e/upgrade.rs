//! An upgrade of the chart under writes: rights, settings and registrations of two versions of its values, and two replicas
//! that are replaced one after the other.

use serde_json::Value;

use super::replicas::stage::Stage;
use super::replicas::writes::Writes;
use crate::manifests::chart::template;

/// Kinds of the chart that the API server reads. The Service is the scene's, and no kubelet runs the Deployment.
const RIGHTS: [&str; 4] = ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"];
const REGISTRATIONS: [&str; 2] = [
    "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration",
];

/// The chart with these values.
struct Release(Vec<Value>);

impl Release {
    fn of(values: &[&str]) -> Self {
        let all = values.iter().copied();
        let all: Vec<&str> = all.chain(["registrations.enabled=true"]).collect();
        Self(template(&all))
    }

    fn of_kinds(&self, kinds: &[&str]) -> String {
        let is_wanted = |object: &&Value| kinds.iter().any(|kind| object["kind"] == *kind);
        let wanted: Vec<&Value> = self.0.iter().filter(is_wanted).collect();
        assert!(wanted.len() >= kinds.len(), "{kinds:?}");
        serde_json::json!({"apiVersion": "v1", "kind": "List", "items": wanted}).to_string()
    }

    /// Applies the registrations, for the port of the load balancer.
    fn register(&self, stage: &Stage) {
        let text = self.of_kinds(&REGISTRATIONS);
        let port = stage.registration("validatingwebhookconfiguration")["webhooks"][0]["clientConfig"]
            ["service"]["port"]
            .to_string();
        let text = text.replace("\"port\":9443", &format!("\"port\":{port}"));
        stage.plane.apply_ok(&text);
    }

    /// The order of docs/operations/upgrade.md: rights, settings and servers, registrations.
    fn install(&self, stage: &Stage) {
        stage.plane.apply_ok(&self.of_kinds(&RIGHTS));
        let mut maps = self.0.iter().filter(|object| object["kind"] == "ConfigMap");
        let settings = maps.find_map(|map| map["data"]["settings.yaml"].as_str());
        stage.set(settings.expect("settings"));
        stage.roll();
        self.register(stage);
        stage.wait_for("the API server asks the webhooks", || stage.is_asked());
    }
}

#[test]
#[cfg_attr(not(has_helm), ignore = "helm is not there: make builders")]
fn an_upgrade_of_the_chart_under_writes_loses_none_and_admits_none_unreviewed() {
    let stage = Stage::set_up("");
    stage.wait_for("both are ready", || stage.are_ready());
    stage.register();
    let old = Release::of(&[]);
    old.install(&stage);
    let new = Release::of(&[
        "excludedNamespaces={kube-public}",
        "settings.limits.maxWorkers=2",
    ]);
    assert_ne!(old.of_kinds(&REGISTRATIONS), new.of_kinds(&REGISTRATIONS));

    let writes = Writes::start(&stage);
    new.install(&stage);
    old.install(&stage);
    let done = writes.stop();
    println!("upgraded and rolled back: {done}");
    assert!(stage.bundle().is_some_and(|bundle| !bundle.is_empty()));
}
