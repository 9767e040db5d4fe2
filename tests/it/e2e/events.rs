//! Denials become Events.

use serde_json::Value;

use super::stage::{APPLY, LIMIT, Scene};
use super::verdicts::assert_refused;
use crate::control_plane::wait_until;

/// The Events of a namespace that are ours.
fn events(scene: &Scene) -> Vec<Value> {
    let mut list = scene
        .admin(&["get", "events.events.k8s.io", "-o=json"])
        .run_json();
    let items = list["items"].as_array_mut().expect("items");
    let ours =
        |event: &Value| event["reportingController"] == "perimeter.openbao.org/openbao-perimeter";
    items.drain(..).filter(ours).collect()
}

#[test]
fn a_refusal_becomes_one_event_on_the_cluster_and_a_dry_run_none() {
    let scene = Scene::rendered("events-on-refusals");
    let open = scene.scene("refused-OBP201-open-api-by-four-labels");
    let dry = ["apply", "--dry-run=server", "-f", "-"];
    assert_refused(&scene.tenant(&dry).stdin(&open).run(), "OBP201");
    assert_refused(&scene.tenant(APPLY).stdin(&open).run(), "OBP201");
    let refused = |event: &Value| event["action"] == "Deny";
    let told = wait_until("an Event", LIMIT, || {
        events(&scene).into_iter().find(refused)
    });
    assert_eq!(told["reason"], "OBP201");
    assert_eq!(told["regarding"]["kind"], "OpenBaoCluster");
    assert_eq!(told["regarding"]["name"], "bao");
    assert_eq!(told["related"]["kind"], "NetworkPolicy");
    let described = scene.admin(&["describe", "openbaocluster", "bao"]).run_ok();
    assert!(
        described.contains("OBP201"),
        "found by its uid: {described}"
    );

    // Once more is counted at the same Event.
    assert_refused(&scene.tenant(APPLY).stdin(&open).run(), "OBP201");
    wait_until("the Event is counted again", LIMIT, || {
        let all: Vec<Value> = events(&scene).into_iter().filter(refused).collect();
        assert_eq!(all.len(), 1, "{all:?}");
        (all[0]["series"]["count"] == 2).then_some(())
    });
}
