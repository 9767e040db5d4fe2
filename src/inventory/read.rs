//! Objects read from JSON, for admission and for both sources. Every input has a result.
//!
//! Text is decoded directly into the small metadata and the typed spec. Only if that fails is the object
//! decoded a second time, to find the failing field and to keep as much of its metadata as possible.
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
pub(crate) mod maps_only;
mod other_policy;
pub mod outline;
mod partial;
pub(crate) mod value_count;
mod workload;

use std::net::IpAddr;
use std::sync::Arc;

use k8s_openapi::api::networking::v1::NetworkPolicySpec;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;

use super::condition::live;
use super::crd::{OpenBaoClusterSpec, OpenBaoClusterStatus, OpenBaoRestoreSpec};
use super::gateway::{RawGateway, RawStatus};
use super::meta::Text;
use super::unknown;
use super::{
    Cluster, EndpointSlice, Fact, Gateway, GatewayClass, Kind, KindUse, LiveCondition, Meta,
    Namespace, Object, ObjectRef, OtherPolicy, Policy, Restore, Service, Unreadable,
};
use decode::Source;

/// Maximum number of labels that are kept of a Namespace.
const MAX_LABELS: usize = 64;

/// Namespace and name of the API server's Service.
pub(crate) const API_SERVER_SERVICE: (&str, &str) = ("default", "kubernetes");

/// A NetworkPolicy from JSON. Name and namespace default to those of `fallback`.
pub fn policy(json: &[u8], fallback: &ObjectRef) -> Fact<Policy> {
    read_policy(Source::Json(json), fallback)
}

/// The same from a value.
pub(crate) fn policy_of(written: &Value, fallback: &ObjectRef) -> Fact<Policy> {
    read_policy(Source::Value(written), fallback)
}

/// An OpenBaoCluster from JSON. Name and namespace default to those of `fallback`.
pub fn cluster(json: &[u8], fallback: &ObjectRef) -> Fact<Cluster> {
    read_cluster(Source::Json(json), fallback)
}

/// An OpenBaoCluster under review, with its unknown fields, since its CRD may keep them. Very long text is
/// not checked for unknown fields.
pub(crate) fn written_cluster(json: &[u8], fallback: &ObjectRef) -> Fact<Cluster> {
    let mut fact = cluster(json, fallback);
    if json.len() <= value_count::SHORT
        && let Ok(value) = serde_json::from_slice::<Value>(json)
    {
        fact.meta_mut().unknown = unknown::fields(Kind::OpenBaoCluster, &value);
    }
    fact
}

/// An OpenBaoRestore from JSON. Name and namespace default to those of `fallback`.
pub(crate) fn restore(json: &[u8], fallback: &ObjectRef) -> Fact<Restore> {
    read_restore(Source::Json(json), fallback)
}

/// A policy of another kind from JSON. The name defaults to that of `fallback`.
pub(crate) fn other_policy(json: &[u8], fallback: &ObjectRef) -> Fact<OtherPolicy> {
    other_policy::read(Source::Json(json), fallback)
}

/// Metadata of the API as far as it can be read.
pub(crate) fn meta(written: &impl serde::Serialize) -> Meta {
    let written = serde_json::to_value(written).unwrap_or_default();
    decode::lenient_meta(&written, &nameless(Kind::Pod))
}

/// The kind with this `apiVersion` and `kind`, in any version; `None` for other kinds.
pub(crate) fn kind(api_version: &str, kind: &str) -> Option<Kind> {
    let group = api_version
        .split_once('/')
        .map_or("", |(group, _version)| group);
    Kind::ALL
        .into_iter()
        .find(|known| known.is_in_group(group) && known.as_str() == kind)
}

/// An object of any kind, with its unknown fields. `None` for other kinds, for EndpointSlices without a Service,
/// and for pods and templates without the label of a cluster. An object without a namespace is in `default`. One in
/// an unsupported version is unreadable.
pub fn object(value: &Value) -> Option<Object> {
    let text = |field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default();
    let api_version = text("apiVersion");
    let kind = kind(api_version, text("kind"))?;
    if kind.has_pods() {
        return workload::read(kind, value).map(|found| Object::Workload(found.into()));
    }
    let version = api_version
        .rsplit_once('/')
        .map_or(api_version, |(_, version)| version);
    let group = api_version.strip_suffix(version).unwrap_or_default();
    let group = group.strip_suffix('/').unwrap_or_default();
    if version.is_empty() || kind.is_read_in(group, version) {
        let object = object_of(kind, value)?;
        return Some(object.noting(unknown::fields(kind, value)));
    }
    let mut broken = in_version(Source::Value(value), &nameless(kind), version);
    if kind.used_for() == KindUse::Seen {
        broken.meta = other_policy::names(&broken.meta);
    }
    object_from(Source::Value(value), &nameless(kind), Some(broken))
}

/// The metadata of an object in an unsupported version.
pub(crate) fn other_version(json: &[u8], fallback: &ObjectRef, version: &str) -> Unreadable {
    in_version(Source::Json(json), fallback, version)
}

/// Metadata has the same fields in all versions.
fn in_version(source: Source<'_>, fallback: &ObjectRef, version: &str) -> Unreadable {
    let meta = match source.decode::<IgnoredAny, IgnoredAny>(fallback) {
        Ok((meta, _, _)) => meta,
        Err(broken) => broken.meta,
    };
    Unreadable::in_version(fallback.kind, meta, version)
}

fn nameless(kind: Kind) -> ObjectRef {
    let namespace = if kind.is_cluster_scoped() {
        ""
    } else {
        "default"
    };
    ObjectRef {
        kind,
        namespace: namespace.into(),
        name: "".into(),
    }
}

/// An object from JSON whose kind and names are already known; `None` for EndpointSlices without a Service.
pub(crate) fn object_json(named: &ObjectRef, json: &[u8]) -> Option<Object> {
    object_from(Source::Json(json), named, None)
}

/// The same for an object whose kind is already known, since items of a list do not contain it.
pub fn object_of(kind: Kind, value: &Value) -> Option<Object> {
    object_from(Source::Value(value), &nameless(kind), None)
}

/// An object that is `broken`, or else is read from `source`.
fn object_from(
    source: Source<'_>,
    fallback: &ObjectRef,
    broken: Option<Unreadable>,
) -> Option<Object> {
    fn fact<T>(
        broken: Option<Unreadable>,
        (source, fallback): (Source<'_>, &ObjectRef),
        read: fn(Source<'_>, &ObjectRef) -> Fact<T>,
    ) -> Fact<T> {
        let unread = broken.map(|broken| Fact::Unreadable(broken.into()));
        unread.unwrap_or_else(|| read(source, fallback))
    }
    let from = (source, fallback);
    match fallback.kind {
        Kind::OpenBaoCluster => Some(Object::Cluster(fact(broken, from, read_cluster))),
        Kind::NetworkPolicy => Some(Object::Policy(fact(broken, from, read_policy))),
        Kind::Namespace => Some(Object::Namespace(fact(broken, from, read_namespace))),
        // Only objects of files are read.
        kind if kind.has_pods() => None,
        Kind::Service | Kind::EndpointSlice if broken.is_some() => None,
        Kind::Service => {
            let found = read_api_server(source, fallback).map(Object::ApiServer);
            found.or_else(|| ports(source, fallback))
        }
        Kind::EndpointSlice => ports(source, fallback),
        Kind::OpenBaoRestore => Some(Object::Restore(fact(broken, from, read_restore))),
        Kind::Gateway => Some(Object::Gateway(fact(broken, from, read_gateway))),
        Kind::GatewayClass => Some(Object::GatewayClass(fact(broken, from, read_class))),
        kind => Some(Object::OtherPolicy(
            kind,
            fact(broken, from, other_policy::read),
        )),
    }
}

/// A Service or an EndpointSlice, with its ports.
fn ports(source: Source<'_>, fallback: &ObjectRef) -> Option<Object> {
    let value = source.value()?;
    let meta = decode::lenient_meta(value.get("metadata").unwrap_or(&Value::Null), fallback);
    let named = (meta.namespace, meta.name);
    if fallback.kind == Kind::Service {
        return Some(Object::Service(Service::read(named, &value).into()));
    }
    EndpointSlice::read(named, &value).map(|slice| Object::EndpointSlice(slice.into()))
}

fn read_policy(source: Source<'_>, fallback: &ObjectRef) -> Fact<Policy> {
    let read = source.decode::<NetworkPolicySpec, IgnoredAny>(fallback);
    let policy =
        read.and_then(|(meta, spec, _)| Policy::try_from((meta, spec.unwrap_or_default())));
    let policy = policy.map_err(|mut broken| {
        broken.pods = source.pods().map(Box::new);
        broken
    });
    policy.into()
}

fn read_cluster(source: Source<'_>, fallback: &ObjectRef) -> Fact<Cluster> {
    let read = with_conditions::<OpenBaoClusterSpec>(source, fallback);
    read.map(|((meta, spec, live), uid)| {
        let mut cluster = Cluster::from((meta, spec));
        cluster.uid = uid.map(|uid| uid.0).filter(|uid| !uid.is_empty());
        cluster.dependencies.live = live;
        cluster
    })
    .or_else(|broken| partly_read(source, fallback, &broken).ok_or(broken))
    .into()
}

/// A cluster with some fields that cannot be read.
fn partly_read(source: Source<'_>, fallback: &ObjectRef, whole: &Unreadable) -> Option<Cluster> {
    let read = partial::read(&*source.value()?, fallback, whole)?;
    let mut cluster = Cluster::from((read.meta, read.spec));
    cluster.uid = read.uid.map(Arc::from);
    cluster.dependencies.live = live(read.status.and_then(|status| status.conditions));
    cluster.unread(read.broken);
    Some(cluster)
}

fn read_restore(source: Source<'_>, fallback: &ObjectRef) -> Fact<Restore> {
    let read = with_conditions::<OpenBaoRestoreSpec>(source, fallback);
    read.map(|((meta, spec, live), _)| Restore {
        live,
        ..Restore::from((meta, spec))
    })
    .into()
}

/// Metadata, spec and conditions of an object, and its uid.
type WithConditions<S> = ((Meta, S, Vec<LiveCondition>), Option<Text>);

/// Metadata, spec and conditions. A status that cannot be read is ignored: the operator's reports never make
/// an object unreadable.
fn with_conditions<S: DeserializeOwned + Default>(
    source: Source<'_>,
    fallback: &ObjectRef,
) -> Result<WithConditions<S>, Box<Unreadable>> {
    let decoded = source.decode_with_uid::<S, OpenBaoClusterStatus, Text>(fallback);
    if let Ok(((meta, spec, status), uid)) = decoded {
        let conditions = status.and_then(|status| status.conditions);
        return Ok(((meta, spec.unwrap_or_default(), live(conditions)), uid));
    }
    let ((meta, spec, _), uid) = source.decode_with_uid::<S, IgnoredAny, Text>(fallback)?;
    Ok(((meta, spec.unwrap_or_default(), Vec::new()), uid))
}

fn read_gateway(source: Source<'_>, fallback: &ObjectRef) -> Fact<Gateway> {
    let read = source.decode::<RawGateway, RawStatus>(fallback);
    read.map(|(meta, spec, status)| {
        let named = (meta.namespace, meta.name);
        Gateway::of(named, spec.unwrap_or_default(), status.unwrap_or_default())
    })
    .into()
}

fn read_class(source: Source<'_>, fallback: &ObjectRef) -> Fact<GatewayClass> {
    let read = source.decode::<IgnoredAny, RawStatus>(fallback);
    read.map(|(meta, _, status)| GatewayClass::of(meta.name, status.unwrap_or_default()))
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
            labels: Some(meta.labels).filter(|labels| labels.len() <= MAX_LABELS),
        }
    })
    .into()
}

/// Addresses of the API server's Service; empty if it cannot be read.
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
    // A headless Service has `None`, which is no address.
    let addresses = written.iter().filter_map(|text| text.parse().ok());
    Some(
        addresses
            .map(|address: IpAddr| address.to_canonical())
            .collect(),
    )
}
