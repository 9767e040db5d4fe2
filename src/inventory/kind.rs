//! The kinds that are read.

mod table;

use std::fmt;

use table::TABLE;

/// A kind that reviews use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// An OpenBao cluster of the operator.
    OpenBaoCluster,
    /// A NetworkPolicy of Kubernetes.
    NetworkPolicy,
    /// A Namespace.
    Namespace,
    /// A Service. Only `default/kubernetes` is watched; of others, the ports are read.
    Service,
    /// A restore into an OpenBao cluster.
    OpenBaoRestore,
    /// A Gateway of the Gateway API.
    Gateway,
    /// A GatewayClass of the Gateway API.
    GatewayClass,
    /// A ClusterNetworkPolicy of the Network Policy API.
    ClusterNetworkPolicy,
    /// An AdminNetworkPolicy of the Network Policy API.
    AdminNetworkPolicy,
    /// A BaselineAdminNetworkPolicy of the Network Policy API.
    BaselineAdminNetworkPolicy,
    /// A CiliumNetworkPolicy.
    CiliumNetworkPolicy,
    /// A CiliumClusterwideNetworkPolicy.
    CiliumClusterwideNetworkPolicy,
    /// A NetworkPolicy of Calico.
    CalicoNetworkPolicy,
    /// A GlobalNetworkPolicy of Calico.
    CalicoGlobalNetworkPolicy,
    /// A NetworkPolicy of Antrea.
    AntreaNetworkPolicy,
    /// A ClusterNetworkPolicy of Antrea.
    AntreaClusterNetworkPolicy,
    /// An EgressFirewall of OVN-Kubernetes.
    EgressFirewall,
    /// The endpoints of a Service.
    EndpointSlice,
    /// A Pod.
    Pod,
    /// A Deployment.
    Deployment,
    /// A ReplicaSet.
    ReplicaSet,
    /// A StatefulSet.
    StatefulSet,
    /// A DaemonSet.
    DaemonSet,
    /// A ReplicationController.
    ReplicationController,
    /// A Job.
    Job,
    /// A CronJob.
    CronJob,
    /// A PodTemplate.
    PodTemplate,
}

/// Use of a kind's objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KindUse {
    /// Verdicts depend on them. Without them nothing is decided.
    Verdicts,
    /// Only advice depends on them. Reviews work without them.
    Advice,
    /// They are policies of other kinds. Of most of them only the pods that they select are known (OBP404).
    Seen,
    /// They are pods, or have a template of pods. The labels of these pods are checked in files (OBP501); no cluster is
    /// asked for them.
    Pods,
}

/// A group and one of its versions.
type Api = (&'static str, &'static str);

/// One row of the table.
struct Row {
    kind: Kind,
    /// The value of `kind`.
    name: &'static str,
    /// The name, with the group where a kind before it has the same name.
    label: &'static str,
    /// Supported groups and versions, in the order in which a cluster is asked for them. They have the same fields.
    /// The group of the last one is that of messages; that of the core group is empty.
    apis: &'static [Api],
    plural: &'static str,
    is_namespaced: bool,
    /// Defined by a CRD, which may not be installed.
    is_custom: bool,
    /// Writes of it are reviewed.
    is_reviewed: bool,
    used_for: KindUse,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; TABLE.len()] = {
        let mut all = [Self::OpenBaoCluster; TABLE.len()];
        let mut at = 0;
        while at < all.len() {
            all[at] = TABLE[at].kind;
            at += 1;
        }
        all
    };

    /// The kinds whose objects of a cluster are facts.
    pub const WATCHED: [Self; table::WATCHED] = {
        let mut watched = [Self::OpenBaoCluster; table::WATCHED];
        let mut at = 0;
        while at < watched.len() {
            watched[at] = TABLE[at].kind;
            at += 1;
        }
        watched
    };

    const fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// The kind as in the API.
    pub const fn as_str(self) -> &'static str {
        self.row().name
    }

    /// The kind as in the API, with the group where the name alone would mean another kind of the table:
    /// `NetworkPolicy`, `NetworkPolicy.projectcalico.org`.
    pub const fn label(self) -> &'static str {
        self.row().label
    }

    /// The kind with this name, in this API group; without a group the kind whose [label](Self::label) it is.
    pub(crate) fn named(name: &str, group: Option<&str>) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|kind| kind.is_named(name, group))
    }

    /// True if [`Self::named`] finds it.
    pub(crate) fn is_named(self, name: &str, group: Option<&str>) -> bool {
        match group {
            Some(group) => self.as_str() == name && self.is_in_group(group),
            None => self.label() == name,
        }
    }

    /// The API group; empty for the core group.
    pub const fn group(self) -> &'static str {
        let apis = self.row().apis;
        apis[apis.len() - 1].0
    }

    /// The supported groups and versions, in the order in which a cluster is asked for them.
    pub(crate) const fn apis(self) -> &'static [Api] {
        self.row().apis
    }

    /// Its API groups; that of the core group is empty.
    pub fn groups(self) -> impl Iterator<Item = &'static str> {
        let mut groups: Vec<&str> = self.apis().iter().map(|(group, _)| *group).collect();
        groups.dedup();
        groups.into_iter()
    }

    /// The supported versions.
    pub(crate) fn versions(self) -> Vec<&'static str> {
        self.apis().iter().map(|(_, version)| *version).collect()
    }

    /// The version that a cluster is asked for first.
    pub(crate) const fn first_version(self) -> &'static str {
        self.row().apis[0].1
    }

    /// The group that serves a version.
    pub(crate) fn group_of(self, version: &str) -> &'static str {
        let mut apis = self.apis().iter();
        let found = apis.find(|(_, known)| *known == version);
        found.map_or(self.group(), |(group, _)| group)
    }

    /// True if it is of this group.
    pub(crate) fn is_in_group(self, group: &str) -> bool {
        self.apis().iter().any(|(own, _)| *own == group)
    }

    /// True if it is read in this version of this group.
    pub(crate) fn is_read_in(self, group: &str, version: &str) -> bool {
        self.apis().contains(&(group, version))
    }

    /// The plural resource name.
    pub(crate) const fn plural(self) -> &'static str {
        self.row().plural
    }

    /// True if its objects have no namespace.
    pub(crate) const fn is_cluster_scoped(self) -> bool {
        !self.row().is_namespaced
    }

    /// True if it is defined by a CRD, which may not be installed.
    pub(crate) const fn is_custom(self) -> bool {
        self.row().is_custom
    }

    /// True if writes of it are reviewed.
    pub const fn is_reviewed(self) -> bool {
        self.row().is_reviewed
    }

    /// True if objects of it in files are checked.
    pub(crate) const fn is_checked(self) -> bool {
        self.is_reviewed() || self.has_pods()
    }

    /// True for Pods and kinds with a template of pods.
    pub(crate) const fn has_pods(self) -> bool {
        matches!(self.used_for(), KindUse::Pods)
    }

    /// True for policies that come before and after NetworkPolicies in an order of their own.
    pub(crate) const fn is_ordered(self) -> bool {
        matches!(
            self,
            Self::ClusterNetworkPolicy
                | Self::AdminNetworkPolicy
                | Self::BaselineAdminNetworkPolicy
        )
    }

    /// Use of its objects.
    pub const fn used_for(self) -> KindUse {
        self.row().used_for
    }
}

impl fmt::Display for Kind {
    /// The kind as in the API, with the group where it is needed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_kind_is_in_its_own_row() {
        for kind in Kind::ALL {
            assert_eq!(kind.row().kind, kind);
        }
    }

    #[test]
    fn the_kinds_with_pods_and_endpoints_and_no_others_are_not_watched() {
        for kind in Kind::ALL {
            let is_unwatched = kind.has_pods() || kind == Kind::EndpointSlice;
            assert_eq!(Kind::WATCHED.contains(&kind), !is_unwatched, "{kind}");
        }
    }

    #[test]
    fn no_two_kinds_look_the_same() {
        let shown: BTreeSet<String> = Kind::ALL.iter().map(ToString::to_string).collect();
        assert_eq!(shown.len(), Kind::ALL.len());
        let api: BTreeSet<_> = Kind::ALL.map(|kind| (kind.group(), kind.plural())).into();
        assert_eq!(api.len(), Kind::ALL.len());
    }

    #[test]
    fn the_label_has_the_group_where_a_kind_before_it_has_the_name() {
        for kind in Kind::ALL {
            let mut all = Kind::ALL.into_iter();
            let is_first = all.find(|other| other.as_str() == kind.as_str()) == Some(kind);
            let group = if is_first {
                String::new()
            } else {
                format!(".{}", kind.group())
            };
            assert_eq!(kind.label(), format!("{}{group}", kind.as_str()));
        }
    }

    #[test]
    fn a_version_is_in_one_group_of_a_kind() {
        for kind in Kind::ALL {
            for (group, version) in kind.apis() {
                assert_eq!(kind.group_of(version), *group, "{kind}");
                assert!(kind.is_in_group(group) && kind.is_read_in(group, version));
            }
        }
    }
}
