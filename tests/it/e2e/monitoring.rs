//! Metrics that alerts and dashboard need from a server in a cluster.

use super::stage::Alone;
use crate::manifests::monitoring::{NOT_EPHEMERAL, absent};

#[test]
fn every_metric_of_alerts_and_dashboard_has_its_labels_in_a_cluster() {
    let alone = Alone::begin();
    let scrape = alone.guard().fetch("/metrics", "").expect("an answer");
    assert_eq!(absent(&scrape), [NOT_EPHEMERAL.to_owned()].into());
}
