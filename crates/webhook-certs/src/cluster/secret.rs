//! The Secret that replicas share. The first of concurrent writes wins.

use std::fmt;
use std::str::FromStr;

use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, PostParams};
use kube::{Client, ResourceExt as _};
use serde::{Deserialize, Serialize};

use crate::data::{self, DataError};
use crate::rotation::State;

/// Label with the owner of the Secret. A Secret of another owner is never overwritten.
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// Namespace and name of a Secret, written `namespace/name`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Error of a text that is not `namespace/name`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected `namespace/name`, found `{0}`")]
pub struct NotARef(String);

impl FromStr for SecretRef {
    type Err = NotARef;

    fn from_str(text: &str) -> Result<Self, NotARef> {
        match text.split_once('/') {
            Some((namespace, name))
                if !namespace.is_empty() && !name.is_empty() && !name.contains('/') =>
            {
                Ok(Self {
                    namespace: namespace.to_owned(),
                    name: name.to_owned(),
                })
            }
            _ => Err(NotARef(text.to_owned())),
        }
    }
}

impl From<SecretRef> for String {
    fn from(secret: SecretRef) -> Self {
        secret.to_string()
    }
}

impl TryFrom<String> for SecretRef {
    type Error = NotARef;

    fn try_from(text: String) -> Result<Self, NotARef> {
        text.parse()
    }
}

/// Error of a Secret that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The Secret cannot be read.
    #[error("cannot read the Secret `{secret}`")]
    Read {
        /// The Secret.
        secret: SecretRef,
        /// The cause.
        #[source]
        source: Box<kube::Error>,
    },
    /// The Secret cannot be written.
    #[error("cannot write the Secret `{secret}`")]
    Write {
        /// The Secret.
        secret: SecretRef,
        /// The cause.
        #[source]
        source: Box<kube::Error>,
    },
    /// The Secret has data and another owner.
    #[error(
        "expected the label `{MANAGED_BY}: {owner}` on the Secret `{secret}`, found other data: \
         not overwritten"
    )]
    Foreign {
        /// The Secret.
        secret: SecretRef,
        /// The expected owner.
        owner: String,
    },
    /// The state cannot be converted.
    #[error("cannot convert the state to data of a Secret")]
    State(#[from] DataError),
}

/// Content of the Secret.
#[derive(Debug)]
pub enum StoredState {
    /// A state.
    State(Box<State>),
    /// No Secret, or one without data.
    Nothing,
    /// Data of this owner that is no valid state.
    Broken(DataError),
}

/// The version that was read, for a conditional write. `None` if there was no Secret.
#[derive(Debug)]
pub struct Version(Option<Secret>);

/// Outcome of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteOutcome {
    /// The write is stored.
    Stored,
    /// The object has changed since it was read: read it again.
    Lost,
}

/// The Secret with the state of the rotation.
#[derive(Clone)]
pub struct CertificateSecret {
    api: Api<Secret>,
    secret: SecretRef,
    owner: String,
}

impl CertificateSecret {
    /// A Secret of an owner, which is its label `app.kubernetes.io/managed-by` and the field manager of
    /// writes.
    pub fn new(client: Client, secret: SecretRef, owner: impl Into<String>) -> Self {
        Self {
            api: Api::namespaced(client, &secret.namespace),
            secret,
            owner: owner.into(),
        }
    }

    /// Reads the Secret from the API server.
    ///
    /// # Errors
    /// The Secret cannot be read, or has another owner.
    pub async fn read(&self) -> Result<(StoredState, Version), SecretError> {
        let object = self.api.get_opt(&self.secret.name).await;
        let object = object.map_err(|source| SecretError::Read {
            secret: self.secret.clone(),
            source: Box::new(source),
        })?;
        let found = content(object.as_ref(), &self.owner).ok_or_else(|| SecretError::Foreign {
            secret: self.secret.clone(),
            owner: self.owner.clone(),
        })?;
        Ok((found, Version(object)))
    }

    /// Writes a state, unless the Secret has changed since `over` was read.
    ///
    /// # Errors
    /// The Secret cannot be written.
    pub async fn write(&self, over: Version, state: &State) -> Result<WriteOutcome, SecretError> {
        let data = Some(data::write(state)?);
        let params = PostParams {
            field_manager: Some(self.owner.clone()),
            ..PostParams::default()
        };
        let label = || (MANAGED_BY.to_owned(), self.owner.clone());
        let (answer, lost) = if let Some(mut object) = over.0 {
            // It has the resourceVersion that was read.
            object.labels_mut().extend([label()]);
            object.data = data;
            let answer = self.api.replace(&self.secret.name, &params, &object);
            // It was changed or deleted in the meantime.
            (answer.await, [409, 404])
        } else {
            let mut object = Secret {
                data,
                type_: Some("Opaque".into()),
                ..Secret::default()
            };
            object.metadata.name = Some(self.secret.name.clone());
            object.labels_mut().extend([label()]);
            // It was created in the meantime. A 404 means that the namespace does not exist.
            (self.api.create(&params, &object).await, [409, 409])
        };
        match answer {
            Ok(_) => Ok(WriteOutcome::Stored),
            Err(kube::Error::Api(status)) if lost.contains(&status.code) => Ok(WriteOutcome::Lost),
            Err(source) => Err(SecretError::Write {
                secret: self.secret.clone(),
                source: Box::new(source),
            }),
        }
    }
}

/// Content of a Secret. `None` if it has another owner.
fn content(object: Option<&Secret>, owner: &str) -> Option<StoredState> {
    let data = object.and_then(|object| object.data.as_ref());
    let (Some(object), Some(data)) = (object, data.filter(|data| !data.is_empty())) else {
        return Some(StoredState::Nothing);
    };
    if object.labels().get(MANAGED_BY).map(String::as_str) != Some(owner) {
        return None;
    }
    Some(match data::read(data) {
        Ok(state) => StoredState::State(Box::new(state)),
        Err(error) => StoredState::Broken(error),
    })
}

impl fmt::Debug for CertificateSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CertificateSecret({})", self.secret)
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;

    use super::*;

    #[test]
    fn the_secret_of_another_owner_is_never_overwritten() {
        let mut object = Secret::default();
        assert!(matches!(
            content(None, "webhook"),
            Some(StoredState::Nothing)
        ));
        assert!(matches!(
            content(Some(&object), "webhook"),
            Some(StoredState::Nothing)
        ));
        let data = [("tls.crt".to_owned(), ByteString(b"theirs".to_vec()))];
        object.data = Some(data.into());
        assert!(content(Some(&object), "webhook").is_none());
        object
            .labels_mut()
            .insert(MANAGED_BY.into(), "webhook".into());
        let found = content(Some(&object), "webhook");
        assert!(matches!(found, Some(StoredState::Broken(_))), "{found:?}");
    }
}
