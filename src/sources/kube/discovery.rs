//! Versions in which the API server serves a custom resource.
//!
//! A list that answers 404 proves nothing: the kind may be served in another version, may not be established
//! yet, or the API server may not know it yet. A group proves nothing either, since another kind may keep it.
//! Only the resource lists of the group's versions are a proof.

use std::sync::Arc;

use ::kube::{Client, Error};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{APIGroup, APIResourceList};

use crate::inventory::Kind;

/// Versions in which the API server serves a custom resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Served {
    /// This supported version.
    Read(&'static str),
    /// Only unsupported versions. This one is preferred.
    Unread(Arc<str>),
    /// No version: there is no object of the kind.
    Nowhere,
    /// Unknown: the list answers 404, and it is not proved that the kind is gone. The last facts are used.
    Unproved,
}

impl Served {
    /// The version that is watched, fully or by names; `None` if there is none, or it is unknown.
    pub(crate) fn version(&self) -> Option<&str> {
        match self {
            Self::Read(version) => Some(version),
            Self::Unread(version) => Some(version),
            Self::Nowhere | Self::Unproved => None,
        }
    }
}

/// Finds a version that serves a kind: supported versions first, then the preferred one, then the others in
/// the API server's order.
///
/// # Errors
/// The API server does not answer, or answers with an error. Nothing is known then.
pub(super) async fn served(client: &Client, kind: Kind) -> Result<Served, Error> {
    for version in kind.versions() {
        if serves(client, kind, version).await? {
            return Ok(Served::Read(version));
        }
    }
    let Some(group) = get::<APIGroup>(client, format!("/apis/{}", kind.group())).await? else {
        return Ok(Served::Nowhere);
    };
    let listed = group.versions.iter().map(|known| &*known.version);
    let preferred = group
        .preferred_version
        .as_ref()
        .map(|known| &*known.version);
    for version in preferred.into_iter().chain(listed) {
        if !kind.versions().contains(&version) && serves(client, kind, version).await? {
            return Ok(Served::Unread(version.into()));
        }
    }
    Ok(Served::Nowhere)
}

/// Returns true if a version of the kind's group has the kind's resource.
async fn serves(client: &Client, kind: Kind, version: &str) -> Result<bool, Error> {
    let path = format!("/apis/{}/{version}", kind.group());
    let found = get::<APIResourceList>(client, path).await?;
    let resources = found.map(|list| list.resources).unwrap_or_default();
    Ok(resources
        .iter()
        .any(|resource| resource.name == kind.plural()))
}

/// `None` if the API server answers 404.
async fn get<T: serde::de::DeserializeOwned>(
    client: &Client,
    path: String,
) -> Result<Option<T>, Error> {
    let request = http::Request::get(path)
        .body(Vec::new())
        .map_err(Error::HttpError)?;
    match client.request::<T>(request).await {
        Ok(found) => Ok(Some(found)),
        Err(Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(error),
    }
}
