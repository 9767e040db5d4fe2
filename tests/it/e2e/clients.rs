//! Client certificates of the API server, with the files of certs/README.md.

use std::fs;
use std::path::Path;

use openbao_perimeter::server::tls::issuer;
use serde_json::{Value, json};
use webhook_certs::rotation::CertificateIssuer as _;

use super::stage::{APPLY, LIMIT, Outage, Scene, guard_during, plane};
use super::verdicts::{assert_denied, assert_quiet};
use crate::certificates::{client, validity};
use crate::control_plane::{Output, wait_until};
use crate::guard::Guard;

const README: &str = include_str!("../../../certs/README.md");
/// Folder of the files in the documentation.
const THERE: &str = "/etc/kubernetes/openbao-perimeter";
const REGISTRATION: [&str; 2] = ["validatingwebhookconfiguration", "openbao-perimeter"];
const SETTINGS: &str = "clients: {ca: client-ca.crt, subjects: [kube-apiserver]}";

/// The API server flag and its files. Servers without client authentication ignore the certificate. Under the
/// name `localhost` the server gets another certificate, under its address none.
pub(super) fn flags(folder: &Path) -> String {
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).expect("write");
    let ca = issuer().ca(validity(-1, 9)).expect("a CA");
    write("client-ca.crt", &ca.certificate);
    for (file, name) in [("client", "kube-apiserver"), ("other", "kubelet")] {
        let pair = client(&ca, name);
        write(&format!("{file}.crt"), &pair.certificate);
        write(&format!("{file}.key"), &pair.key);
    }
    let here = folder.to_str().expect("a path");
    let (_, about) = README.split_once("## Only the API server").expect("a part");
    let blocks = about.split("```yaml\n").skip(1);
    let mut blocks = blocks.map(|block| {
        let (block, _) = block.split_once("```").expect("an end");
        block.replace(THERE, here)
    });
    let mut next = || blocks.next().expect("a file");
    write("admission.yaml", &next());
    let mut users: Value = serde_saphyr::from_str(&next()).expect("a kubeconfig");
    let other = |end: &str| format!("{here}/other.{end}");
    let other = json!({"client-certificate": other("crt"), "client-key": other("key")});
    let all = users["users"].as_array_mut().expect("users");
    all.push(json!({"name": "localhost:9443", "user": other}));
    write("webhooks.kubeconfig", &users.to_string());
    "--admission-control-config-file=admission.yaml".to_owned()
}

/// The webhook entry of tenants uses addresses until this is dropped.
struct Elsewhere;

fn ask_at(host: &str, _elsewhere: &Elsewhere) {
    let url = format!("https://{host}:9443/validate");
    let there = json!({"service": null, "url": url});
    let entry = json!({"name": "tenants.perimeter.openbao.org", "clientConfig": there});
    let patch = json!({"webhooks": [entry]}).to_string();
    let patch = ["patch", REGISTRATION[0], REGISTRATION[1], "-p", &patch];
    plane().kubectl(patch).run_ok();
}

impl Drop for Elsewhere {
    /// A later registration would otherwise keep the address next to the Service.
    fn drop(&mut self) {
        let delete = ["delete", REGISTRATION[0], REGISTRATION[1]];
        plane().kubectl(delete).run();
    }
}

fn rejected_request(guard: &Guard) -> u64 {
    let name = r#"openbao_perimeter_connections_total{outcome="client-refused"}"#;
    guard.metric(name).expect("a metric")
}

/// Message of an API server whose certificate is rejected.
const ALERT: &str = "remote error: tls: ";

#[test]
fn only_an_api_server_with_the_certificate_that_is_expected_gets_verdicts() {
    let namespace = Scene::rendered("clients").namespace;
    let outage = Outage::begin();
    let guard = guard_during(&outage, SETTINGS);
    let scene = Scene::unguarded(namespace, &outage);
    let dry = |name: &str| {
        let ask = ["apply", "--dry-run=server", "-f", "-"];
        scene.tenant(&ask).stdin(&scene.scene(name)).run()
    };
    let open = "refused-OBP201-open-api-by-empty-selector";
    let denied = |output: Output| output.stderr.contains("OBP201").then_some(());
    wait_until("a policy is refused", LIMIT, || denied(dry(open)));
    assert_denied(&scene.write(APPLY, &scene.scene(open)), "OBP201");
    let allowed = scene.scene("allowed-policy-for-web-pods");
    assert_quiet(&scene.write(APPLY, &allowed));
    wait_until("a policy is repaired", LIMIT, || {
        let repaired = dry("repaired-raft-rule-removed");
        repaired.stderr.contains("restores").then_some(())
    });
    assert_eq!(rejected_request(&guard), 0);

    let elsewhere = Elsewhere;
    for (host, whose) in [("localhost", "another's"), ("127.0.0.1", "none")] {
        let before = rejected_request(&guard);
        ask_at(host, &elsewhere);
        let called = format!(
            "failed calling webhook \"tenants.perimeter.openbao.org\": failed to call webhook: \
             Post \"https://{host}:9443/validate"
        );
        let failed = wait_until("the write fails", LIMIT, || {
            // The policy is not stored yet. For a stored one kubectl would send nothing.
            let output = dry("allowed-namespace-default-deny");
            // If the connection is closed before the write, a closed connection is reported and not the alert.
            let is_denied = |text: &str| text.contains(&called) && text.contains(ALERT);
            is_denied(&output.stderr).then_some(output.stderr)
        });
        let after = rejected_request(&guard);
        assert!(after > before, "{whose}: {before} {after}");
        println!("certificate of the API server: {whose}: {failed}");
    }
}
