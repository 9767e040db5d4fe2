//! OBP303: a declaration lets others than the cluster's own pods reach the Raft port: by number, in
//! a range, by a missing port list, by a port name that may come to mean it, or by a tunnel port, from
//! which a service mesh's proxy in the pod forwards to it.

use super::{Declaration, DeclaredRule};
use crate::baseline::{Pods, selector};
use crate::rules::finding::witness;
use crate::rules::{Code, Finding, Level};
use netpol::cover::{Budget, Exhausted, uncovered};
use netpol::port::{PortSet, Protocol};
use netpol::rule::{Peer, Selector};
use netpol::zone::{OtherKeys, Zone};
use netpol::{Direction, LabelSet, PeerSet, Reading, Region};

/// One finding for each declared rule that exposes the port; what was exposed before warns.
pub fn check(declaration: &Declaration<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let raft = PortSet::number(Protocol::Tcp, declaration.config.cluster_port);
    let peers = raft_peers(declaration, &raft);
    let own: Vec<&Region> = peers.iter().collect();
    let known: Vec<&Region> = own.iter().copied().chain(declaration.known()).collect();
    let counts_before = declaration.counts_before();
    let mut budget = declaration.budget.get();
    for rule in &declaration.after {
        let is_kept = rule.is_kept && counts_before;
        let known = if is_kept { None } else { Some(&known[..]) };
        match exposed(rule, &raft, (&own, known), &mut budget) {
            Ok(Some((level, piece))) => findings.push(finding(declaration, rule, level, &piece)),
            Ok(None) => {}
            Err(exhausted) => {
                // Nothing is left for the rules after it either.
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
    (own, known): (&[&Region], Option<&[&Region]>),
    budget: &mut Budget,
) -> Result<Option<(Level, Region)>, Exhausted> {
    let mut old = None;
    for region in rule.must_first() {
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
            Some(known) => uncovered(&area, known, budget)?,
            None => None,
        };
        match new {
            Some(new) => return Ok(Some((Level::Deny, new))),
            None => old = old.or(Some((Level::Warn, piece))),
        }
    }
    Ok(old)
}

/// The cluster's own pods, which need the port.
fn raft_peers(declaration: &Declaration<'_>, raft: &PortSet) -> Vec<Region> {
    let labels = selector(Pods::Workload, &declaration.object.name).labels;
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
    level: Level,
    piece: &Region,
) -> Finding {
    let port = declaration.config.cluster_port;
    let zone = cluster_zone(declaration);
    let (reason, help) = match tunnel(declaration, rule) {
        Some(tunnel) => by_tunnel(declaration, tunnel),
        None => (
            format!(
                "lets others than the pods of {} reach its Raft port {port}",
                declaration.object
            ),
            format!(
                "name the ports that clients need, without {port}:\n{}",
                ports(declaration)
            ),
        ),
    };
    Finding {
        reason,
        witness: witness(Direction::Ingress, &zone, piece),
        help,
        ..declaration.finding(Code::Obp303, level, rule.field("ports"))
    }
}

/// The tunnel port by which alone a rule exposes the Raft port.
fn tunnel(declaration: &Declaration<'_>, rule: &DeclaredRule) -> Option<u16> {
    let raft = PortSet::number(Protocol::Tcp, declaration.config.cluster_port);
    let written = rule.rule.port_set();
    let tunnel = written.tunnel(declaration.tunnels)?;
    written.names_as_all().is_disjoint(&raft).then_some(tunnel)
}

/// Reason and help of a finding about a tunnel port.
fn by_tunnel(declaration: &Declaration<'_>, tunnel: u16) -> (String, String) {
    let port = declaration.config.cluster_port;
    let reason = format!(
        "opens tunnel port {tunnel} (setting `review.tunnelPorts`): in a service mesh the proxy in the pods of {} \
         forwards it to every TCP port, Raft port {port} included",
        declaration.object
    );
    let help = format!(
        "name the ports that clients need, without {tunnel}; where the mesh needs it, ask the platform's owner to permit \
         the mesh's peers in the setting `review.platform`, or, where there is no mesh, to take {tunnel} out of \
         `review.tunnelPorts`:\n{}",
        ports(declaration)
    );
    (reason, help)
}

/// The ports that clients need, to be pasted.
fn ports(declaration: &Declaration<'_>) -> String {
    let api = declaration.config.api_port;
    format!("ports:\n- protocol: TCP\n  port: {api}")
}

/// A zone of the one label that tells the cluster, for witnesses of declarations.
pub(super) fn cluster_zone(declaration: &Declaration<'_>) -> Zone {
    let known = selector(Pods::Workload, &declaration.object.name)
        .labels
        .into_iter();
    let values = known.map(|(key, value)| (key, netpol::label::Values::one_of([value])));
    Zone::new(values, Vec::new(), OtherKeys::Absent)
}
