//! OBP605: an endpoint that pods connect to, and that their egress does not allow.

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Value, json};

use super::opened::{Opened, Openings};
use crate::baseline::{Peers, Zone};
use crate::config::Baseline;
use crate::inventory::dependencies::DialTarget;
use crate::inventory::endpoint::{Endpoint, Host};
use crate::inventory::{Cluster, Kind, ObjectRef};
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
    let onset = |dial: &DialTarget| Onset::of(old.iter().any(|(known, _)| *known == dial));
    let found = uncovered(now).into_iter();
    found
        .map(|(dial, why)| finding(now, dial, &why, onset(dial)))
        .collect()
}

/// The endpoints that are not covered, with the reason.
fn uncovered(context: DialContext<'_>) -> Vec<(&DialTarget, Why)> {
    let DialContext { openings, pods, .. } = context;
    let Some(opened) = openings.of(pods, Direction::Egress) else {
        return Vec::new();
    };
    let checked = context
        .dial_targets
        .iter()
        .map(|dial| (dial, why(dial, opened, openings.cluster)));
    checked
        .filter_map(|(dial, why)| Some((dial, why?)))
        .collect()
}

/// Reason for which an endpoint is not covered.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Why {
    /// Its text is no endpoint.
    Nowhere(String),
    /// No rule opens it.
    Shut,
    /// The namespace of its Service is open on other ports, and one of them may be the pods' port.
    OtherPorts,
    /// Its port is open to addresses. For some network plugins they include the pods of a Service.
    AddressesOnly,
}

fn why(dial: &DialTarget, opened: &[Opened], cluster: &Cluster) -> Option<Why> {
    let endpoint = match &dial.endpoint {
        Ok(endpoint) => endpoint,
        Err(invalid) => return Some(Why::Nowhere(invalid.to_string())),
    };
    let port = Port::Number(endpoint.port);
    let has_port = |region: &Region| region.ports.contains(dial.protocol, &port);
    let is_covered = match &endpoint.host {
        // Policies do not apply inside a pod.
        Host::Address(address) if address.is_loopback() => true,
        Host::Address(address) => {
            let mut regions = opened.iter().flat_map(|open| &open.regions);
            regions.any(|region| holds(region, *address) && has_port(region))
        }
        Host::Name(_) => addressed(opened).any(has_port),
        Host::Service { name, namespace } => {
            let port = (dial.protocol, endpoint.port);
            return why_service((name, namespace), port, opened, cluster);
        }
    };
    (!is_covered).then_some(Why::Shut)
}

/// The reason for which a Service, given by name and namespace, is not covered.
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

fn finding(now: DialContext<'_>, dial: &DialTarget, why: &Why, onset: Onset) -> Finding {
    let finding = Finding::of(Cause::EndpointNotCovered, onset, now.object, &*dial.path);
    let meta = &now.openings.cluster.meta;
    let cluster = ObjectRef {
        kind: Kind::OpenBaoCluster,
        namespace: Arc::clone(&meta.namespace),
        name: Arc::clone(&meta.name),
    };
    Finding {
        cluster: Some(cluster),
        reason: reason(now.pods, dial, why),
        help: dial.endpoint.as_ref().map_or_else(
            |_| "write a URL, or a host and a port".to_owned(),
            |endpoint| help(endpoint, dial.protocol),
        ),
        ..finding
    }
}

fn reason(pods: Zone, dial: &DialTarget, why: &Why) -> String {
    let who = match pods {
        Zone::Jobs => "jobs",
        Zone::Workload | Zone::Controller => "pods",
    };
    let what = dial.what;
    let (place, port) = dial.endpoint.as_ref().map_or_else(
        |_| (String::new(), 0),
        |endpoint| (endpoint.to_string(), endpoint.port),
    );
    match why {
        Why::Nowhere(problem) => format!("whether {who} reach {what} is not known: {problem}"),
        Why::Shut => format!("no egress rule lets {who} reach {what}, {place}"),
        Why::OtherPorts => format!(
            "egress rules let {who} reach the namespace of {what}, {place}, only on ports other than {port}; this \
             works only if the pods behind the Service listen on one of them"
        ),
        Why::AddressesOnly => format!(
            "no egress rule for pods lets {who} reach {what}, {place}; its port is open to address blocks, which \
             match pods only under some network plugins"
        ),
    }
}

fn help(endpoint: &Endpoint, protocol: Protocol) -> String {
    let (peer, hint) = match &endpoint.host {
        Host::Address(address) => {
            let length = if address.is_ipv4() { 32 } else { 128 };
            (block(&format!("{address}/{length}")), "")
        }
        Host::Service { namespace, .. } => (
            json!({"namespaceSelector": {"matchLabels": {NAMESPACE_NAME: &**namespace}}}),
            " (with the port of its pods if it differs from the Service's)",
        ),
        Host::Name(_) => (block("BLOCK-OF-ITS-ADDRESSES"), ""),
    };
    let ports = json!([{"protocol": protocol.as_str(), "port": endpoint.port}]);
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
