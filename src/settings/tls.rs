//! Source of the served certificate, and the clients that may connect.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use webhook_certs::cluster::SecretRef;
use webhook_certs::rotation::{RotationConfig, RotationConfigError};

use super::{ServerConfig, SettingsError};
use crate::config::OWN_NAMESPACE;

/// Source of the served certificate.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// From `cert` and `key`, read again when they change.
    #[default]
    Files,
    /// Made here, kept in a Secret that the replicas share, announced in the registrations.
    SelfManaged,
    /// Made at start, held in memory: for a look around and for tests.
    Ephemeral,
}

/// Names of the Service of the manifests, and so of its certificate.
pub const SERVICE_NAMES: [&str; 2] = [
    "openbao-perimeter.openbao-perimeter-system.svc",
    "openbao-perimeter.openbao-perimeter-system.svc.cluster.local",
];

/// The Secret of the manifests, in the namespace of the server.
pub fn default_secret(namespace: &str) -> SecretRef {
    SecretRef {
        namespace: namespace.into(),
        name: "openbao-perimeter-self-managed".into(),
    }
}

/// Names of the Service in the namespace of the server.
fn service_names(namespace: &str) -> Vec<String> {
    let names = SERVICE_NAMES.into_iter();
    names
        .map(|name| name.replace(OWN_NAMESPACE, namespace))
        .collect()
}

const DAY: Duration = Duration::from_hours(24);

/// Certificate of `tls: self-managed`, the key `selfManaged`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct SelfManagedConfig {
    /// Secret that the replicas share (`--tls self-managed`) [default: openbao-perimeter-self-managed in the namespace of
    /// the server]
    #[schemars(with = "Option<String>")]
    pub(crate) secret: Option<SecretRef>,

    /// Name or address that the certificate is good for (`--tls self-managed`) [default: the Service openbao-perimeter in
    /// the namespace of the server]
    pub(crate) names: Option<Vec<String>>,

    /// Life of the CA, renewed after two thirds (`--tls self-managed`)
    #[serde(with = "crate::duration")]
    #[schemars(with = "String")]
    pub(crate) ca_lifetime: Duration,

    /// Life of the certificate, renewed after two thirds (`--tls self-managed`)
    #[serde(with = "crate::duration")]
    #[schemars(with = "String")]
    pub(crate) lifetime: Duration,

    /// Time that every API server may take to notice a new CA bundle (`--tls self-managed`)
    #[serde(with = "crate::duration")]
    #[schemars(with = "String")]
    pub(crate) settle: Duration,
}

impl Default for SelfManagedConfig {
    fn default() -> Self {
        Self {
            secret: None,
            names: None,
            ca_lifetime: 365 * DAY,
            lifetime: 90 * DAY,
            settle: Duration::from_mins(5),
        }
    }
}

impl SelfManagedConfig {
    /// The Secret, for a server in this namespace.
    fn secret(&self, namespace: &str) -> SecretRef {
        let set = self.secret.clone();
        set.unwrap_or_else(|| default_secret(namespace))
    }

    /// The names of the certificate, for a server in this namespace.
    fn names(&self, namespace: &str) -> Vec<String> {
        let set = self.names.clone();
        set.unwrap_or_else(|| service_names(namespace))
    }

    /// The same with the defaults for a server in this namespace.
    pub(super) fn effective(&self, namespace: &str) -> Self {
        Self {
            secret: Some(self.secret(namespace)),
            names: Some(self.names(namespace)),
            ..self.clone()
        }
    }

    fn rotation(&self, namespace: &str) -> Result<RotationConfig, RotationConfigError> {
        let names = self.names(namespace).into_iter().collect();
        RotationConfig::new(self.ca_lifetime, self.lifetime, self.settle, names)
    }
}

/// Clients that may connect, the key `clients`: everybody, or those with a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ClientConfig {
    /// CA certificates, PEM; clients of the webhooks must then show a certificate of one of them
    /// [default: everybody may connect]
    pub(crate) ca: Option<PathBuf>,

    /// Common name that such a client certificate must have
    pub(crate) subjects: BTreeSet<String>,
}

impl ClientConfig {
    /// One of the two alone is a mistake: a CA that signs others too proves nothing, and a name without a CA
    /// even less.
    pub(super) fn validate(&self) -> Result<(), SettingsError> {
        match (&self.ca, self.subjects.is_empty()) {
            (None, true) | (Some(_), false) => Ok(()),
            (Some(_), true) => Err(SettingsError::Clients { found: "ca" }),
            (None, false) => Err(SettingsError::Clients { found: "subjects" }),
        }
    }
}

/// Source of the served certificate, with all that it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// A pair of files.
    Files {
        /// Certificate chain, PEM.
        cert: PathBuf,
        /// Private key, PEM.
        key: PathBuf,
    },
    /// Made here.
    SelfManaged {
        /// The Secret that the replicas share.
        secret: SecretRef,
        /// Lifetimes and names.
        rotation: RotationConfig,
    },
    /// In memory.
    Ephemeral {
        /// File that the CA certificate is written to.
        ca_out: Option<PathBuf>,
    },
}

impl ServerConfig {
    /// Source of the served certificate.
    ///
    /// # Errors
    /// A setting is missing, or the lifetimes do not fit together.
    pub fn certificate(&self) -> Result<Tls, SettingsError> {
        let found = match (self.tls, &self.cert, &self.key) {
            (TlsMode::Ephemeral, _, _) => {
                let ca_out = self.ca_out.clone();
                return Ok(Tls::Ephemeral { ca_out });
            }
            (TlsMode::SelfManaged, _, _) => {
                let own = self.own_namespace();
                let own = own.as_deref().unwrap_or(OWN_NAMESPACE);
                return Ok(Tls::SelfManaged {
                    secret: self.self_managed.secret(own),
                    rotation: self.self_managed.rotation(own)?,
                });
            }
            (TlsMode::Files, Some(cert), Some(key)) => {
                let (cert, key) = (cert.clone(), key.clone());
                return Ok(Tls::Files { cert, key });
            }
            (TlsMode::Files, Some(_), None) => "cert",
            (TlsMode::Files, None, Some(_)) => "key",
            (TlsMode::Files, None, None) => "none of them",
        };
        Err(SettingsError::Certificate { found })
    }
}
