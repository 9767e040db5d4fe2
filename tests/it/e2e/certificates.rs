//! Self-managed certificates on a real API server. Two replicas with the rights of the manifests share one
//! Secret, and leaf and CA rotate while reviews are answered.

use std::sync::Arc;

use serde_json::{Value, json};

use super::replicas::load::Load;
use super::replicas::stage::{REGISTRATIONS, Stage};
use crate::example;

/// Steps of a rotation in order.
const STEPS: [&str; 4] = ["renew", "announce", "promote", "retire"];
/// A much faster rotation than in practice, but slow enough for a busy machine.
const PACE: &str = "selfManaged: {caLifetime: 60s, lifetime: 20s, settle: 6s}\n";
const MANAGER: &str = "openbao-perimeter-self-managed";

/// Number of rolling restarts and rotations.
fn rounds() -> usize {
    let rounds = std::env::var("OBP_ROLLING_ROUNDS").ok();
    rounds.map_or(1, |rounds| rounds.parse().unwrap())
}

#[test]
fn two_replicas_restart_reload_and_rotate_under_load_without_a_failed_or_wrong_write() {
    let stage = Arc::new(Stage::set_up(PACE));
    stage.wait_for("both are ready before there is a registration", || {
        stage.are_ready()
    });
    assert_eq!(stage.steps("begin"), 1, "one of them made the Secret");

    stage.register();
    each_audit_records_an_event(&stage);

    let load = Load::start(&stage);
    for _ in 0..rounds() {
        let steps = STEPS.map(|step| stage.steps(step));
        let before = stage.bundle().unwrap();
        stage.roll();
        println!("both replicas are new");
        settings_are_followed(&stage);
        for (step, taken) in STEPS.into_iter().zip(steps) {
            stage.wait_for(step, || stage.steps(step) > taken);
        }
        stage.wait_for("the old CA is gone", || {
            let bundle = stage.bundle();
            !bundle.is_some_and(|bundle| bundle.contains(before.trim_end()))
        });
        println!("leaf and CA are new");
    }
    the_secret_is_lost(&stage);
    let done = load.stop();
    let steps = STEPS.map(|step| stage.steps(step));
    println!(
        "{} rolling restarts, the Secret lost once; {STEPS:?} {steps:?}; {done}",
        rounds()
    );
}

/// Writes new settings and then malformed ones. Each replica applies the first and keeps them.
fn settings_are_followed(stage: &Stage) {
    let each_has = |outcome: &str, times: usize| {
        let name = format!("openbao_perimeter_settings_reloads_total{{outcome=\"{outcome}\"}}");
        stage.wait_for(&format!("{times} {outcome} at each"), || {
            let replicas = stage.replicas.read().unwrap();
            let counts = replicas.iter().map(|replica| replica.metric(&name));
            counts.min() >= Some(times)
        });
    };
    stage.set("review:\n  dnsNamespaces: [kube-system, cluster-dns]\n");
    each_has("applied", 1);
    stage.set("review: [");
    each_has("kept-old", 1);
    stage.set("");
    each_has("applied", 2);
    println!("both replicas have followed the settings: 2 applied, 1 kept out");
}

/// Checks that each replica records one Event for a finding of its audit.
fn each_audit_records_an_event(stage: &Stage) {
    let open = example::scene("refused-OBP201-open-api-by-four-labels", "bao");
    let written = example::as_operator(&stage.plane, &open).run();
    assert!(written.status_ok, "{written:?}");
    let found = |event: &Value| event["action"] == "Audit" && event["reason"] == "OBP201";
    stage.wait_for("both have recorded an Event", || {
        let mut found: Vec<Value> = events(stage).into_iter().filter(found).collect();
        found.retain(|event| event["series"].is_null());
        found.len() == stage.replicas.read().unwrap().len()
    });
    println!("found by both: an Event of each");
    let delete = "delete networkpolicy open-api -n bao";
    stage.plane.kubectl(delete.split(' ')).run_ok();
}

/// The product's Events.
fn events(stage: &Stage) -> Vec<Value> {
    let get = "get events.events.k8s.io -A -o=json";
    let mut events = stage.plane.kubectl(get.split(' ')).run_json();
    let mut events = std::mem::take(events["items"].as_array_mut().unwrap());
    events
        .retain(|event| event["reportingController"] == "perimeter.openbao.org/openbao-perimeter");
    events
}

/// Deletes the Secret. The replicas create new keys without a failed request.
fn the_secret_is_lost(stage: &Stage) {
    let promoted = stage.steps("promote");
    let secret = "-n openbao-perimeter-system delete secret openbao-perimeter-self-managed";
    stage.plane.kubectl(secret.split(' ')).run_ok();
    stage.wait_for("a new CA signs", || stage.steps("promote") > promoted);
}

#[test]
fn the_bundle_stays_when_the_manifests_are_applied() {
    let stage = Stage::set_up(PACE);
    let applied = stage.apply("");
    assert!(applied.status_ok, "{applied:?}");
    stage.wait_for("the bundle is in all entries", || stage.cas() > 0);
    let delivery = "--server-side --field-manager=delivery";
    // Client-side apply was used before, so its field manager has to be overridden once.
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
    a_bundle_of_another_writer_is_restored(&stage);
    an_entry_is_not_dropped_by_server_side_apply(&stage, delivery);
    let delete = ["delete", REGISTRATIONS[1], "openbao-perimeter"];
    stage.plane.kubectl(delete).run_ok();
    let applied = stage.apply("");
    assert!(applied.status_ok, "{applied:?}");
    stage.wait_for("the bundle is in the new registration", || stage.cas() > 0);
}

fn a_bundle_of_another_writer_is_restored(stage: &Stage) {
    let entry =
        json!({"name": "tenants.perimeter.openbao.org", "clientConfig": {"caBundle": null}});
    let patch = json!({"webhooks": [entry]}).to_string();
    let patch = ["patch", REGISTRATIONS[0], "openbao-perimeter", "-p", &patch];
    let before = stage.bundle();
    stage.plane.kubectl(patch).run_ok();
    stage.wait_for("the bundle is put right", || stage.bundle() == before);
}

/// As in certs/README.md: the two fields of our field manager stay, without the rest of the entry.
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

/// The fields of all entries that our field manager owns, without duplicates.
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
