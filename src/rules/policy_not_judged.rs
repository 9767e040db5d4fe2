//! OBP404: policies of other kinds that select pods of a cluster. No proof uses them.

use netpol::pod_space::PodSpace;

use super::text::pods_named;
use super::{Cause, Finding, Onset};
use crate::code::EnforcementPoint;
use crate::config::Zone;
use crate::inventory::other_policy::{Effect, NamespaceLabels, Selects};
use crate::inventory::{Fact, Kind, ObjectRef, OtherPolicy, Unread};

/// Maximum number of clusters and of policies that a message names.
const NAMED: usize = 3;

/// The pods of a cluster, or of the operator.
pub(crate) struct Pods<'a> {
    /// The cluster, or the operator's Namespace.
    pub(crate) owner: &'a ObjectRef,
    /// Labels of its namespace.
    pub(crate) namespace: NamespaceLabels<'a>,
    /// Its zones.
    pub(crate) zones: Vec<(Zone, &'a PodSpace)>,
}

/// The zones of a cluster that a policy selects or may select.
#[derive(Clone, Debug)]
pub(crate) struct Selected<'a> {
    owner: &'a ObjectRef,
    zones: Vec<Zone>,
    certainty: Selects,
}

/// The zones that a policy selects; `None` if it selects none.
pub(crate) fn selected<'a>(policy: &Fact<OtherPolicy>, pods: &Pods<'a>) -> Option<Selected<'a>> {
    let selects = |space: &PodSpace| match policy {
        Fact::Read(policy) => policy.subject.selects(pods.namespace, space),
        Fact::Unreadable(_) => {
            let is_near =
                policy.namespace().is_empty() || **policy.namespace() == *pods.owner.home();
            is_near.then_some(Selects::Perhaps)
        }
    };
    let zones = pods.zones.iter();
    let found: Vec<(Zone, Selects)> = zones
        .filter_map(|(zone, space)| Some((*zone, selects(space)?)))
        .collect();
    let certainty = found.iter().map(|(_, certainty)| *certainty).max()?;
    let zones = found.into_iter();
    let zones = zones.filter(|(_, found)| *found == certainty);
    Some(Selected {
        owner: pods.owner,
        zones: zones.map(|(zone, _)| zone).collect(),
        certainty,
    })
}

/// The finding about a policy that selects these pods; `None` if there are none.
pub(crate) fn of_policy(
    object: &ObjectRef,
    policy: &Fact<OtherPolicy>,
    selected: &[Selected<'_>],
    point: EnforcementPoint,
) -> Option<Finding> {
    let first = selected.first()?;
    let clause = |certainty, verb: &str| {
        let of = selected.iter().filter(|one| one.certainty == certainty);
        let of: Vec<&Selected<'_>> = of.collect();
        (!of.is_empty()).then(|| format!("{verb} {}", pods_of_all(&of)))
    };
    let clauses = [
        clause(Selects::Surely, "selects"),
        clause(Selects::Perhaps, "may select"),
    ];
    let clauses: Vec<String> = clauses.into_iter().flatten().collect();
    let reason = format!(
        "{}, and is not checked: {}",
        clauses.join(", "),
        effect(policy)
    );
    let (cluster, pods) = match selected {
        [only] => (Some(only.owner.clone()), only.zones.clone()),
        _ => (None, Vec::new()),
    };
    Some(Finding {
        cluster,
        pods,
        reason,
        help: help(first.owner),
        ..finding(object, point)
    })
}

/// The finding about a new cluster whose pods these policies select; `None` if there are none.
pub(crate) fn of_cluster(
    object: &ObjectRef,
    policies: &[(ObjectRef, &Fact<OtherPolicy>, Selected<'_>)],
) -> Option<Finding> {
    let (_, policy, _) = policies.first()?;
    let names: Vec<String> = policies.iter().map(|(name, ..)| name.to_string()).collect();
    let is_sure = policies
        .iter()
        .any(|(.., selected)| selected.certainty == Selects::Surely);
    let mut zones: Vec<Zone> = policies
        .iter()
        .flat_map(|(.., selected)| selected.zones.iter().copied())
        .collect();
    zones.sort_unstable();
    zones.dedup();
    let verb = match (is_sure, &names[..]) {
        (true, [_]) => "selects",
        (true, _) => "select",
        (false, _) => "may select",
    };
    let (are, each) = match names[..] {
        [_] => ("is", String::new()),
        _ => ("are", format!("; {}", names[0])),
    };
    Some(Finding {
        cluster: Some(object.clone()),
        reason: format!(
            "{} {verb} {}, and {are} not checked{each}: {}",
            few(&names),
            pods_named(object, &zones),
            effect(policy)
        ),
        pods: zones,
        help: help(object),
        ..finding(object, EnforcementPoint::Webhook)
    })
}

/// The finding about a kind whose objects are not known.
pub(crate) fn of_kind(kind: Kind, unread: &Unread, point: EnforcementPoint) -> Finding {
    let object = ObjectRef {
        kind,
        namespace: "".into(),
        name: "".into(),
    };
    let (reason, help) = match unread {
        Unread::Forbidden => (
            "policies of this kind may not be listed".to_owned(),
            "grant `get`, `list` and `watch` on them, as manifests/base/rbac.yaml does",
        ),
        Unread::Version(version) => (
            format!(
                "policies of this kind are served as {version}, and this release reads {}",
                kind.versions().join(" and ")
            ),
            "upgrade openbao-perimeter",
        ),
        Unread::Failed => (
            "the API server does not list policies of this kind".to_owned(),
            "see the log and the server behind this API",
        ),
    };
    Finding {
        reason: format!("{reason}, so one that selects OpenBao pods is not seen"),
        help: help.to_owned(),
        ..finding(&object, point)
    }
}

/// A policy that selects pods of a cluster, and its possible effect, in one line.
pub(crate) fn line(
    object: &ObjectRef,
    policy: &Fact<OtherPolicy>,
    selected: &Selected<'_>,
) -> String {
    let verb = match selected.certainty {
        Selects::Surely => "selects",
        Selects::Perhaps => "may select",
    };
    let zones: Vec<&str> = selected.zones.iter().map(|zone| zone.describe()).collect();
    format!(
        "{object} {verb} the {} pods: {}",
        zones.join(", "),
        effect(policy)
    )
}

fn finding(object: &ObjectRef, point: EnforcementPoint) -> Finding {
    let cause = match point {
        EnforcementPoint::Webhook | EnforcementPoint::Check => Cause::PolicyNotJudged,
        EnforcementPoint::Audit => Cause::StoredPolicyNotJudged,
    };
    Finding::of(cause, Onset::Introduced, object, "")
}

fn help(owner: &ObjectRef) -> String {
    let cluster = match owner.kind {
        Kind::OpenBaoCluster => format!(" {}/{}", owner.namespace, owner.name),
        _ => String::new(),
    };
    format!(
        "compare its rules with the rows of `openbao-perimeter show{cluster}`, or exclude these pods from its selector"
    )
}

/// The possible effect of a policy, in a clause.
fn effect(policy: &Fact<OtherPolicy>) -> String {
    let policy = match policy {
        Fact::Read(policy) => policy,
        Fact::Unreadable(broken) => {
            let problem = broken.problems.first();
            let problem = problem.map_or_else(
                || "unknown problem".to_owned(),
                |found| match &*found.path {
                    "" => found.problem.clone(),
                    path => format!("{path}: {}", found.problem),
                },
            );
            return format!("it cannot be read ({problem})");
        }
    };
    let words = match policy.effect {
        Effect::BeforeNetworkPolicies => {
            "its rules come before all NetworkPolicies, so an Accept or Allow opens what they deny, and a Deny cuts what \
             they allow"
        }
        Effect::AfterNetworkPolicies => "its rules apply to pods that no NetworkPolicy isolates",
        Effect::Cilium => {
            "Cilium adds its allow rules to those of NetworkPolicies, and its deny rules win over all of them"
        }
        Effect::CiliumCutsEgress => {
            "with `egressDeny` and without `egress`, Cilium denies all egress that no other policy allows"
        }
        Effect::CiliumCutsIngress => {
            "with `ingressDeny` and without `ingress`, Cilium denies all ingress that no other policy allows"
        }
        Effect::CiliumIgnores => {
            "Cilium does not accept a policy without any rule, so it has no effect and isolates nothing"
        }
        Effect::Calico => {
            "an Allow in tier `default` opens pods that NetworkPolicies isolate, and a Deny before order 1000 cuts what \
             they allow"
        }
        Effect::Antrea => {
            "Antrea's tiers come before NetworkPolicies or after them, so its rules may open or cut connections"
        }
        Effect::EgressFirewall => {
            "a Deny of it cuts egress out of the cluster, whatever NetworkPolicies allow"
        }
    };
    words.to_owned()
}

/// Pods of several clusters in words.
fn pods_of_all(selected: &[&Selected<'_>]) -> String {
    let is_operator = |one: &&Selected<'_>| one.owner.kind == Kind::Namespace;
    let all = selected.iter().copied();
    let (operator, clusters): (Vec<_>, Vec<_>) = all.partition(is_operator);
    let mut groups = Vec::new();
    match clusters[..] {
        [] => {}
        [only] => groups.push(pods_named(only.owner, &only.zones)),
        _ => {
            let mut zones: Vec<Zone> = clusters
                .iter()
                .flat_map(|one| one.zones.iter().copied())
                .collect();
            zones.sort_unstable();
            zones.dedup();
            let zones: Vec<&str> = zones.iter().map(|zone| zone.describe()).collect();
            let names: Vec<String> = clusters
                .iter()
                .map(|one| format!("{}/{}", one.owner.namespace, one.owner.name))
                .collect();
            groups.push(format!(
                "the {} pods of OpenBaoClusters {}",
                zones.join(", "),
                few(&names)
            ));
        }
    }
    let operator = operator.iter();
    groups.extend(operator.map(|one| pods_named(one.owner, &one.zones)));
    groups.join(" and ")
}

/// The first of some names, and how many more there are.
pub(crate) fn few(names: &[String]) -> String {
    match names.get(..NAMED) {
        Some(first) if names.len() > NAMED => {
            format!("{} and {} more", first.join(", "), names.len() - NAMED)
        }
        _ => names.join(", "),
    }
}
