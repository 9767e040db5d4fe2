//! Declared rules of an OpenBaoCluster, and the connections that they allow.

use crate::baseline::{self, Facts, Peers, Source, Zone, expand};
use crate::config::ReviewConfig;
use crate::inventory::Cluster;
use crate::inventory::network::{DeclaredAt, DeclaredList};
use crate::rules::Place;
use netpol::port::{PortSet, Protocol};
use netpol::rule::Rule;
use netpol::{At, Direction, LabelSet, Reading, Region};

/// One declared rule.
#[derive(Clone, Debug)]
pub struct DeclaredRule {
    /// Its place in the OpenBaoCluster.
    pub at: DeclaredAt,
    /// The location as a field path.
    pub path: String,
    /// The rule that the operator renders.
    pub rule: Rule,
    /// Connections that it may permit. A port name counts as every port of its protocol, since a declared
    /// name can come to mean any of them; in a mesh a tunnel port counts as every TCP port.
    pub regions: Vec<Region>,
    /// Connections that it surely permits, where these are others.
    pub(super) must: Option<Vec<Region>>,
    /// True if the cluster declared this rule before, as far as a quick comparison shows.
    pub(super) is_kept: bool,
}

/// A field path and the part of the object that it denotes.
#[derive(Clone, Debug)]
pub(super) struct FieldLocation {
    pub(super) path: String,
    pub(super) place: Place,
}

impl From<&str> for FieldLocation {
    fn from(path: &str) -> Self {
        path.to_owned().into()
    }
}

impl From<String> for FieldLocation {
    fn from(path: String) -> Self {
        Self {
            path,
            place: Place::Spec,
        }
    }
}

/// Path of trusted peers, each of which is a rule.
pub(super) const TRUSTED_PEERS: &str = "spec.network.trustedIngressPeers";

impl DeclaredRule {
    /// Field path of one of its peers.
    pub(super) fn peer_path(&self, direction: Direction, at: usize) -> String {
        if self.at.list == DeclaredList::TrustedPeers {
            return self.path.clone();
        }
        format!("{}.{}[{at}]", self.path, direction.peers_field())
    }

    /// A field of the rule, or the rule itself if the name is empty.
    pub(super) fn field(&self, name: &str) -> FieldLocation {
        let dot = if name.is_empty() { "" } else { "." };
        self.at_path(format!("{}{dot}{name}", self.path))
    }

    /// A field of the rule, given by its full path.
    pub(super) fn at_path(&self, path: String) -> FieldLocation {
        FieldLocation {
            path,
            place: Place::Declared(self.at),
        }
    }

    /// Connections that every implementation allows: without port names, without the ports behind a tunnel
    /// port, and without ambiguous blocks.
    pub(super) fn must(&self) -> &[Region] {
        self.must.as_ref().unwrap_or(&self.regions)
    }

    /// Regions that it surely allows, then those that it may allow, each with whether it is sure. A search for an
    /// example finds a sure one first.
    pub(super) fn must_first(&self) -> impl Iterator<Item = (&Region, bool)> {
        let sure = self.must.iter().flatten().map(|region| (region, true));
        let is_sure = self.must.is_none();
        sure.chain(self.regions.iter().map(move |region| (region, is_sure)))
    }
}

fn api_port(config: &ReviewConfig) -> PortSet {
    PortSet::number(Protocol::Tcp, config.api_port)
}

pub(super) fn listeners(config: &ReviewConfig, cluster: &Cluster) -> PortSet {
    let api = api_port(config);
    match cluster.metrics_port {
        // On the Raft port it is a finding (OBP312), and clients do not need it.
        Some(Ok(metrics))
            if config.baseline.features().has_metrics_port && metrics != config.cluster_port =>
        {
            api.union(&PortSet::number(Protocol::Tcp, metrics))
        }
        _ => api,
    }
}

/// Marks the rules that were declared before: at the same index, or after a rule that was.
pub(super) fn mark_kept(before: &[DeclaredRule], after: &mut [DeclaredRule]) {
    let mut next = 0;
    for (at, declared) in after.iter_mut().enumerate() {
        let is_same = |at: &usize| {
            let old = before.get(*at);
            old.is_some_and(|old| old.rule == declared.rule)
        };
        let found = [next, at].into_iter().find(is_same);
        declared.is_kept = found.is_some();
        next = found.map_or(next, |found| found + 1);
    }
}

pub(super) fn rules(
    cluster: &Cluster,
    config: &ReviewConfig,
    direction: Direction,
) -> Vec<DeclaredRule> {
    let facts = Facts {
        cluster,
        config,
        api_server: &[],
        observed: &[],
    };
    let rows = baseline::rows(Zone::Workload, direction, config);
    let rows = rows.filter(|row| matches!(row.peers, Peers::TrustedPeers | Peers::Declared));
    let at = At {
        namespace: &cluster.meta.namespace,
        reading: Reading::May,
        tunnels: &[],
    };
    rows.flat_map(|row| expand(row, &facts))
        .filter_map(|expansion| match expansion.declared? {
            Source::Declared(place) => Some(declared(place, expansion.rule, at, direction)),
            Source::Platform(_) => None,
        })
        .collect()
}

pub(super) fn declared(
    place: DeclaredAt,
    rule: Rule,
    at: At<'_>,
    direction: Direction,
) -> DeclaredRule {
    let regions = |reading| rule.regions(At { reading, ..at }, direction, &LabelSet::any());
    let with_ports =
        |ports: PortSet, region: Region| (!ports.is_empty()).then_some(Region { ports, ..region });
    // The peers of a rule have the same ports.
    let mut last: Option<(PortSet, PortSet)> = None;
    let mut as_all = |ports: &PortSet| match &last {
        Some((known, all)) if known.is_same(ports) => all.clone(),
        _ => {
            let all = ports.names_as_all();
            last = Some((ports.clone(), all.clone()));
            all
        }
    };
    let may = regions(Reading::May).into_iter();
    let may = may.filter_map(|region| with_ports(as_all(&region.ports), region));
    let opens_tunnel =
        || direction == Direction::Ingress && rule.port_set().tunnel(at.tunnels).is_some();
    let must = (rule.is_ambiguous() || rule.names_ports() || opens_tunnel()).then(|| {
        let must = regions(Reading::Must).into_iter();
        must.filter_map(|region| with_ports(region.ports.without_names(), region))
            .collect()
    });
    DeclaredRule {
        at: place,
        path: place.to_string(),
        regions: may.collect(),
        must,
        rule,
        is_kept: false,
    }
}
