//! Permission that would turn a denial into an allowance: maintenance of a cluster.

use std::collections::{BTreeMap, BTreeSet};

use super::envelope::{Envelope, UserInfo};
use crate::inventory::ObjectRef;
use crate::review::maintenance::MissingPermission;

/// A denied write that is allowed if its user may maintain these clusters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaintenanceRequest {
    /// The user.
    pub(crate) user: User,
    /// The OpenBaoClusters. Permission for all of them is needed.
    pub(crate) clusters: BTreeSet<ObjectRef>,
}

impl MaintenanceRequest {
    pub(super) fn of(
        envelope: &Envelope<'_>,
        without_permission: Option<&MissingPermission>,
    ) -> Option<Self> {
        let clusters = without_permission?.clusters()?.clone();
        Some(Self {
            user: User::from(&envelope.user),
            clusters,
        })
    }
}

/// A user as authenticated by the API server, with all attributes for authorizers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// Username.
    pub(crate) name: String,
    /// UID.
    pub(crate) uid: String,
    /// Groups.
    pub(crate) groups: Vec<String>,
    /// Extra fields.
    pub(crate) extra: BTreeMap<String, Vec<String>>,
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
