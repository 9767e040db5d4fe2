//! Versions in which the API server serves a custom kind.
//!
//! A list that answers 404 proves nothing: the kind may be served in another version, not be established yet, or the
//! API server may not know it yet. A group proves nothing either, since another kind keeps it alive. Only the resource
//! lists of the group's versions do.

use std::sync::Arc;

use ::kube::{Client, Error};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{APIGroup, APIResourceList};

use crate::inventory::Kind;

/// How the API server serves a custom kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Served {
    /// In this version, which is read.
    Read(&'static str),
    /// Only in versions that are not read; this one is preferred.
    Unread(Arc<str>),
    /// In no version: there is no object of the kind.
    Nowhere,
    /// The list answers 404, and it is not proved that the kind is gone: the last facts count.
    Unproved,
}

impl Served {
    /// The version that is read, or of which the names are; `None` where there is none, or it is not known.
    pub fn version(&self) -> Option<&str> {
        match self {
            Self::Read(version) => Some(version),
            Self::Unread(version) => Some(version),
            Self::Nowhere | Self::Unproved => None,
        }
    }
}

/// Asks for the versions that serve a kind: those that are read first, then the preferred one, then the others in the
/// API server's order.
///
/// # Errors
/// The API server does not answer, or refuses: then nothing is known.
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

/// Whether a version of the kind's group has the kind's resource.
async fn serves(client: &Client, kind: Kind, version: &str) -> Result<bool, Error> {
    let path = format!("/apis/{}/{version}", kind.group());
    let found = get::<APIResourceList>(client, path).await?;
    let resources = found.map(|list| list.resources).unwrap_or_default();
    Ok(resources
        .iter()
        .any(|resource| resource.name == kind.plural()))
}

/// `None` where the API server answers 404.
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
