//! What the baseline opens for the pods of a cluster, rule by rule, as declared and rendered: what advice
//! about endpoints and proxies is held against.

use std::net::IpAddr;

use crate::baseline::{Facts, Peers, Pods, Renderer, expand, rows};
use crate::config::{Baseline, ReviewConfig};
use crate::inventory::Cluster;
use netpol::rule::Rule;
use netpol::{At, Direction, LabelSet, Reading, Region};

/// One rule that is open, and what it comes from.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    /// What kind of row it is of.
    pub(super) peers: Peers,
    /// What it surely lets through.
    pub(super) regions: Vec<Region>,
}

/// Everything that the operator opens and the platform permits; `None` where no policy of the operator
/// stands around these pods, so that nothing is shut.
pub(super) fn opened(
    cluster: &Cluster,
    pods: Pods,
    direction: Direction,
    (config, api_server): (&ReviewConfig, &[IpAddr]),
) -> Option<Vec<Opened>> {
    let is_open = pods == Pods::Jobs && config.baseline == Baseline::Classic;
    if is_open || !cluster.is_rendered(config.baseline) {
        return None;
    }
    let facts = Facts {
        cluster,
        config,
        api_server,
        observed: &[],
    };
    let at = At {
        namespace: &cluster.meta.namespace,
        reading: Reading::Must,
        tunnels: &[],
    };
    let regions = |rule: &Rule| rule.regions(at, direction, &LabelSet::any());
    let counted = rows(pods, direction, config)
        .filter(|row| row.renderer == Renderer::Operator || row.peers == Peers::Platform);
    let opened = counted.flat_map(|row| {
        let rules = expand(row, &facts).into_iter();
        rules.map(|expansion| Opened {
            peers: row.peers,
            regions: regions(&expansion.rule),
        })
    });
    Some(opened.collect())
}
