//! Rules that the baseline opens for the pods of a cluster, as declared and rendered. Advice about endpoints
//! and proxies is compared with them.

use std::cell::OnceCell;
use std::net::IpAddr;

use crate::baseline::{Facts, Peers, Renderer, Zone, expand, rows};
use crate::config::ReviewConfig;
use crate::inventory::{Cluster, Services};
use netpol::rule::Rule;
use netpol::{At, Direction, LabelSet, Reading, Region};

/// One open rule and its source.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    /// Peers of its row.
    pub(super) peers: Peers,
    /// Connections that every implementation allows.
    pub(super) regions: Vec<Region>,
}

/// The settings, the API server's addresses, and the ports of Services.
pub(crate) type Known<'a> = (&'a ReviewConfig, &'a [IpAddr], &'a Services);

/// Rules opened for the pods of one cluster, computed once for all advice: a declaration may be large.
#[derive(Debug)]
pub(crate) struct Openings<'a> {
    /// The cluster.
    pub(crate) cluster: &'a Cluster,
    /// The settings, the API server's addresses, and the ports of Services.
    pub(crate) known: Known<'a>,
    opened: [[OnceCell<Option<Vec<Opened>>>; 2]; Zone::ALL.len()],
}

impl<'a> Openings<'a> {
    /// The rules of a cluster under this configuration.
    pub(crate) fn new(cluster: &'a Cluster, known: Known<'a>) -> Self {
        Self {
            cluster,
            known,
            opened: <[[OnceCell<_>; 2]; Zone::ALL.len()]>::default(),
        }
    }

    /// All rules that the operator opens and the platform permits; `None` if no policy of the operator
    /// isolates these pods, so that everything is open.
    pub(super) fn of(&self, pods: Zone, direction: Direction) -> Option<&[Opened]> {
        let opened = &self.opened[pods as usize][direction as usize];
        let opened = opened.get_or_init(|| opened_by(self.cluster, pods, direction, self.known));
        opened.as_deref()
    }
}

fn opened_by(
    cluster: &Cluster,
    pods: Zone,
    direction: Direction,
    (config, api_server, _): Known<'_>,
) -> Option<Vec<Opened>> {
    let is_isolated = Zone::of_cluster(config.baseline).contains(&pods);
    if !is_isolated || !cluster.is_rendered(config.baseline) {
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
