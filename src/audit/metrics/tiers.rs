//! Policies of other kinds than NetworkPolicy, and the order in which the network plugin applies them.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::inventory::{Kind, KindUse};
use crate::review::CompiledSnapshot;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TierLabels {
    kind: &'static str,
    judged: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProfileLabels {
    profile: &'static str,
}

/// Gauges.
#[derive(Debug, Default)]
pub(super) struct TierMetrics {
    objects: Family<TierLabels, Gauge>,
    dataplane: Family<ProfileLabels, Gauge>,
}

impl TierMetrics {
    pub(super) fn register(&self, all: &mut Registry) {
        all.register(
            "tier_objects",
            "Policies of other kinds than NetworkPolicy, by whether verdicts take them into account",
            self.objects.clone(),
        );
        all.register(
            "dataplane",
            "Order in which the network plugin applies policies of several kinds, as reviews assume it",
            self.dataplane.clone(),
        );
    }

    /// Sets all values. `total` is the number of known objects of a kind.
    pub(super) fn set(&self, compiled: &CompiledSnapshot, total: impl Fn(Kind) -> i64) {
        let kinds = Kind::ALL.into_iter();
        for kind in kinds.filter(|kind| kind.used_for() == KindUse::Seen) {
            let decided = compiled.ordered().iter();
            let decided = decided.filter(|own| own.object.kind == kind).count();
            let decided = i64::try_from(decided).unwrap_or(i64::MAX);
            for (judged, count) in [("true", decided), ("false", total(kind) - decided)] {
                let kind = kind.label();
                let labels = TierLabels { kind, judged };
                self.objects.get_or_create(&labels).set(count);
            }
        }
        let profile = compiled.config.dataplane.profile.as_str();
        self.dataplane
            .get_or_create(&ProfileLabels { profile })
            .set(1);
    }
}
