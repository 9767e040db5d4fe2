//! The audit of labels that NetworkPolicies believe: stored pods with the label of a cluster (OBP503), and Namespaces
//! that count by their labels (OBP504).

use std::sync::Arc;

use tokio::sync::mpsc;

use super::background::report;
use super::finding_store::FindingStore;
use super::report_store::{Audit, ReportStore};
use super::{EventQueue, Metrics};
use crate::config::ReviewConfig;
use crate::inventory::StoredLabels;
use crate::review::stored_labels;

/// Reports each change, until the channel is closed.
pub(crate) async fn follow(
    mut changes: mpsc::Receiver<StoredLabels>,
    config: impl Fn() -> Arc<ReviewConfig>,
    metrics: Arc<Metrics>,
    events: EventQueue,
    reports: Option<ReportStore>,
) {
    let mut finding_store = FindingStore::default();
    while let Some(change) = changes.recv().await {
        let config = config();
        let (namespace, findings) = match &change {
            StoredLabels::Pods(namespace, pods) => {
                (namespace.clone(), stored_labels::pods(&config, pods))
            }
            StoredLabels::Namespaces(namespaces) => (
                Arc::default(),
                stored_labels::namespaces(&config, namespaces),
            ),
        };
        if let Some(reports) = &reports {
            reports.enter(Audit::Labels, &namespace, &findings, &config);
        }
        report(&finding_store.enter(&namespace, findings), Some(&events));
        metrics.cluster.audited_labels(&finding_store.counts());
    }
}
