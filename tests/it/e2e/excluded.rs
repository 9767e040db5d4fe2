//! `review.excludedNamespaces`, with registrations as `export registrations` prints them.

use std::fs;
use std::process::Command;

use super::stage::{APPLY, LIMIT, Outage, Scene, guard_during, plane, program};
use super::verdicts::{assert_denied, assert_quiet};
use crate::control_plane::wait_until;

const SETTINGS: &str = "review: {excludedNamespaces: ['left-out-*', tigera-operator]}\n";

/// Applies what the command prints for the settings. The CA bundle stays.
fn register() {
    let file = plane().folder().join("excluded.yaml");
    fs::write(&file, SETTINGS).expect("write the settings");
    let mut command = Command::new(program());
    let command = command
        .args(["export", "registrations", "--config"])
        .arg(&file);
    let printed = command.output().expect("run the binary");
    assert!(printed.status.success(), "{printed:?}");
    plane().apply_ok(&String::from_utf8(printed.stdout).expect("YAML"));
}

#[test]
fn policies_where_nothing_is_guarded_need_no_server_and_clusters_there_are_denied() {
    let namespace = Scene::rendered("beside-left-out").namespace;
    let outage = Outage::begin();
    let guarded = Scene::unguarded(namespace, &outage);
    let left_out = Scene::unguarded("left-out-1", &outage);
    register();
    let policy = |scene: &Scene| scene.scene("refused-OBP201-open-api-by-empty-selector");
    wait_until("policies that are left out pass", LIMIT, || {
        let output = left_out.tenant(APPLY).stdin(&policy(&left_out)).run();
        output.status_ok.then_some(())
    });
    left_out
        .tenant(&["delete", "networkpolicy", "--all"])
        .run_ok();
    let failed = r#"failed calling webhook "tenants.perimeter.openbao.org""#;
    for output in [
        guarded.tenant(APPLY).stdin(&policy(&guarded)).run(),
        left_out
            .tenant(APPLY)
            .stdin(&left_out.inventory("openbaocluster"))
            .run(),
    ] {
        assert!(
            !output.status_ok && output.stderr.contains(failed),
            "{output:?}"
        );
    }

    let guard = guard_during(&outage, SETTINGS);
    register();
    wait_until("the registrations are those of the settings", LIMIT, || {
        let drift = guard.metric("openbao_perimeter_registration_drift{what=\"matchConditions\"}");
        (drift.unwrap_or(0) == 0).then_some(())
    });
    assert_quiet(&left_out.tenant(APPLY).stdin(&policy(&left_out)).run());
    let cluster = left_out
        .tenant(APPLY)
        .stdin(&left_out.inventory("openbaocluster"))
        .run();
    assert!(
        !cluster.status_ok
            && cluster
                .stderr
                .contains("OBP505 cluster-in-excluded-namespace"),
        "{cluster:?}"
    );
    assert_denied(
        &guarded.tenant(APPLY).stdin(&policy(&guarded)).run(),
        "OBP201",
    );

    // A stored one is reported. The operator is never denied.
    let stored = left_out.inventory("openbaocluster");
    crate::example::as_operator(plane(), &stored).run_ok();
    wait_until("the audit reports the stored cluster", LIMIT, || {
        let found =
            guard.metric("openbao_perimeter_audit_findings{code=\"OBP505\",level=\"audit\"}");
        (found == Some(1)).then_some(())
    });
    let verbose = guard.fetch("/readyz", "?verbose").expect("an answer");
    assert!(
        verbose.contains("OpenBaoClusters in left-out-1"),
        "{verbose}"
    );
    let delete = ["delete", "openbaocluster", "bao", "--wait=false"];
    left_out.admin(&delete).run_ok();
}
