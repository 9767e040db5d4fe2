//! OBP303: a declaration opens the Raft port to peers that are not pods of the cluster: by number, a range, a
//! missing port list, a port name that can mean it, or a tunnel port, from which a mesh's proxy in the pod
//! forwards to it.

use super::{Declaration, DeclaredRule};
use crate::baseline::{Zone, selector};
use crate::rules::finding::witness;
use crate::rules::remedy::{ClusterEdit, Rank, Remedy, port_entries};
use crate::rules::{Cause, Finding, Onset};
use netpol::cover::{Budget, Exhausted, uncovered};
use netpol::pod_space::{OtherKeys, PodSpace};
use netpol::port::{PortSet, Protocol};
use netpol::rule::{Peer, PortEntry, Selector};
use netpol::{Direction, LabelSet, PeerSet, Reading, Region};

/// One finding for each declared ingress rule that opens the port. If it was open before, the finding warns.
pub(crate) fn check(declaration: &Declaration<'_>) -> Vec<Finding> {
    match declaration.direction {
        Direction::Ingress => declaration.in_any_mesh(of_ingress),
        Direction::Egress => Vec::new(),
    }
}

fn of_ingress(declaration: &Declaration<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let raft = PortSet::number(Protocol::Tcp, declaration.config.cluster_port);
    let peers = raft_peers(declaration, &raft);
    let own: Vec<&Region> = peers.iter().collect();
    let known = |is_sure| -> Vec<&Region> {
        own.iter()
            .copied()
            .chain(declaration.known(is_sure))
            .collect()
    };
    let known = [known(false), known(true)];
    let counts_before = declaration.counts_before();
    let mut budget = declaration.budget.get();
    for rule in &declaration.after {
        let is_kept = rule.is_kept && counts_before;
        let known = (!is_kept).then_some(&known);
        match exposed(rule, &raft, (&own, known), &mut budget) {
            Ok(Some((onset, piece))) => findings.push(finding(declaration, rule, onset, &piece)),
            Ok(None) => {}
            Err(exhausted) => {
                // The remaining rules would be undecided too.
                findings.push(declaration.undecided(rule.field(""), &exhausted));
                break;
            }
        }
    }
    declaration.budget.set(budget);
    findings
}

fn exposed(
    rule: &DeclaredRule,
    raft: &PortSet,
    (own, known): (&[&Region], Option<&[Vec<&Region>; 2]>),
    budget: &mut Budget,
) -> Result<Option<(Onset, Region)>, Exhausted> {
    let mut old = None;
    for (region, is_sure) in rule.must_first() {
        let ports = region.ports.intersect(raft);
        if ports.is_empty() {
            continue;
        }
        let area = Region {
            ports,
            ..region.clone()
        };
        let Some(piece) = uncovered(&area, own, budget)? else {
            continue;
        };
        let new = match known {
            Some(known) => uncovered(&area, &known[usize::from(is_sure)], budget)?,
            None => None,
        };
        match new {
            Some(new) => return Ok(Some((Onset::Introduced, new))),
            None => old = old.or(Some((Onset::PreExisting, piece))),
        }
    }
    Ok(old)
}

/// The cluster's own pods, which need the port.
fn raft_peers(declaration: &Declaration<'_>, raft: &PortSet) -> Vec<Region> {
    let labels = selector(Zone::Workload, &declaration.object.name).labels;
    let peer = Peer::Pods {
        namespaces: None,
        pods: Some(Selector {
            labels,
            expressions: Vec::new(),
        }),
    };
    let sets = peer
        .sets(&declaration.object.namespace, Reading::Must)
        .into_iter();
    sets.map(|peer: PeerSet| Region {
        subject: LabelSet::any(),
        peer,
        ports: raft.clone(),
    })
    .collect()
}

fn finding(
    declaration: &Declaration<'_>,
    rule: &DeclaredRule,
    onset: Onset,
    piece: &Region,
) -> Finding {
    let port = declaration.config.cluster_port;
    let zone = cluster_zone(declaration);
    let tunnel = tunnel(declaration, rule);
    let (reason, help) = match tunnel {
        Some(tunnel) => by_tunnel(declaration, tunnel),
        None => (
            format!(
                "lets peers other than the pods of {} reach its Raft port {port}",
                declaration.object
            ),
            format!("name the ports that clients need, without {port}"),
        ),
    };
    Finding {
        reason,
        witness: witness(Direction::Ingress, &zone, piece),
        help,
        remedies: without(declaration, rule, tunnel.unwrap_or(port)),
        ..declaration.finding(Cause::RaftPortExposed, onset, rule.field("ports"))
    }
}

/// The tunnel port, if only a tunnel port opens the Raft port in this rule.
fn tunnel(declaration: &Declaration<'_>, rule: &DeclaredRule) -> Option<u16> {
    let raft = PortSet::number(Protocol::Tcp, declaration.config.cluster_port);
    let written = rule.rule.port_set();
    let tunnel = written.tunnel(declaration.tunnels)?;
    written.names_as_all().is_disjoint(&raft).then_some(tunnel)
}

/// Reason and remedy of a finding about a tunnel port.
fn by_tunnel(declaration: &Declaration<'_>, tunnel: u16) -> (String, String) {
    let port = declaration.config.cluster_port;
    let reason = format!(
        "opens tunnel port {tunnel} (setting `review.tunnelPorts`): in a service mesh the proxy in the pods of {} \
         forwards it to every TCP port, Raft port {port} included",
        declaration.object
    );
    let help = format!(
        "leave out {tunnel}; the platform team permits a mesh's peers in `review.platform`, or removes {tunnel} from \
         `review.tunnelPorts` if there is no mesh"
    );
    (reason, help)
}

/// The written ports without one of them; where none are named, the API port.
fn without(declaration: &Declaration<'_>, rule: &DeclaredRule, port: u16) -> Vec<Remedy> {
    let api = || vec![PortEntry::tcp(declaration.config.api_port)];
    let written = rule.rule.port_set();
    let left = written.minus(&PortSet::number(Protocol::Tcp, port));
    let is_listed = !rule.rule.ports.is_empty() && !rule.rule.names_ports();
    let left = port_entries(&left).filter(|_| is_listed);
    let lists = left.into_iter().chain([api()]);
    let action = format!("open the ports that clients need, without {port}");
    lists
        .map(|ports| {
            let edit = ClusterEdit::Ports(rule.at, ports);
            declaration.remedy(Rank::NarrowPorts, action.clone(), edit)
        })
        .collect()
}

/// A zone with only the cluster label, for example connections of declarations.
pub(super) fn cluster_zone(declaration: &Declaration<'_>) -> PodSpace {
    let known = selector(Zone::Workload, &declaration.object.name)
        .labels
        .into_iter();
    let values = known.map(|(key, value)| (key, netpol::label::Values::one_of([value])));
    PodSpace::new(values, Vec::new(), OtherKeys::Absent)
}
