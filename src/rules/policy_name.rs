//! OBP311: a name under which the operator will write a policy is taken: by another cluster's policy,
//! or by one that is left over or somebody's own.
//!
//! `x` and `x-jobs` share one: the jobs policy of the first has the name of the server policy of
//! the second.

use std::sync::Arc;

use super::{Code, Finding, Level};
use crate::baseline::{OWNER_UID, Pods};
use crate::config::ReviewConfig;
use crate::inventory::cluster::is_restored_into;
use crate::inventory::{Cluster, Fact, Meta, NamespaceFacts, ObjectRef, Owner, Policy};

const PATH: &str = "metadata.name";

/// Whether the cluster is created, or was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// This write creates it.
    New,
    /// It exists.
    Old,
}

/// Findings about the names of a cluster's policies. Nothing is rendered for a cluster that is
/// restored into, so that none are taken.
pub fn check(
    object: &ObjectRef,
    after: &Cluster,
    age: Age,
    facts: &NamespaceFacts,
    config: &ReviewConfig,
) -> Vec<Finding> {
    if !after.is_rendered(config.baseline) {
        return Vec::new();
    }
    let mut findings: Vec<Finding> = collision(object, age, facts, config).into_iter().collect();
    if age == Age::New {
        findings.extend(leftovers(object, after, facts, config));
    }
    findings
}

/// Two clusters whose policies have one name.
fn collision(
    object: &ObjectRef,
    age: Age,
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
    let level = match age {
        Age::New => Level::Deny,
        Age::Old => Level::Warn,
    };
    Some(Finding {
        cluster: Some(object.clone()),
        reason: format!(
            "shares the policy name `{policy}` with OpenBaoCluster `{other}` of the namespace, so each would overwrite \
             the other's perimeter"
        ),
        help: "give it another name, or put it into another namespace".to_owned(),
        ..Finding::new(Code::Obp311, level, object, PATH)
    })
}

/// Policies that are there already and not the operator's.
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
        // One that a cluster of this name left behind goes by itself.
        let is_controller = |owner: &Owner| owner.controller && !is_named(owner, cluster);
        let has_controller =
            |policy: &Fact<Policy>| policy.meta().owners.iter().any(is_controller);
        let controlled = facts
            .policies
            .get(name.as_str())
            .is_some_and(has_controller);
        let denied = || Finding::new(Code::Obp311, Level::Deny, object, PATH);
        let (finding, what) = if controlled {
            (
                denied(),
                "it has a controller already, so the operator could not write it, and the cluster would not start",
            )
        } else if config.baseline.features().takes_over_policies {
            (
                Finding::advice(Code::Obp311, object, PATH),
                "the operator would overwrite it",
            )
        } else {
            (
                denied(),
                "the operator refuses to take it over, and the cluster would not start",
            )
        };
        Finding {
            cluster: Some(object.clone()),
            reason: format!(
                "NetworkPolicy `{name}` of the namespace is there already and no OpenBaoCluster `{}` owns it: {what}",
                object.name
            ),
            help: format!(
                "see whose it is, then delete it:\nkubectl -n {} delete networkpolicy {name}",
                object.namespace
            ),
            ..finding
        }
    })
}

/// The names of a cluster's policies.
fn names<'a>(cluster: &'a str, config: &ReviewConfig) -> impl Iterator<Item = String> + 'a {
    let zones = Pods::of_cluster(config.baseline).iter();
    zones.filter_map(move |pods| pods.policy_name(cluster))
}

/// Whether the operator wrote it for this cluster: the controlling owner is the cluster, or the operator's
/// mark names it, by its uid. Without a uid, in a manifest that no server has seen, the name decides, and
/// any mark.
pub fn is_owned(policy: &Meta, cluster: &Cluster) -> bool {
    let is_owner = |owner: &Owner| {
        let is_same = |uid: &Arc<str>| owner.controller && owner.uid == *uid;
        is_named(owner, cluster) && cluster.uid.as_ref().is_none_or(is_same)
    };
    let marked = policy.annotations.get(OWNER_UID);
    let is_marked = |mark: &Arc<str>| cluster.uid.as_ref().is_none_or(|uid| mark == uid);
    policy.owners.iter().any(is_owner) || marked.is_some_and(is_marked)
}

/// Whether an owner reference names an OpenBaoCluster of this name, whatever its uid.
fn is_named(owner: &Owner, cluster: &Cluster) -> bool {
    let group = owner.api_version.split('/').next();
    group == Some("openbao.org")
        && &*owner.kind == "OpenBaoCluster"
        && owner.name == cluster.meta.name
}
