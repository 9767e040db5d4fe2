//! The settings of `serve` in a cluster: how old facts may be, what is watched beside them, what is
//! told. In the file under the key `cluster`; without a cluster they mean nothing.

use std::time::Duration;

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::Length;

use super::SettingsError;
use crate::duration::text;

/// An idle watch brings a bookmark about once a minute: a limit below two would refuse writes for
/// nothing.
const SHORTEST_STALE_AFTER: Duration = Duration::from_mins(2);
const STALE_AFTER: Duration = Duration::from_mins(5);
/// As in `manifests/registrations/webhook.yaml`.
const REGISTRATION: &str = "openbao-perimeter";

/// On or off.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Switch {
    /// On.
    #[default]
    On,
    /// Off.
    Off,
}

/// What is told of a cluster, as typed. Each that is left out keeps its default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ClusterSettings {
    /// Time without a watch event or list after which writes are denied (OBP403), at least 2m
    /// [default: 5m]
    #[schemars(with = "Option<String>")]
    pub stale_after: Option<Length>,

    /// Name of our two webhook configurations, which are watched; empty watches none
    /// [default: openbao-perimeter]
    pub registration: Option<String>,

    /// Whether refusals and what the audit finds become Events [default: on]
    pub events: Option<Switch>,
}

/// What `serve` does in a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterOptions {
    /// After this time without word from the API server nothing is proved any more.
    pub stale_after: Duration,
    /// Name of our webhook configurations; `None` where they are not watched.
    pub registration: Option<String>,
    /// Whether Events are written.
    pub events: Switch,
}

impl ClusterSettings {
    /// What is set here, and what `other` sets beside it.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            stale_after: self.stale_after.or(other.stale_after),
            registration: self.registration.or(other.registration),
            events: self.events.or(other.events),
        }
    }

    /// With the defaults spelled out.
    pub(super) fn effective(&self) -> Self {
        let name = self.registration.as_deref().unwrap_or(REGISTRATION);
        Self {
            stale_after: Some(self.stale_after.unwrap_or(STALE_AFTER.into())),
            registration: Some(name.to_owned()),
            events: Some(self.events.unwrap_or_default()),
        }
    }

    /// What `serve` does in a cluster.
    pub fn options(&self) -> Result<ClusterOptions, SettingsError> {
        let stale_after = self.stale_after.map_or(STALE_AFTER, Length::get);
        if stale_after < SHORTEST_STALE_AFTER {
            return Err(SettingsError::StaleAfter {
                least: text(SHORTEST_STALE_AFTER),
                found: text(stale_after),
            });
        }
        let name = self.registration.as_deref().unwrap_or(REGISTRATION);
        Ok(ClusterOptions {
            stale_after,
            registration: Some(name.to_owned()).filter(|name| !name.is_empty()),
            events: self.events.unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_an_idle_cluster_would_pass_is_refused() {
        let with = |seconds| ClusterSettings {
            stale_after: Some(Duration::from_secs(seconds).into()),
            ..ClusterSettings::default()
        };
        assert!(matches!(
            with(119).options(),
            Err(SettingsError::StaleAfter { found, .. }) if found == "119s"
        ));
        let options = with(120).options().unwrap();
        assert_eq!(options.stale_after, Duration::from_mins(2));
    }

    #[test]
    fn an_empty_name_watches_no_registration() {
        let named = |name: Option<&str>| {
            let settings = ClusterSettings {
                registration: name.map(str::to_owned),
                ..ClusterSettings::default()
            };
            settings.options().unwrap().registration
        };
        assert_eq!(named(None).as_deref(), Some("openbao-perimeter"));
        assert_eq!(named(Some("mine")).as_deref(), Some("mine"));
        assert_eq!(named(Some("")), None);
    }
}
