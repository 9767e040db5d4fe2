//! Facts written back as manifests, for patches and for messages.
//!
//! Reading a rendered fact gives the same fact. A deletion timestamp and defaults of absent fields are not
//! rendered: both belong to the API server.
//!
//! ```
//! use openbao_perimeter::inventory::render;
//! use netpol::Direction;
//! use netpol::rule::{PortEntry, Rule};
//!
//! let rule = Rule { peers: vec![], ports: vec![PortEntry::tcp(8200)] };
//! assert_eq!(
//!     render::rule(&rule, Direction::Ingress).to_string(),
//!     r#"{"ports":[{"port":8200,"protocol":"TCP"}]}"#,
//! );
//! ```

use serde_json::{Map, Value, json};

use super::{Kind, Labels, Meta, Owner, Policy};
use netpol::Direction;
use netpol::rule::{Peer, PortEntry, PortRange, Rule, Selector};

/// An element of `ingress` or `egress`.
pub fn rule(rule: &Rule, direction: Direction) -> Value {
    let mut fields = Map::new();
    insert_list(&mut fields, direction.peers_field(), &rule.peers, peer);
    insert_list(&mut fields, "ports", &rule.ports, port);
    fields.into()
}

/// A label selector; `{}` if it selects everything.
pub fn selector(selector: &Selector) -> Value {
    let mut fields = Map::new();
    insert_texts(&mut fields, "matchLabels", &selector.labels);
    let requirement = |requirement: &netpol::rule::Requirement| {
        let mut fields = Map::new();
        fields.insert("key".into(), text(&requirement.key));
        fields.insert("operator".into(), text(requirement.operator.as_str()));
        insert_list(&mut fields, "values", &requirement.values, |value| {
            text(value)
        });
        fields.into()
    };
    insert_list(
        &mut fields,
        "matchExpressions",
        &selector.expressions,
        requirement,
    );
    fields.into()
}

/// An element of `from`, `to` or `trustedIngressPeers`.
pub fn peer(peer: &Peer) -> Value {
    let mut fields = Map::new();
    match peer {
        Peer::Pods { namespaces, pods } => {
            let parts = [("namespaceSelector", namespaces), ("podSelector", pods)];
            for (field, part) in parts {
                if let Some(part) = part {
                    fields.insert(field.into(), selector(part));
                }
            }
        }
        Peer::Block { cidr, except } => {
            let mut block = Map::new();
            block.insert("cidr".into(), text(cidr.text()));
            insert_list(&mut block, "except", except, |carved| text(carved.text()));
            fields.insert("ipBlock".into(), block.into());
        }
    }
    fields.into()
}

/// An element of `ports`.
pub fn port(entry: &PortEntry) -> Value {
    let mut fields = Map::new();
    match &entry.ports {
        PortRange::All => {}
        PortRange::Named(name) => {
            fields.insert("port".into(), text(name));
        }
        PortRange::Numbers(first, last) => {
            fields.insert("port".into(), json!(first));
            if last != first || entry.repeats_port {
                fields.insert("endPort".into(), json!(last));
            }
        }
    }
    fields.insert("protocol".into(), text(entry.protocol.as_str()));
    fields.into()
}

/// A NetworkPolicy.
pub fn policy(policy: &Policy) -> Value {
    let mut spec = Map::new();
    spec.insert("podSelector".into(), selector(&policy.pods));
    if let Some(types) = &policy.policy_types {
        let types: Vec<&str> = types
            .iter()
            .map(|direction| direction.policy_type())
            .collect();
        spec.insert("policyTypes".into(), json!(types));
    }
    for direction in Direction::ALL {
        insert_list(
            &mut spec,
            direction.field(),
            policy.rules(direction),
            |written| rule(written, direction),
        );
    }
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": Kind::NetworkPolicy.as_str(),
        "metadata": metadata(&policy.meta),
        "spec": spec,
    })
}

fn metadata(meta: &Meta) -> Value {
    let mut fields = Map::new();
    for (field, name) in [("name", &meta.name), ("namespace", &meta.namespace)] {
        if !name.is_empty() {
            fields.insert(field.into(), text(name));
        }
    }
    insert_texts(&mut fields, "labels", &meta.labels);
    insert_texts(&mut fields, "annotations", &meta.annotations);
    insert_list(&mut fields, "ownerReferences", &meta.owners, owner);
    fields.into()
}

/// An owner reference. One to a controller is written as the helper of the API machinery does.
pub fn owner(owner: &Owner) -> Value {
    let mut fields = Map::new();
    if !owner.api_version.is_empty() {
        fields.insert("apiVersion".into(), text(&owner.api_version));
    }
    fields.insert("kind".into(), text(&owner.kind));
    fields.insert("name".into(), text(&owner.name));
    fields.insert("uid".into(), text(&owner.uid));
    if owner.controller {
        fields.insert("controller".into(), Value::Bool(true));
        fields.insert("blockOwnerDeletion".into(), Value::Bool(true));
    }
    fields.into()
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn insert_list<T>(
    fields: &mut Map<String, Value>,
    field: &str,
    list: &[T],
    element: impl Fn(&T) -> Value,
) {
    if !list.is_empty() {
        fields.insert(field.into(), list.iter().map(element).collect());
    }
}

fn insert_texts(fields: &mut Map<String, Value>, field: &str, texts: &Labels) {
    if !texts.is_empty() {
        let pairs = texts
            .iter()
            .map(|(key, value)| (key.to_string(), text(value)));
        fields.insert(field.into(), pairs.collect());
    }
}
