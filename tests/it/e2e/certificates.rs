//! Self-managed certificates on a real API server: two replicas with the rights of the manifests
//! share one Secret, and their leaf and CA rotate while reviews are answered.

mod load;
mod stage;

use std::sync::Arc;

use serde_json::{Value, json};

use crate::example;
use load::Load;
use stage::{REGISTRATIONS, Replica, Stage};

const MANAGER: &str = "openbao-perimeter-self-managed";

#[test]
fn two_replicas_rotate_leaf_and_ca_under_load_without_a_failure() {
    let stage = Arc::new(Stage::set_up());
    stage.wait_for("both are ready before there is a registration", || {
        stage.replicas.iter().all(Replica::is_ready)
    });
    assert_eq!(stage.steps("begin"), 1, "one of them made the Secret");

    let applied = stage.apply("");
    assert!(applied.status_ok, "{applied:?}");
    stage.wait_for("the bundle is in all entries", || stage.cas() > 0);
    let policy = example::scene("allowed-policy-for-web-pods", "bao");
    stage.wait_for("the API server trusts the webhooks", || {
        let ask = ["apply", "--dry-run=server", "-f", "-"];
        stage.plane.kubectl(ask).stdin(&policy).run().status_ok
    });

    let load = Load::start(&stage);
    let renewed = stage.steps("renew");
    stage.wait_for("a leaf is renewed", || stage.steps("renew") > renewed);
    let before = stage.bundle().unwrap();
    stage.wait_for("a CA is announced", || stage.steps("announce") > 0);
    stage.wait_for("old and new CA are in the bundle", || stage.cas() == 2);
    assert_eq!(stage.steps("promote"), 0, "before it signs");
    stage.wait_for("the new CA signs", || stage.steps("promote") > 0);
    stage.wait_for("the old CA is gone", || {
        !stage
            .bundle()
            .is_some_and(|bundle| bundle.contains(before.trim_end()))
    });
    the_secret_is_lost(&stage);
    let done = load.stop();
    let written = ["renew", "announce", "promote", "retire"].map(|step| stage.steps(step));
    println!(
        "{done} writes and handshakes, 0 failed; renew, announce, promote, retire: {written:?}"
    );
}

/// Whoever deletes the Secret gets new keys, and nobody notices.
fn the_secret_is_lost(stage: &Stage) {
    let promoted = stage.steps("promote");
    let secret = "-n openbao-perimeter-system delete secret openbao-perimeter-self-managed";
    stage.plane.kubectl(secret.split(' ')).run_ok();
    stage.wait_for("a new CA signs", || stage.steps("promote") > promoted);
}

#[test]
fn the_bundle_stays_whoever_applies_the_manifests() {
    let stage = Stage::set_up();
    let applied = stage.apply("");
    assert!(applied.status_ok, "{applied:?}");
    stage.wait_for("the bundle is in all entries", || stage.cas() > 0);
    let delivery = "--server-side --field-manager=delivery";
    // Client-side apply came first, so its field manager has to give way once.
    let first = format!("{delivery} --force-conflicts");
    for args in ["", &first, delivery, ""] {
        let applied = stage.apply(args);
        assert!(applied.status_ok, "{args}: {applied:?}");
        assert!(stage.cas() > 0, "gone after {args:?}");
    }
    for kind in REGISTRATIONS {
        assert_eq!(
            owned(&stage.registration(kind)),
            ["clientConfig.caBundle", "name"],
            "{kind}"
        );
    }
    a_bundle_of_somebody_else_is_put_right(&stage);
    an_entry_is_not_dropped_by_server_side_apply(&stage, delivery);
    let delete = ["delete", REGISTRATIONS[1], "openbao-perimeter"];
    stage.plane.kubectl(delete).run_ok();
    let applied = stage.apply("");
    assert!(applied.status_ok, "{applied:?}");
    stage.wait_for("the bundle is in the new registration", || stage.cas() > 0);
}

fn a_bundle_of_somebody_else_is_put_right(stage: &Stage) {
    let entry =
        json!({"name": "tenants.perimeter.openbao.org", "clientConfig": {"caBundle": null}});
    let patch = json!({"webhooks": [entry]}).to_string();
    let patch = ["patch", REGISTRATIONS[0], "openbao-perimeter", "-p", &patch];
    let before = stage.bundle();
    stage.plane.kubectl(patch).run_ok();
    stage.wait_for("the bundle is put right", || stage.bundle() == before);
}

/// As certs/README.md says: our two fields of the entry stay, and are no whole entry.
fn an_entry_is_not_dropped_by_server_side_apply(stage: &Stage, delivery: &str) {
    let mut shorter = stage.registrations.clone();
    let from = shorter.find("  - name: controllers.").expect("an entry");
    let until = from + shorter[from..].find("---").expect("the next document");
    shorter.replace_range(from..until, "");
    let args = format!("apply -f - {delivery}");
    let dropped = stage.plane.kubectl(args.split(' ')).stdin(&shorter).run();
    assert!(!dropped.status_ok, "{dropped:?}");
    assert!(dropped.stderr.contains("Required value"), "{dropped:?}");
}

/// The fields of all entries that our field manager owns, each once.
fn owned(registration: &Value) -> Vec<String> {
    let managers = registration["metadata"]["managedFields"]
        .as_array()
        .unwrap();
    let own = managers
        .iter()
        .find(|entry| entry["manager"] == MANAGER)
        .unwrap();
    let fields = own["fieldsV1"].as_object().unwrap();
    assert_eq!(fields.keys().collect::<Vec<_>>(), ["f:webhooks"]);
    let mut found = std::collections::BTreeSet::new();
    for entry in fields["f:webhooks"].as_object().unwrap().values() {
        for (field, below) in entry.as_object().unwrap() {
            let Some(field) = field.strip_prefix("f:") else {
                continue;
            };
            match below.as_object().unwrap().keys().next() {
                None => found.insert(field.to_owned()),
                Some(below) => found.insert(format!("{field}.{}", &below[2..])),
            };
        }
    }
    found.into_iter().collect()
}
