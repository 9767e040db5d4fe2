//! Subjects of the policies of Cilium.

use serde_json::json;

use super::{PERHAPS, SURELY, expression, fact, policy, selects, selects_in};
use crate::inventory::Kind;
use crate::inventory::other_policy::Effect;

#[test]
fn c1_each_rule_of_a_cilium_policy_selects_by_itself() {
    let rule =
        |app: &str| json!({"endpointSelector": {"matchLabels": {"app": app}}, "ingress": [{}]});
    for (fields, expected) in [
        (json!({"spec": rule("bao")}), SURELY),
        (json!({"spec": rule("web")}), None),
        (json!({"specs": [rule("web"), rule("bao")]}), SURELY),
        (json!({"spec": rule("web"), "specs": [rule("bao")]}), SURELY),
        (json!({"spec": rule("web"), "specs": [rule("db")]}), None),
    ] {
        for kind in [
            Kind::CiliumNetworkPolicy,
            Kind::CiliumClusterwideNetworkPolicy,
        ] {
            let fact = fact(kind, &fields);
            assert_eq!(selects(fact.read().unwrap()), expected, "{kind} {fields}");
        }
    }
}

#[test]
fn c2_c4_a_cilium_policy_without_entries_has_no_effect_and_a_deny_list_alone_cuts() {
    let deny = json!([{"toCIDR": ["169.254.169.254/32"]}]);
    for (lists, effect) in [
        (json!({"ingress": [], "egress": []}), Effect::CiliumIgnores),
        (json!({}), Effect::CiliumIgnores),
        (json!({"ingress": [{}]}), Effect::Cilium),
        (json!({"egressDeny": deny}), Effect::CiliumCutsEgress),
        (json!({"egressDeny": deny, "egress": [{}]}), Effect::Cilium),
        (
            json!({"egressDeny": deny, "enableDefaultDeny": {"egress": false}}),
            Effect::Cilium,
        ),
        (json!({"ingressDeny": [{}]}), Effect::CiliumCutsIngress),
    ] {
        let mut spec = lists.clone();
        spec["endpointSelector"] = json!({});
        let policy = policy(Kind::CiliumClusterwideNetworkPolicy, &spec);
        assert_eq!(
            (policy.effect, selects(&policy)),
            (effect, SURELY),
            "{lists}"
        );
    }
}

#[test]
fn c12_c16_labels_of_a_cilium_selector_have_sources_and_special_keys() {
    const OWN: &str = "io.kubernetes.pod.namespace";
    let team = "io.cilium.k8s.namespace.labels.team";
    for (selector, own, all) in [
        (json!({}), SURELY, SURELY),
        (json!({"matchLabels": {"k8s:app": "bao"}}), SURELY, SURELY),
        (json!({"matchLabels": {"any:app": "bao"}}), SURELY, SURELY),
        (json!({"matchLabels": {"k8s:app": "web"}}), None, None),
        (json!({"matchLabels": {"reserved:host": ""}}), None, None),
        (json!({"matchLabels": {"container:app": "bao"}}), None, None),
        (
            expression("reserved:host", "DoesNotExist", &[]),
            SURELY,
            SURELY,
        ),
        // A namespaced policy is about its own namespace, whatever label asks for another one.
        (json!({"matchLabels": {OWN: "bao"}}), SURELY, SURELY),
        (
            json!({"matchLabels": {format!("k8s:{OWN}"): "web"}}),
            SURELY,
            None,
        ),
        (json!({"matchLabels": {team: "a"}}), SURELY, SURELY),
        (json!({"matchLabels": {team: "b"}}), None, None),
        (
            json!({"matchLabels": {"io.cilium.k8s.policy.serviceaccount": "bao"}}),
            PERHAPS,
            PERHAPS,
        ),
        // The agent does not know them by default.
        (
            json!({"matchLabels": {"controller-revision-hash": "x"}}),
            PERHAPS,
            PERHAPS,
        ),
        (
            json!({"matchLabels": {"k8s:topology.kubernetes.io/zone": "x"}}),
            PERHAPS,
            PERHAPS,
        ),
    ] {
        for (kind, expected) in [
            (Kind::CiliumNetworkPolicy, own),
            (Kind::CiliumClusterwideNetworkPolicy, all),
        ] {
            let policy = policy(
                kind,
                &json!({"endpointSelector": selector, "ingress": [{}]}),
            );
            assert_eq!(selects(&policy), expected, "{kind} {selector}");
        }
    }
    let own = policy(
        Kind::CiliumNetworkPolicy,
        &json!({"endpointSelector": {}, "ingress": [{}]}),
    );
    assert_eq!(selects_in(&own, "web", None), None);
}

#[test]
fn c24_a_cilium_policy_for_nodes_selects_no_pods() {
    let nodes = policy(
        Kind::CiliumClusterwideNetworkPolicy,
        &json!({"nodeSelector": {}, "ingress": [{}]}),
    );
    assert_eq!(selects(&nodes), None);
    let both = json!({"nodeSelector": {}, "endpointSelector": {"matchLabels": {"app": "web"}}, "ingress": [{}]});
    assert_eq!(
        selects(&policy(Kind::CiliumClusterwideNetworkPolicy, &both)),
        PERHAPS
    );
}
