//! A control plane whose OpenBaoCluster CRD changes, and one server with the rights of its service account.

use std::process::Command;

use serde_json::{Value, json};

use crate::control_plane::{ControlPlane, Output, wait_until};
use crate::e2e::replicas::replica::Replica;
use crate::e2e::replicas::stage::{impersonate, manifest_text};
use crate::e2e::stage::{LIMIT, TENANT, program, tenancy};
use crate::{example, guard};

/// The supported version.
pub(super) const READ: &str = "v1alpha1";
/// An unsupported version.
pub(super) const OTHER: &str = "v1beta1";
const NAME: &str = "openbaoclusters.openbao.org";
const REVIEWS: &str = concat!(
    "openbao_perimeter_reviews_total",
    r#"{point="validate",kind="NetworkPolicy",operation="CREATE",outcome="allow"}"#
);
const ROLE: &str = "clusterrole/openbao-perimeter";

/// A version of the CRD.
pub(super) struct Version {
    pub(super) name: &'static str,
    pub(super) served: bool,
    pub(super) storage: bool,
}

pub(super) struct Stage {
    plane: ControlPlane,
    guard: Option<Replica>,
    started: usize,
    crd: Value,
}

impl Stage {
    /// Everything but the OpenBaoCluster CRD. That of OpenBaoRestore keeps the API group. The server is
    /// ready.
    pub(super) fn without_the_crd() -> Self {
        let plane = ControlPlane::start();
        plane.apply_ok(guard::NAMESPACE);
        plane.apply_ok(guard::OPERATOR_NAMESPACE);
        plane.apply_ok(guard::SERVICE);
        for manifest in ["base/rbac", "overlays/self-managed/rbac"] {
            plane.apply_ok(&manifest_text(manifest));
        }
        plane.apply_ok(example::OPERATOR_RIGHTS);
        for namespace in ["bao", "shop", "late"] {
            plane.apply_ok(&tenancy(namespace));
        }
        impersonate(&plane);
        let printed = Command::new(program()).arg("crds").output();
        let printed = String::from_utf8(printed.expect("run the binary").stdout).expect("YAML");
        let crds: Vec<Value> = serde_saphyr::from_multiple(&printed).expect("YAML");
        let is_clusters = |crd: &Value| crd["metadata"]["name"] == NAME;
        let (clusters, others): (Vec<_>, Vec<_>) = crds.into_iter().partition(is_clusters);
        for crd in others {
            plane.apply_ok(&crd.to_string());
        }
        let mut stage = Self {
            plane,
            guard: None,
            started: 0,
            crd: clusters.into_iter().next().expect("the CRD"),
        };
        stage.start();
        stage.wait_until_ready();
        stage
    }

    fn start(&mut self) {
        self.guard = None;
        let name = format!("guard-{}", self.started);
        self.started += 1;
        self.guard = Some(Replica::start(&self.plane, &name, ""));
    }

    fn guard(&self) -> &Replica {
        self.guard.as_ref().expect("a guard")
    }

    /// Restarts the server. Returns once the API server calls it.
    pub(super) fn restart(&mut self) {
        self.start();
        self.wait_until_ready();
    }

    /// Restarts the server, which may never become ready.
    pub(super) fn restart_unready(&mut self) {
        self.start();
    }

    pub(super) fn wait_until_ready(&self) {
        wait_until("the guard is ready", LIMIT, || {
            self.guard().is_alive();
            self.guard().is_ready().then_some(())
        });
        if self.started > 1 {
            self.register();
        }
    }

    /// Registers the webhooks. Returns once the API server calls them.
    pub(super) fn register(&self) {
        let port = format!("port: {}", self.guard().reviews.port());
        let manifest = manifest_text("registrations/webhook").replace("port: 9443", &port);
        let apply = self.plane.kubectl(["apply", "-f", "-"]);
        apply.stdin(&manifest).run_ok();
        wait_until("the API server asks", LIMIT, || {
            self.ask("shop");
            (self.metric(REVIEWS) > 0).then_some(())
        });
    }

    /// Serves OpenBaoClusters in these versions.
    pub(super) fn serve(&self, versions: &[Version]) {
        let mut crd = self.crd.clone();
        let written = crd["spec"]["versions"][0].clone();
        let versions = versions.iter().map(|version| {
            let mut written = written.clone();
            written["name"] = json!(version.name);
            written["served"] = json!(version.served);
            written["storage"] = json!(version.storage);
            written
        });
        crd["spec"]["versions"] = versions.collect();
        self.plane.apply_ok(&crd.to_string());
    }

    /// Makes or deletes a CRD of the same group and kind under another plural.
    pub(super) fn rival(&self, is_there: bool) {
        let rival = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "rivals.openbao.org"}, "spec": {"group": "openbao.org", "scope": "Namespaced",
            "names": {"plural": "rivals", "kind": "OpenBaoCluster"}, "versions": [{"name": READ, "served": true,
            "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}]}});
        if !is_there {
            return self.delete("crd", "rivals.openbao.org");
        }
        self.apply(&rival);
        let wait = [
            "wait",
            "crd/rivals.openbao.org",
            "--for=condition=Established",
        ];
        self.plane.kubectl(wait).run_ok();
    }

    /// Waits until the API server rejects the names of the CRD.
    pub(super) fn wait_until_rejected(&self) {
        let crd = format!("crd/{NAME}");
        let wait = ["wait", &crd, "--for=condition=NamesAccepted=false"];
        self.plane.kubectl(wait).run_ok();
    }

    pub(super) fn wait_until_served(&self, version: &str) {
        let path = format!("/apis/openbao.org/{version}/openbaoclusters");
        wait_until("the version is served", LIMIT, || {
            let list = self.plane.kubectl(["get", "--raw", &path]).run();
            list.status_ok.then_some(())
        });
    }

    /// Checks that nothing is stored in another version.
    pub(super) fn store_only(&self, version: &str) {
        let patch = json!({"status": {"storedVersions": [version]}}).to_string();
        let patch = [
            "patch",
            "crd",
            NAME,
            "--subresource=status",
            "--type=merge",
            "-p",
            &patch,
        ];
        self.plane.kubectl(patch).run_ok();
    }

    pub(super) fn delete_the_crd(&self) {
        let delete = ["delete", "crd", NAME, "--wait=false"];
        self.plane.kubectl(delete).run_ok();
    }

    /// Grants or removes permission to list OpenBaoClusters.
    pub(super) fn may_list(&self, may: bool) {
        let resources = if may {
            json!(["openbaoclusters", "openbaorestores"])
        } else {
            json!(["openbaorestores"])
        };
        self.patch_role("/rules/0/resources", &resources);
    }

    /// Grants or removes permission to list the kinds of a rule, of which this is one.
    pub(super) fn may_list_with(&self, resource: &str, may: bool) {
        let role = self.plane.kubectl(["get", ROLE, "-o", "json"]).run_json();
        let rules = role["rules"].as_array().expect("rules");
        let has_it = |rule: &Value| {
            let resources = rule["resources"].as_array();
            resources.is_some_and(|all| all.contains(&json!(resource)))
        };
        let index = rules.iter().position(has_it).expect("the rule");
        let verbs = if may {
            json!(["get", "list", "watch"])
        } else {
            json!(["get"])
        };
        self.patch_role(&format!("/rules/{index}/verbs"), &verbs);
    }

    fn patch_role(&self, pointer: &str, value: &Value) {
        let patch = json!([{"op": "replace", "path": pointer, "value": value}]);
        let patch = ["patch", ROLE, "--type=json", "-p", &patch.to_string()];
        self.plane.kubectl(patch).run_ok();
    }

    pub(super) fn apply(&self, object: &Value) {
        self.plane.apply_ok(&object.to_string());
    }

    /// Applies an object with more flags. Returns the result.
    pub(super) fn try_apply(&self, object: &Value, flags: &[&str]) -> Output {
        let apply = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        let apply = self.plane.kubectl(apply.iter().chain(flags));
        apply.stdin(&object.to_string()).run()
    }

    pub(super) fn delete(&self, kind: &str, name: &str) {
        self.plane.kubectl(["delete", kind, name]).run_ok();
    }

    /// Applies an object shortly after its CRD.
    pub(super) fn apply_when_served(&self, object: &Value) {
        wait_until("the object is made", LIMIT, || {
            self.try_apply(object, &[]).status_ok.then_some(())
        });
    }

    /// Creates the cluster `bao` as a tenant. Waits until the API server accepts it, shortly after the CRD is
    /// established.
    pub(super) fn make(&self, version: &str, namespace: &str) {
        wait_until("the cluster is made", LIMIT, || {
            let made = self.create(version, namespace, TENANT);
            assert!(!made.stderr.contains("OBP"), "{made:?}");
            made.status_ok.then_some(())
        });
    }

    pub(super) fn make_as_operator(&self, version: &str, namespace: &str) -> Output {
        self.create(version, namespace, example::OPERATOR)
    }

    fn create(&self, version: &str, namespace: &str, user: &str) -> Output {
        let path = clusters(version, namespace);
        let cluster = json!({"apiVersion": format!("openbao.org/{version}"), "kind": "OpenBaoCluster",
            "metadata": {"name": "bao", "namespace": namespace}, "spec": {"profile": "Development"}});
        let create = self.plane.kubectl(["create", "--raw", &path, "-f", "-"]);
        create.as_user(user).stdin(&cluster.to_string()).run()
    }

    pub(super) fn remove(&self, version: &str, namespace: &str) {
        let path = format!("{}/bao", clusters(version, namespace));
        self.plane.kubectl(["delete", "--raw", &path]).run_ok();
    }

    /// A tenant changes the cluster of a namespace.
    pub(super) fn change(
        &self,
        version: &str,
        namespace: &str,
        change: impl Fn(&mut Value),
    ) -> Output {
        let path = format!("{}/bao", clusters(version, namespace));
        let mut cluster = self.plane.kubectl(["get", "--raw", &path]).run_json();
        change(&mut cluster);
        let replace = self.plane.kubectl(["replace", "--raw", &path, "-f", "-"]);
        replace.as_user(TENANT).stdin(&cluster.to_string()).run()
    }

    /// Opens all pods of a namespace to everyone, as a tenant. Returns the result.
    pub(super) fn ask(&self, namespace: &str) -> Output {
        let path =
            format!("/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies?dryRun=All");
        let open = policy(namespace, &json!({"podSelector": {}, "ingress": [{}]}));
        let create = self.plane.kubectl(["create", "--raw", &path, "-f", "-"]);
        create.as_user(TENANT).stdin(&open.to_string()).run()
    }

    pub(super) fn denies(&self, namespace: &str, why: &str) {
        let answer = self.ask(namespace);
        assert!(
            !answer.status_ok && answer.stderr.contains(why),
            "{namespace}: {why}: {answer:?}"
        );
    }

    pub(super) fn opens(&self, namespace: &str) {
        let answer = self.ask(namespace);
        assert!(answer.status_ok, "{namespace}: {answer:?}");
    }

    /// Waits until `/readyz?verbose` has this text, which is updated every second.
    pub(super) fn says(&self, text: &str) {
        wait_until(text, LIMIT, || {
            self.guard().readyz().contains(text).then_some(())
        });
    }

    pub(super) fn printed(&self) -> String {
        self.guard().printed()
    }

    pub(super) fn metric(&self, name: &str) -> usize {
        self.guard().metric(name)
    }
}

fn clusters(version: &str, namespace: &str) -> String {
    format!("/apis/openbao.org/{version}/namespaces/{namespace}/openbaoclusters")
}

fn policy(namespace: &str, spec: &Value) -> Value {
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "open", "namespace": namespace}, "spec": spec})
}
