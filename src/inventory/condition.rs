//! Status conditions that the operator reports on live objects.

use std::fmt;
use std::sync::Arc;

use super::crd::StatusCondition;

/// Conditions about the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Checkpoint {
    /// The network path to the Kubernetes API server is known.
    ApiServerNetwork,
    /// The declared Gateway can serve the cluster.
    GatewayIntegration,
    /// Backup jobs have what they need.
    BackupConfiguration,
    /// A restore job has what it needs.
    RestoreConfiguration,
}

impl Checkpoint {
    /// All conditions, in the order of the documentation.
    pub(crate) const ALL: [Self; 4] = [
        Self::ApiServerNetwork,
        Self::GatewayIntegration,
        Self::BackupConfiguration,
        Self::RestoreConfiguration,
    ];

    /// The condition's type.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::ApiServerNetwork => "APIServerNetworkReady",
            Self::GatewayIntegration => "GatewayIntegrationReady",
            Self::BackupConfiguration => "BackupConfigurationReady",
            Self::RestoreConfiguration => "RestoreConfigurationReady",
        }
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Status of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Status {
    /// `True`.
    True,
    /// `False`.
    False,
    /// `Unknown`.
    Unknown,
}

impl Status {
    /// The value in the API.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }

    /// Reads a status. Any other value is `Unknown`.
    fn read(word: &str) -> Self {
        match word {
            "True" => Self::True,
            "False" => Self::False,
            _ => Self::Unknown,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A condition as the operator reported it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LiveCondition {
    /// Type of the condition.
    pub(crate) kind: Checkpoint,
    /// Status.
    pub(crate) status: Status,
    /// Reason; empty if the object has none.
    pub(crate) reason: Arc<str>,
}

/// The known conditions of an object.
pub(super) fn live(written: Option<Vec<StatusCondition>>) -> Vec<LiveCondition> {
    let written = written.unwrap_or_default();
    let of_kind = |kind: Checkpoint| {
        let found = first(&written, kind.as_str())?;
        Some(LiveCondition {
            kind,
            status: Status::read(found.status.as_deref().unwrap_or_default()),
            reason: found.reason.as_deref().unwrap_or_default().into(),
        })
    };
    Checkpoint::ALL.into_iter().filter_map(of_kind).collect()
}

/// The status of a condition; `None` if the object does not have it.
pub(super) fn status(written: &[StatusCondition], kind: &str) -> Option<Status> {
    let found = first(written, kind)?;
    Some(Status::read(found.status.as_deref().unwrap_or_default()))
}

fn first<'a>(written: &'a [StatusCondition], kind: &str) -> Option<&'a StatusCondition> {
    let mut all = written.iter();
    all.find(|condition| condition.kind.as_deref() == Some(kind))
}
