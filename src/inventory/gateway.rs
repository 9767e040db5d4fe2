//! Gateway and GatewayClass as facts: as much as the operator's checkpoint asks of them.

use std::sync::Arc;

use serde::Deserialize;

use super::cluster::filled;
use super::condition::{Status, status};
use super::crd::StatusCondition;

/// What a listener takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerMode {
    /// HTTP or HTTPS, ended at the Gateway.
    Http,
    /// TLS that is passed through.
    TlsPassthrough,
    /// Anything else.
    Other,
}

/// One listener of a Gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Its name.
    pub name: Arc<str>,
    /// What it takes.
    pub mode: ListenerMode,
}

/// `gateway.networking.k8s.io` Gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// Namespace.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// Its GatewayClass; `None` where absent or blank.
    pub class: Option<Arc<str>>,
    /// Its listeners.
    pub listeners: Vec<Listener>,
    /// The condition `Programmed`; `None` where it is not reported.
    pub programmed: Option<Status>,
}

/// `gateway.networking.k8s.io` GatewayClass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayClass {
    /// Name.
    pub name: Arc<str>,
    /// The condition `Accepted`; `None` where it is not reported.
    pub accepted: Option<Status>,
    /// The condition `SupportedVersion`; `None` where it is not reported.
    pub supported_version: Option<Status>,
    /// The features that it publishes; `None` where it publishes none.
    pub features: Option<Vec<Arc<str>>>,
}

/// The features that a checkpoint asks for; others are not kept.
pub const FEATURES: [&str; 3] = ["BackendTLSPolicy", "HTTPRoute", "TLSRoute"];

/// `spec` of a Gateway.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WrittenGateway {
    gateway_class_name: Option<String>,
    listeners: Option<Vec<WrittenListener>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WrittenListener {
    name: Option<String>,
    protocol: Option<String>,
    tls: Option<WrittenTls>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WrittenTls {
    mode: Option<String>,
}

/// `status` of a Gateway or a GatewayClass.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WrittenStatus {
    conditions: Option<Vec<StatusCondition>>,
    supported_features: Option<Vec<WrittenFeature>>,
}

/// Newer versions of the API have an object here, older ones the name alone.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum WrittenFeature {
    Named { name: String },
    Name(String),
}

impl Gateway {
    pub(super) fn of(
        (namespace, name): (Arc<str>, Arc<str>),
        spec: WrittenGateway,
        written: WrittenStatus,
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

impl From<WrittenListener> for Listener {
    fn from(written: WrittenListener) -> Self {
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
    pub(super) fn of(name: Arc<str>, written: WrittenStatus) -> Self {
        let conditions = written.conditions.unwrap_or_default();
        let features = written.supported_features.unwrap_or_default();
        let named = |feature: &WrittenFeature| {
            let (WrittenFeature::Named { name } | WrittenFeature::Name(name)) = feature;
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
