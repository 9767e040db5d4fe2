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
    for (group, version) in kind.apis() {
        if serves(client, kind, group, version).await? {
            return Ok(Served::Read(version));
        }
    }
    for group in kind.groups() {
        if let Some(version) = unread(client, kind, group).await? {
            return Ok(Served::Unread(version));
        }
    }
    Ok(Served::Nowhere)
}

/// An unsupported version in which a group serves a kind.
async fn unread(client: &Client, kind: Kind, name: &str) -> Result<Option<Arc<str>>, Error> {
    let Some(group) = get::<APIGroup>(client, format!("/apis/{name}")).await? else {
        return Ok(None);
    };
    let listed = group.versions.iter().map(|known| &*known.version);
    let preferred = group
        .preferred_version
        .as_ref()
        .map(|known| &*known.version);
    for version in preferred.into_iter().chain(listed) {
        if !kind.is_read_in(name, version) && serves(client, kind, name, version).await? {
            return Ok(Some(version.into()));
        }
    }
    Ok(None)
}

/// Returns true if a version of a group has the kind's resource.
async fn serves(client: &Client, kind: Kind, group: &str, version: &str) -> Result<bool, Error> {
    let path = format!("/apis/{group}/{version}");
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
