//! The rules of ordered policies, as they are read for decisions.

use netpol::port::Protocol;
use netpol::rule::{Operator, Selector};
use netpol::tier::{Action, PolicyKind, Tier, TierPeer, TierPolicy, TierPort, TierSelector};
use serde_json::{Value, json};

use super::policy;
use crate::inventory::Kind;

fn ordered(kind: Kind, spec: &Value) -> Option<TierPolicy> {
    policy(kind, spec).ordered.map(|read| (*read).clone())
}

/// A ClusterNetworkPolicy of tier Admin with one egress rule.
fn with_egress(rule: &Value) -> TierPolicy {
    let spec =
        json!({"tier": "Admin", "priority": 7, "subject": {"namespaces": {}}, "egress": [rule]});
    ordered(Kind::ClusterNetworkPolicy, &spec).expect("a policy")
}

#[test]
fn tier_priority_and_action_are_read_in_each_kind() {
    let subject = json!({"namespaces": {}});
    let rule = |action: &str| json!([{"action": action, "from": [{"namespaces": {}}]}]);
    for (kind, spec, tier, priority, action) in [
        (
            Kind::ClusterNetworkPolicy,
            json!({"tier": "Baseline", "priority": 3, "subject": subject, "ingress": rule("Pass")}),
            Tier::Baseline,
            Some(3),
            Action::Pass,
        ),
        (
            Kind::AdminNetworkPolicy,
            json!({"priority": 9, "subject": subject, "ingress": rule("Allow")}),
            Tier::Admin,
            Some(9),
            Action::Accept,
        ),
        (
            Kind::BaselineAdminNetworkPolicy,
            json!({"subject": subject, "ingress": rule("Deny")}),
            Tier::Baseline,
            None,
            Action::Deny,
        ),
    ] {
        let read = ordered(kind, &spec).expect("a policy");
        assert_eq!((read.tier, read.priority), (tier, priority), "{kind}");
        assert_eq!(read.ingress[0].action, action, "{kind}");
    }
}

#[test]
fn a_policy_without_one_subject_is_not_decided() {
    for subject in [
        json!({}),
        json!({"namespaces": {}, "pods": {"namespaceSelector": {}, "podSelector": {}}}),
        json!({"pods": {"podSelector": {}}}),
    ] {
        let spec = json!({"tier": "Admin", "priority": 1, "subject": subject});
        assert_eq!(
            ordered(Kind::ClusterNetworkPolicy, &spec),
            None,
            "{subject}"
        );
    }
    let spec = json!({"priority": 1, "subject": {"namespaces": {}}});
    assert_eq!(ordered(Kind::ClusterNetworkPolicy, &spec), None, "no tier");
}

#[test]
fn a_peer_that_is_not_exactly_one_known_field_is_unknown() {
    let peers = |peer: Value| {
        with_egress(&json!({"action": "Accept", "to": [peer]})).egress[0]
            .peers
            .clone()
    };
    for unknown in [
        json!({}),
        json!({"entities": ["world"]}),
        json!({"namespaces": {}, "networks": ["10.0.0.0/8"]}),
        json!({"networks": ["nonsense"]}),
        json!({"pods": {"podSelector": {}}}),
    ] {
        assert_eq!(peers(unknown.clone()), [TierPeer::Unknown], "{unknown}");
    }
    let everyone = || TierSelector::Valid(Selector::default());
    assert_eq!(
        peers(json!({"namespaces": {}})),
        [TierPeer::Namespaces(everyone())]
    );
    assert_eq!(peers(json!({"nodes": {}})), [TierPeer::Nodes(everyone())]);
    assert_eq!(
        peers(json!({"domainNames": ["*.example.com"]})),
        [TierPeer::DomainNames(vec!["*.example.com".into()])]
    );
    assert!(
        matches!(&peers(json!({"networks": ["10.0.0.0/8", "::/0"]}))[..], [TierPeer::Networks(blocks)] if blocks.len() == 2)
    );
}

#[test]
fn ports_are_read_as_numbers_names_or_unknown() {
    let ports = |ports: Value| {
        with_egress(&json!({"action": "Deny", "to": [{"namespaces": {}}], "protocols": [ports]}))
            .egress[0]
            .ports
            .clone()
    };
    let numbers = |protocol, first, last| TierPort::Numbers {
        protocol,
        first,
        last,
    };
    for (written, read) in [
        (
            json!({"tcp": {"destinationPort": {"number": 53}}}),
            numbers(Protocol::Tcp, 53, 53),
        ),
        (
            json!({"udp": {"destinationPort": {"range": {"start": 1, "end": 9}}}}),
            numbers(Protocol::Udp, 1, 9),
        ),
        (
            json!({"destinationNamedPort": "api"}),
            TierPort::Named("api".into()),
        ),
        (json!({"tcp": {}}), TierPort::Unknown),
        (json!({"icmp": {}}), TierPort::Unknown),
        (
            json!({"tcp": {"destinationPort": {"number": 5, "range": {"start": 1, "end": 9}}}}),
            TierPort::Unknown,
        ),
    ] {
        assert_eq!(ports(written.clone()), [read], "{written}");
    }
    let admin = json!({"priority": 1, "subject": {"namespaces": {}}, "egress": [{"action": "Deny", "to": [{"namespaces": {}}], "ports": [
        {"portNumber": {"port": 8201}}, {"portRange": {"protocol": "UDP", "start": 9, "end": 1}}, {"namedPort": "api"}, {},
    ]}]});
    let read = ordered(Kind::AdminNetworkPolicy, &admin).expect("a policy");
    assert_eq!(read.kind, PolicyKind::AdminNetworkPolicy);
    assert_eq!(
        read.egress[0].ports,
        [
            numbers(Protocol::Tcp, 8201, 8201),
            numbers(Protocol::Udp, 9, 1),
            TierPort::Named("api".into()),
            TierPort::Unknown
        ]
    );
}

#[test]
fn an_invalid_requirement_is_left_out_and_makes_the_selector_invalid() {
    let selector = |selector: Value| {
        let read = with_egress(&json!({"action": "Accept", "to": [{"namespaces": selector}]}));
        match &read.egress[0].peers[..] {
            [TierPeer::Namespaces(selector)] => selector.clone(),
            other => panic!("{other:?}"),
        }
    };
    let rest = Selector::labels([("a", "b")]);
    for invalid in [
        json!({"key": "team", "operator": "in", "values": ["x"]}),
        json!({"key": "team", "operator": "In"}),
        json!({"key": "a b", "operator": "Exists"}),
        json!({"key": "team", "operator": "Exists", "values": ["x"]}),
    ] {
        let read = selector(json!({"matchLabels": {"a": "b"}, "matchExpressions": [invalid]}));
        assert_eq!(read, TierSelector::Invalid(rest.clone()), "{invalid}");
    }
    let valid = json!({"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["x"]}]});
    assert_eq!(
        selector(valid),
        TierSelector::Valid(rest.and("team", Operator::NotIn, &["x"]))
    );
}

#[test]
fn an_unknown_action_makes_the_policy_unreadable() {
    let spec = json!({"tier": "Admin", "priority": 1, "subject": {"namespaces": {}}, "ingress": [{"action": "Log", "from": []}]});
    let json = json!({"apiVersion": "policy.networking.k8s.io/v1beta1", "kind": "ClusterNetworkPolicy", "metadata": {"name": "x"}, "spec": spec});
    let fallback = crate::inventory::ObjectRef {
        kind: Kind::ClusterNetworkPolicy,
        namespace: "".into(),
        name: "x".into(),
    };
    let read = crate::inventory::read::other_policy(json.to_string().as_bytes(), &fallback);
    assert!(read.read().is_none(), "{read:?}");
}

#[test]
fn a_list_of_another_length_than_the_crd_permits_makes_the_policy_unreadable() {
    let read = |rule: &Value| {
        let spec = json!({"tier": "Admin", "priority": 1, "subject": {"namespaces": {}}, "egress": [rule]});
        let json = json!({"apiVersion": "policy.networking.k8s.io/v1beta1", "kind": "ClusterNetworkPolicy", "metadata": {"name": "x"}, "spec": spec});
        let fallback = crate::inventory::ObjectRef {
            kind: Kind::ClusterNetworkPolicy,
            namespace: "".into(),
            name: "x".into(),
        };
        crate::inventory::read::other_policy(json.to_string().as_bytes(), &fallback)
    };
    let all = json!([{"namespaces": {}}]);
    let many: Vec<Value> = vec![json!({"namespaces": {}}); 26];
    for (rule, path) in [
        (
            json!({"action": "Accept", "to": all, "protocols": []}),
            "spec.egress[0].protocols",
        ),
        (json!({"action": "Deny", "to": []}), "spec.egress[0].to"),
        (json!({"action": "Deny"}), "spec.egress[0].to"),
        (json!({"action": "Deny", "to": many}), "spec.egress[0].to"),
        (
            json!({"action": "Deny", "to": [{"networks": []}]}),
            "spec.egress[0].to[0].networks",
        ),
    ] {
        match read(&rule) {
            crate::inventory::Fact::Unreadable(broken) => {
                assert_eq!(broken.problems[0].path, path, "{rule}");
            }
            found @ crate::inventory::Fact::Read(_) => panic!("{rule}: {found:?}"),
        }
    }
    assert!(
        read(&json!({"action": "Accept", "to": all, "protocols": null}))
            .read()
            .is_some()
    );
}
