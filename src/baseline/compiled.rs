//! The perimeter of a namespace, computed before any request arrives: for each cluster and zone, the floor,
//! the ceiling, and the policies that select some of the pods.

use std::net::IpAddr;
use std::sync::Arc;

use super::{
    Ceiling, Facts, Renderer, Row, RowStatus, Selected, SharedRegions, Zone, expand,
    managed_policy, rows, selector, zone,
};
use crate::config::ReviewConfig;
use crate::inventory::{
    Cluster, Fact, Kind, Labels, Meta, NamespaceFacts, ObjectRef, Policy, Profile,
};
use netpol::pod_space::{OtherKeys, PodSpace};
use netpol::rule::Rule;
use netpol::{At, Direction, LabelSet, Reading, Region, RegionRef};

/// One connection set of the allowlist, with its row.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The row.
    pub(crate) row: &'static Row,
    /// The field of the OpenBaoCluster that declares it, if it is declared.
    pub(crate) declared: Option<Arc<str>>,
    /// The rule from which it was made.
    pub(crate) rule: Arc<Rule>,
    /// The connections that the rule allows.
    pub(crate) region: Region,
}

/// One zone of a cluster, and everything that reviews compare with it.
#[derive(Clone, Debug)]
pub struct ZonePerimeter {
    /// The pods of the zone.
    pub(crate) pods: Zone,
    /// The labels that its pods can have.
    pub(crate) space: PodSpace,
    /// The core connections, by direction.
    pub(crate) floor: [Vec<Entry>; 2],
    /// The permitted connections, by direction.
    pub(crate) ceiling: [Ceiling; 2],
    /// The managed policy as the operator renders it; `None` if it renders none.
    pub rendered: Option<Arc<Policy>>,
    /// Name of the managed policy, if the operator renders one and none is stored.
    pub(crate) missing: Option<Arc<str>>,
    /// The policies that select pods of the zone. A missing managed policy is included as rendered.
    pub(crate) selected: Vec<Selected>,
    /// Policies of the namespace that cannot be read, are too large to prove or were not read yet. They may
    /// isolate pods, and nothing relies on what they allow.
    pub(crate) unreadable: Vec<Arc<str>>,
    /// The unreadable policies that are only too large. No proof uses them. Each of their rules is compared
    /// with the ceiling on its own.
    pub(crate) oversize: Vec<Selected>,
}

/// The perimeter of one cluster, or of the operator's own pods.
#[derive(Clone, Debug)]
pub struct ClusterPerimeter {
    /// The cluster. For the operator's pods, their Namespace.
    pub object: ObjectRef,
    /// Its uid, which owner references contain; `None` if no API server has seen it.
    pub(crate) uid: Option<Arc<str>>,
    /// True if the cluster is being deleted.
    pub(crate) deleting: bool,
    /// The version in which the cluster is served, if it is an unsupported one. Its declarations are unknown
    /// then, so nothing about its pods can be proved.
    pub(crate) unread_version: Option<Arc<str>>,
    /// Its profile; `None` for the operator's own pods.
    pub(crate) profile: Option<Profile>,
    /// Its zones.
    pub zones: Vec<ZonePerimeter>,
}

/// Everything that can be computed from one namespace.
#[derive(Clone, Debug)]
pub(crate) struct NamespacePerimeters {
    /// The perimeters of its clusters. In the operator's namespace, also that of the operator's pods.
    pub(crate) clusters: Vec<ClusterPerimeter>,
    /// The connections that the rules of its policies allow.
    pub(crate) regions: SharedRegions,
}

/// Computes the namespace `name`. Results in `known` for unchanged policies are reused.
pub(crate) fn compile(
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
    /// The perimeter of one cluster. If no address of the API server is known, single addresses in `observed`
    /// and in the stored managed policies count as the API server's.
    pub(crate) fn of(
        cluster: &Fact<Cluster>,
        (facts, regions): (&NamespaceFacts, &SharedRegions),
        config: &ReviewConfig,
        api_server: &[IpAddr],
        observed: &[Rule],
    ) -> Self {
        let unread_version = cluster.unread_version().cloned();
        let (cluster, knowledge) = match cluster {
            Fact::Read(cluster) => (cluster.clone(), OtherKeys::Absent),
            // Nothing that it declares is known, so nothing of it is permitted, and its pods may have any label.
            Fact::Unreadable(broken) => (
                Arc::new(Cluster {
                    meta: broken.meta.clone(),
                    ..Cluster::default()
                }),
                OtherKeys::Free,
            ),
        };
        let stored = Zone::of_cluster(config.baseline)
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
        let zones = Zone::of_cluster(config.baseline)
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

    /// The perimeter of the operator's own pods. It has no managed policy and is checked only where policies
    /// isolate those pods.
    fn of_operator(
        context: (&NamespaceFacts, &SharedRegions),
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
        let zone = ZonePerimeter::of(Zone::Controller, &row_facts, context, OtherKeys::Free);
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

    /// Returns true if it belongs to a cluster, which can declare more. The operator's own pods cannot.
    pub(crate) fn is_cluster(&self) -> bool {
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
    pods: Zone,
    cluster: &Cluster,
    facts: &'a NamespaceFacts,
) -> Option<&'a Fact<Policy>> {
    let name = pods.policy_name(&cluster.meta.name)?;
    facts.policies.get(name.as_str())
}

/// Returns true if the policy exists and was not read.
fn is_stub(pods: Zone, cluster: &Cluster, facts: &NamespaceFacts) -> bool {
    let name = pods.policy_name(&cluster.meta.name);
    name.is_some_and(|name| facts.stubs.contains_key(name.as_str()))
}

impl ZonePerimeter {
    fn of(
        pods: Zone,
        row_facts: &Facts<'_>,
        (facts, regions): (&NamespaceFacts, &SharedRegions),
        knowledge: OtherKeys,
    ) -> Self {
        let cluster = row_facts.cluster;
        let restores: Vec<&Labels> = facts.restore_labels(&cluster.meta.name).collect();
        let knowledge = match pods {
            Zone::Workload if cluster.unknown_labels.servers => OtherKeys::Free,
            Zone::Jobs if cluster.unknown_labels.jobs => OtherKeys::Free,
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
            selected.extend(Selected::of(policy, &zone, tunnels).map(Selected::into_rendered));
        }
        // The operator's own policy usually opens the floor, so it comes first.
        let own = pods.policy_name(&cluster.meta.name);
        selected.sort_by_key(|policy| own.as_deref() != Some(&*policy.name));
        // The selected pods of a policy are known if it is only too large.
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
            space: zone,
        }
    }

    /// The core connections of one direction.
    pub(crate) fn floor(&self, direction: Direction) -> &[Entry] {
        &self.floor[direction as usize]
    }

    /// The permitted connections of one direction.
    pub(crate) fn ceiling(&self, direction: Direction) -> &[Entry] {
        self.ceiling[direction as usize].entries()
    }

    /// The regions of all permitted connections of one direction.
    pub(crate) fn ceiling_regions(
        &self,
        direction: Direction,
    ) -> impl Iterator<Item = RegionRef<'_>> + Clone {
        let entries = self.ceiling(direction).iter();
        entries.map(|entry| RegionRef::from(&entry.region))
    }

    /// An entry of the ceiling that contains the whole region.
    pub(crate) fn holder(&self, direction: Direction, region: RegionRef<'_>) -> Option<&Entry> {
        self.ceiling[direction as usize].holder(region)
    }
}

/// The regions of all rows of one direction, or only of those with this status. The floor uses
/// [`Reading::Must`], the ceiling [`Reading::Permitted`].
fn entries(
    pods: Zone,
    direction: Direction,
    facts: &Facts<'_>,
    only: Option<RowStatus>,
) -> Vec<Entry> {
    let rows = rows(pods, direction, facts.config);
    let rows = rows.filter(|row| only.is_none_or(|status| row.status == status));
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
            let declared = expansion
                .declared
                .map(|source| Arc::from(source.to_string()));
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

/// The managed policy as the operator renders it: rows in table order, declared rules unchanged. `None`
/// for pods without a managed policy.
pub(crate) fn rendered(pods: Zone, facts: &Facts<'_>) -> Option<Policy> {
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
