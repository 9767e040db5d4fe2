//! Subjects of the policies of Calico.

use serde_json::{Value, json};

use super::{PERHAPS, SURELY, policy, selects, selects_in};
use crate::inventory::{Kind, read};

#[test]
fn l9_expressions_of_calico() {
    for (selector, expected) in [
        ("", SURELY),
        ("all()", SURELY),
        ("global()", None),
        ("app == 'bao'", SURELY),
        ("app==\"bao\"", SURELY),
        ("app == 'web'", None),
        ("app != 'web'", SURELY),
        ("tier != 'web'", SURELY),
        ("app in {'web', 'bao'}", SURELY),
        ("app in {}", None),
        ("app not in {'bao'}", None),
        ("app not  in {'web'}", SURELY),
        ("has(app)", SURELY),
        ("has(tier)", None),
        ("!has(tier)", SURELY),
        ("! (app == 'bao')", None),
        ("!(app == 'web' || has(tier))", SURELY),
        ("!!has(app)", SURELY),
        ("app == 'web' || app == 'bao'", SURELY),
        ("app == 'bao' && has(tier)", None),
        ("app == 'bao' && (has(tier) || !has(tier))", SURELY),
        // Comparisons that sets of values do not express.
        ("app contains 'bao'", PERHAPS),
        ("app starts with 'b'", PERHAPS),
        ("app ends with 'ao'", PERHAPS),
        ("tier contains 'x'", None),
        ("!(app contains 'bao')", PERHAPS),
        ("!(tier contains 'x')", PERHAPS),
        ("app == 'bao' || app contains 'x'", SURELY),
        // Text that is no expression.
        ("app = 'bao'", PERHAPS),
        ("app == bao", PERHAPS),
        ("app == 'bao", PERHAPS),
        ("(app == 'bao'", PERHAPS),
        ("app == 'bao')", PERHAPS),
        ("&& ||", PERHAPS),
        ("app in {'a',}", PERHAPS),
        ("none(app)", PERHAPS),
        ("ä == 'ö'", PERHAPS),
    ] {
        for kind in [Kind::CalicoNetworkPolicy, Kind::CalicoGlobalNetworkPolicy] {
            let policy = policy(kind, &json!({ "selector": selector }));
            assert_eq!(selects(&policy), expected, "{kind} {selector}");
        }
    }
}

#[test]
fn l9_an_expression_that_is_too_long_too_deep_or_too_wide_may_select_any_pods() {
    let wide = ["(a == 'x' || b == 'y')"; 8].join(" && ");
    for text in [
        format!("app == '{}'", "x".repeat(1024)),
        format!("{}has(tier)", "!".repeat(101)),
        format!("{}has(tier){}", "(".repeat(400), ")".repeat(400)),
        wide,
    ] {
        let policy = policy(
            Kind::CalicoGlobalNetworkPolicy,
            &json!({ "selector": text }),
        );
        assert_eq!(selects(&policy), PERHAPS, "{text}");
    }
}

#[test]
fn l10_labels_that_calico_adds() {
    for (selector, expected) in [
        ("projectcalico.org/namespace == 'bao'", SURELY),
        ("projectcalico.org/namespace != 'bao'", None),
        ("pcns.projectcalico.org/name == 'bao'", SURELY),
        ("projectcalico.org/orchestrator == 'k8s'", SURELY),
        ("projectcalico.org/orchestrator != 'k8s'", None),
        ("pcns.team == 'a'", SURELY),
        ("pcns.team == 'b'", None),
        ("pcsa.team == 'a'", PERHAPS),
        ("projectcalico.org/serviceaccount == 'x'", PERHAPS),
        ("app == 'web' && pcsa.team == 'a'", None),
    ] {
        let policy = policy(
            Kind::CalicoGlobalNetworkPolicy,
            &json!({ "selector": selector }),
        );
        assert_eq!(selects(&policy), expected, "{selector}");
    }
    let accounts = json!({"serviceAccountSelector": "role == 'x'"});
    assert_eq!(
        selects(&policy(Kind::CalicoNetworkPolicy, &accounts)),
        PERHAPS
    );
}

#[test]
fn l11_l21_namespaces_of_calico_policies_and_host_endpoints() {
    let of = |kind, spec: Value| policy(kind, &spec);
    let own = of(Kind::CalicoNetworkPolicy, json!({}));
    assert_eq!(
        (selects(&own), selects_in(&own, "web", None)),
        (SURELY, None)
    );
    for (spec, expected) in [
        (json!({}), SURELY),
        (json!({"namespaceSelector": "team == 'a'"}), SURELY),
        (json!({"namespaceSelector": "team == 'b'"}), None),
        (
            json!({"namespaceSelector": "projectcalico.org/name == 'bao'"}),
            SURELY,
        ),
        (
            json!({"namespaceSelector": "projectcalico.org/name == 'web'", "selector": "all()"}),
            None,
        ),
        (json!({"namespaceSelector": "global()"}), None),
        (json!({"namespaceSelector": "??"}), PERHAPS),
        (json!({"doNotTrack": true}), None),
        (json!({"preDNAT": true}), None),
    ] {
        let policy = of(Kind::CalicoGlobalNetworkPolicy, spec.clone());
        assert_eq!(selects(&policy), expected, "{spec}");
    }
}

#[test]
fn the_same_objects_of_calico_are_served_by_two_groups() {
    let written = |api_version: &str| {
        let object = json!({"apiVersion": api_version, "kind": "NetworkPolicy",
            "metadata": {"name": "p", "namespace": "bao"}, "spec": {"selector": "all()"}});
        read::object(&object).map(|object| object.reference().to_string())
    };
    let expected = Some("NetworkPolicy.projectcalico.org bao/p".to_owned());
    assert_eq!(written("projectcalico.org/v3"), expected);
    assert_eq!(written("crd.projectcalico.org/v1"), expected);
}
