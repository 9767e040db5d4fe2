//! The CA bundle in the validating and the mutating webhook configuration of one name.
//!
//! Server-side apply writes the bundle, with a field manager that owns only the `caBundle` and the name of
//! each entry. All other fields belong to the manager that applies the manifests. Those manifests must
//! leave the bundle out, or they remove it again. Only existing entries are written, since an entry
//! without its other fields is not valid.

use std::collections::BTreeSet;
use std::fmt::Debug;

use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::secret::WriteOutcome;
use crate::pem;
use crate::rotation::Trust;

/// Maximum number of CAs taken over from an existing bundle, which may contain all CAs of an operating
/// system.
const KNOWN: usize = 16;

/// Error of registrations that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationError {
    /// A registration cannot be read.
    #[error("cannot read the {kind} `{name}`")]
    Read {
        /// Its kind.
        kind: &'static str,
        /// Its name.
        name: String,
        /// The cause.
        #[source]
        source: Box<kube::Error>,
    },
    /// The bundle cannot be written.
    #[error("cannot write the CA bundle to the {kind} `{name}`")]
    Write {
        /// Its kind.
        kind: &'static str,
        /// Its name.
        name: String,
        /// The cause.
        #[source]
        source: Box<kube::Error>,
    },
}

/// Both registrations as they were read.
#[derive(Debug)]
pub struct Registrations {
    name: String,
    validating: Option<Registration<ValidatingWebhookConfiguration>>,
    mutating: Option<Registration<MutatingWebhookConfiguration>>,
}

impl Registrations {
    /// Reads both from the API server. `name` is the name of both.
    ///
    /// Read them before the Secret. The API server rejects a write that follows another one, so a slow
    /// replica never restores the bundle of an older state.
    ///
    /// # Errors
    /// One of them cannot be read.
    pub async fn read(client: &Client, name: &str) -> Result<Self, RegistrationError> {
        let validating = Registration::read(client, name);
        let mutating = Registration::read(client, name);
        let (validating, mutating) = tokio::try_join!(validating, mutating)?;
        Ok(Self {
            name: name.to_owned(),
            validating,
            mutating,
        })
    }

    /// Returns whether all entries have this bundle.
    pub fn trust(&self, bundle: &str) -> Trust {
        if self.entries().all(|entry| entry.has(bundle)) {
            Trust::InPlace
        } else {
            Trust::Pending
        }
    }

    /// The CAs in their bundles as PEM texts, at most 16.
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

    /// Writes the bundle to entries that differ, as `field_manager`. No tool that applies manifests may have
    /// the same field manager.
    ///
    /// # Errors
    /// One of them cannot be written.
    pub async fn write(
        &self,
        client: &Client,
        field_manager: &str,
        bundle: &str,
    ) -> Result<WriteOutcome, RegistrationError> {
        let name = &self.name;
        let validating = async {
            match &self.validating {
                Some(one) => one.write(client, name, field_manager, bundle).await,
                None => Ok(WriteOutcome::Stored),
            }
        };
        let mutating = async {
            match &self.mutating {
                Some(one) => one.write(client, name, field_manager, bundle).await,
                None => Ok(WriteOutcome::Stored),
            }
        };
        // Both are tried, even if one fails.
        let (validating, mutating) = tokio::join!(validating, mutating);
        Ok(match (validating?, mutating?) {
            (WriteOutcome::Stored, WriteOutcome::Stored) => WriteOutcome::Stored,
            _ => WriteOutcome::Lost,
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
        let webhooks = self.webhooks.iter().flatten();
        let entry = webhooks.map(|webhook| entry(&webhook.name, &webhook.client_config));
        entry.collect()
    }
}

impl Kind for MutatingWebhookConfiguration {
    const KIND: &'static str = "MutatingWebhookConfiguration";

    fn entries(&self) -> Vec<Entry> {
        let webhooks = self.webhooks.iter().flatten();
        let entry = webhooks.map(|webhook| entry(&webhook.name, &webhook.client_config));
        entry.collect()
    }
}

fn entry(name: &str, config: &WebhookClientConfig) -> Entry {
    Entry {
        name: name.to_owned(),
        bundle: config.ca_bundle.clone(),
    }
}

#[derive(Debug)]
struct Registration<K> {
    object: K,
    entries: Vec<Entry>,
}

impl<K: Kind> Registration<K> {
    async fn read(client: &Client, name: &str) -> Result<Option<Self>, RegistrationError> {
        let object = Api::<K>::all(client.clone()).get_opt(name).await;
        let object = object.map_err(|source| RegistrationError::Read {
            kind: K::KIND,
            name: name.to_owned(),
            source: Box::new(source),
        })?;
        Ok(object.map(|object| Self {
            entries: object.entries(),
            object,
        }))
    }

    async fn write(
        &self,
        client: &Client,
        name: &str,
        field_manager: &str,
        bundle: &str,
    ) -> Result<WriteOutcome, RegistrationError> {
        if self.entries.iter().all(|entry| entry.has(bundle)) {
            return Ok(WriteOutcome::Stored);
        }
        // Forced: a bundle that was written by hand is replaced.
        let params = PatchParams::apply(field_manager).force();
        let patch = Patch::Apply(self.applied(name, bundle));
        let api = Api::<K>::all(client.clone());
        match api.patch(name, &params, &patch).await {
            Ok(_) => Ok(WriteOutcome::Stored),
            // It was changed or deleted in the meantime. A patch with a resourceVersion never creates an object.
            Err(kube::Error::Api(status)) if status.code == 409 || status.code == 404 => {
                Ok(WriteOutcome::Lost)
            }
            Err(source) => Err(RegistrationError::Write {
                kind: K::KIND,
                name: name.to_owned(),
                source: Box::new(source),
            }),
        }
    }

    fn applied(&self, name: &str, bundle: &str) -> Value {
        let bundle = ByteString(bundle.as_bytes().to_vec());
        let entry =
            |entry: &Entry| json!({"name": entry.name, "clientConfig": {"caBundle": bundle}});
        json!({
            "apiVersion": K::api_version(&()),
            "kind": K::kind(&()),
            // Only this version of the object is changed.
            "metadata": {
                "name": name,
                "uid": self.object.uid(),
                "resourceVersion": self.object.resource_version(),
            },
            "webhooks": self.entries.iter().map(entry).collect::<Vec<_>>(),
        })
    }
}
