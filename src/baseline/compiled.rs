//! What can be worked out of a namespace before any request arrives: for each cluster and each
//! group of its pods the zone, the floor, the ceiling, and the policies that select part of it.

use std::net::IpAddr;
use std::sync::Arc;

use super::{
    Ceiling, Facts, Pods, Renderer, Row, RowStatus, Selected, SharedRegions, expand,
    managed_policy, rows, selector, zone,
};
use crate::config::ReviewConfig;
use crate::inventory::{
    Cluster, Fact, Kind, Labels, Meta, NamespaceFacts, ObjectRef, Policy, Profile,
};
use netpol::rule::Rule;
use netpol::zone::{OtherKeys, Zone};
use netpol::{At, Direction, LabelSet, Reading, Region, RegionRef};

/// One connection set of the allowlist, with the row that it comes from.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The row.
    pub row: &'static Row,
    /// The field of the OpenBaoCluster that declares it, for declared rows.
    pub declared: Option<Arc<str>>,
    /// The rule it was made from.
    pub rule: Arc<Rule>,
    /// What the rule lets through.
    pub region: Region,
}

/// One group of a cluster's pods and everything that is judged against it.
#[derive(Clone, Debug)]
pub struct ZonePerimeter {
    /// The group.
    pub pods: Pods,
    /// The labels its pods can carry.
    pub zone: Zone,
    /// The core connections in each direction.
    pub floor: [Vec<Entry>; 2],
    /// Everything that may be open in each direction.
    pub ceiling: [Ceiling; 2],
    /// The managed policy as the operator renders it; `None` where it renders none.
    pub rendered: Option<Arc<Policy>>,
    /// Name of the managed policy, where the operator renders one and none is stored.
    pub missing: Option<Arc<str>>,
    /// The policies that select part of the zone, the managed one as rendered where it is missing.
    pub selected: Vec<Selected>,
    /// Policies of the namespace that cannot be read, are too large to be proved or were not read yet: they may
    /// isolate, and are not counted on to let anything through.
    pub unreadable: Vec<Arc<str>>,
    /// Those of them that can be read. Nothing is proved by them; each of their rules is held
    /// against the ceiling by itself.
    pub oversize: Vec<Selected>,
}

/// The perimeter of one cluster, or of the operator's own pods.
#[derive(Clone, Debug)]
pub struct ClusterPerimeter {
    /// Which cluster; for the operator's pods, their Namespace.
    pub object: ObjectRef,
    /// Its uid, by which its policies name it as their owner; `None` where no server has seen it.
    pub uid: Option<Arc<str>>,
    /// Whether the cluster is being deleted.
    pub deleting: bool,
    /// The version that the cluster is served in, where that is one that is not read: what it declares is
    /// not known then, so nothing about its pods can be proved.
    pub unread_version: Option<Arc<str>>,
    /// Its profile; `None` for the operator's own pods.
    pub profile: Option<Profile>,
    /// Its zones.
    pub zones: Vec<ZonePerimeter>,
}

/// What can be worked out of one namespace.
#[derive(Clone, Debug)]
pub struct NamespacePerimeters {
    /// The perimeters of its clusters, and of the operator's pods where it is the operator's.
    pub clusters: Vec<ClusterPerimeter>,
    /// What the rules of its policies let through.
    pub regions: SharedRegions,
}

/// Works out the namespace `name`. What `known` has of the same policies is kept.
pub fn compile(
    name: &str,
    facts: &NamespaceFacts,
    config: &ReviewConfig,
    api_server: &[IpAddr],
    known: Option<&SharedRegions>,
) -> NamespacePerimeters {
    let regions = SharedRegions::of(facts, config, known);
    let clusters = facts.clusters.values();
    let clusters = clusters
        .map(|cluster| ClusterPerimeter::of(cluster, (facts, &regions), config, api_server, &[]));
    let operator = (name == &*config.operator_namespace)
        .then(|| ClusterPerimeter::of_operator((facts, &regions), config, api_server));
    NamespacePerimeters {
        clusters: clusters.chain(operator).collect(),
        regions,
    }
}

impl ClusterPerimeter {
    /// The perimeter of one cluster. `observed` adds rules that may be the API server's where no
    /// address of it is known, beside those of the stored managed policies.
    pub fn of(
        cluster: &Fact<Cluster>,
        (facts, regions): (&NamespaceFacts, &SharedRegions),
        config: &ReviewConfig,
        api_server: &[IpAddr],
        observed: &[Rule],
    ) -> Self {
        let unread_version = cluster.unread_version().cloned();
        let (cluster, knowledge) = match cluster {
            Fact::Read(cluster) => (cluster.clone(), OtherKeys::Absent),
            // Nothing it declares is known, so nothing of it is permitted, and its pods may carry
            // any label.
            Fact::Unreadable(broken) => (
                Arc::new(Cluster {
                    meta: broken.meta.clone(),
                    ..Cluster::default()
                }),
                OtherKeys::Free,
            ),
        };
        let stored = Pods::of_cluster(config.baseline)
            .iter()
            .filter_map(|pods| stored_policy(*pods, &cluster, facts)?.read());
        let observed: Vec<Rule> = stored
            .flat_map(|policy| policy.egress.clone())
            .chain(observed.to_vec())
            .collect();
        let row_facts = Facts {
            cluster: &cluster,
            config,
            api_server,
            observed: &observed,
        };
        let zones = Pods::of_cluster(config.baseline)
            .iter()
            .map(|pods| ZonePerimeter::of(*pods, &row_facts, (facts, regions), knowledge))
            .collect();
        let object = ObjectRef {
            kind: Kind::OpenBaoCluster,
            namespace: cluster.meta.namespace.clone(),
            name: cluster.meta.name.clone(),
        };
        Self {
            object,
            uid: cluster.uid.clone(),
            deleting: cluster.meta.deleting,
            unread_version,
            profile: cluster.profile,
            zones,
        }
    }

    /// The perimeter of the operator's own pods. Nobody renders it: it is judged where policies
    /// isolate those pods.
    fn of_operator(
        beside: (&NamespaceFacts, &SharedRegions),
        config: &ReviewConfig,
        api_server: &[IpAddr],
    ) -> Self {
        let namespace = &config.operator_namespace;
        let nothing_declared = Cluster {
            meta: Meta {
                namespace: namespace.clone(),
                ..Meta::default()
            },
            ..Cluster::default()
        };
        let row_facts = Facts {
            cluster: &nothing_declared,
            config,
            api_server,
            observed: &[],
        };
        let zone = ZonePerimeter::of(Pods::Controller, &row_facts, beside, OtherKeys::Free);
        Self {
            object: ObjectRef {
                kind: Kind::Namespace,
                namespace: "".into(),
                name: namespace.clone(),
            },
            uid: None,
            deleting: false,
            unread_version: None,
            profile: None,
            zones: vec![zone],
        }
    }

    /// Whether it is that of a cluster, which can declare more; the operator's own pods have none.
    pub fn is_cluster(&self) -> bool {
        self.object.kind == Kind::OpenBaoCluster
    }

    /// The zone whose managed policy has this name.
    pub fn managed(&self, policy: &str) -> Option<&ZonePerimeter> {
        if !self.is_cluster() {
            return None;
        }
        let pods = managed_policy(&self.object.name, policy)?;
        self.zones.iter().find(|zone| zone.pods == pods)
    }
}

fn stored_policy<'a>(
    pods: Pods,
    cluster: &Cluster,
    facts: &'a NamespaceFacts,
) -> Option<&'a Fact<Policy>> {
    let name = pods.policy_name(&cluster.meta.name)?;
    facts.policies.get(name.as_str())
}

/// Whether the policy is there and was not read.
fn is_stub(pods: Pods, cluster: &Cluster, facts: &NamespaceFacts) -> bool {
    let name = pods.policy_name(&cluster.meta.name);
    name.is_some_and(|name| facts.stubs.contains_key(name.as_str()))
}

impl ZonePerimeter {
    fn of(
        pods: Pods,
        row_facts: &Facts<'_>,
        (facts, regions): (&NamespaceFacts, &SharedRegions),
        knowledge: OtherKeys,
    ) -> Self {
        let cluster = row_facts.cluster;
        let restores: Vec<&Labels> = facts.restore_labels(&cluster.meta.name).collect();
        let knowledge = match pods {
            Pods::Workload if cluster.unknown_labels.servers => OtherKeys::Free,
            Pods::Jobs if cluster.unknown_labels.jobs => OtherKeys::Free,
            _ => knowledge,
        };
        let zone = zone(pods, cluster, &restores, row_facts.config, knowledge);
        let has_floor = cluster.is_rendered(row_facts.config.baseline);
        let rendered = if has_floor {
            rendered(pods, row_facts).map(Arc::new)
        } else {
            None
        };
        let tunnels = &row_facts.config.tunnel_ports;
        let usable = |policy: &&Fact<Policy>| {
            let read = policy.read();
            read.is_some_and(|policy| regions.is_provable(policy))
        };
        let (usable_ones, others): (Vec<_>, Vec<_>) = facts.policies.values().partition(usable);
        let select = |policies: Vec<&Fact<Policy>>| -> Vec<Selected> {
            let selected = policies.into_iter();
            selected
                .filter_map(|policy| Selected::shared(policy.read()?, &zone, regions))
                .collect()
        };
        let (mut selected, oversize) = (select(usable_ones), select(others));
        let mut missing = None;
        let is_missing = stored_policy(pods, cluster, facts).is_none();
        let is_missing = is_missing && !is_stub(pods, cluster, facts);
        if let Some(policy) = rendered.as_ref().filter(|_| is_missing) {
            missing = Some(policy.meta.name.clone());
            selected.extend(Selected::of(policy, &zone, tunnels).map(Selected::as_rendered));
        }
        // What the lifecycle needs is nearly always in the operator's own: it is looked at first.
        let own = pods.policy_name(&cluster.meta.name);
        selected.sort_by_key(|policy| own.as_deref() != Some(&*policy.name));
        // Which pods a policy selects is known of one that is only too large.
        let may_select = |policy: &Fact<Policy>| {
            let selector = match policy {
                Fact::Read(policy) => Some(&policy.pods),
                Fact::Unreadable(broken) => broken.pods(),
            };
            selector.is_none_or(|selector| {
                let pods = selector.label_set();
                pods.is_some_and(|pods| zone.select(&pods).is_some())
            })
        };
        let unusable = facts.policies.iter();
        let unusable = unusable.filter(|(_, policy)| !usable(policy) && may_select(policy));
        let unread = facts.stubs.iter();
        let unread = unread.filter(|(_, stub)| stub.may_select(&zone));
        let names = unusable.map(|(name, _)| name);
        let unreadable = names.chain(unread.map(|(name, _)| name)).cloned().collect();
        Self {
            pods,
            floor: Direction::ALL.map(|direction| {
                if has_floor {
                    entries(pods, direction, row_facts, Some(RowStatus::Required))
                } else {
                    Vec::new()
                }
            }),
            ceiling: Direction::ALL
                .map(|direction| Ceiling::new(entries(pods, direction, row_facts, None))),
            rendered,
            missing,
            selected,
            unreadable,
            oversize,
            zone,
        }
    }

    /// The core connections of one direction.
    pub fn floor(&self, direction: Direction) -> &[Entry] {
        &self.floor[direction as usize]
    }

    /// Everything that may be open in one direction.
    pub fn ceiling(&self, direction: Direction) -> &[Entry] {
        self.ceiling[direction as usize].entries()
    }

    /// The regions of everything that may be open in one direction.
    pub fn ceiling_regions(
        &self,
        direction: Direction,
    ) -> impl Iterator<Item = RegionRef<'_>> + Clone {
        let entries = self.ceiling(direction).iter();
        entries.map(|entry| RegionRef::from(&entry.region))
    }

    /// An entry of the ceiling that holds all of a region by itself.
    pub fn holder(&self, direction: Direction, region: RegionRef<'_>) -> Option<&Entry> {
        self.ceiling[direction as usize].holder(region)
    }
}

/// The regions of all rows of one direction, or only of those with this standing. The floor
/// counts what every implementation understands, the ceiling what its rules [permit](Reading::Permitted).
fn entries(
    pods: Pods,
    direction: Direction,
    facts: &Facts<'_>,
    only: Option<RowStatus>,
) -> Vec<Entry> {
    let rows = rows(pods, direction, facts.config);
    let rows = rows.filter(|row| only.is_none_or(|standing| row.standing == standing));
    let at = At {
        namespace: &facts.cluster.meta.namespace,
        reading: match only {
            Some(RowStatus::Required) => Reading::Must,
            Some(RowStatus::Permitted) | None => Reading::Permitted,
        },
        tunnels: &facts.config.tunnel_ports,
    };
    let of_row = |row: &'static Row| {
        let expansions = expand(row, facts).into_iter();
        expansions.flat_map(move |expansion| {
            let rule = Arc::new(expansion.rule);
            let declared: Option<Arc<str>> = expansion.declared.map(Into::into);
            let regions = rule.regions(at, direction, &LabelSet::any());
            regions.into_iter().map(move |region| Entry {
                row,
                declared: declared.clone(),
                rule: rule.clone(),
                region,
            })
        })
    };
    rows.flat_map(of_row).collect()
}

/// The managed policy as the operator renders it: rows in table order, declared rules verbatim.
/// `None` for pods that it renders none for.
pub fn rendered(pods: Pods, facts: &Facts<'_>) -> Option<Policy> {
    let cluster = facts.cluster;
    let name = pods.policy_name(&cluster.meta.name)?;
    let rules = |direction: Direction| {
        let rows = rows(pods, direction, facts.config);
        let rows = rows.filter(|row| row.renderer == Renderer::Operator);
        rows.flat_map(|row| expand(row, facts))
            .map(|expansion| expansion.rule)
            .collect()
    };
    Some(Policy {
        meta: Meta {
            namespace: cluster.meta.namespace.clone(),
            name: name.into(),
            labels: super::managed::infra_labels(&cluster.meta.name)
                .map(|(key, value)| (key.into(), value.into()))
                .into_iter()
                .collect(),
            ..Meta::default()
        },
        pods: selector(pods, &cluster.meta.name),
        policy_types: Some(Direction::ALL.to_vec()),
        ingress: rules(Direction::Ingress),
        egress: rules(Direction::Egress),
    })
}
