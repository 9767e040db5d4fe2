//! OpenBaoClusters served in each version, in none, and without permission to list them: on its own control
//! plane, while the server runs and at its start.

mod other_kinds;
mod published;
mod stage;

use std::time::{Duration, Instant};

use serde_json::json;

use crate::control_plane::wait_until;
use crate::e2e::stage::LIMIT;
use stage::{OTHER, READ, Stage, Version};

const NAMED: &str = "openbao_perimeter_unreadable_clusters";
const NONE: &str = r#"openbao_perimeter_served_version{kind="OpenBaoCluster",version="none"}"#;

const fn version(name: &'static str, served: bool, storage: bool) -> Version {
    Version {
        name,
        served,
        storage,
    }
}

#[test]
fn no_version_of_the_crd_opens_a_cluster_or_closes_a_namespace_without_one() {
    let mut stage = Stage::without_the_crd();
    // Nothing is served, so nothing is guarded.
    stage.says("served in no version");
    assert_eq!(stage.metric(NONE), 1);
    stage.register();
    stage.opens("bao");

    another_crd_has_the_name(&stage);
    stage.may_list_with("endpointslices", false);
    the_crd_comes(&stage);
    stage.says("does not know the ports of some Services");
    stage.may_list_with("endpointslices", true);
    two_versions(&stage);
    the_version_that_is_read_goes(&mut stage);
    it_comes_back(&stage);
    the_right_goes(&mut stage);
    the_crd_goes_with_its_objects(&mut stage);
}

/// The API server serves no CRD with the kind of another one. The file of the CRD is there, but no cluster can be.
fn another_crd_has_the_name(stage: &Stage) {
    stage.rival(true);
    stage.serve(&[version(READ, true, true)]);
    stage.wait_until_rejected();
    // As long as the server waits before it takes a kind to be gone.
    let until = Instant::now() + Duration::from_secs(35);
    while Instant::now() < until {
        stage.opens("bao");
    }
    assert_eq!(stage.metric(NONE), 1);
    stage.says("served in no version");
    stage.rival(false);
}

/// Checks that the first cluster is guarded as soon as it is stored.
fn the_crd_comes(stage: &Stage) {
    stage.serve(&[version(READ, true, true)]);
    stage.make(READ, "bao");
    stage.denies("bao", "OBP201");
    stage.opens("shop");
    wait_until("the kind is followed", LIMIT, || {
        (stage.metric(NONE) == 0).then_some(())
    });
}

fn two_versions(stage: &Stage) {
    for storage in [READ, OTHER] {
        let of = |name| version(name, true, name == storage);
        stage.serve(&[of(READ), of(OTHER)]);
        stage.wait_until_served(OTHER);
        stage.denies("bao", "OBP201");
        stage.opens("shop");
        let other = stage.change(OTHER, "bao", |cluster| {
            cluster["spec"]["profile"] = json!("Hardened");
        });
        assert!(
            !other.status_ok && other.stderr.contains("OBP401"),
            "{other:?}"
        );
        let read = stage.change(READ, "bao", |cluster| {
            cluster["metadata"]["labels"] = json!({"seen": storage});
        });
        assert!(read.status_ok && read.stderr.is_empty(), "{read:?}");
    }
}

fn the_version_that_is_read_goes(stage: &mut Stage) {
    stage.serve(&[version(READ, false, false), version(OTHER, true, true)]);
    // The server may know more or less in the meantime.
    let until = Instant::now() + Duration::from_secs(15);
    while Instant::now() < until {
        stage.denies("bao", "OBP");
        stage.opens("shop");
    }
    only_names_are_known(stage);
    stage.store_only(OTHER);
    stage.serve(&[version(OTHER, true, true)]);
    only_names_are_known(stage);
    stage.restart();
    only_names_are_known(stage);
}

fn only_names_are_known(stage: &Stage) {
    wait_until("names are known", LIMIT, || {
        (stage.metric(NAMED) > 0).then_some(())
    });
    stage.denies(
        "bao",
        "OpenBaoCluster bao is served as v1beta1, which this release cannot read",
    );
    stage.denies("bao", "upgrade openbao-perimeter");
    stage.opens("shop");
    stage.says("upgrade openbao-perimeter");
    assert!(stage.printed().contains("upgrade openbao-perimeter"));
    let changed = stage.change(OTHER, "bao", |cluster| {
        cluster["spec"]["profile"] = json!("Hardened");
    });
    assert!(
        !changed.status_ok && changed.stderr.contains("OBP401"),
        "{changed:?}"
    );
    let same = stage.change(OTHER, "bao", |cluster| {
        cluster["metadata"]["annotations"] = json!({"seen": "yes"});
    });
    assert!(same.status_ok && same.stderr.contains("OBP401"), "{same:?}");
    // Created just now by an exempt user, and not in the watches yet.
    let late = stage.make_as_operator(OTHER, "late");
    assert!(late.status_ok, "{late:?}");
    stage.denies("late", "OBP403");
    stage.remove(OTHER, "late");
}

fn it_comes_back(stage: &Stage) {
    stage.serve(&[version(READ, true, false), version(OTHER, true, true)]);
    wait_until("the cluster is read again", LIMIT, || {
        stage.ask("bao").stderr.contains("OBP201").then_some(())
    });
    wait_until("no cluster is known by its name alone", LIMIT, || {
        (stage.metric(NAMED) == 0).then_some(())
    });
}

fn the_right_goes(stage: &mut Stage) {
    stage.may_list(false);
    // The last facts are used.
    stage.denies("bao", "OBP201");
    stage.restart_unready();
    // Only the clusters are missing.
    stage.says("no list of OpenBaoCluster\n");
    stage.may_list(true);
    stage.wait_until_ready();
    stage.denies("bao", "OBP201");
}

fn the_crd_goes_with_its_objects(stage: &mut Stage) {
    let held = stage.change(READ, "bao", |cluster| {
        cluster["metadata"]["finalizers"] = json!(["example.com/wait"]);
    });
    assert!(held.status_ok, "{held:?}");
    stage.delete_the_crd();
    // The CRD is being deleted, and lists are answered as before.
    stage.denies("bao", "OBP201");
    wait_until("the finalizer is removed", LIMIT, || {
        let freed = stage.change(READ, "bao", |cluster| {
            cluster["metadata"]["finalizers"] = json!([]);
        });
        freed.status_ok.then_some(())
    });
    stage.opens("shop");
    wait_until("no cluster is known", LIMIT, || {
        stage.ask("bao").status_ok.then_some(())
    });
    wait_until("that the kind is gone is proved", LIMIT, || {
        (stage.metric(NONE) == 1).then_some(())
    });
    stage.restart();
    stage.opens("bao");
    the_crd_comes(stage);
}
