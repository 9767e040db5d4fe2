//! Where the served certificate comes from, and who may ask for it: typed, and resolved.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Settings, SettingsError};
use crate::duration::Length;
use webhook_certs::cluster::SecretRef;
use webhook_certs::rotation::{RotationConfig, RotationConfigError};

/// Where the served certificate comes from.
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

/// What the Service of the manifests is called, and so its certificate.
pub const SERVICE_NAMES: [&str; 2] = [
    "openbao-perimeter.openbao-perimeter-system.svc",
    "openbao-perimeter.openbao-perimeter-system.svc.cluster.local",
];

/// The Secret of the manifests.
pub fn default_secret() -> SecretRef {
    SecretRef {
        namespace: "openbao-perimeter-system".into(),
        name: "openbao-perimeter-self-managed".into(),
    }
}

const DAY: Duration = Duration::from_hours(24);

/// What `tls: self-managed` can be told, in the file under the key `selfManaged`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct SelfManagedSettings {
    /// Secret that the replicas share (`--tls self-managed`)
    /// [default: openbao-perimeter-system/openbao-perimeter-self-managed]
    #[schemars(with = "Option<String>")]
    pub secret: Option<SecretRef>,

    /// Name or address that the certificate is good for (`--tls self-managed`) [default: the Service of the manifests]
    pub names: Vec<String>,

    /// Life of the CA, renewed after two thirds (`--tls self-managed`) [default: 365d]
    #[schemars(with = "Option<String>")]
    pub ca_lifetime: Option<Length>,

    /// Life of the certificate, renewed after two thirds (`--tls self-managed`) [default: 90d]
    #[schemars(with = "Option<String>")]
    pub lifetime: Option<Length>,

    /// How long every API server may take to notice a new CA bundle (`--tls self-managed`)
    /// [default: 5m]
    #[schemars(with = "Option<String>")]
    pub settle: Option<Length>,
}

impl SelfManagedSettings {
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            secret: self.secret.or(other.secret),
            names: super::list(self.names, other.names),
            ca_lifetime: self.ca_lifetime.or(other.ca_lifetime),
            lifetime: self.lifetime.or(other.lifetime),
            settle: self.settle.or(other.settle),
        }
    }

    /// With the defaults spelled out.
    pub(super) fn effective(&self) -> Self {
        let [ca_lifetime, lifetime, settle] = self.lengths().map(Some);
        Self {
            secret: Some(self.secret.clone().unwrap_or_else(default_secret)),
            names: self.served_names(),
            ca_lifetime,
            lifetime,
            settle,
        }
    }

    fn served_names(&self) -> Vec<String> {
        let service = SERVICE_NAMES.map(str::to_owned).to_vec();
        super::list(self.names.clone(), service)
    }

    /// Lives of the CA and of the certificate, and the time to settle.
    fn lengths(&self) -> [Length; 3] {
        let or = |set: Option<Length>, default: Duration| set.unwrap_or(default.into());
        [
            or(self.ca_lifetime, 365 * DAY),
            or(self.lifetime, 90 * DAY),
            or(self.settle, Duration::from_mins(5)),
        ]
    }

    fn terms(&self) -> Result<RotationConfig, RotationConfigError> {
        let [ca_lifetime, lifetime, settle] = self.lengths().map(Length::get);
        let names = self.served_names().into_iter().collect();
        RotationConfig::new(ca_lifetime, lifetime, settle, names)
    }
}

/// Which clients may connect at all, in the file under the key `clients`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ClientSettings {
    /// CA certificates, PEM; clients of the webhooks must then show a certificate of one of them
    /// [default: everybody may connect]
    pub ca: Option<PathBuf>,

    /// Common name that such a client certificate must have
    pub subjects: Vec<String>,
}

impl ClientSettings {
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            ca: self.ca.or(other.ca),
            subjects: super::list(self.subjects, other.subjects),
        }
    }

    /// Who may connect; everybody where nothing is said. One of the two alone is a mistake: a CA
    /// that signs others too proves nothing, and a name without a CA even less.
    pub(super) fn resolve(&self) -> Result<Option<ClientOptions>, SettingsError> {
        match (&self.ca, self.subjects.as_slice()) {
            (None, []) => Ok(None),
            (Some(ca), [_, ..]) => Ok(Some(ClientOptions {
                ca: ca.clone(),
                subjects: self.subjects.iter().cloned().collect(),
            })),
            (Some(_), []) => Err(SettingsError::Clients { found: "ca" }),
            (None, _) => Err(SettingsError::Clients { found: "subjects" }),
        }
    }
}

/// Which clients may connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientOptions {
    /// CA certificates, PEM.
    pub ca: PathBuf,
    /// Common names that are expected.
    pub subjects: BTreeSet<String>,
}

/// Where the served certificate comes from, with all that this needs.
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
        terms: RotationConfig,
    },
    /// In memory.
    Ephemeral {
        /// Where the CA certificate is written.
        ca_out: Option<PathBuf>,
    },
}

impl Settings {
    pub(super) fn resolve_tls(&self) -> Result<Tls, SettingsError> {
        match (self.tls.unwrap_or_default(), &self.cert, &self.key) {
            (TlsMode::Ephemeral, _, _) => Ok(Tls::Ephemeral {
                ca_out: self.ca_out.clone(),
            }),
            (TlsMode::SelfManaged, _, _) => Ok(Tls::SelfManaged {
                secret: {
                    let secret = self.self_managed.secret.clone();
                    secret.unwrap_or_else(default_secret)
                },
                terms: self.self_managed.terms()?,
            }),
            (TlsMode::Files, Some(cert), Some(key)) => Ok(Tls::Files {
                cert: cert.clone(),
                key: key.clone(),
            }),
            (TlsMode::Files, cert, key) => {
                let found = match (cert, key) {
                    (Some(_), _) => "cert",
                    (None, Some(_)) => "key",
                    (None, None) => "none of them",
                };
                Err(SettingsError::Certificate { found })
            }
        }
    }
}

#[cfg(test)]
mod tests;
