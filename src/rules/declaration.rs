//! The rules about declarations of an OpenBaoCluster, compared with the limits for declarations.

pub mod api_server;
mod declared;
pub mod dns_namespace;
pub mod endpoint_address;
pub mod everyone;
pub mod hardened;
pub mod listener_ports;
pub mod malformed;
pub mod metrics_port;
pub mod namespace_label;
pub mod raft_port;
pub mod redundant;
pub mod unsafe_address;

use std::cell::Cell;

use super::remedy::{Change, ClusterEdit, Rank, Remedy};
use super::{Cause, Finding, Onset, undecided};
use crate::baseline::ClusterPerimeter;
use crate::config::ReviewConfig;
use crate::inventory::network::{DeclaredAt, DeclaredList};
use crate::inventory::{Cluster, ObjectRef, Profile};
use netpol::cover::{Budget, Exhausted};
use netpol::port::{PortSet, Protocol};
use netpol::rule::Rule;
use netpol::{At, Direction, Reading, Region, RegionRef};

pub use declared::DeclaredRule;
use declared::{FieldLocation, TRUSTED_PEERS, declared, listeners, mark_kept, rules};

/// Declarations after the write and, for an update, before it.
#[derive(Clone, Debug)]
pub struct Declaration<'a> {
    /// The cluster.
    pub object: &'a ObjectRef,
    /// The configuration.
    pub config: &'a ReviewConfig,
    /// Direction: ingress (`ingressRules`, `trustedIngressPeers`) or egress (`egressRules`).
    pub direction: Direction,
    /// The profile after the write.
    pub profile: Option<Profile>,
    /// The profile before the write.
    pub profile_before: Option<Profile>,
    /// The ports that clients need: the API port, and the port of the metrics listener if it is open.
    pub listeners: PortSet,
    /// Rules declared now.
    pub after: Vec<DeclaredRule>,
    /// Rules declared before the write.
    pub before: Vec<DeclaredRule>,
    /// Ports from which a proxy in the pods forwards to every TCP port; empty without a mesh.
    pub tunnels: &'a [u16],
    /// Remaining work of all proofs of the review.
    pub budget: &'a Cell<Budget>,
}

impl<'a> Declaration<'a> {
    /// The declared rules of a cluster in one direction.
    pub fn new(
        object: &'a ObjectRef,
        config: &'a ReviewConfig,
        direction: Direction,
        after: &Cluster,
        before: Option<&Cluster>,
        budget: &'a Cell<Budget>,
    ) -> Self {
        let rules = |cluster| rules(cluster, config, direction);
        let profile_before = before.and_then(|before| before.profile);
        let before = before.map(rules).unwrap_or_default();
        let mut declared = rules(after);
        mark_kept(&before, &mut declared);
        Self {
            object,
            config,
            direction,
            profile: after.profile,
            profile_before,
            listeners: listeners(config, after),
            after: declared,
            before,
            tunnels: &[],
            budget,
        }
    }

    /// Takes comparisons from the budget. Returns false if too few are left.
    pub fn spend(&self, comparisons: usize) -> bool {
        let mut budget = self.budget.get();
        let enough = budget.spend(comparisons);
        self.budget.set(budget);
        enough
    }

    /// Number of declared regions.
    pub fn size(&self) -> usize {
        self.after.iter().map(|rule| rule.regions.len()).sum()
    }

    /// The same declarations with pods in a mesh; `None` if no rule opens a tunnel port. Both are checked,
    /// since a connection that is not new with a mesh can be new without one.
    fn in_mesh(&self) -> Option<Self> {
        let tunnels = &self.config.tunnel_ports[..];
        let opens = |rule: &DeclaredRule| rule.rule.port_set().tunnel(tunnels).is_some();
        if self.direction == Direction::Egress || !self.after.iter().any(opens) {
            return None;
        }
        let mut meshed = Self {
            tunnels,
            ..self.clone()
        };
        let again = |rule: &DeclaredRule| {
            let at = meshed.at(Reading::May);
            DeclaredRule {
                is_kept: rule.is_kept,
                ..declared(rule.at, rule.rule.clone(), at, self.direction)
            }
        };
        let after = self.after.iter().map(again).collect();
        let before = self.before.iter().map(again).collect();
        (meshed.after, meshed.before) = (after, before);
        Some(meshed)
    }

    /// The findings of a check, with pods in a mesh and without one.
    fn in_any_mesh(&self, check: fn(&Declaration<'_>) -> Vec<Finding>) -> Vec<Finding> {
        let meshed = self.in_mesh().as_ref().map(check).unwrap_or_default();
        with_further(check(self), meshed)
    }

    /// The context of its rules in one reading.
    fn at(&self, reading: Reading) -> At<'_> {
        At {
            namespace: &self.object.namespace,
            reading,
            tunnels: self.tunnels,
        }
    }

    /// Adds the work of a proof with its own budget.
    fn add_work(&self, other: &Budget) {
        let mut budget = self.budget.get();
        budget.add_work(other);
        self.budget.set(budget);
    }

    fn is_under_contract(&self) -> bool {
        is_under_contract(self.config, self.profile)
    }

    /// Returns true if the contract applies from this write on.
    fn is_newly_under_contract(&self) -> bool {
        self.is_under_contract() && self.profile_before != Some(Profile::Hardened)
    }

    /// Returns true if earlier declarations are pre-existing. On egress only the contract denies, so they are
    /// new for a cluster to which it did not apply before.
    fn counts_before(&self) -> bool {
        self.direction == Direction::Ingress || !self.is_newly_under_contract()
    }

    /// Connections that the declaration before the write allowed already. Those that a rule surely allows are
    /// compared with what was surely allowed: ambiguous text and port names allow nothing for sure. Those that a
    /// rule may allow are compared with what may have been allowed, without ambiguous text, since another text may
    /// mean something else. The rules that stayed count in both.
    fn known(&self, is_sure: bool) -> impl Iterator<Item = &Region> + Clone {
        let counts = self.counts_before();
        let before = if counts { &self.before[..] } else { &[] };
        let before = before.iter().flat_map(move |rule| {
            if is_sure || rule.rule.is_ambiguous() {
                rule.must()
            } else {
                &rule.regions
            }
        });
        let kept = self.after.iter().filter(move |rule| counts && rule.is_kept);
        let kept = kept.flat_map(move |rule| if is_sure { rule.must() } else { &rule.regions });
        before.chain(kept)
    }

    /// Returns true if an old rule already allowed all of this part of a rule. If the budget is not enough,
    /// the part counts as new.
    fn is_known(&self, rule: &DeclaredRule, piece: &Region) -> bool {
        if rule.is_kept && self.counts_before() {
            return true;
        }
        let is_sure = rule.must().iter().any(|sure| piece.is_subset(sure));
        let piece = RegionRef::from(piece);
        let mut known = self.known(is_sure).map(RegionRef::from);
        let to_look_at = known.clone().count().saturating_mul(1 + piece.ranges());
        self.spend(to_look_at) && known.any(|known| piece.is_subset(known))
    }

    /// A finding about a declaration.
    fn finding(&self, cause: Cause, onset: Onset, location: impl Into<FieldLocation>) -> Finding {
        let FieldLocation { path, place } = location.into();
        Finding {
            cluster: Some(self.object.clone()),
            place,
            ..Finding::weighed(cause, onset, self.is_under_contract(), self.object, path)
        }
    }

    /// A remedy that edits the cluster.
    fn remedy(&self, rank: Rank, action: impl Into<String>, edit: ClusterEdit) -> Remedy {
        Remedy::new(rank, action, Change::Cluster(self.object.clone(), edit))
    }

    fn undecided(&self, location: impl Into<FieldLocation>, exhausted: &Exhausted) -> Finding {
        Finding {
            reason: format!(
                "the declaration could not be decided within the work limit of {} steps",
                self.config.proof_budget
            ),
            help: undecided::simpler(exhausted),
            ..self.finding(Cause::Undecided, Onset::Introduced, location)
        }
    }
}

/// Returns true if the operator enforces its contract for Hardened clusters on such a cluster, so that advice
/// about it denies.
pub fn is_under_contract(config: &ReviewConfig, profile: Option<Profile>) -> bool {
    config.baseline.features().enforces_hardened && profile == Some(Profile::Hardened)
}

/// Returns true if a rule, declared, would open a cluster to everyone or to everywhere.
pub fn is_wide(
    cluster: &ClusterPerimeter,
    config: &ReviewConfig,
    direction: Direction,
    rule: &Rule,
    budget: &Cell<Budget>,
) -> bool {
    let at = At {
        namespace: &cluster.object.namespace,
        reading: Reading::May,
        tunnels: &[],
    };
    let list = match direction {
        Direction::Ingress => DeclaredList::IngressRules,
        Direction::Egress => DeclaredList::EgressRules,
    };
    let declaration = Declaration {
        object: &cluster.object,
        config,
        direction,
        profile: cluster.profile,
        profile_before: cluster.profile,
        listeners: PortSet::number(Protocol::Tcp, config.api_port),
        after: vec![declared(
            DeclaredAt { list, at: 0 },
            rule.clone(),
            at,
            direction,
        )],
        before: Vec::new(),
        tunnels: &[],
        budget,
    };
    !everyone::check(&declaration).is_empty()
}

/// The denial of more rules, or of more peers in all of them, than can be proved. Unions are not computed then: their
/// cost grows faster than the number of rules.
pub(crate) fn too_many(declaration: &Declaration<'_>) -> Option<Finding> {
    let caps = &declaration.config.caps;
    let regions = declaration.after.iter().map(|rule| rule.regions.len());
    let counts = [
        ("rules", declaration.after.len(), caps.declared),
        ("peers", regions.sum(), caps.rules),
    ];
    let (what, count, most) = counts.into_iter().find(|(_, count, most)| count > most)?;
    Some(Finding {
        reason: format!("{count} declared {what} are too many to review; expected at most {most}"),
        help: "merge rules with the same ports, or adjacent blocks".to_owned(),
        ..declaration.finding(Cause::Undecided, Onset::Introduced, "spec.network")
    })
}

/// The findings, with those of `further` that are different or that deny where these only warn.
fn with_further(mut findings: Vec<Finding>, further: Vec<Finding>) -> Vec<Finding> {
    for other in further {
        let same = |known: &Finding| known.code == other.code && known.path == other.path;
        match findings.iter_mut().find(|known| same(known)) {
            None => findings.push(other),
            Some(known) if other.level < known.level => *known = other,
            Some(_) => {}
        }
    }
    findings
}
