//! Events for denials.

use serde_json::Value;

use super::stage::{APPLY, LIMIT, Scene};
use super::verdicts::assert_denied;
use crate::control_plane::wait_until;

/// The product's Events in a namespace.
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
fn a_denial_becomes_one_event_on_the_cluster_and_a_dry_run_none() {
    let scene = Scene::rendered("events-on-refusals");
    let open = scene.scene("refused-OBP201-open-api-by-four-labels");
    let dry = ["apply", "--dry-run=server", "-f", "-"];
    assert_denied(&scene.tenant(&dry).stdin(&open).run(), "OBP201");
    assert_denied(&scene.tenant(APPLY).stdin(&open).run(), "OBP201");
    let denied = |event: &Value| event["action"] == "Deny";
    let event = wait_until("an Event", LIMIT, || {
        events(&scene).into_iter().find(denied)
    });
    assert_eq!(event["reason"], "OBP201");
    assert_eq!(event["regarding"]["kind"], "OpenBaoCluster");
    assert_eq!(event["regarding"]["name"], "bao");
    assert_eq!(event["related"]["kind"], "NetworkPolicy");
    let described = scene.admin(&["describe", "openbaocluster", "bao"]).run_ok();
    assert!(
        described.contains("OBP201"),
        "found by its uid: {described}"
    );

    // A repeated denial is counted in the same Event.
    assert_denied(&scene.tenant(APPLY).stdin(&open).run(), "OBP201");
    wait_until("the Event is counted again", LIMIT, || {
        let all: Vec<Value> = events(&scene).into_iter().filter(denied).collect();
        assert_eq!(all.len(), 1, "{all:?}");
        (all[0]["series"]["count"] == 2).then_some(())
    });
}
