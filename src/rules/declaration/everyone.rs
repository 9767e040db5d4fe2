//! OBP302 and OBP305: a declaration opens ingress to everyone, or egress to all addresses, by one rule or by
//! a union of rules.
//!
//! *Pods*: a rule is open to everyone if it admits a stranger. That is a pod with no labels except those that
//! Kubernetes puts on any pod, in a namespace that no rule names and that has no label except its name. So
//! `{}`, `DoesNotExist` on an unused key, `NotIn` with a dummy value, `Exists kubernetes.io/metadata.name`
//! and two selectors that add up are all open to everyone. A union of rules admits a stranger only if one of
//! the rules does.
//!
//! *Addresses*: all declared blocks that are open on a port are merged first, so splitting a block never
//! helps. No merged block may be wider than /8 (IPv4) or /32 (IPv6), and in total they may not have more
//! addresses than a /6 or a /28. IPv6 addresses that [carry](carried) an IPv4 address count as this address
//! too.

mod width;

use std::collections::BTreeSet;

use super::raft_port::cluster_zone;
use super::{Declaration, DeclaredRule};
use crate::rules::finding::witness;
use crate::rules::remedy::{ClusterEdit, Rank, Remedy, namespace_to_name};
use crate::rules::{Cause, Code, Finding, Onset};
use netpol::address::AddressSet;
use netpol::cover::Exhausted;
use netpol::label::{NAMESPACE_NAME, Values};
use netpol::names::Names;
use netpol::pod_space::matches;
use netpol::port::{Port, PortSet, Protocol};
use netpol::rule::Peer;
use netpol::{Direction, LabelSet, PeerSet, Reading, Region, carried};
use width::{addresses, too_wide, with_carried};

/// Labels that Kubernetes controllers put on ordinary pods. A selector that requires their presence restricts
/// nothing.
const ORDINARY_KEYS: &[&str] = &[
    "apps.kubernetes.io/pod-index",
    "batch.kubernetes.io/*",
    "controller-revision-hash",
    "controller-uid",
    "job-name",
    "pod-template-hash",
    "statefulset.kubernetes.io/pod-name",
    "topology.kubernetes.io/*",
];

/// The codes of both directions.
pub(crate) const CODES: [Code; 2] = [Code::Obp302, Code::Obp305];

/// OBP302: the findings about declared ingress.
pub(crate) fn ingress(declaration: &Declaration<'_>) -> Vec<Finding> {
    match declaration.direction {
        Direction::Ingress => declaration.in_any_mesh(check),
        Direction::Egress => Vec::new(),
    }
}

/// OBP305: the findings about declared egress.
pub(crate) fn egress(declaration: &Declaration<'_>) -> Vec<Finding> {
    match declaration.direction {
        Direction::Ingress => Vec::new(),
        Direction::Egress => check(declaration),
    }
}

/// Findings for rules that admit strangers, and for merged blocks that are too wide.
pub(super) fn check(declaration: &Declaration<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut merged = Vec::new();
    for rule in &declaration.after {
        let strangers: Vec<Region> = rule
            .must_first()
            .filter_map(|(region, _)| stranger(region))
            .collect();
        let mut pieces = strangers.iter();
        let new = pieces.find(|piece| !declaration.is_known(rule, piece));
        if let Some(piece) = new.or(strangers.first()) {
            let onset = Onset::of(new.is_none());
            findings.push(pods_finding(declaration, rule, piece, onset));
        }
        // A new rule that is open to all pods is denied, whatever its addresses.
        if new.is_none() {
            merged.push(rule);
        }
    }
    let wide = match address_finding(declaration, &merged) {
        Ok(wide) => wide,
        Err(exhausted) => {
            findings.push(declaration.undecided("spec.network", &exhausted));
            None
        }
    };
    let says_more = |wide: &Finding| {
        let mut same = findings.iter().filter(|finding| finding.path == wide.path);
        same.all(|finding| wide.onset < finding.onset)
    };
    findings.extend(wide.filter(says_more));
    findings
}

/// The part of a region whose peers are strangers.
fn stranger(region: &Region) -> Option<Region> {
    is_stranger(&region.peer).then(|| region.clone())
}

fn is_stranger(peer: &PeerSet) -> bool {
    match peer {
        PeerSet::Pods { namespaces, pods } => fits_any_namespace(namespaces) && fits_any_pod(pods),
        PeerSet::V4(_) | PeerSet::V6(_) => false,
    }
}

/// Remedies for the peers of a rule: name a namespace, or keep only the acceptable peers, if there are any.
fn name_peers(
    declaration: &Declaration<'_>,
    rule: &DeclaredRule,
    is_fine: impl Fn(&Peer) -> bool,
) -> Vec<Remedy> {
    let peers = rule.rule.peers.iter();
    let fine: Vec<Peer> = peers.filter(|peer| is_fine(peer)).cloned().collect();
    let name = ClusterEdit::Peers(rule.at, vec![namespace_to_name()]);
    let mut all = vec![declaration.remedy(Rank::Name, "name the peers that need it", name)];
    if !fine.is_empty() {
        let fine = ClusterEdit::Peers(rule.at, fine);
        all.push(declaration.remedy(Rank::NarrowPeers, "keep the other peers", fine));
    }
    all
}

/// Returns true if a namespace matches that no rule names and that has no label except its name.
pub(super) fn fits_any_namespace(namespaces: &LabelSet) -> bool {
    namespaces.constrained().all(|(key, values)| match &**key {
        NAMESPACE_NAME => is_open(values),
        _ => values.allows_absent(),
    })
}

/// Returns true if a pod matches that has only labels which Kubernetes puts on any pod.
pub(super) fn fits_any_pod(pods: &LabelSet) -> bool {
    let ordinary = |key: &str| ORDINARY_KEYS.iter().any(|pattern| matches(pattern, key));
    pods.constrained()
        .all(|(key, values)| values.allows_absent() || (ordinary(key) && is_open(values)))
}

/// Returns true if a value matches that is not listed.
fn is_open(values: &Values) -> bool {
    matches!(values.values(), Names::AllBut(_))
}

fn pods_finding(
    declaration: &Declaration<'_>,
    rule: &DeclaredRule,
    piece: &Region,
    onset: Onset,
) -> Finding {
    Finding {
        reason: match declaration.direction {
            Direction::Ingress => format!(
                "opens the pods of {} to everyone: any pod of any namespace",
                declaration.object
            ),
            Direction::Egress => format!(
                "lets the pods of {} reach everything: any pod of any namespace",
                declaration.object
            ),
        },
        witness: witness(declaration.direction, &cluster_zone(declaration), piece),
        help: "name the peers that need it, by namespace or block".to_owned(),
        remedies: name_peers(declaration, rule, |peer| {
            let mut sets = peer
                .sets(&declaration.object.namespace, Reading::May)
                .into_iter();
            sets.all(|set| !is_stranger(&set))
        }),
        ..declaration.finding(cause(declaration), onset, rule.field(""))
    }
}

const fn cause(declaration: &Declaration<'_>) -> Cause {
    match declaration.direction {
        Direction::Ingress => Cause::IngressOpenToEveryone,
        Direction::Egress => Cause::EgressOpenToEverywhere,
    }
}

/// The merged blocks that are too wide: new ones first, and those of every reading before those of some
/// readings.
fn address_finding(
    declaration: &Declaration<'_>,
    rules: &[&DeclaredRule],
) -> Result<Option<Finding>, Exhausted> {
    let may = rules.iter().flat_map(|rule| &rule.regions);
    let sure = if rules.iter().any(|rule| rule.must.is_some()) {
        let must = rules.iter().flat_map(|rule| rule.must());
        merged_finding(declaration, rules, (must, true))?
    } else {
        None
    };
    Ok(match sure {
        Some(sure) if sure.onset == Onset::Introduced => Some(sure),
        sure => {
            let is_sure = rules.iter().all(|rule| rule.must.is_none());
            let possible = merged_finding(declaration, rules, (may, is_sure))?;
            let found = sure.into_iter().chain(possible);
            found.min_by_key(|finding| finding.onset)
        }
    })
}

/// The first port on which these regions are too wide.
fn merged_finding<'a>(
    declaration: &Declaration<'_>,
    rules: &[&DeclaredRule],
    (regions, is_sure): (impl Iterator<Item = &'a Region>, bool),
) -> Result<Option<Finding>, Exhausted> {
    let (open, known) = (Open::of(regions), Open::of(declaration.known(is_sure)));
    let mut old = None;
    let mut seen = BTreeSet::new();
    for (protocol, port) in open.start_points() {
        let blocks = open.on(declaration, protocol, port)?;
        if !seen.insert(blocks.clone()) {
            continue;
        }
        let named = open.merged(declaration, &blocks)?;
        let Some(wide) = too_wide(declaration.config.widths, &with_carried(&named)) else {
            continue;
        };
        let before = known.on(declaration, protocol, port)?;
        let before = known.merged(declaration, &before)?;
        let new = wide.minus(&with_carried(&before));
        let point = (protocol, port);
        if !new.is_empty() {
            let shown = (&named, &new);
            return Ok(wide_finding(
                declaration,
                rules,
                Onset::Introduced,
                point,
                shown,
            ));
        }
        old = old.or(Some((point, named, wide)));
    }
    Ok(old.and_then(|(point, named, wide)| {
        wide_finding(
            declaration,
            rules,
            Onset::PreExisting,
            point,
            (&named, &wide),
        )
    }))
}

/// Open addresses, by the ports on which they are open.
struct Open<'a>(Vec<(&'a PortSet, AddressSet)>);

impl<'a> Open<'a> {
    fn of(regions: impl Iterator<Item = &'a Region>) -> Self {
        let mut open: Vec<(&PortSet, Vec<&PeerSet>)> = Vec::new();
        for region in regions.filter(|region| !matches!(region.peer, PeerSet::Pods { .. })) {
            match open.last_mut() {
                Some((ports, peers)) if **ports == region.ports => peers.push(&region.peer),
                _ => open.push((&region.ports, vec![&region.peer])),
            }
        }
        let open = open.into_iter();
        Self(
            open.map(|(ports, peers)| (ports, addresses(&peers)))
                .collect(),
        )
    }

    /// Ports at which the set of open rules can grow: every set of rules that are open together on some port
    /// is open together on one of these.
    fn start_points(&self) -> Vec<(Protocol, u16)> {
        let mut points = Vec::new();
        for (ports, _) in &self.0 {
            for protocol in Protocol::ALL {
                let ranges = ports.ports(protocol).numbers().ranges();
                points.extend(ranges.map(|range| (protocol, *range.start())));
            }
        }
        points.sort_unstable();
        points.dedup();
        points
    }

    /// The rules that are open on a port.
    fn on(
        &self,
        declaration: &Declaration<'_>,
        protocol: Protocol,
        port: u16,
    ) -> Result<Vec<usize>, Exhausted> {
        if !declaration.spend(self.0.len()) {
            return Err(Exhausted::default());
        }
        let port = Port::Number(port);
        let all = self.0.iter().enumerate();
        let open = all.filter(|(_, (ports, _))| ports.contains(protocol, &port));
        Ok(open.map(|(at, _)| at).collect())
    }

    /// The merged addresses of some of them.
    fn merged(
        &self,
        declaration: &Declaration<'_>,
        some: &[usize],
    ) -> Result<AddressSet, Exhausted> {
        let some = || some.iter().filter_map(|at| Some(&self.0.get(*at)?.1));
        let ranges = |set: &AddressSet| set.v4.ranges_len() + set.v6.ranges_len();
        if !declaration.spend(some().map(ranges).sum::<usize>()) {
            return Err(Exhausted::default());
        }
        Ok(AddressSet {
            v4: some().flat_map(|set| set.v4.ranges()).collect(),
            v6: some().flat_map(|set| set.v6.ranges()).collect(),
        })
    }
}

/// `open` are the addresses as declared, `shown` the excess.
fn wide_finding(
    declaration: &Declaration<'_>,
    rules: &[&DeclaredRule],
    onset: Onset,
    (protocol, port): (Protocol, u16),
    (open, shown): (&AddressSet, &AddressSet),
) -> Option<Finding> {
    let widths = &declaration.config.widths;
    let named = open.overlap(shown);
    let by_name = PeerSet::v4(named.v4).or_else(|| PeerSet::v6(named.v6));
    let note = if by_name.is_none() {
        "; an IPv6 address that embeds an IPv4 address counts as that IPv4 address"
    } else {
        ""
    };
    let carrier = || carried::carrier(&open.v6, &shown.v4);
    let region = Region {
        subject: LabelSet::any(),
        peer: by_name.or_else(|| PeerSet::v6(carrier().into_iter().collect()))?,
        ports: PortSet::number(protocol, port),
    };
    let contributes = |rule: &&&DeclaredRule| {
        let mut regions = rule.regions.iter();
        regions.any(|open| !open.ports.is_disjoint(&region.ports) && is_among(open, shown))
    };
    let wide: Vec<&&DeclaredRule> = rules.iter().filter(contributes).collect();
    let paths: Vec<&str> = wide.iter().map(|rule| rule.path.as_str()).collect();
    let location = wide.first().map(|rule| rule.field(""));
    Some(Finding {
        reason: format!(
            "opens the pods of {} to too many addresses: the blocks of {} merge to more than the limit (a block wider \
             than /{} or /{}, or more than a /{} or a /{} in all){note}",
            declaration.object,
            paths.join(", "),
            widths.block_v4,
            widths.block_v6,
            widths.total_v4,
            widths.total_v6
        ),
        witness: witness(declaration.direction, &cluster_zone(declaration), &region),
        help: "name the addresses that need it".to_owned(),
        remedies: match wide[..] {
            [rule] => name_peers(declaration, rule, |peer: &Peer| {
                let sets = peer
                    .sets(&declaration.object.namespace, Reading::May)
                    .into_iter();
                sets.map(|peer| Region {
                    peer,
                    ..region.clone()
                })
                .all(|part| !is_among(&part, shown))
            }),
            _ => Vec::new(),
        },
        ..declaration.finding(
            cause(declaration),
            onset,
            location.unwrap_or_else(|| "spec.network".into()),
        )
    })
}

/// Returns true if a region has one of these addresses, directly or carried.
fn is_among(region: &Region, addresses: &AddressSet) -> bool {
    match &region.peer {
        PeerSet::V4(own) => !own.is_disjoint(&addresses.v4),
        PeerSet::V6(own) => {
            !own.is_disjoint(&addresses.v6) || !carried::of(own).is_disjoint(&addresses.v4)
        }
        PeerSet::Pods { .. } => false,
    }
}
