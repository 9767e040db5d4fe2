//! The server in front of a control plane, registered with the manifests that users apply.
//!
//! Only the Service differs: it has type ExternalName, so that the API server calls `localhost` on the port
//! of the registrations. So only one server can run on a machine at a time.

#![allow(dead_code, reason = "each user needs another part")]
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use k8s_openapi::ByteString;
use serde_json::{Value, json};

use crate::control_plane::{ControlPlane, Server, wait_until};
use crate::example;

/// Address in the registrations.
pub(crate) const ADDRESS: &str = "127.0.0.1:9443";
/// Timeout for a debug build on a machine that compiles at the same time.
const LIMIT: Duration = Duration::from_mins(1);

pub(crate) const NAMESPACE: &str = include_str!("../../manifests/base/namespace.yaml");
/// Namespace of the operator, in which the server's account has a Role.
pub(crate) const OPERATOR_NAMESPACE: &str =
    "{apiVersion: v1, kind: Namespace, metadata: {name: openbao-operator-system}}";
const REGISTRATIONS: &str = include_str!("../../manifests/registrations/webhook.yaml");
/// Makes the API server call `localhost` for the Service of the registrations.
pub(crate) const SERVICE: &str = "
apiVersion: v1
kind: Service
metadata:
  name: openbao-perimeter
  namespace: openbao-perimeter-system
spec:
  type: ExternalName
  externalName: localhost
";

/// A running server, killed when dropped.
pub(crate) struct Guard(Server);

impl Guard {
    /// Installs the product into a control plane with the example cluster in namespace `bao`: all steps of a
    /// user, and the operator's.
    pub(crate) fn install(plane: &ControlPlane, program: &Path) -> Self {
        prepare(plane, program);
        // Started later, it would notice the CRD only at its next discovery.
        plane.start_controller_manager();
        example::load(plane, "bao");
        let guard = Self::start(plane, program);
        register(plane);
        guard
    }

    /// Starts the server from the binary at `program`. Returns once it is ready.
    pub(crate) fn start(plane: &ControlPlane, program: &Path) -> Self {
        Self::start_with(plane, program, "")
    }

    /// The same with a settings file.
    pub(crate) fn start_with(plane: &ControlPlane, program: &Path, settings: &str) -> Self {
        fs::write(plane.folder().join("settings.yaml"), settings).expect("write the settings");
        assert!(
            TcpStream::connect(ADDRESS).is_err(),
            "{ADDRESS} is taken: the registrations name this port, so end what listens there \
             (`make run`, `make playground`, another test run)"
        );
        let args = format!(
            "serve --listen {ADDRESS} --probes-listen 127.0.0.1:0 --metrics-listen 127.0.0.1:0 \
             --tls ephemeral --ca-out ca.crt --config settings.yaml"
        );
        let guard = Self(plane.start_program("openbao-perimeter", program, &args));
        wait_until("the server is ready", LIMIT, || {
            assert!(!guard.0.has_ended(), "{}", guard.0.log_tail());
            guard.is_ready().then_some(())
        });
        guard
    }

    /// Returns true if `/readyz` answers with success.
    fn is_ready(&self) -> bool {
        let answer = self.fetch("/readyz", "");
        answer.is_some_and(|answer| answer.ends_with("\r\n\r\nok"))
    }

    /// Everything that it printed and logged.
    pub(crate) fn printed(&self) -> String {
        self.0.printed()
    }

    /// Address of a port without TLS, found by a path that it serves. It is printed at the start.
    pub(crate) fn address(&self, path: &str) -> Option<SocketAddr> {
        let printed = self.0.printed();
        let address = printed
            .lines()
            .find_map(|line| line.strip_prefix("serving http://")?.strip_suffix(path));
        address?.parse().ok()
    }

    /// Response of a port without TLS.
    pub(crate) fn fetch(&self, path: &str, query: &str) -> Option<String> {
        get(self.address(path)?, &format!("{path}{query}"))
    }

    /// The value of a metric with its labels, `name{label="value"}`; `None` if it is absent.
    pub(crate) fn metric(&self, name: &str) -> Option<u64> {
        let metrics = self.fetch("/metrics", "")?;
        let mut lines = metrics.lines();
        lines.find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }
}

/// The complete response to a GET request without TLS.
pub(crate) fn get(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    let mut answer = String::new();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").ok()?;
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

/// Applies the objects that the server needs: the CRDs, its namespace and its Service.
pub(crate) fn prepare(plane: &ControlPlane, program: &Path) {
    let crds = Command::new(program).arg("crds").output();
    let crds = crds.expect("run the binary").stdout;
    plane.apply_ok(&String::from_utf8(crds).expect("YAML"));
    plane.apply_ok(NAMESPACE);
    plane.apply_ok(OPERATOR_NAMESPACE);
    plane.apply_ok(SERVICE);
    let wait = "wait --for=condition=Established --timeout=60s crd/openbaoclusters.openbao.org \
                crd/openbaorestores.openbao.org";
    plane.kubectl(wait.split(' ')).run_ok();
}

/// Registers the webhooks. Returns once each registration answers for the example cluster in namespace `bao`.
pub(crate) fn register(plane: &ControlPlane) {
    trust(plane);
    let ask = |scene: &str| {
        let ask = ["apply", "--dry-run=server", "-f", "-"];
        plane
            .kubectl(ask)
            .stdin(&example::scene(scene, "bao"))
            .run()
    };
    wait_until("a policy is repaired", LIMIT, || {
        let answer = ask("repaired-raft-rule-removed");
        (answer.status_ok && answer.stderr.contains("restores")).then_some(())
    });
    wait_until("a policy is refused", LIMIT, || {
        let answer = ask("refused-OBP201-open-api-by-empty-selector");
        answer.stderr.contains("OBP201").then_some(())
    });
}

/// Applies the registrations unchanged and adds the CA of the running server, as in certs/README.md.
pub(crate) fn trust(plane: &ControlPlane) {
    let apply = || {
        let apply = plane.kubectl(["apply", "-f", "-"]);
        apply.stdin(REGISTRATIONS).run_ok()
    };
    apply();
    let ca = fs::read(plane.folder().join("ca.crt")).expect("read the CA certificate");
    let ca = serde_json::to_value(ByteString(ca)).expect("base64");
    let validating = ["tenants", "controllers", "platform"].map(|name| entry(name, &ca));
    set_ca(plane, "validating", &json!(validating));
    set_ca(plane, "mutating", &json!([entry("repairs", &ca)]));
    // Applied once more, as delivery tools do: the CA must stay.
    apply();
}

fn entry(name: &str, ca: &Value) -> Value {
    json!({"name": format!("{name}.perimeter.openbao.org"), "clientConfig": {"caBundle": ca}})
}

fn set_ca(plane: &ControlPlane, kind: &str, webhooks: &Value) {
    let resource = format!("{kind}webhookconfiguration");
    let patch = json!({"webhooks": webhooks}).to_string();
    let patch = ["patch", &resource, "openbao-perimeter", "-p", &patch];
    plane.kubectl(patch).run_ok();
}
