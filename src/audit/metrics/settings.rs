//! The metrics of the settings file.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::{Metrics, OutcomeLabels};

/// What became of a settings file that changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingsReload {
    /// It is in force, as far as that goes without a restart.
    Applied,
    /// It changes nothing that can be put in force at run time.
    Unchanged,
    /// It is broken, and the settings before it stay.
    Kept,
}

impl SettingsReload {
    /// All, in order.
    pub const ALL: [Self; 3] = [Self::Applied, Self::Unchanged, Self::Kept];

    /// The word in metrics.
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
        // A counter that begins at one has no increase.
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
    pub fn settings_reloaded(&self, reload: SettingsReload) {
        self.settings.reload(reload).inc();
    }
}
