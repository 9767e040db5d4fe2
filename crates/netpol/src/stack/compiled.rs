//! An ordered policy as regions, for any pods. They are computed once and shared by all pod spaces.
//!
//! A rule becomes a list of clauses. A clause that is not certain has the [`Difference`] on which it
//! depends. Uncertain clauses follow the certain ones of their rule. The tables of pods, addresses, names
//! and numbers are:
//!
//! | rule | certain | possible |
//! | --- | --- | --- |
//! | Accept by pods | the pods | |
//! | Deny, Pass by pods | the pods | pod addresses, unless addresses are no pods |
//! | Accept by networks | the addresses; all pods, if the networks contain all pod addresses | |
//! | Deny, Pass by networks | the same | all pods, if the networks contain a pod address |
//! | nodes, domain names | | all addresses; for nodes in v1alpha1, all pods |
//! | Accept by port name | the name | all ports in v1alpha1 |
//! | Deny, Pass by port name | the name | all ports |
//! | Accept by numbers | the numbers | all TCP ports on ingress, if a tunnel port is one of them |
//! | Deny, Pass by numbers | the numbers | all names of the protocol |
//! | Accept with an unknown field | what is known | everything in place of the field |
//! | Deny with an unknown field | what is known | Deny of everything |
//! | Pass with an unknown field | | what may be meant; Deny of everything |

use std::sync::OnceLock;

use super::widest::widest;
use crate::address::{AddressSet, V4Set, V6Set};
use crate::port::{PortSet, Protocol};
use crate::tier::{
    Action, Subject, Tier, TierPeer, TierPolicy, TierPort, TierRule, TierSelector, TierSettings,
};
use crate::{Difference, Direction, LabelSet, PeerSet};

/// A part of a rule, without its subject.
#[derive(Clone, Debug)]
pub(super) struct Clause {
    /// Index of the rule.
    pub(super) rule: usize,
    pub(super) action: Action,
    /// The reason that the clause may not match; `None` if it is certain.
    pub(super) only_if: Option<Difference>,
    /// True if the clause is about pods that may be at these addresses.
    pub(super) is_about_pods: bool,
    pub(super) peer: PeerSet,
    pub(super) ports: PortSet,
}

/// A label selector as a set, and whether all implementations read it so.
#[derive(Clone, Debug)]
pub(super) struct SelectorSet {
    pub(super) labels: LabelSet,
    pub(super) is_valid: bool,
}

impl SelectorSet {
    fn of(selector: &TierSelector) -> Option<Self> {
        Some(Self {
            labels: selector.widest().label_set()?,
            is_valid: selector.is_valid(),
        })
    }

    fn any() -> Self {
        Self {
            labels: LabelSet::any(),
            is_valid: true,
        }
    }
}

/// An ordered policy as regions, for any pods.
#[derive(Clone, Debug)]
pub struct CompiledPolicy {
    pub(super) position: (Tier, u32),
    /// Selected namespaces and pods; `None` if nothing can be selected.
    pub(super) subject: Option<(SelectorSet, SelectorSet)>,
    pub(super) clauses: [Vec<Clause>; 2],
    /// Indexes of the clauses that no other one contains, computed when first needed.
    widest: [OnceLock<Vec<usize>>; 2],
}

impl CompiledPolicy {
    /// The regions of a policy.
    pub fn of(policy: &TierPolicy, settings: &TierSettings) -> Self {
        let subject = match &policy.subject {
            Subject::Namespaces(namespaces) => {
                SelectorSet::of(namespaces).zip(Some(SelectorSet::any()))
            }
            Subject::Pods { namespaces, pods } => {
                SelectorSet::of(namespaces).zip(SelectorSet::of(pods))
            }
        };
        let pods = AddressSet::of_all(settings.pod_addresses.iter().copied());
        let clauses = Direction::ALL.map(|direction| {
            let compiler = Compiler {
                policy,
                direction,
                tunnels: &settings.tunnels,
                pods: &pods,
            };
            let rules = policy.rules(direction).iter().enumerate();
            rules
                .flat_map(|(number, rule)| compiler.rule(number, rule))
                .collect()
        });
        Self {
            position: policy.position(),
            subject,
            clauses,
            widest: [OnceLock::new(), OnceLock::new()],
        }
    }

    /// The clauses that no other one contains.
    pub(super) fn widest(&self, direction: Direction) -> impl Iterator<Item = &Clause> {
        let clauses = &self.clauses[direction as usize];
        let indexes = self.widest[direction as usize].get_or_init(|| widest(clauses));
        indexes.iter().map(|at| &clauses[*at])
    }

    /// Number of regions, by direction in the order of [`Direction::ALL`].
    pub fn sizes(&self) -> [usize; 2] {
        [self.clauses[0].len(), self.clauses[1].len()]
    }
}

/// Peers of a rule, all together.
#[derive(Default)]
struct Peers {
    pods: Vec<PeerSet>,
    /// Pods that only invalid selectors select.
    invalid: Vec<PeerSet>,
    must: AddressSet,
    may: AddressSet,
    has_nodes: bool,
    has_names: bool,
    has_unknown: bool,
}

impl Peers {
    fn of(rule: &TierRule, direction: Direction) -> Self {
        let mut all = Self::default();
        let (mut blocks, mut is_ambiguous) = (Vec::new(), false);
        for peer in &rule.peers {
            match peer.on(direction) {
                TierPeer::Namespaces(namespaces) => all.add_pods(namespaces, None),
                TierPeer::Pods { namespaces, pods } => all.add_pods(namespaces, Some(pods)),
                TierPeer::Networks(written) => {
                    for block in written {
                        blocks.extend(block.canonical());
                        is_ambiguous |= block.canonical().is_none();
                    }
                }
                TierPeer::Nodes(nodes) => {
                    all.has_nodes |= nodes.widest().label_set().is_some();
                }
                TierPeer::DomainNames(names) => all.has_names |= !names.is_empty(),
                TierPeer::Unknown => all.has_unknown = true,
            }
        }
        all.must = AddressSet::of_all(blocks);
        all.may = if is_ambiguous {
            AddressSet::all()
        } else {
            all.must.clone()
        };
        all
    }

    fn add_pods(&mut self, namespaces: &TierSelector, pods: Option<&TierSelector>) {
        let is_valid = namespaces.is_valid() && pods.is_none_or(TierSelector::is_valid);
        let any = || Some(LabelSet::any());
        let labels = pods.map_or_else(any, |pods| pods.widest().label_set());
        let both = namespaces.widest().label_set().zip(labels);
        let set = both.and_then(|(namespaces, pods)| PeerSet::pods(namespaces, pods));
        if is_valid {
            self.pods.extend(set);
        } else {
            self.invalid.extend(set);
        }
    }
}

/// Ports of a rule.
struct Ports {
    must: PortSet,
    may: PortSet,
    reason: Difference,
}

impl Ports {
    fn of(rule: &TierRule, compiler: &Compiler<'_>) -> Self {
        if rule.ports.is_empty() {
            return Self {
                must: PortSet::all(),
                may: PortSet::all(),
                reason: Difference::UndeclaredPortName,
            };
        }
        let (mut numbers, mut names) = (Vec::new(), Vec::new());
        for entry in &rule.ports {
            match entry {
                TierPort::Numbers {
                    protocol,
                    first,
                    last,
                } if first <= last => {
                    numbers.push(PortSet::range(*protocol, *first, *last));
                }
                TierPort::Named(name) => {
                    names.extend(Protocol::ALL.map(|own| PortSet::name(own, name.clone())));
                }
                TierPort::Numbers { .. } | TierPort::Unknown => {}
            }
        }
        let [numbers, names] = [numbers, names].map(PortSet::union_of);
        let must = numbers.union(&names);
        let is_accept = rule.action == Action::Accept;
        let is_unknown = rule.ports.contains(&TierPort::Unknown);
        let is_by_pod = !names.is_empty() && (!is_accept || compiler.policy.kind.is_v1alpha1());
        let is_tunnel = is_accept
            && compiler.direction == Direction::Ingress
            && numbers.tunnel(compiler.tunnels).is_some();
        let may = if is_unknown || is_by_pod {
            PortSet::all()
        } else if is_tunnel {
            must.with_tunnels(compiler.tunnels)
        } else if is_accept {
            must.clone()
        } else {
            must.with_possible_names()
        };
        let reason = if is_unknown {
            Difference::UnknownField
        } else if is_tunnel && !is_by_pod {
            Difference::TunnelPort
        } else {
            Difference::UndeclaredPortName
        };
        Self { must, may, reason }
    }
}

/// Context of a rule.
struct Compiler<'a> {
    policy: &'a TierPolicy,
    direction: Direction,
    tunnels: &'a [u16],
    /// Addresses of pods.
    pods: &'a AddressSet,
}

fn every_pod() -> PeerSet {
    PeerSet::Pods {
        namespaces: LabelSet::any(),
        pods: LabelSet::any(),
    }
}

/// The addresses as peers.
fn peers_at(set: &AddressSet) -> impl Iterator<Item = PeerSet> + use<> {
    let (v4, v6): (V4Set, V6Set) = (set.v4.clone(), set.v6.clone());
    PeerSet::v4(v4).into_iter().chain(PeerSet::v6(v6))
}

impl Compiler<'_> {
    fn rule(&self, number: usize, rule: &TierRule) -> Vec<Clause> {
        let (peers, ports) = (Peers::of(rule, self.direction), Ports::of(rule, self));
        let fails_closed = rule.fails_closed(self.direction);
        let mut clauses = Vec::new();
        let mut add = |peer, ports: &PortSet, only_if| {
            if !ports.is_empty() {
                clauses.push(Clause {
                    rule: number,
                    action: rule.action,
                    only_if,
                    is_about_pods: false,
                    peer,
                    ports: ports.clone(),
                });
            }
        };
        let is_accept = rule.action == Action::Accept;
        let has_pods = !(peers.pods.is_empty() && peers.invalid.is_empty());
        let certain =
            (fails_closed && rule.action == Action::Pass).then_some(Difference::UnknownField);
        let by_address = ports.must.without_names();
        peers
            .pods
            .iter()
            .for_each(|peer| add(peer.clone(), &ports.must, certain));
        peers_at(&peers.must).for_each(|peer| add(peer, &by_address, certain));
        let is_every_pod = self.covers_pods(&peers.must);
        if is_every_pod {
            add(every_pod(), &ports.must, certain);
        }
        if ports.may != ports.must {
            let reason = Some(ports.reason);
            peers
                .pods
                .iter()
                .for_each(|peer| add(peer.clone(), &ports.may, reason));
        }
        let invalid = peers.invalid.into_iter();
        invalid.for_each(|peer| add(peer, &ports.may, Some(Difference::InvalidSelector)));
        if peers.may != peers.must {
            let reason = Some(Difference::AmbiguousCidr);
            peers_at(&peers.may).for_each(|peer| add(peer, &ports.may, reason));
        } else if ports.may != by_address {
            peers_at(&peers.must).for_each(|peer| add(peer, &ports.may, Some(ports.reason)));
        }
        let may_be_pods = match rule.action {
            Action::Accept => self.covers_pods(&peers.may),
            Action::Deny | Action::Pass => !peers.may.overlap(self.pods).is_empty(),
        };
        if may_be_pods && !(is_every_pod && ports.may == ports.must) {
            let reason = if is_every_pod {
                ports.reason
            } else if is_accept {
                Difference::AmbiguousCidr
            } else {
                Difference::AddressesOfPods
            };
            add(every_pod(), &ports.may, Some(reason));
        }
        let resolved = Some(Difference::Resolved);
        if peers.has_nodes || peers.has_names {
            peers_at(&AddressSet::all()).for_each(|peer| add(peer, &ports.may, resolved));
        }
        if peers.has_nodes && self.policy.kind.is_v1alpha1() {
            add(every_pod(), &ports.may, resolved);
        }
        let unknown = Some(Difference::UnknownField);
        if peers.has_unknown {
            for peer in PeerSet::everyone() {
                add(peer, &ports.may, unknown);
            }
        }
        if !is_accept && has_pods && !ports.may.is_empty() {
            let about = |peer| Clause {
                rule: number,
                action: rule.action,
                only_if: Some(Difference::AddressesOfPods),
                is_about_pods: true,
                peer,
                ports: ports.may.clone(),
            };
            clauses.extend(peers_at(self.pods).map(about));
        }
        if fails_closed {
            let closed = |peer| Clause {
                rule: number,
                action: Action::Deny,
                only_if: Some(Difference::UnknownField),
                is_about_pods: false,
                peer,
                ports: PortSet::all(),
            };
            clauses.extend(PeerSet::everyone().into_iter().map(closed));
        }
        clauses
    }

    /// Returns true if the addresses contain those of every pod.
    fn covers_pods(&self, addresses: &AddressSet) -> bool {
        !self.pods.is_empty() && self.pods.minus(addresses).is_empty()
    }
}
