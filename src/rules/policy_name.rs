//! OBP311: the name of a policy that the operator will write is taken by a policy of another cluster, by a
//! leftover policy or by a user's policy.
//!
//! Clusters `x` and `x-jobs` share a name: the jobs policy of the first has the name of the server policy of
//! the second.

use std::sync::Arc;

use super::{Cause, Finding, Onset};
use crate::baseline::{OWNER_UID, Zone};
use crate::config::ReviewConfig;
use crate::inventory::cluster::is_restored_into;
use crate::inventory::{Cluster, Fact, Meta, NamespaceFacts, ObjectRef, Owner, Policy};

const PATH: &str = "metadata.name";

/// Creation or update of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClusterState {
    /// This write creates the cluster.
    Created,
    /// The cluster exists already.
    Updated,
}

/// Findings about the names of a cluster's policies. The operator renders no policies for a restored cluster,
/// so no name is taken.
pub(crate) fn check(
    object: &ObjectRef,
    after: &Cluster,
    state: ClusterState,
    facts: &NamespaceFacts,
    config: &ReviewConfig,
) -> Vec<Finding> {
    if !after.is_rendered(config.baseline) {
        return Vec::new();
    }
    let mut findings: Vec<Finding> = collision(object, state, facts, config)
        .into_iter()
        .collect();
    if state == ClusterState::Created {
        findings.extend(leftovers(object, after, facts, config));
    }
    findings
}

/// Two clusters with policies of the same name.
fn collision(
    object: &ObjectRef,
    state: ClusterState,
    facts: &NamespaceFacts,
    config: &ReviewConfig,
) -> Option<Finding> {
    let own: Vec<String> = names(&object.name, config).collect();
    let others = facts.clusters.iter();
    let others = others.filter(|(name, other)| {
        **name != object.name && !is_restored_into(other.meta(), config.baseline)
    });
    let mut shared = others.filter_map(|(name, _)| {
        let policy = names(name, config).find(|policy| own.contains(policy))?;
        Some((name, policy))
    });
    let (other, policy) = shared.next()?;
    Some(Finding {
        cluster: Some(object.clone()),
        reason: format!(
            "shares the policy name `{policy}` with OpenBaoCluster `{other}` of the namespace, so each would overwrite \
             the other's perimeter"
        ),
        help: "not possible under this name: create the cluster under another name, or in another namespace"
            .to_owned(),
        ..Finding::of(
            Cause::PolicyNameTaken,
            Onset::of(state == ClusterState::Updated),
            object,
            PATH,
        )
    })
}

/// Existing policies that are not the operator's.
fn leftovers<'a>(
    object: &'a ObjectRef,
    cluster: &'a Cluster,
    facts: &'a NamespaceFacts,
    config: &'a ReviewConfig,
) -> impl Iterator<Item = Finding> {
    let foreign = names(&object.name, config).filter(|name| {
        let policy = facts.policies.get(name.as_str());
        policy.is_some_and(|policy| !is_owned(policy.meta(), cluster))
    });
    foreign.map(|name| {
        // A policy of a deleted cluster with this name is garbage collected.
        let is_controller = |owner: &Owner| owner.controller && !is_named(owner, cluster);
        let has_controller =
            |policy: &Fact<Policy>| policy.meta().owners.iter().any(is_controller);
        let controlled = facts
            .policies
            .get(name.as_str())
            .is_some_and(has_controller);
        let takes_over = config.baseline.features().takes_over_policies;
        let (cause, what) = if controlled {
            (
                Cause::PolicyNameTaken,
                "it has a controller already, so the operator could not write it, and the cluster would not start",
            )
        } else if takes_over {
            (
                Cause::LeftoverPolicy,
                "the operator would overwrite it",
            )
        } else {
            (
                Cause::LeftoverPolicy,
                "the operator does not take it over, and the cluster would not start",
            )
        };
        Finding {
            cluster: Some(object.clone()),
            reason: format!(
                "NetworkPolicy `{name}` already exists in the namespace and OpenBaoCluster `{}` does not own it: {what}",
                object.name
            ),
            help: format!(
                "no change to this object helps: find out who uses the policy, then delete it:\nkubectl -n {} delete networkpolicy {name}",
                object.namespace
            ),
            ..Finding::weighed(cause, Onset::Introduced, !takes_over, object, PATH)
        }
    })
}

/// The names of a cluster's policies.
fn names<'a>(cluster: &'a str, config: &ReviewConfig) -> impl Iterator<Item = String> + 'a {
    let zones = Zone::of_cluster(config.baseline).iter();
    zones.filter_map(move |pods| pods.policy_name(cluster))
}

/// Returns true if the operator wrote the policy for this cluster: the controlling owner is the cluster, or
/// the operator's annotation has its uid. Without a uid, in a manifest that no API server has seen, the name
/// or any annotation is enough.
pub(crate) fn is_owned(policy: &Meta, cluster: &Cluster) -> bool {
    let is_owner = |owner: &Owner| {
        let is_same = |uid: &Arc<str>| owner.controller && owner.uid == *uid;
        is_named(owner, cluster) && cluster.uid.as_ref().is_none_or(is_same)
    };
    let marked = policy.annotations.get(OWNER_UID);
    let is_marked = |mark: &Arc<str>| cluster.uid.as_ref().is_none_or(|uid| mark == uid);
    policy.owners.iter().any(is_owner) || marked.is_some_and(is_marked)
}

/// Returns true if an owner reference names an OpenBaoCluster with this name, with any uid.
fn is_named(owner: &Owner, cluster: &Cluster) -> bool {
    let group = owner.api_version.split('/').next();
    group == Some("openbao.org")
        && &*owner.kind == "OpenBaoCluster"
        && owner.name == cluster.meta.name
}
