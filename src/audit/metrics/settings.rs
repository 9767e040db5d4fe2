//! Metrics of the settings file.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::{Metrics, OutcomeLabels};

/// Outcome of a change of the settings file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingsReload {
    /// It was applied, except for settings that need a restart.
    Applied,
    /// Nothing that can be applied at run time has changed.
    Unchanged,
    /// It is invalid. The previous settings stay.
    Kept,
}

impl SettingsReload {
    /// All outcomes, in order.
    pub const ALL: [Self; 3] = [Self::Applied, Self::Unchanged, Self::Kept];

    /// The name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
            Self::Kept => "kept-old",
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct SettingsMetrics {
    reloads: Family<OutcomeLabels, Counter>,
}

impl SettingsMetrics {
    pub(super) fn register(&self, all: &mut Registry) {
        all.register(
            "settings_reloads",
            "Changes of the settings file",
            self.reloads.clone(),
        );
        // A series that starts at one has no visible increase.
        for reload in SettingsReload::ALL {
            self.reload(reload);
        }
    }

    fn reload(&self, reload: SettingsReload) -> impl std::ops::Deref<Target = Counter> {
        let outcome = reload.as_str();
        self.reloads.get_or_create(&OutcomeLabels { outcome })
    }
}

impl Metrics {
    /// Counts a change of the settings file.
    pub(crate) fn settings_reloaded(&self, reload: SettingsReload) {
        self.settings.reload(reload).inc();
    }
}
