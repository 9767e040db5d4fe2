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

use std::net::IpAddr;

use k8s_openapi::api::networking::v1::NetworkPolicySpec;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::crd::OpenBaoClusterSpec;
use super::meta::WrittenMeta;
use super::rules::shown;
use super::{
    Cluster, Fact, Kind, Malformed, Meta, Namespace, Object, ObjectRef, Policy, Unreadable,
};

/// The API server's own Service: namespace and name.
pub const API_SERVER_SERVICE: (&str, &str) = ("default", "kubernetes");

/// An object as it was written, as far as its kind matters.
#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
struct Written<S, T = serde::de::IgnoredAny> {
    #[serde(default)]
    metadata: Option<WrittenMeta>,
    #[serde(default = "Option::default")]
    spec: Option<S>,
    #[serde(default = "Option::default")]
    status: Option<T>,
}

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
    let read = source.decode::<NetworkPolicySpec, serde::de::IgnoredAny>(fallback);
    read.and_then(|(meta, spec, _)| Policy::try_from((meta, spec.unwrap_or_default())))
        .into()
}

fn read_cluster(source: Source<'_>, fallback: &ObjectRef) -> Fact<Cluster> {
    let read = source.decode::<OpenBaoClusterSpec, serde::de::IgnoredAny>(fallback);
    read.map(|(meta, spec, _)| Cluster::from((meta, spec.unwrap_or_default())))
        .into()
}

fn read_namespace(source: Source<'_>, fallback: &ObjectRef) -> Fact<Namespace> {
    #[derive(Deserialize)]
    struct Status {
        #[serde(default)]
        phase: Option<String>,
    }
    let read = source.decode::<serde::de::IgnoredAny, Status>(fallback);
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
    let read = source.decode::<Spec, serde::de::IgnoredAny>(fallback);
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

/// Where an object is decoded from.
#[derive(Clone, Copy)]
enum Source<'a> {
    Json(&'a [u8]),
    Value(&'a Value),
}

/// Metadata, spec and status.
type Parts<S, T> = (Meta, Option<S>, Option<T>);

impl Source<'_> {
    fn decode<S, T>(self, fallback: &ObjectRef) -> Result<Parts<S, T>, Box<Unreadable>>
    where
        S: DeserializeOwned,
        T: DeserializeOwned,
    {
        // serde would take a list for a struct with its fields in order; the API would not.
        let written = match self {
            Self::Json(json) if !json.trim_ascii_start().starts_with(b"[") => {
                serde_json::from_slice::<Written<S, T>>(json)
            }
            Self::Value(value) if !value.is_array() => Written::<S, T>::deserialize(value),
            _ => Err(serde::de::Error::invalid_type(
                serde::de::Unexpected::Seq,
                &"an object",
            )),
        };
        match written {
            Ok(written) => {
                let meta = written.metadata.unwrap_or_default().or(fallback);
                Ok((meta, written.spec, written.status))
            }
            Err(error) => Err(self.explain::<Written<S, T>>(fallback, &error)),
        }
    }

    /// Why the object does not decode, and what of its metadata does.
    fn explain<W: DeserializeOwned>(
        self,
        fallback: &ObjectRef,
        error: &serde_json::Error,
    ) -> Box<Unreadable> {
        let owned;
        let value = match self {
            Self::Value(value) => value,
            Self::Json(json) => {
                owned = serde_json::from_slice(json).unwrap_or_default();
                &owned
            }
        };
        let metadata = value.get("metadata").unwrap_or(&Value::Null);
        let at = match self {
            // What is no JSON has no value to point into.
            Self::Json(_) if !error.is_data() => None,
            _ => serde_path_to_error::deserialize::<_, W>(value).err(),
        };
        let problem = at.map_or_else(
            || Malformed {
                path: String::new(),
                value: String::new(),
                problem: expectation(&error.to_string()),
            },
            |at| misfit(value, &at),
        );
        Box::new(Unreadable {
            meta: lenient_meta(metadata, fallback),
            problems: vec![problem],
        })
    }
}

/// The place where decoding stopped.
fn misfit(root: &Value, error: &serde_path_to_error::Error<serde_json::Error>) -> Malformed {
    use serde_path_to_error::Segment;
    let mut value = Some(root);
    for segment in error.path() {
        value = match segment {
            Segment::Seq { index } => value.and_then(|value| value.get(index)),
            Segment::Map { key } => value.and_then(|value| value.get(key)),
            Segment::Enum { .. } | Segment::Unknown => None,
        };
    }
    let path = error.path().to_string();
    Malformed {
        path: if path == "." { String::new() } else { path },
        value: value.map(shown).unwrap_or_default(),
        problem: expectation(&error.inner().to_string()),
    }
}

/// serde's `invalid type: X, expected Y` in this house's order of words; other texts as they are.
fn expectation(text: &str) -> String {
    let parts = text.split_once(", expected ");
    let found = parts.and_then(|(found, expected)| Some((found.split_once(": ")?.1, expected)));
    match found {
        Some((found, expected)) => format!("expected {expected}, found {found}"),
        None => text.to_owned(),
    }
}

/// Each field of the metadata that decodes on its own.
fn lenient_meta(metadata: &Value, fallback: &ObjectRef) -> Meta {
    if let Ok(whole) = WrittenMeta::deserialize(metadata) {
        return whole.or(fallback);
    }
    let mut kept = serde_json::Map::new();
    for (field, value) in metadata.as_object().into_iter().flatten() {
        let alone = Value::from_iter([(field.clone(), value.clone())]);
        if WrittenMeta::deserialize(&alone).is_ok() {
            kept.insert(field.clone(), value.clone());
        }
    }
    WrittenMeta::deserialize(&Value::Object(kept))
        .unwrap_or_default()
        .or(fallback)
}
