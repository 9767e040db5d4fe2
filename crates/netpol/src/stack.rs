//! The effective verdict of all layers: tier Admin, the NetworkPolicies, tier Baseline.
//!
//! A [`Stack`] is everything that decides connections of one [pod space](PodSpace) in one direction. One
//! first-match walk splits an area into disjoint [leaves](Stack::leaves), each with its possible verdicts
//! and their deciders. [`Stack::denied`] and [`Stack::allowed`] search for a leaf that cuts a required area,
//! or opens one that is not permitted.
//!
//! Implementations read some rules differently, and some facts are unknown. So a clause either matches
//! certainly, or possibly: then its action is one possible verdict, and the walk goes on for the others.
//! Policies of equal priority are walked each alone, and their verdicts are all possible (row K19). All work
//! is counted in the [`Budget`].
//!
//! ```
//! use netpol::budget::Budget;
//! use netpol::label::labels;
//! use netpol::pod_space::{OtherKeys, PodSpace};
//! use netpol::port::{PortSet, Protocol};
//! use netpol::rule::Selector;
//! use netpol::stack::{CompiledPolicy, NetworkPolicies, Protected, Stack};
//! use netpol::tier::{
//!     Action, Decider, NamespaceLabels, PolicyKind, Subject, Tier, TierPeer, TierPolicy, TierPort, TierRule,
//!     TierSettings,
//! };
//! use netpol::{Direction, LabelSet, PeerSet, Region};
//!
//! let everyone = || Selector::default().into();
//! let deny = TierPolicy {
//!     name: "deny-8200".into(),
//!     kind: PolicyKind::ClusterNetworkPolicy,
//!     tier: Tier::Admin,
//!     priority: Some(10),
//!     subject: Subject::Namespaces(everyone()),
//!     ingress: vec![TierRule {
//!         name: "".into(),
//!         action: Action::Deny,
//!         peers: vec![TierPeer::Namespaces(everyone())],
//!         ports: vec![TierPort::tcp(8200)],
//!     }],
//!     egress: vec![],
//! };
//! let compiled = CompiledPolicy::of(&deny, &TierSettings::default());
//! let space = PodSpace::new::<&str>([], vec![], OtherKeys::Free);
//! let namespace = NamespaceLabels { known: labels(vec![]), others: OtherKeys::Free };
//! let budget = &mut Budget::new(1_000);
//! let protected = Protected { space: &space, namespace: &namespace, other_namespaces: &[] };
//! let stack = Stack::new(Direction::Ingress, protected, &[&compiled], NetworkPolicies::default(), budget)?;
//!
//! let required = Region {
//!     subject: LabelSet::any(),
//!     peer: PeerSet::everyone().swap_remove(0),
//!     ports: PortSet::range(Protocol::Tcp, 8200, 8201),
//! };
//! let cut = stack.denied(&required, None, budget)?.expect("8200 is denied");
//! assert_eq!(cut.region.ports, PortSet::number(Protocol::Tcp, 8200));
//! assert_eq!(cut.deny.expect("a decider").decider, Decider::Rule { policy: 0, rule: 0 });
//! assert!(cut.is_certain());
//! # Ok::<(), netpol::cover::Exhausted>(())
//! ```

mod changed;
mod compiled;
mod leaf;
mod newly;
mod outside;
mod program;
mod questions;
mod walk;
mod widest;

pub use compiled::CompiledPolicy;
pub use leaf::{Decision, Leaf};
pub use newly::Newly;

use super::cover::{Budget, Exhausted, all_uncovered};
use super::label::{LabelSet, NAMESPACE_NAME, Values};
use super::pod_space::PodSpace;
use super::port::PortSet;
use super::region::{PeerSet, Region, RegionRef};
use super::tier::{NamespaceLabels, Tier};
use super::{Difference, Direction};
use leaf::Origin;

/// The NetworkPolicies of a namespace as they apply to the pods of a space, in one direction.
#[derive(Clone, Debug, Default)]
pub struct NetworkPolicies<'a> {
    /// Connections that every implementation allows.
    pub must: Vec<RegionRef<'a>>,
    /// Connections that some implementation may allow. Those of `must` may be left out.
    pub may: Vec<RegionRef<'a>>,
    /// The parts of the space that a policy isolates.
    pub isolated: Vec<&'a LabelSet>,
    /// True if a policy cannot be read. It may isolate every pod.
    pub has_unreadable: bool,
}

/// The protected pods, and what is known about namespaces.
#[derive(Clone, Copy, Debug)]
pub struct Protected<'a> {
    /// The labels that the pods can have.
    pub space: &'a PodSpace,
    /// The labels of their namespace.
    pub namespace: &'a NamespaceLabels,
    /// Labels of other namespaces, as far as they are known. A required connection to one of these
    /// namespaces, by name, is only about pods that can exist there.
    pub other_namespaces: &'a [NamespaceLabels],
}

impl Protected<'_> {
    /// The labels of the namespace with this name, if they are known.
    fn labels_of(&self, name: &str) -> Option<&NamespaceLabels> {
        let mut all = std::iter::once(self.namespace).chain(self.other_namespaces);
        all.find(|labels| {
            labels
                .known
                .get(NAMESPACE_NAME)
                .is_some_and(|own| &**own == name)
        })
    }
}

/// An ordered policy that selects pods of the space.
#[derive(Clone, Debug)]
struct Entry<'a> {
    /// Index in the list of policies.
    index: usize,
    policy: &'a CompiledPolicy,
    /// The selected part of the space.
    part: LabelSet,
    /// The reason that the policy may not select the part.
    only_if: Option<Difference>,
}

impl Entry<'_> {
    /// The clauses of one direction, as regions of the selected part.
    fn clauses(&self, direction: Direction) -> impl Iterator<Item = (Origin, RegionRef<'_>, bool)> {
        let clauses = self.policy.clauses[direction as usize].iter();
        clauses.map(|clause| {
            let origin = Origin {
                action: clause.action,
                policy: self.index,
                rule: clause.rule,
                only_if: self.only_if.or(clause.only_if),
            };
            let region = RegionRef {
                subject: &self.part,
                peer: &clause.peer,
                ports: &clause.ports,
            };
            (origin, region, clause.is_about_pods)
        })
    }
}

/// Everything that decides connections of a pod space in one direction.
#[derive(Clone, Debug)]
pub struct Stack<'a> {
    direction: Direction,
    protected: Protected<'a>,
    /// In order. Policies of equal position are neighbours.
    entries: Vec<Entry<'a>>,
    network_policies: NetworkPolicies<'a>,
    /// All connections of the parts that no readable NetworkPolicy isolates.
    free: Vec<Region>,
}

impl<'a> Stack<'a> {
    /// The stack of a pod space. `policies` are in any order: deciders have their indexes.
    ///
    /// # Errors
    ///
    /// [`Exhausted`] if the parts that are not isolated cannot be computed within the budget.
    pub fn new(
        direction: Direction,
        protected: Protected<'a>,
        policies: &[&'a CompiledPolicy],
        network_policies: NetworkPolicies<'a>,
        budget: &mut Budget,
    ) -> Result<Self, Exhausted> {
        let (space, namespaces) = (protected.space, space_of(protected.namespace));
        let entries = policies.iter().enumerate();
        let entries = entries.filter(|(_, policy)| !policy.clauses[direction as usize].is_empty());
        let mut entries: Vec<Entry<'_>> = entries
            .filter_map(|(index, policy)| entry(index, policy, space, &namespaces))
            .collect();
        entries.sort_by_key(|entry| (entry.policy.position, entry.index));
        let free = free(space, &network_policies.isolated, budget)?;
        Ok(Self {
            direction,
            protected,
            entries,
            network_policies,
            free,
        })
    }

    /// Returns true if no ordered policy selects pods of the space with a rule of this direction. The
    /// NetworkPolicies alone decide then.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The indexes of the ordered policies that may select pods of the space, in their order.
    pub fn policies(&self) -> impl Iterator<Item = usize> {
        self.entries.iter().map(|entry| entry.index)
    }

    /// Everything that rules of one policy may match. A change of the policy has no effect outside of it,
    /// before and after.
    pub fn reach(&self, policy: usize) -> Vec<Region> {
        let mut own = self.entries.iter();
        let own = own.find(|entry| entry.index == policy);
        let regions = own.into_iter().flat_map(|own| {
            let clauses = own.policy.widest(self.direction);
            clauses.map(|clause| Region {
                subject: own.part.clone(),
                peer: clause.peer.clone(),
                ports: clause.ports.clone(),
            })
        });
        regions.collect()
    }

    fn of_tier(&self, tier: Tier) -> &[Entry<'a>] {
        let baseline = |entry: &Entry<'_>| entry.policy.position.0 == Tier::Baseline;
        let at = self.entries.iter().position(baseline);
        let (admin, last) = self.entries.split_at(at.unwrap_or(self.entries.len()));
        match tier {
            Tier::Admin => admin,
            Tier::Baseline => last,
        }
    }
}

/// The labels that a namespace can have.
fn space_of(namespace: &NamespaceLabels) -> PodSpace {
    let known = namespace.known.iter();
    let known = known.map(|(key, value)| (key.clone(), Values::one_of([value.clone()])));
    PodSpace::new(known, Vec::new(), namespace.others)
}

fn entry<'a>(
    index: usize,
    policy: &'a CompiledPolicy,
    space: &PodSpace,
    namespaces: &PodSpace,
) -> Option<Entry<'a>> {
    let (namespace, pods) = policy.subject.as_ref()?;
    let known = namespaces.select(&namespace.labels)?;
    let is_valid = namespace.is_valid && pods.is_valid;
    let is_unknown = !known.is_any();
    Some(Entry {
        index,
        policy,
        part: space.select(&pods.labels)?,
        only_if: (!is_valid)
            .then_some(Difference::InvalidSelector)
            .or(is_unknown.then_some(Difference::NamespaceLabels)),
    })
}

static EVERY_POD: PeerSet = PeerSet::Pods {
    namespaces: LabelSet::any(),
    pods: LabelSet::any(),
};

/// All connections of a part of the space.
fn everything(part: &LabelSet) -> impl Iterator<Item = Region> + '_ {
    PeerSet::everyone().into_iter().map(|peer| Region {
        subject: part.clone(),
        peer,
        ports: PortSet::all(),
    })
}

/// The parts of the space outside of `isolated`, as regions of all connections.
fn free(
    space: &PodSpace,
    isolated: &[&LabelSet],
    budget: &mut Budget,
) -> Result<Vec<Region>, Exhausted> {
    let covers = isolated.iter().map(|part| RegionRef {
        subject: part,
        peer: &EVERY_POD,
        ports: PortSet::every(),
    });
    let covers: Vec<RegionRef<'_>> = covers.collect();
    let keys = isolated.iter().flat_map(|part| part.constrained());
    let whole = Region {
        subject: space.written_out(&LabelSet::any(), keys.map(|(key, _)| key)),
        peer: EVERY_POD.clone(),
        ports: PortSet::all(),
    };
    let parts = all_uncovered(&whole, &covers, budget)?;
    Ok(parts
        .iter()
        .flat_map(|part| everything(&part.subject))
        .collect())
}
