//! Objects, read from JSON: total functions, used by admission and by both sources.
//!
//! The bytes are decoded straight into slim metadata and the typed spec. Only where that fails is
//! the object decoded a second time, to say where it fails and to keep as much of its metadata as
//! can be had.
//!
//! ```
//! use openbao_perimeter::inventory::{Fact, Kind, ObjectRef, read};
//!
//! let named = ObjectRef { kind: Kind::NetworkPolicy, namespace: "bao".into(), name: "web".into() };
//! let Fact::Unreadable(broken) = read::policy(br#"{"spec": {"ingress": 7}}"#, &named) else {
//!     unreachable!("a number is no list");
//! };
//! assert_eq!(broken.problems[0].path, "spec.ingress");
//! assert_eq!(broken.meta.name, named.name);
//! ```

mod decode;
pub mod extent;

use std::net::IpAddr;

use k8s_openapi::api::networking::v1::NetworkPolicySpec;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::crd::OpenBaoClusterSpec;
use super::{Cluster, Fact, Kind, Namespace, Object, ObjectRef, Policy};
use decode::Source;

/// The API server's own Service: namespace and name.
pub const API_SERVER_SERVICE: (&str, &str) = ("default", "kubernetes");

/// A NetworkPolicy from JSON; name and namespace from `fallback` where the object has none.
pub fn policy(json: &[u8], fallback: &ObjectRef) -> Fact<Policy> {
    read_policy(Source::Json(json), fallback)
}

/// An OpenBaoCluster from JSON; name and namespace from `fallback` where the object has none.
pub fn cluster(json: &[u8], fallback: &ObjectRef) -> Fact<Cluster> {
    read_cluster(Source::Json(json), fallback)
}

/// The kind that `apiVersion` and `kind` name, whatever the version; `None` where it is not ours.
pub fn kind(api_version: &str, kind: &str) -> Option<Kind> {
    let group = api_version
        .split_once('/')
        .map_or("", |(group, _version)| group);
    [
        Kind::OpenBaoCluster,
        Kind::NetworkPolicy,
        Kind::Namespace,
        Kind::Service,
    ]
    .into_iter()
    .find(|known| known.group() == group && known.as_str() == kind)
}

/// An object of any kind; `None` for kinds that are not ours and for Services other than
/// `default/kubernetes`. One without a namespace is in `default`.
pub fn object(value: &Value) -> Option<Object> {
    let text = |field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default();
    let kind = kind(text("apiVersion"), text("kind"))?;
    object_of(kind, value)
}

/// The same, for an object whose kind is known from elsewhere: items of a list do not say theirs.
pub fn object_of(kind: Kind, value: &Value) -> Option<Object> {
    let fallback = ObjectRef {
        kind,
        namespace: if kind == Kind::Namespace {
            ""
        } else {
            "default"
        }
        .into(),
        name: "".into(),
    };
    let source = Source::Value(value);
    match kind {
        Kind::OpenBaoCluster => Some(Object::Cluster(read_cluster(source, &fallback))),
        Kind::NetworkPolicy => Some(Object::Policy(read_policy(source, &fallback))),
        Kind::Namespace => Some(Object::Namespace(read_namespace(source, &fallback))),
        Kind::Service => read_api_server(source, &fallback).map(Object::ApiServer),
    }
}

fn read_policy(source: Source<'_>, fallback: &ObjectRef) -> Fact<Policy> {
    let read = source.decode::<NetworkPolicySpec, IgnoredAny>(fallback);
    read.and_then(|(meta, spec, _)| Policy::try_from((meta, spec.unwrap_or_default())))
        .into()
}

fn read_cluster(source: Source<'_>, fallback: &ObjectRef) -> Fact<Cluster> {
    let read = source.decode::<OpenBaoClusterSpec, IgnoredAny>(fallback);
    read.map(|(meta, spec, _)| Cluster::from((meta, spec.unwrap_or_default())))
        .into()
}

fn read_namespace(source: Source<'_>, fallback: &ObjectRef) -> Fact<Namespace> {
    #[derive(Deserialize)]
    struct Status {
        #[serde(default)]
        phase: Option<String>,
    }
    let read = source.decode::<IgnoredAny, Status>(fallback);
    read.map(|(meta, _, status)| {
        let phase = status.and_then(|status| status.phase);
        Namespace {
            terminating: meta.deleting || phase.as_deref() == Some("Terminating"),
            name: meta.name,
        }
    })
    .into()
}

/// Addresses of the API server's Service; none where it cannot be read.
fn read_api_server(source: Source<'_>, fallback: &ObjectRef) -> Option<Vec<IpAddr>> {
    #[derive(Deserialize)]
    struct Spec {
        #[serde(default, rename = "clusterIP")]
        cluster_ip: Option<String>,
        #[serde(default, rename = "clusterIPs")]
        cluster_ips: Option<Vec<String>>,
    }
    let read = source.decode::<Spec, IgnoredAny>(fallback);
    let (meta, spec) = match read {
        Ok((meta, spec, _)) => (meta, spec),
        Err(broken) => (broken.meta, None),
    };
    if (&*meta.namespace, &*meta.name) != API_SERVER_SERVICE {
        return None;
    }
    let written = spec.map_or_else(Vec::new, |spec| {
        let several = spec.cluster_ips.filter(|several| !several.is_empty());
        several.unwrap_or_else(|| spec.cluster_ip.into_iter().collect())
    });
    // A headless Service says `None`, which is no address.
    let addresses = written.iter().filter_map(|text| text.parse().ok());
    Some(
        addresses
            .map(|address: IpAddr| address.to_canonical())
            .collect(),
    )
}
