//! What has to be asked outside before a refusal of maintenance stands: may the writer do this?

use std::collections::{BTreeMap, BTreeSet};

use super::envelope::{Envelope, UserInfo};
use crate::inventory::ObjectRef;
use crate::review::maintenance::Lacking;

/// A refused write that would pass if its writer may maintain these clusters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaintenanceRequest {
    /// Who writes.
    pub user: User,
    /// The OpenBaoClusters; all of them have to be granted.
    pub clusters: BTreeSet<ObjectRef>,
}

impl MaintenanceRequest {
    pub(super) fn of(envelope: &Envelope<'_>, lacking: Option<&Lacking>) -> Option<Self> {
        Some(Self {
            user: User::from(&envelope.user),
            clusters: lacking?.clusters()?.clone(),
        })
    }
}

/// A user as the API server authenticated it, with all that an authorizer may look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// Username.
    pub name: String,
    /// UID.
    pub uid: String,
    /// Groups.
    pub groups: Vec<String>,
    /// Extra fields.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl From<&UserInfo<'_>> for User {
    fn from(info: &UserInfo<'_>) -> Self {
        let extra = info.extra.iter();
        Self {
            name: info.name.to_string(),
            uid: info.uid.to_string(),
            groups: info.groups.iter().map(ToString::to_string).collect(),
            extra: extra
                .map(|(key, values)| {
                    let values = values.iter().map(ToString::to_string);
                    (key.to_string(), values.collect())
                })
                .collect(),
        }
    }
}
