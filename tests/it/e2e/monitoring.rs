//! What alerts and dashboard ask of a server that follows a cluster.

use super::stage::Alone;
use crate::manifests::monitoring::without_samples;

#[test]
fn every_metric_of_alerts_and_dashboard_has_its_labels_in_a_cluster() {
    let alone = Alone::begin();
    let scrape = alone.guard().fetch("/metrics", "").expect("an answer");
    let mut empty = without_samples(&scrape);
    // While the audit finds nothing there is nothing to label.
    empty.remove("openbao_perimeter_audit_findings");
    assert!(empty.is_empty(), "{empty:?}");
}
