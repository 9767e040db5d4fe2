//! Webhook configurations that are changed, and restored.

use serde_json::{Value, json};

use super::stage::{Alone, LIMIT, plane, register_again};
use crate::control_plane::wait_until;

const NAME: &str = "openbao-perimeter";

/// Number of differences that the server counts in one field; `None` if it never had one.
fn drifted(alone: &Alone, what: &str) -> Option<u64> {
    let name = format!("openbao_perimeter_registration_drift{{what=\"{what}\"}}");
    alone.guard().metric(&name)
}

fn wait_for(alone: &Alone, what: &str, entries: u64) {
    wait_until(&format!("{entries} differences in {what}"), LIMIT, || {
        (drifted(alone, what) == Some(entries)).then_some(())
    });
}

fn patch(kind: &str, patch: &Value) {
    let patch = patch.to_string();
    let resource = format!("{kind}webhookconfiguration");
    let patch = ["patch", &resource, NAME, "--type=json", "-p", &patch];
    plane().kubectl(patch).run_ok();
}

#[test]
fn a_change_is_counted_and_reported_until_it_is_reverted() {
    let alone = Alone::begin();
    wait_for(&alone, "missing", 0);
    let replace =
        |path: &str, value: Value| json!([{"op": "replace", "path": path, "value": value}]);
    let stranger = "!(request.userInfo.username in ['system:serviceaccount:elsewhere:operator'])";
    let changes = [
        (
            "mutating",
            "/webhooks/0/timeoutSeconds",
            json!(7),
            "timeoutSeconds",
        ),
        (
            "mutating",
            "/webhooks/0/failurePolicy",
            json!("Fail"),
            "failurePolicy",
        ),
        (
            "mutating",
            "/webhooks/0/namespaceSelector",
            json!({}),
            "namespaceSelector",
        ),
        (
            "validating",
            "/webhooks/1/rules/0/operations",
            json!(["CREATE"]),
            "rules",
        ),
        (
            "validating",
            "/webhooks/0/matchConditions/0/expression",
            json!(stranger),
            "matchConditions",
        ),
        (
            "validating",
            "/webhooks/0/matchConditions/1/expression",
            json!("false"),
            "matchConditions",
        ),
        (
            "validating",
            "/webhooks/0/clientConfig/service/path",
            json!("/livez"),
            "clientConfig",
        ),
        (
            "validating",
            "/webhooks/0/clientConfig/caBundle",
            json!(""),
            "caBundle",
        ),
    ];
    for (kind, path, value, what) in changes {
        patch(kind, &replace(path, value));
        wait_for(&alone, what, 1);
        let readyz = alone
            .guard()
            .fetch("/readyz", "?verbose")
            .expect("an answer");
        assert!(
            readyz.contains("200 OK") && readyz.contains("[!]registrations warning"),
            "{readyz}"
        );
        assert!(readyz.contains(what), "{readyz}");
        // The manifest is applied again, as by delivery tools.
        register_again(&alone);
        wait_for(&alone, what, 0);
    }
    let readyz = alone
        .guard()
        .fetch("/readyz", "?verbose")
        .expect("an answer");
    assert!(!readyz.contains("registrations warning"), "{readyz}");
    wait_until("an Event on the configuration", LIMIT, || {
        let events = plane()
            .kubectl(["describe", "mutatingwebhookconfiguration", NAME])
            .run_ok();
        events.contains("RegistrationDiffers").then_some(())
    });
    // Events are found by uid, which changes after this.
    the_glass_is_broken(&alone);
}

fn the_glass_is_broken(alone: &Alone) {
    let kinds = "validatingwebhookconfiguration,mutatingwebhookconfiguration";
    plane().kubectl(["delete", kinds, NAME]).run_ok();
    wait_for(alone, "missing", 2);
    register_again(alone);
    wait_for(alone, "missing", 0);
}

#[test]
fn the_role_of_the_manifests_allows_what_is_done() {
    plane().apply_ok(include_str!("../../../manifests/base/rbac.yaml"));
    let account = "system:serviceaccount:openbao-perimeter-system:openbao-perimeter";
    let may = |verb: &str, resource: &str| {
        let ask = ["auth", "can-i", verb, resource, "-n", "shop"];
        plane().kubectl(ask).as_user(account).run().status_ok
    };
    for verb in ["get", "list", "watch"] {
        for resource in [
            "networkpolicies.networking.k8s.io",
            "openbaoclusters.openbao.org",
            "namespaces",
        ] {
            assert!(may(verb, resource), "{verb} {resource}");
        }
        for kind in [
            "validatingwebhookconfigurations",
            "mutatingwebhookconfigurations",
        ] {
            assert!(may(verb, &format!("{kind}/{NAME}")), "{verb} {kind}");
            assert!(!may(verb, &format!("{kind}/of-others")), "{verb} {kind}");
        }
    }
    assert!(may("create", "events.events.k8s.io") && may("patch", "events.events.k8s.io"));
    for (verb, resource) in [
        ("update", "networkpolicies.networking.k8s.io"),
        (
            "delete",
            "validatingwebhookconfigurations/openbao-perimeter",
        ),
        ("get", "secrets"),
    ] {
        assert!(!may(verb, resource), "{verb} {resource}");
    }
}
