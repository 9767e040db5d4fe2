//! The rules of ClusterNetworkPolicy, AdminNetworkPolicy and BaselineAdminNetworkPolicy, for decisions about them.
//!
//! Invalid parts, and those of newer versions, are kept as an invalid selector, an unknown peer or port.

mod limits;
mod selector;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use netpol::Direction;
use netpol::port::Protocol;
use netpol::tier::{Action, PolicyKind, Subject, Tier, TierPeer, TierPolicy, TierPort, TierRule};
use serde::Deserialize;

use selector::selector;

/// The spec of all three kinds.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Spec {
    pub(super) tier: Option<WrittenTier>,
    priority: Option<u16>,
    pub(super) subject: Option<Pods>,
    ingress: Option<Vec<Rule>>,
    egress: Option<Vec<Rule>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum WrittenTier {
    Admin,
    Baseline,
}

#[derive(Clone, Copy, Deserialize)]
enum WrittenAction {
    #[serde(alias = "Allow")]
    Accept,
    Deny,
    Pass,
}

#[derive(Deserialize)]
struct Rule {
    #[serde(default)]
    name: Option<String>,
    action: WrittenAction,
    #[serde(default)]
    from: Option<Vec<Peer>>,
    #[serde(default)]
    to: Option<Vec<Peer>>,
    #[serde(default)]
    protocols: Option<Vec<ProtocolEntry>>,
    #[serde(default)]
    ports: Option<Vec<PortEntry>>,
}

/// Pods: exactly one of both fields.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Pods {
    pub(super) namespaces: Option<LabelSelector>,
    pub(super) pods: Option<NamespacedPods>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct NamespacedPods {
    pub(super) namespace_selector: Option<LabelSelector>,
    pub(super) pod_selector: Option<LabelSelector>,
}

/// A peer: exactly one field.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Peer {
    namespaces: Option<LabelSelector>,
    pods: Option<NamespacedPods>,
    nodes: Option<LabelSelector>,
    networks: Option<Vec<String>>,
    domain_names: Option<Vec<String>>,
}

/// Ports of a ClusterNetworkPolicy: exactly one field.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ProtocolEntry {
    tcp: Option<OfProtocol>,
    udp: Option<OfProtocol>,
    sctp: Option<OfProtocol>,
    destination_named_port: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct OfProtocol {
    destination_port: Option<Numbers>,
}

/// One number or a range.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Numbers {
    number: Option<u16>,
    range: Option<Range>,
}

#[derive(Clone, Copy, Deserialize)]
struct Range {
    start: u16,
    end: u16,
}

/// Ports of v1alpha1: exactly one field.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PortEntry {
    port_number: Option<PortNumber>,
    port_range: Option<ProtocolRange>,
    named_port: Option<String>,
}

#[derive(Deserialize)]
struct PortNumber {
    #[serde(default)]
    protocol: Option<WrittenProtocol>,
    port: u16,
}

#[derive(Deserialize)]
struct ProtocolRange {
    #[serde(default)]
    protocol: Option<WrittenProtocol>,
    start: u16,
    end: u16,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum WrittenProtocol {
    Tcp,
    Udp,
    Sctp,
}

impl From<WrittenProtocol> for Protocol {
    fn from(written: WrittenProtocol) -> Self {
        match written {
            WrittenProtocol::Tcp => Self::Tcp,
            WrittenProtocol::Udp => Self::Udp,
            WrittenProtocol::Sctp => Self::Sctp,
        }
    }
}

impl Spec {
    /// The policy. `None` if it has no subject that an API server would store: then it is not known what it selects.
    pub(super) fn policy(&self, kind: PolicyKind, name: &str) -> Option<TierPolicy> {
        let tier = match (kind, self.tier) {
            (PolicyKind::ClusterNetworkPolicy, None) => return None,
            (PolicyKind::BaselineAdminNetworkPolicy, _)
            | (PolicyKind::ClusterNetworkPolicy, Some(WrittenTier::Baseline)) => Tier::Baseline,
            _ => Tier::Admin,
        };
        let subject = match self.subject.as_ref()? {
            Pods {
                namespaces: Some(namespaces),
                pods: None,
            } => Subject::Namespaces(selector(namespaces)),
            Pods {
                namespaces: None,
                pods: Some(pods),
            } => Subject::Pods {
                namespaces: selector(pods.namespace_selector.as_ref()?),
                pods: selector(pods.pod_selector.as_ref()?),
            },
            _ => return None,
        };
        let rules = |written: &Option<Vec<Rule>>, direction| {
            let written = written.iter().flatten();
            written.map(|rule| rule.read(direction)).collect()
        };
        Some(TierPolicy {
            name: name.into(),
            kind,
            tier,
            priority: self.priority,
            subject,
            ingress: rules(&self.ingress, Direction::Ingress),
            egress: rules(&self.egress, Direction::Egress),
        })
    }
}

impl Rule {
    fn read(&self, direction: Direction) -> TierRule {
        let peers = match direction {
            Direction::Ingress => &self.from,
            Direction::Egress => &self.to,
        };
        let protocols = self.protocols.iter().flatten().map(ProtocolEntry::read);
        let ports = self.ports.iter().flatten().map(PortEntry::read);
        TierRule {
            name: self.name.as_deref().unwrap_or_default().into(),
            action: match self.action {
                WrittenAction::Accept => Action::Accept,
                WrittenAction::Deny => Action::Deny,
                WrittenAction::Pass => Action::Pass,
            },
            peers: peers.iter().flatten().map(Peer::read).collect(),
            ports: protocols.chain(ports).collect(),
        }
    }
}

impl Peer {
    fn read(&self) -> TierPeer {
        match self {
            Self {
                namespaces: Some(namespaces),
                pods: None,
                nodes: None,
                networks: None,
                domain_names: None,
            } => TierPeer::Namespaces(selector(namespaces)),
            Self {
                namespaces: None,
                pods: Some(pods),
                nodes: None,
                networks: None,
                domain_names: None,
            } => pods.peer().unwrap_or(TierPeer::Unknown),
            Self {
                namespaces: None,
                pods: None,
                nodes: Some(nodes),
                networks: None,
                domain_names: None,
            } => TierPeer::Nodes(selector(nodes)),
            Self {
                namespaces: None,
                pods: None,
                nodes: None,
                networks: Some(networks),
                domain_names: None,
            } => {
                let blocks = networks.iter().map(|text| text.parse());
                let blocks: Result<Vec<_>, _> = blocks.collect();
                blocks.map_or(TierPeer::Unknown, TierPeer::Networks)
            }
            Self {
                namespaces: None,
                pods: None,
                nodes: None,
                networks: None,
                domain_names: Some(names),
            } => TierPeer::DomainNames(names.iter().map(|name| name.as_str().into()).collect()),
            _ => TierPeer::Unknown,
        }
    }
}

impl NamespacedPods {
    fn peer(&self) -> Option<TierPeer> {
        Some(TierPeer::Pods {
            namespaces: selector(self.namespace_selector.as_ref()?),
            pods: selector(self.pod_selector.as_ref()?),
        })
    }
}

impl ProtocolEntry {
    fn read(&self) -> TierPort {
        let numbers = match self {
            Self {
                tcp: Some(ports),
                udp: None,
                sctp: None,
                destination_named_port: None,
            } => ports.read(Protocol::Tcp),
            Self {
                tcp: None,
                udp: Some(ports),
                sctp: None,
                destination_named_port: None,
            } => ports.read(Protocol::Udp),
            Self {
                tcp: None,
                udp: None,
                sctp: Some(ports),
                destination_named_port: None,
            } => ports.read(Protocol::Sctp),
            Self {
                tcp: None,
                udp: None,
                sctp: None,
                destination_named_port: Some(name),
            } => Some(TierPort::Named(name.as_str().into())),
            _ => None,
        };
        numbers.unwrap_or(TierPort::Unknown)
    }
}

impl OfProtocol {
    fn read(&self, protocol: Protocol) -> Option<TierPort> {
        let (first, last) = match self.destination_port.as_ref()? {
            Numbers {
                number: Some(number),
                range: None,
            } => (*number, *number),
            Numbers {
                number: None,
                range: Some(range),
            } => (range.start, range.end),
            _ => return None,
        };
        Some(TierPort::Numbers {
            protocol,
            first,
            last,
        })
    }
}

impl PortEntry {
    fn read(&self) -> TierPort {
        // The CRD fills in TCP.
        let protocol =
            |written: &Option<WrittenProtocol>| written.map_or(Protocol::Tcp, Into::into);
        match self {
            Self {
                port_number: Some(one),
                port_range: None,
                named_port: None,
            } => TierPort::Numbers {
                protocol: protocol(&one.protocol),
                first: one.port,
                last: one.port,
            },
            Self {
                port_number: None,
                port_range: Some(range),
                named_port: None,
            } => TierPort::Numbers {
                protocol: protocol(&range.protocol),
                first: range.start,
                last: range.end,
            },
            Self {
                port_number: None,
                port_range: None,
                named_port: Some(name),
            } => TierPort::Named(name.as_str().into()),
            _ => TierPort::Unknown,
        }
    }
}
