//! The levels of the guard, and its end.

use std::fs;

use super::samples::{named, object, two};
use super::stage::{Stage, WRITER, assert_denied, assert_quiet};
use crate::control_plane::{AUDIT_LOG, Output, wait_until};
use crate::e2e::installs::play;
use crate::e2e::stage::LIMIT;
use crate::manifests::identity::exported;

const PAGE: &str = include_str!("../../../../docs/operations/overriding.md");

/// Applies the guard with this level, and waits until a write has this answer.
fn wait_for(stage: &Stage, level: &str, is_expected: impl Fn(&Output) -> bool) {
    let settings = format!("identity: {{level: {level}}}");
    stage.plane.apply_ok(&exported(&settings));
    wait_until(&format!("the level {level} holds"), LIMIT, || {
        is_expected(&create(stage, "asked")).then_some(())
    });
}

fn create(stage: &Stage, name: &str) -> Output {
    let pod = object(named("Pod"), "levels", name, &two()).to_string();
    let create = ["create", "--dry-run=server", "-f", "-"];
    stage.kubectl(WRITER, &create).stdin(&pod).run()
}

/// Part of a test with a guard of its own.
pub(super) fn each_level_has_its_effect(stage: &Stage) {
    stage.namespace("levels");
    assert_denied(&create(stage, "denied"), "OBP501");
    wait_for(stage, "warn", |output| {
        output.status_ok
            && output.stderr.contains("Warning: Validation failed")
            && output.stderr.contains("OBP501 identity-assumed")
    });
    wait_for(stage, "audit", |output| {
        output.status_ok && output.stderr.is_empty()
    });
    let log = fs::read_to_string(stage.plane.folder().join(AUDIT_LOG)).expect("an audit log");
    let noted =
        r#""openbao-perimeter-identity/identity":"OBP501 identity-assumed: Pod levels/asked"#;
    assert!(log.contains(noted), "{log}");
    let counted = stage.metric(&[
        "apiserver_validating_admission_policy_check_total{",
        r#"policy="openbao-perimeter-identity""#,
    ]);
    for action in ["deny", "warn", "audit"] {
        let action = format!(r#"enforcement_action="{action}""#);
        let is_counted = counted.iter().any(|line| line.contains(&action));
        assert!(is_counted, "{action}: {counted:?}");
    }
    wait_for(stage, "deny", |output| !output.status_ok);
    the_page_about_overriding_ends_the_guard(stage);
    assert_quiet(&create(stage, "passes"));
}

fn the_page_about_overriding_ends_the_guard(stage: &Stage) {
    let mark = "<!-- Played by a test of the identity guard. -->\n```sh\n";
    let (_, command) = PAGE.split_once(mark).expect("a command");
    let (command, _) = command.split_once("```").expect("an end");
    play(&stage.plane, command);
    wait_until("the guard has ended", LIMIT, || {
        create(stage, "asked").status_ok.then_some(())
    });
    let policy = [
        "get",
        "validatingadmissionpolicy",
        "-o=jsonpath={.items[*].status}",
    ];
    let status = stage.plane.kubectl(policy).run_ok();
    assert!(!status.contains("expressionWarnings"), "{status}");
}
