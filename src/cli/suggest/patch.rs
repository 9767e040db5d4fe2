//! Merge patches of OpenBaoClusters. A list in a merge patch replaces the whole list, so it repeats what is declared.

use serde_json::{Map, Value, json};

use crate::inventory::{Object, ObjectRef, read};
use crate::rules::remedy::{ClusterEdit, Verb};

/// Field path of the lists.
const NETWORK: &str = "spec.network.";

/// A merge patch of an OpenBaoCluster.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct MergePatch {
    /// The patch, with the kind and name of the object.
    pub(super) value: Value,
    /// For each entry its place, such as `trustedIngressPeers[1]`.
    pub(super) places: Vec<String>,
}

/// The patch that adds entries to the lists of a cluster as written; `None` if something there is no list.
pub(super) fn merge_patch<'a>(
    cluster: &ObjectRef,
    document: &Value,
    entries: impl Iterator<Item = &'a ClusterEdit>,
) -> Option<MergePatch> {
    let network = document
        .pointer("/spec/network")
        .filter(|network| !network.is_null());
    if network.is_some_and(|network| !network.is_object()) {
        return None;
    }
    let mut lists = Map::new();
    let mut places = Vec::new();
    for entry in entries {
        let (path, Verb::Add, Value::Array(values)) = entry.lines() else {
            return None;
        };
        let field = path.strip_prefix(NETWORK)?;
        let declared = network.and_then(|network| network.get(field));
        let list = lists
            .entry(field)
            .or_insert_with(|| match declared {
                None | Some(Value::Null) => json!([]),
                Some(declared) => declared.clone(),
            })
            .as_array_mut()?;
        places.push(format!("{field}[{}]", list.len()));
        list.extend(values);
    }
    let value = json!({
        "apiVersion": document.get("apiVersion")?,
        "kind": document.get("kind")?,
        "metadata": {"name": &*cluster.name, "namespace": &*cluster.namespace},
        "spec": {"network": lists},
    });
    Some(MergePatch { value, places })
}

/// The object after a patch, and its document.
pub(super) fn patched(document: &Value, patch: &MergePatch) -> Option<(Object, Value)> {
    let mut merged = document.clone();
    json_patch::merge(&mut merged, &patch.value);
    Some((read::object(&merged)?, merged))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::inventory::Kind;
    use crate::rules::remedy::{AddressList, namespace_to_name};

    fn cluster() -> ObjectRef {
        ObjectRef {
            kind: Kind::OpenBaoCluster,
            namespace: "bao".into(),
            name: "bao".into(),
        }
    }

    fn document(network: &Value) -> Value {
        json!({
            "apiVersion": "openbao.org/v1alpha1",
            "kind": "OpenBaoCluster",
            "metadata": {"name": "bao", "labels": {"a": "b"}},
            "spec": {"replicas": 3, "network": network},
        })
    }

    fn resolver(text: &str) -> ClusterEdit {
        let address: IpAddr = text.parse().unwrap();
        ClusterEdit::Addresses(AddressList::Resolvers, vec![address])
    }

    #[test]
    fn everything_that_is_declared_stays_whatever_it_is() {
        // An entry that cannot be read and a field of a newer operator are kept too.
        let declared = json!({
            "dnsEndpointIPs": ["10.0.0.1", "no address"],
            "trustedIngressPeers": [{"podSelector": {}, "newer": 1}],
            "egressRules": [{"to": [{"ipBlock": {"cidr": "10.1.0.0/16"}}]}],
            "newer": {"field": true},
        });
        let document = document(&declared);
        let entries = [
            resolver("10.0.0.2"),
            ClusterEdit::Trust(vec![namespace_to_name()]),
            resolver("10.0.0.3"),
        ];
        let patch = merge_patch(&cluster(), &document, entries.iter()).unwrap();
        assert_eq!(
            patch.places,
            [
                "dnsEndpointIPs[2]",
                "trustedIngressPeers[1]",
                "dnsEndpointIPs[3]"
            ]
        );
        assert_eq!(
            patch.value["metadata"],
            json!({"name": "bao", "namespace": "bao"})
        );
        // Lists to which nothing is added are not in the patch.
        assert_eq!(patch.value["spec"]["network"].as_object().unwrap().len(), 2);
        let (_, merged) = patched(&document, &patch).unwrap();
        assert_eq!(merged["spec"]["replicas"], 3);
        assert_eq!(merged["metadata"]["labels"]["a"], "b");
        for (field, before) in declared.as_object().unwrap() {
            let after = &merged["spec"]["network"][field];
            match before.as_array() {
                Some(before) => {
                    let after = after.as_array().unwrap();
                    assert!(after.starts_with(before), "{field}: {after:?}");
                }
                None => assert_eq!(after, before),
            }
        }
        assert_eq!(
            merged["spec"]["network"]["dnsEndpointIPs"],
            json!(["10.0.0.1", "no address", "10.0.0.2", "10.0.0.3"])
        );
    }

    #[test]
    fn a_cluster_without_a_network_gets_one_and_no_list_gets_no_patch() {
        let entries = [resolver("10.0.0.2")];
        let of = |network: Value| merge_patch(&cluster(), &document(&network), entries.iter());
        for empty in [Value::Null, json!({}), json!({"dnsEndpointIPs": null})] {
            let patch = of(empty).unwrap();
            let network = &patch.value["spec"]["network"];
            assert_eq!(*network, json!({"dnsEndpointIPs": ["10.0.0.2"]}));
        }
        assert_eq!(of(json!([])), None);
        assert_eq!(of(json!({"dnsEndpointIPs": "10.0.0.1"})), None);
        let change = ClusterEdit::DnsNamespace("dns".into());
        let patch = merge_patch(&cluster(), &document(&json!({})), [&change].into_iter());
        assert_eq!(patch, None);
    }
}
