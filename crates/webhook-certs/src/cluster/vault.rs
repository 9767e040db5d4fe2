//! One Secret, changed by whoever is first.

use std::fmt;
use std::str::FromStr;

use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, PostParams};
use kube::{Client, ResourceExt as _};
use serde::{Deserialize, Serialize};

use crate::rotation::State;
use crate::secret::{self, SecretError};

/// Who made the Secret. Nothing else is ever written over.
const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", OURS);
const OURS: &str = "openbao-perimeter";

/// Namespace and name of a Secret, written `namespace/name`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Default for SecretRef {
    fn default() -> Self {
        Self {
            namespace: "openbao-perimeter-system".into(),
            name: "openbao-perimeter-self-managed".into(),
        }
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A text that names no Secret.
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

/// Why the Secret cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The API server does not give it.
    #[error("cannot read the Secret `{secret}`")]
    Read {
        /// The Secret.
        secret: SecretRef,
        /// What happened.
        #[source]
        source: Box<kube::Error>,
    },
    /// The API server does not take it.
    #[error("cannot write the Secret `{secret}`")]
    Write {
        /// The Secret.
        secret: SecretRef,
        /// What happened.
        #[source]
        source: Box<kube::Error>,
    },
    /// Somebody else's.
    #[error(
        "expected the label `app.kubernetes.io/managed-by: openbao-perimeter` on the Secret \
         `{secret}`, found other data: not written over"
    )]
    Foreign {
        /// The Secret.
        secret: SecretRef,
    },
    /// The state cannot be written down.
    #[error("cannot write down the state")]
    State(#[from] SecretError),
}

/// What the Secret is like.
#[derive(Debug)]
pub enum Found {
    /// A state.
    State(Box<State>),
    /// No Secret, or one without data.
    Nothing,
    /// Ours, and damaged.
    Broken(SecretError),
}

/// What was read, for a write to be held against; none when there was none.
#[derive(Debug)]
pub struct Version(Option<Secret>);

/// How a write ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is stored.
    Stored,
    /// Another replica was first: read again.
    Lost,
}

/// The Secret.
#[derive(Clone)]
pub struct Vault {
    api: Api<Secret>,
    secret: SecretRef,
}

impl Vault {
    /// Reaches a Secret.
    pub fn new(client: Client, secret: SecretRef) -> Self {
        Self {
            api: Api::namespaced(client, &secret.namespace),
            secret,
        }
    }

    /// Reads it, fresh.
    pub async fn read(&self) -> Result<(Found, Version), VaultError> {
        let object = self.api.get_opt(&self.secret.name).await;
        let object = object.map_err(|source| VaultError::Read {
            secret: self.secret.clone(),
            source: Box::new(source),
        })?;
        let found = understand(object.as_ref()).ok_or_else(|| VaultError::Foreign {
            secret: self.secret.clone(),
        })?;
        Ok((found, Version(object)))
    }

    /// Writes a state over what was read, unless somebody else has done so since.
    pub async fn write(&self, over: Version, state: &State) -> Result<Written, VaultError> {
        let data = Some(secret::write(state)?);
        let params = PostParams {
            field_manager: Some(OURS.into()),
            ..PostParams::default()
        };
        let (label, ours) = MANAGED_BY;
        let (answer, lost) = if let Some(mut object) = over.0 {
            // It carries the resourceVersion that was read.
            object.labels_mut().insert(label.into(), ours.into());
            object.data = data;
            let answer = self.api.replace(&self.secret.name, &params, &object);
            // Changed or deleted since.
            (answer.await, [409, 404])
        } else {
            let mut object = Secret {
                data,
                type_: Some("Opaque".into()),
                ..Secret::default()
            };
            object.metadata.name = Some(self.secret.name.clone());
            object.labels_mut().insert(label.into(), ours.into());
            // Made since. A 404 says that there is no namespace.
            (self.api.create(&params, &object).await, [409, 409])
        };
        match answer {
            Ok(_) => Ok(Written::Stored),
            Err(kube::Error::Api(status)) if lost.contains(&status.code) => Ok(Written::Lost),
            Err(source) => Err(VaultError::Write {
                secret: self.secret.clone(),
                source: Box::new(source),
            }),
        }
    }
}

/// What a Secret is like; none where it is somebody else's.
fn understand(object: Option<&Secret>) -> Option<Found> {
    let data = object.and_then(|object| object.data.as_ref());
    let (Some(object), Some(data)) = (object, data.filter(|data| !data.is_empty())) else {
        return Some(Found::Nothing);
    };
    let (label, ours) = MANAGED_BY;
    if object.labels().get(label).map(String::as_str) != Some(ours) {
        return None;
    }
    Some(match secret::read(data) {
        Ok(state) => Found::State(Box::new(state)),
        Err(error) => Found::Broken(error),
    })
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault({})", self.secret)
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;

    use super::*;

    #[test]
    fn the_secret_of_somebody_else_is_never_written_over() {
        let mut object = Secret::default();
        assert!(matches!(understand(None), Some(Found::Nothing)));
        assert!(matches!(understand(Some(&object)), Some(Found::Nothing)));
        let data = [("tls.crt".to_owned(), ByteString(b"theirs".to_vec()))];
        object.data = Some(data.into());
        assert!(understand(Some(&object)).is_none());
        let (label, ours) = MANAGED_BY;
        object.labels_mut().insert(label.into(), ours.into());
        let found = understand(Some(&object));
        assert!(matches!(found, Some(Found::Broken(_))), "{found:?}");
    }
}
