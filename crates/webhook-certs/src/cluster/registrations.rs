//! The bundle in our two registrations, and nothing else of them.
//!
//! It is written by server-side apply with a field manager of its own, which owns the `caBundle`
//! of each entry and the name that selects the entry. Everything else stays with whoever applies
//! the manifests; those leave the bundle out, so that nobody takes it away again. An entry
//! without its other fields is no valid one, so only entries that exist are written, and a
//! registration that is absent is waited for.

use std::collections::BTreeSet;
use std::fmt::Debug;

use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::vault::Written;
use crate::pem;
use crate::rotation::Trust;

/// Name of both registrations.
pub const NAME: &str = "openbao-perimeter";

/// Owns the bundle. Not the name of the program: whoever applies manifests may call itself that.
pub const FIELD_MANAGER: &str = "openbao-perimeter-self-managed";

/// CAs that are taken over from a bundle; one that somebody filled with a system's own is cut.
const KNOWN: usize = 16;

/// Why the registrations cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationError {
    /// The API server does not give one.
    #[error("cannot read the {kind} `{NAME}`")]
    Read {
        /// Its kind.
        kind: &'static str,
        /// What happened.
        #[source]
        source: Box<kube::Error>,
    },
    /// The API server does not take the bundle.
    #[error("cannot write the CA bundle to the {kind} `{NAME}`")]
    Write {
        /// Its kind.
        kind: &'static str,
        /// What happened.
        #[source]
        source: Box<kube::Error>,
    },
}

/// Both registrations as they were at one moment.
#[derive(Debug)]
pub struct Registrations {
    validating: Option<Registration<ValidatingWebhookConfiguration>>,
    mutating: Option<Registration<MutatingWebhookConfiguration>>,
}

impl Registrations {
    /// Reads both, fresh.
    ///
    /// Read before the Secret: a write is refused once somebody else has written, so that a
    /// replica that was slow never puts the bundle of an older state back.
    pub async fn read(client: &Client) -> Result<Self, RegistrationError> {
        let validating = Registration::read(client);
        let mutating = Registration::read(client);
        let (validating, mutating) = tokio::try_join!(validating, mutating)?;
        Ok(Self {
            validating,
            mutating,
        })
    }

    /// Whether they have this bundle.
    pub fn trust(&self, bundle: &str) -> Trust {
        if self.entries().all(|entry| entry.has(bundle)) {
            Trust::InPlace
        } else {
            Trust::Pending
        }
    }

    /// The CAs that they have by now, PEM, each once; at most 16 of them.
    pub fn known(&self) -> BTreeSet<String> {
        let texts = self.entries().filter_map(|entry| entry.bundle.as_ref());
        let texts = texts.filter_map(|bundle| std::str::from_utf8(&bundle.0).ok());
        let all: BTreeSet<String> = texts.flat_map(pem::split).collect();
        all.into_iter().take(KNOWN).collect()
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        let validating = self.validating.iter().flat_map(|one| &one.entries);
        validating.chain(self.mutating.iter().flat_map(|one| &one.entries))
    }

    /// Writes the bundle where it is another.
    pub async fn write(&self, client: &Client, bundle: &str) -> Result<Written, RegistrationError> {
        let validating = async {
            match &self.validating {
                Some(one) => one.write(client, bundle).await,
                None => Ok(Written::Stored),
            }
        };
        let mutating = async {
            match &self.mutating {
                Some(one) => one.write(client, bundle).await,
                None => Ok(Written::Stored),
            }
        };
        // Both are tried, also where one fails.
        let (validating, mutating) = tokio::join!(validating, mutating);
        Ok(match (validating?, mutating?) {
            (Written::Stored, Written::Stored) => Written::Stored,
            _ => Written::Lost,
        })
    }
}

/// One entry of a registration.
#[derive(Debug)]
struct Entry {
    name: String,
    bundle: Option<ByteString>,
}

impl Entry {
    fn has(&self, bundle: &str) -> bool {
        let own = self.bundle.as_ref();
        own.is_some_and(|own| own.0 == bundle.as_bytes())
    }
}

/// A kind of registration.
trait Kind:
    Resource<DynamicType = (), Scope = kube::core::ClusterResourceScope>
    + Clone
    + Debug
    + DeserializeOwned
    + Serialize
{
    const KIND: &'static str;

    fn entries(&self) -> Vec<Entry>;
}

impl Kind for ValidatingWebhookConfiguration {
    const KIND: &'static str = "ValidatingWebhookConfiguration";

    fn entries(&self) -> Vec<Entry> {
        let entries = self.webhooks.iter().flatten();
        let entry = entries.map(|entry| Entry {
            name: entry.name.clone(),
            bundle: entry.client_config.ca_bundle.clone(),
        });
        entry.collect()
    }
}

impl Kind for MutatingWebhookConfiguration {
    const KIND: &'static str = "MutatingWebhookConfiguration";

    fn entries(&self) -> Vec<Entry> {
        let entries = self.webhooks.iter().flatten();
        let entry = entries.map(|entry| Entry {
            name: entry.name.clone(),
            bundle: entry.client_config.ca_bundle.clone(),
        });
        entry.collect()
    }
}

#[derive(Debug)]
struct Registration<K> {
    object: K,
    entries: Vec<Entry>,
}

impl<K: Kind> Registration<K> {
    async fn read(client: &Client) -> Result<Option<Self>, RegistrationError> {
        let object = Api::<K>::all(client.clone()).get_opt(NAME).await;
        let object = object.map_err(|source| RegistrationError::Read {
            kind: K::KIND,
            source: Box::new(source),
        })?;
        Ok(object.map(|object| Self {
            entries: object.entries(),
            object,
        }))
    }

    async fn write(&self, client: &Client, bundle: &str) -> Result<Written, RegistrationError> {
        if self.entries.iter().all(|entry| entry.has(bundle)) {
            return Ok(Written::Stored);
        }
        // By force: a bundle that somebody wrote by hand before us is in our place.
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let patch = Patch::Apply(self.applied(bundle));
        let api = Api::<K>::all(client.clone());
        match api.patch(NAME, &params, &patch).await {
            Ok(_) => Ok(Written::Stored),
            // Changed or deleted since. A deleted one is never made again by this.
            Err(kube::Error::Api(status)) if status.code == 409 || status.code == 404 => {
                Ok(Written::Lost)
            }
            Err(source) => Err(RegistrationError::Write {
                kind: K::KIND,
                source: Box::new(source),
            }),
        }
    }

    fn applied(&self, bundle: &str) -> Value {
        let bundle = ByteString(bundle.as_bytes().to_vec());
        let entry =
            |entry: &Entry| json!({"name": entry.name, "clientConfig": {"caBundle": bundle}});
        json!({
            "apiVersion": K::api_version(&()),
            "kind": K::kind(&()),
            // Held against what was read, object and version.
            "metadata": {
                "name": NAME,
                "uid": self.object.uid(),
                "resourceVersion": self.object.resource_version(),
            },
            "webhooks": self.entries.iter().map(entry).collect::<Vec<_>>(),
        })
    }
}
