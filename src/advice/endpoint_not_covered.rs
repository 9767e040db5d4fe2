//! OBP605: an endpoint that pods connect to, and that their egress does not allow. A Service is compared with the ports
//! and addresses behind it where they are known, as most network plugins do.

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Value, json};

use super::opened::{Opened, Openings};
use crate::baseline::{Peers, Zone};
use crate::config::Baseline;
use crate::inventory::dependencies::DialTarget;
use crate::inventory::endpoint::{Endpoint, Host};
use crate::inventory::service::{self, DNS, Translated};
use crate::inventory::{Cluster, Kind, ObjectRef, Services};
use crate::rules::paste::yaml;
use crate::rules::{Cause, Finding, Onset};
use netpol::label::NAMESPACE_NAME;
use netpol::port::{Port, Protocol};
use netpol::{Direction, PeerSet, Region};

/// The Service of the API server, which core rows open.
const API_SERVER: (&str, &str) = ("kubernetes", "default");

/// Suffixes of the cluster's own Services.
const OWN_SERVICES: [&str; 4] = ["", "-public", "-acme", "-read"];

/// Pods that connect, the perimeter for their egress, and the object that names the endpoints.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DialContext<'a> {
    /// The object that names the endpoints.
    pub(crate) object: &'a ObjectRef,
    /// The pods that connect.
    pub(crate) pods: Zone,
    /// Rules opened for the cluster whose egress they have.
    pub(crate) openings: &'a Openings<'a>,
    /// Services that they connect to.
    pub(crate) dial_targets: &'a [DialTarget],
}

/// Findings for all endpoints that are not covered. Those that `before` did not cover either are known.
pub(crate) fn check(now: DialContext<'_>, before: Option<DialContext<'_>>) -> Vec<Finding> {
    let old = before.map_or_else(Vec::new, uncovered);
    let onset = |dial: &DialTarget| Onset::of(old.iter().any(|(known, _)| known == dial));
    let found = uncovered(now);
    found
        .iter()
        .map(|(dial, gap)| finding(now, dial, gap, onset(dial)))
        .collect()
}

/// The endpoints that are not covered, with the reason.
fn uncovered(context: DialContext<'_>) -> Vec<(DialTarget, Gap)> {
    let DialContext { openings, pods, .. } = context;
    let Some(opened) = openings.of(pods, Direction::Egress) else {
        return Vec::new();
    };
    let (_, _, services) = openings.known;
    let gap = |dial: &DialTarget| gap(dial, opened, openings.cluster, services);
    let declared = context.dial_targets.iter().cloned();
    let declared = declared.filter_map(|dial| gap(&dial).map(|gap| (dial, gap)));
    // Core rows open these to all pods alike, as if nothing were translated.
    let own = match pods {
        Zone::Workload => service::of_every_server(openings.cluster),
        Zone::Jobs | Zone::Controller => Vec::new(),
    };
    let own = own.into_iter().filter_map(|dial| {
        let gap = gap(&dial).filter(|gap| gap.target.is_some())?;
        Some((dial, gap))
    });
    let mut found: Vec<_> = declared.chain(own).collect();
    // One protocol of DNS is enough.
    found.dedup_by(|next, first| next.0.what == DNS && first.0.what == DNS);
    found
}

/// An endpoint that is not covered.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Gap {
    why: Why,
    /// The port behind the Service, and its address if it is no pod's, where they are known.
    target: Option<(Option<IpAddr>, u16)>,
}

/// Reason for which an endpoint is not covered.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Why {
    /// Its text is no endpoint.
    Nowhere(String),
    /// No rule opens it.
    Shut,
    /// The namespace of its Service is open on other ports, and if the pods' port is unknown, it may be one of them.
    OtherPorts,
    /// Its port is open to addresses. For some network plugins they include the pods of a Service.
    AddressesOnly,
}

fn gap(
    dial: &DialTarget,
    opened: &[Opened],
    cluster: &Cluster,
    services: &Services,
) -> Option<Gap> {
    let untranslated = |why| Gap { why, target: None };
    let endpoint = match &dial.endpoint {
        Ok(endpoint) => endpoint,
        Err(invalid) => return Some(untranslated(Why::Nowhere(invalid.to_string()))),
    };
    let (protocol, port) = (dial.protocol, endpoint.port);
    let has_port = |region: &Region| region.ports.contains(protocol, &Port::Number(port));
    let is_covered = match &endpoint.host {
        // Policies do not apply inside a pod.
        Host::Address(address) if address.is_loopback() => true,
        Host::Address(address) => is_address_open(opened, *address, (protocol, port)),
        Host::Name(_) => addressed(opened).any(has_port),
        Host::Service { name, namespace } => {
            let service = (&**name, &**namespace);
            match services.translated(service, (protocol, port)) {
                Some(Translated::External) => addressed(opened).any(has_port),
                Some(Translated::Addresses(found)) => {
                    let is_shut = |(address, port): &(IpAddr, u16)| {
                        !is_address_open(opened, *address, (protocol, *port))
                    };
                    let (address, port) = found.into_iter().find(is_shut)?;
                    let target = Some((Some(address), port));
                    return Some(Gap {
                        why: Why::Shut,
                        target,
                    });
                }
                Some(Translated::Pods(ports)) => {
                    return ports.into_iter().find_map(|port| {
                        let why = why_service(service, (protocol, port), opened, cluster)?;
                        let target = Some((None, port));
                        Some(Gap { why, target })
                    });
                }
                None => {
                    let why = why_service(service, (protocol, port), opened, cluster);
                    return why.map(untranslated);
                }
            }
        }
    };
    (!is_covered).then_some(untranslated(Why::Shut))
}

fn is_address_open(opened: &[Opened], address: IpAddr, (protocol, port): (Protocol, u16)) -> bool {
    let mut regions = opened.iter().flat_map(|open| &open.regions);
    regions.any(|region| {
        holds(region, address) && region.ports.contains(protocol, &Port::Number(port))
    })
}

/// The reason for which a Service, given by name and namespace, is not covered on a port of its pods.
fn why_service(
    service: (&str, &str),
    (protocol, port): (Protocol, u16),
    opened: &[Opened],
    cluster: &Cluster,
) -> Option<Why> {
    if service == API_SERVER && opened.iter().any(|open| open.peers == Peers::ApiServer) {
        return None;
    }
    let (_, namespace) = service;
    let port = Port::Number(port);
    let has_port = |region: &Region| region.ports.contains(protocol, &port);
    // The pods define the number of a port name.
    let fits =
        |region: &Region| has_port(region) || !region.ports.ports(protocol).names().is_empty();
    let own = is_own(service, cluster);
    let counts = |open: &&Opened| open.peers != Peers::ClusterPods || own;
    let mut counted = opened.iter().filter(counts).flat_map(|open| &open.regions);
    if counted.any(|region| reaches(region, namespace) && fits(region)) {
        return None;
    }
    let declared = opened.iter().filter(|open| is_declared(open));
    let mut declared = declared.flat_map(|open| &open.regions);
    Some(if declared.any(|region| reaches(region, namespace)) {
        Why::OtherPorts
    } else if addressed(opened).any(has_port) {
        Why::AddressesOnly
    } else {
        Why::Shut
    })
}

const fn is_declared(open: &Opened) -> bool {
    matches!(open.peers, Peers::Declared | Peers::Platform)
}

/// Regions open to arbitrary addresses, without those for the API server and for DNS.
fn addressed(opened: &[Opened]) -> impl Iterator<Item = &Region> {
    let anywhere = opened
        .iter()
        .filter(|open| is_declared(open) || open.peers == Peers::DevelopmentAddresses);
    let regions = anywhere.flat_map(|open| &open.regions);
    regions.filter(|region| match &region.peer {
        PeerSet::Pods { .. } => false,
        // Names do not resolve to loopback or link-local addresses.
        PeerSet::V4(addresses) => addresses
            .first()
            .is_some_and(|first| !first.is_loopback() && !first.is_link_local()),
        PeerSet::V6(addresses) => addresses
            .first()
            .is_some_and(|first| !first.is_loopback() && !first.is_unicast_link_local()),
    })
}

fn holds(region: &Region, address: IpAddr) -> bool {
    match (&region.peer, address) {
        (PeerSet::V4(addresses), IpAddr::V4(address)) => addresses.contains(address),
        (PeerSet::V6(addresses), IpAddr::V6(address)) => addresses.contains(address),
        _ => false,
    }
}

/// Returns true if pods of a namespace are among the peers. Other labels of the namespace and of the pods are
/// unknown, so a rule that requires some counts.
fn reaches(region: &Region, namespace: &str) -> bool {
    match &region.peer {
        PeerSet::Pods { namespaces, .. } => {
            namespaces.values(NAMESPACE_NAME).contains(Some(namespace))
        }
        PeerSet::V4(_) | PeerSet::V6(_) => false,
    }
}

fn is_own((name, namespace): (&str, &str), cluster: &Cluster) -> bool {
    let meta = &cluster.meta;
    let suffix = name.strip_prefix(&*meta.name);
    namespace == &*meta.namespace && suffix.is_some_and(|suffix| OWN_SERVICES.contains(&suffix))
}

fn finding(now: DialContext<'_>, dial: &DialTarget, gap: &Gap, onset: Onset) -> Finding {
    let finding = Finding::of(Cause::EndpointNotCovered, onset, now.object, &*dial.path);
    let meta = &now.openings.cluster.meta;
    let cluster = ObjectRef {
        kind: Kind::OpenBaoCluster,
        namespace: Arc::clone(&meta.namespace),
        name: Arc::clone(&meta.name),
    };
    Finding {
        cluster: Some(cluster),
        reason: reason(now.pods, dial, gap),
        help: dial.endpoint.as_ref().map_or_else(
            |_| "write a URL, or a host and a port".to_owned(),
            |endpoint| help(endpoint, dial, gap.target),
        ),
        ..finding
    }
}

fn reason(pods: Zone, dial: &DialTarget, gap: &Gap) -> String {
    let who = match pods {
        Zone::Jobs => "jobs",
        Zone::Workload | Zone::Controller => "pods",
    };
    let what = dial.what;
    let (place, port) = dial.endpoint.as_ref().map_or_else(
        |_| (String::new(), 0),
        |endpoint| (endpoint.to_string(), endpoint.port),
    );
    let behind = match gap.target {
        Some((Some(address), port)) => {
            let endpoint = std::net::SocketAddr::from((address, port));
            format!(", at its endpoint {endpoint}")
        }
        Some((None, behind)) if behind != port => format!(", on port {behind} of its pods"),
        _ => String::new(),
    };
    match &gap.why {
        Why::Nowhere(problem) => format!("whether {who} reach {what} is not known: {problem}"),
        Why::Shut => format!("no egress rule lets {who} reach {what}, {place}{behind}"),
        Why::OtherPorts if gap.target.is_some() => format!(
            "egress rules let {who} reach the namespace of {what}, {place}, but not{}",
            if behind.is_empty() {
                format!(" on port {port}")
            } else {
                behind[1..].to_owned()
            }
        ),
        Why::OtherPorts => format!(
            "egress rules let {who} reach the namespace of {what}, {place}, only on ports other than {port}; this \
             works only if the pods behind the Service listen on one of them"
        ),
        Why::AddressesOnly => format!(
            "no egress rule for pods lets {who} reach {what}, {place}{behind}; its port is open to address blocks, \
             which match pods only under some network plugins"
        ),
    }
}

fn help(endpoint: &Endpoint, dial: &DialTarget, target: Option<(Option<IpAddr>, u16)>) -> String {
    let host = |address: IpAddr| {
        let length = if address.is_ipv4() { 32 } else { 128 };
        block(&format!("{address}/{length}"))
    };
    let (peer, hint) = match (&endpoint.host, target) {
        (_, Some((Some(address), _))) => (host(address), ""),
        (Host::Address(address), _) => (host(*address), ""),
        (Host::Service { namespace, .. }, _) => (
            json!({"namespaceSelector": {"matchLabels": {NAMESPACE_NAME: &**namespace}}}),
            match target {
                Some(_) => "",
                None => " (with the port of its pods if it differs from the Service's)",
            },
        ),
        (Host::Name(_), _) => (block("BLOCK-OF-ITS-ADDRESSES"), ""),
    };
    let port = target.map_or(endpoint.port, |(_, port)| port);
    let protocols = match dial.what {
        DNS => &[Protocol::Udp, Protocol::Tcp][..],
        _ => &[dial.protocol][..],
    };
    let port = |protocol: &Protocol| json!({"protocol": protocol.as_str(), "port": port});
    let ports: Vec<Value> = protocols.iter().map(port).collect();
    format!(
        "declare it in the cluster under spec.network.egressRules{hint}:\n{}",
        yaml(&json!([{"to": [peer], "ports": ports}]))
    )
}

fn block(cidr: &str) -> Value {
    json!({"ipBlock": {"cidr": cidr}})
}

/// A seal that may be a network service without a declared address, if no egress is declared.
pub(crate) fn seal_without_address(
    object: &ObjectRef,
    after: &Cluster,
    before: Option<&Cluster>,
    baseline: Baseline,
) -> Option<Finding> {
    let seal_without_address = |cluster: &Cluster| {
        let seal = cluster.dependencies.seal_without_address.clone()?;
        let is_shut = cluster.network.egress_rules.is_empty() && cluster.is_rendered(baseline);
        is_shut.then_some(seal)
    };
    let seal = seal_without_address(after)?;
    let path = "spec.unseal.type";
    let onset = Onset::of(before.and_then(seal_without_address).is_some());
    Some(Finding {
        cluster: Some(object.clone()),
        reason: format!(
            "the {seal} seal has no declared address, so whether pods reach it is not known; without egressRules \
             they reach nothing on the network"
        ),
        help: "if it is on the network, declare it under spec.network.egressRules".to_owned(),
        ..Finding::of(Cause::EndpointNotCovered, onset, object, path)
    })
}
