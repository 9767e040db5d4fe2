//! Gateway and GatewayClass as facts: the fields that the operator's condition depends on.

use std::sync::Arc;

use serde::Deserialize;

use super::cluster::filled;
use super::condition::{Status, status};
use super::crd::StatusCondition;

/// Protocol and TLS mode of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListenerMode {
    /// HTTP, or HTTPS terminated at the Gateway.
    Http,
    /// TLS passthrough.
    TlsPassthrough,
    /// Anything else.
    Other,
}

/// One listener of a Gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listener {
    /// Its name.
    pub(crate) name: Arc<str>,
    /// Protocol and TLS mode.
    pub(crate) mode: ListenerMode,
}

/// `gateway.networking.k8s.io` Gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// Namespace.
    pub(crate) namespace: Arc<str>,
    /// Name.
    pub(crate) name: Arc<str>,
    /// Its GatewayClass; `None` if absent or blank.
    pub(crate) class: Option<Arc<str>>,
    /// Its listeners.
    pub(crate) listeners: Vec<Listener>,
    /// The condition `Programmed`; `None` if it is not reported.
    pub(crate) programmed: Option<Status>,
}

/// `gateway.networking.k8s.io` GatewayClass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayClass {
    /// Name.
    pub(crate) name: Arc<str>,
    /// The condition `Accepted`; `None` if it is not reported.
    pub(crate) accepted: Option<Status>,
    /// The condition `SupportedVersion`; `None` if it is not reported.
    pub(crate) supported_version: Option<Status>,
    /// The features that it reports; `None` if it reports none.
    pub(crate) features: Option<Vec<Arc<str>>>,
}

/// The features that a condition depends on. Others are not stored.
pub(crate) const FEATURES: [&str; 3] = ["BackendTLSPolicy", "HTTPRoute", "TLSRoute"];

/// `spec` of a Gateway.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct RawGateway {
    gateway_class_name: Option<String>,
    listeners: Option<Vec<RawListener>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawListener {
    name: Option<String>,
    protocol: Option<String>,
    tls: Option<RawTls>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawTls {
    mode: Option<String>,
}

/// `status` of a Gateway or a GatewayClass.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct RawStatus {
    conditions: Option<Vec<StatusCondition>>,
    supported_features: Option<Vec<RawFeature>>,
}

/// Newer versions of the API have an object here, older ones only the name.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum RawFeature {
    Named { name: String },
    Name(String),
}

impl Gateway {
    pub(super) fn of(
        (namespace, name): (Arc<str>, Arc<str>),
        spec: RawGateway,
        written: RawStatus,
    ) -> Self {
        let conditions = written.conditions.unwrap_or_default();
        let listeners = spec.listeners.unwrap_or_default();
        Self {
            namespace,
            name,
            class: spec
                .gateway_class_name
                .as_deref()
                .and_then(filled)
                .map(Arc::from),
            listeners: listeners.into_iter().map(Listener::from).collect(),
            programmed: status(&conditions, "Programmed"),
        }
    }
}

impl From<RawListener> for Listener {
    fn from(written: RawListener) -> Self {
        let tls = written.tls.and_then(|tls| tls.mode);
        let mode = match (written.protocol.as_deref(), tls.as_deref()) {
            (Some("HTTP" | "HTTPS"), _) => ListenerMode::Http,
            (Some("TLS"), Some("Passthrough")) => ListenerMode::TlsPassthrough,
            _ => ListenerMode::Other,
        };
        Self {
            name: written.name.unwrap_or_default().into(),
            mode,
        }
    }
}

impl GatewayClass {
    pub(super) fn of(name: Arc<str>, written: RawStatus) -> Self {
        let conditions = written.conditions.unwrap_or_default();
        let features = written.supported_features.unwrap_or_default();
        let named = |feature: &RawFeature| {
            let (RawFeature::Named { name } | RawFeature::Name(name)) = feature;
            FEATURES.into_iter().find(|known| known == name)
        };
        Self {
            name,
            accepted: status(&conditions, "Accepted"),
            supported_version: status(&conditions, "SupportedVersion"),
            features: (!features.is_empty())
                .then(|| features.iter().filter_map(named).map(Arc::from).collect()),
        }
    }
}
