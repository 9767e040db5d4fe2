//! The network plugin: the key `review.dataplane`.

use std::collections::BTreeMap;

use netpol::tier::PolicyKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The order in which a network plugin applies policies of several kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// As the API of ClusterNetworkPolicy says: tier Admin, NetworkPolicies, tier Baseline.
    #[default]
    Kubernetes,
}

impl Profile {
    /// The name in settings and metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Kubernetes => "kubernetes",
        }
    }
}

/// Whether a kind is enforced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Enforcement {
    /// It may be: what it opens or denies is reported.
    #[default]
    Auto,
    /// It is.
    Yes,
    /// It is not: policies of this kind have no effect.
    No,
}

/// An ordered kind, as a key.
#[allow(clippy::enum_variant_names, reason = "these are the names of the API")]
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub(crate) enum OrderedKind {
    /// `ClusterNetworkPolicy`
    ClusterNetworkPolicy,
    /// `AdminNetworkPolicy`
    AdminNetworkPolicy,
    /// `BaselineAdminNetworkPolicy`
    BaselineAdminNetworkPolicy,
}

impl From<PolicyKind> for OrderedKind {
    fn from(kind: PolicyKind) -> Self {
        match kind {
            PolicyKind::ClusterNetworkPolicy => Self::ClusterNetworkPolicy,
            PolicyKind::AdminNetworkPolicy => Self::AdminNetworkPolicy,
            PolicyKind::BaselineAdminNetworkPolicy => Self::BaselineAdminNetworkPolicy,
        }
    }
}

/// The kinds that the network plugin enforces, and their order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Dataplane {
    /// Order of policies of several kinds
    pub(crate) profile: Profile,
    /// Whether the plugin enforces a kind: `auto` counts as harm where it opens or denies, `no` as without effect [default: auto for each]
    pub(crate) kinds: BTreeMap<OrderedKind, Enforcement>,
}

impl Dataplane {
    /// Whether policies of this kind are enforced.
    pub(crate) fn enforcement(&self, kind: PolicyKind) -> Enforcement {
        self.kinds.get(&kind.into()).copied().unwrap_or_default()
    }

    /// Returns false if policies of this kind have no effect.
    pub(crate) fn enforces(&self, kind: PolicyKind) -> bool {
        self.enforcement(kind) != Enforcement::No
    }
}
