//! Properties of every policy and every text.

use std::sync::Arc;

use netpol::Direction;
use netpol::port::Protocol;
use netpol::rule::{Operator, Peer, PortEntry, PortRange, Requirement, Rule, Selector};
use openbao_perimeter::inventory::{Fact, Kind, Object, ObjectRef, Owner, Policy, read, render};
use proptest::prelude::*;
use serde_json::Value;

use super::reference;

prop_compose! {
    fn name()(name in "[a-z]([a-z0-9]{0,6}[a-z])?") -> Arc<str> { name.into() }
}

fn any_selector() -> impl Strategy<Value = Selector> {
    let requirement =
        (name(), prop::collection::vec(name(), 1..3), 0..4_usize).prop_map(|(key, values, at)| {
            let operator = [
                Operator::In,
                Operator::NotIn,
                Operator::Exists,
                Operator::DoesNotExist,
            ][at];
            let values = if at < 2 { values } else { Vec::new() };
            Requirement {
                key,
                operator,
                values,
            }
        });
    (
        prop::collection::btree_map(name(), name(), 0..3),
        prop::collection::vec(requirement, 0..3),
    )
        .prop_map(|(labels, expressions)| Selector {
            labels: labels.into_iter().collect(),
            expressions,
        })
}

fn any_peer() -> impl Strategy<Value = Peer> {
    let pods = (
        any_selector(),
        prop::option::of(any_selector()),
        any::<bool>(),
    )
        .prop_map(|(first, second, swap)| {
            let (namespaces, pods) = if swap {
                (second, Some(first))
            } else {
                (Some(first), second)
            };
            Peer::Pods { namespaces, pods }
        });
    let block =
        (any::<u8>(), prop::collection::vec(any::<u8>(), 0..3)).prop_map(|(net, carved)| {
            let cidr = format!("{net}.0.0.0/8").parse().expect("a block");
            let except = carved
                .into_iter()
                .map(|part| format!("{net}.{part}.0.7/16").parse().expect("a block"))
                .collect();
            Peer::Block { cidr, except }
        });
    let ambiguous = Just(Peer::Block {
        cidr: "::ffff:10.0.0.0/104".parse().expect("a block"),
        except: vec!["010.0.0.0/9".parse().expect("a block")],
    });
    prop_oneof![3 => pods, 2 => block, 1 => ambiguous]
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let range = prop_oneof![
        Just(PortRange::All),
        (1..=u16::MAX, 1..=u16::MAX).prop_map(|(a, b)| PortRange::Numbers(a.min(b), a.max(b))),
        name().prop_map(PortRange::Named),
    ];
    let port = (0..3_usize, range, any::<bool>()).prop_map(|(at, ports, repeats)| PortEntry {
        repeats_port: repeats && matches!(ports, PortRange::Numbers(first, last) if first == last),
        ..PortEntry::new(Protocol::ALL[at], ports)
    });
    (
        prop::collection::vec(any_peer(), 0..3),
        prop::collection::vec(port, 0..3),
    )
        .prop_map(|(peers, ports)| Rule { peers, ports })
}

prop_compose! {
    fn any_policy()(
        labels in prop::collection::btree_map(name(), name(), 0..3),
        owner in prop::option::of(name()),
        controller in any::<bool>(),
        pods in any_selector(),
        types in prop::collection::vec(0..2_usize, 0..3),
        ingress in prop::collection::vec(any_rule(), 0..3),
        egress in prop::collection::vec(any_rule(), 0..3),
    ) -> Policy {
        let owners = owner.into_iter().map(|name| Owner {
            api_version: "openbao.org/v1alpha1".into(),
            kind: "OpenBaoCluster".into(),
            uid: name.clone(),
            name,
            controller,
        });
        let mut policy = Policy { pods, ingress, egress, ..Policy::default() };
        policy.meta.name = "web".into();
        policy.meta.namespace = "bao".into();
        policy.meta.labels = labels.into_iter().collect();
        policy.meta.annotations.insert("openbao.org/maintenance".into(), "true".into());
        policy.meta.owners = owners.collect();
        let types: Vec<Direction> = types.into_iter().map(|at| Direction::ALL[at]).collect();
        policy.policy_types = (!types.is_empty()).then_some(types);
        policy
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let words = [
        "metadata",
        "spec",
        "ingress",
        "egress",
        "from",
        "to",
        "ports",
        "port",
        "endPort",
        "ipBlock",
        "cidr",
        "except",
        "podSelector",
        "matchLabels",
        "matchExpressions",
        "values",
        "network",
        "ingressRules",
        "labels",
        "ownerReferences",
        "name",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 48, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(words.to_vec()), inner), 0..5).prop_map(
                |fields| fields
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), value))
                    .collect()
            ),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_rendered_reads_as_the_same_policy(policy in any_policy()) {
        let text = render::policy(&policy).to_string();
        let read = read::policy(text.as_bytes(), &reference(Kind::NetworkPolicy));
        prop_assert_eq!(read, Fact::Read(Arc::new(policy)), "{}", text);
    }

    #[test]
    fn decoding_any_json_never_panics_and_both_ways_agree(value in any_json()) {
        let text = value.to_string();
        // Floats lose precision when converted to text.
        let value: Value = serde_json::from_str(&text).expect("JSON");
        for kind in [Kind::NetworkPolicy, Kind::OpenBaoCluster, Kind::Namespace, Kind::Service] {
            let mut named = value.clone();
            if let Some(fields) = named.as_object_mut() {
                let version = format!("{}/v1", kind.group());
                fields.insert("apiVersion".into(), version.trim_start_matches('/').into());
                fields.insert("kind".into(), kind.as_str().into());
            }
            read::object(&named);
        }
        let fallback = ObjectRef { kind: Kind::NetworkPolicy, namespace: "default".into(), name: "".into() };
        let read = read::policy(text.as_bytes(), &fallback);
        prop_assert_eq!(read::object_of(Kind::NetworkPolicy, &value), Some(Object::Policy(read)));
        let read = read::cluster(text.as_bytes(), &fallback);
        prop_assert_eq!(read::object_of(Kind::OpenBaoCluster, &value), Some(Object::Cluster(read)));
    }

    #[test]
    fn decoding_any_bytes_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let read = read::policy(&bytes, &reference(Kind::NetworkPolicy));
        prop_assert!(read.read().is_none() || serde_json::from_slice::<Value>(&bytes).is_ok());
    }

    #[test]
    fn decoding_a_cut_or_damaged_manifest_never_panics(policy in any_policy(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut text = render::policy(&policy).to_string().into_bytes();
        let at = at.index(text.len());
        read::policy(&text[..at], &reference(Kind::NetworkPolicy));
        text[at] = byte;
        if let Fact::Unreadable(broken) = read::policy(&text, &reference(Kind::NetworkPolicy)) {
            prop_assert!(!broken.problems.is_empty());
        }
    }
}
