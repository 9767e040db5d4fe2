//! Services and EndpointSlices: the pods or addresses, and the ports, behind the port of a Service. Most network
//! plugins compare policies with these.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use serde_json::Value;

use super::dependencies::DialTarget;
use super::endpoint::{Endpoint, Host};
use super::read::API_SERVER_SERVICE;
use super::{Cluster, Object};
use netpol::port::Protocol;

/// Maximum number of ports that are kept of an object.
const PORTS: usize = 64;
/// Maximum number of addresses that are kept of an EndpointSlice.
const ADDRESSES: usize = 32;
/// Maximum number of EndpointSlices that are kept of a Service.
const SLICES: usize = 16;

/// Name of DNS in messages.
pub(crate) const DNS: &str = "DNS";

/// Label of an EndpointSlice with the name of its Service.
pub(crate) const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// The namespace where DNS is by default.
const DNS_NAMESPACE: &str = "kube-system";
/// Names of the Service of DNS: in most clusters, and in OpenShift.
const DNS_SERVICES: [&str; 2] = ["kube-dns", "dns-default"];

/// Namespace and name.
pub(crate) type Named = (Arc<str>, Arc<str>);

/// A named port.
#[derive(Clone, Debug, PartialEq, Eq)]
struct NamedPort {
    name: Arc<str>,
    protocol: Protocol,
    number: u16,
}

/// The port of the pods.
#[derive(Clone, Debug, PartialEq, Eq)]
enum PodPort {
    Number(u16),
    /// The pods name it. EndpointSlices have its number.
    Named,
}

/// Places to which the name of a Service leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Destination {
    /// The pods that a selector finds.
    Pods,
    /// The pods themselves, without translation.
    Headless,
    /// The endpoints that somebody writes.
    Written,
    /// A name outside of the Kubernetes cluster.
    External,
}

/// A Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Namespace and name.
    pub(crate) named: Named,
    destination: Destination,
    ports: Vec<(NamedPort, PodPort)>,
}

/// An EndpointSlice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointSlice {
    /// Namespace and name.
    pub(crate) named: Named,
    service: Arc<str>,
    has_pods: bool,
    ports: Vec<NamedPort>,
    addresses: Vec<IpAddr>,
}

/// The peers and ports of a connection to a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Translated {
    /// Pods, on one of these ports.
    Pods(BTreeSet<u16>),
    /// One of these addresses.
    Addresses(BTreeSet<(IpAddr, u16)>),
    /// Some address outside of the Kubernetes cluster.
    External,
}

/// The known Services and EndpointSlices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Services {
    services: BTreeMap<Named, Arc<Service>>,
    /// By namespace and name of the Service, and by name.
    slices: BTreeMap<Named, BTreeMap<Arc<str>, Arc<EndpointSlice>>>,
}

impl Service {
    /// A Service from its fields. Malformed ones are left out.
    pub(super) fn read(named: Named, value: &Value) -> Self {
        let spec = &value["spec"];
        let destination = if spec["type"] == "ExternalName" {
            Destination::External
        } else if spec["clusterIP"] == "None" {
            Destination::Headless
        } else if spec["selector"]
            .as_object()
            .is_some_and(|keys| !keys.is_empty())
        {
            Destination::Pods
        } else {
            Destination::Written
        };
        let port = |port: &Value| {
            let own = named_port(port)?;
            let pods = match &port["targetPort"] {
                Value::Null => PodPort::Number(own.number),
                Value::String(_) => PodPort::Named,
                number => PodPort::Number(port_number(number)?),
            };
            Some((own, pods))
        };
        let ports = spec["ports"].as_array().into_iter().flatten();
        Self {
            named,
            destination,
            ports: ports.take(PORTS).filter_map(port).collect(),
        }
    }
}

impl EndpointSlice {
    /// An EndpointSlice from its fields; `None` if it has no Service. Malformed fields are left out.
    pub(super) fn read(named: Named, value: &Value) -> Option<Self> {
        let service = value["metadata"]["labels"][SERVICE_NAME].as_str()?;
        let list = |field: &str| value[field].as_array().into_iter().flatten();
        let is_pod = |endpoint: &Value| endpoint["targetRef"]["kind"] == "Pod";
        let addresses = list("endpoints").flat_map(|endpoint| {
            let addresses = endpoint["addresses"].as_array().into_iter().flatten();
            addresses.filter_map(|address| address.as_str()?.parse::<IpAddr>().ok())
        });
        Some(Self {
            named,
            service: service.into(),
            has_pods: list("endpoints").any(is_pod),
            ports: list("ports").take(PORTS).filter_map(named_port).collect(),
            addresses: addresses
                .take(ADDRESSES)
                .map(|address| address.to_canonical())
                .collect(),
        })
    }
}

fn named_port(value: &Value) -> Option<NamedPort> {
    let protocol = value["protocol"].as_str().unwrap_or("TCP");
    let mut all = Protocol::ALL.into_iter();
    Some(NamedPort {
        name: value["name"].as_str().unwrap_or_default().into(),
        protocol: all.find(|known| known.as_str() == protocol)?,
        number: port_number(&value["port"])?,
    })
}

fn port_number(value: &Value) -> Option<u16> {
    u16::try_from(value.as_u64()?)
        .ok()
        .filter(|number| *number != 0)
}

impl Services {
    /// Adds a Service or an EndpointSlice, or replaces the known one.
    pub(crate) fn set(&mut self, object: Object) {
        match object {
            Object::Service(service) => {
                self.services.insert(service.named.clone(), service);
            }
            Object::EndpointSlice(slice) => self.set_slice(slice),
            _ => {}
        }
    }

    fn set_slice(&mut self, slice: Arc<EndpointSlice>) {
        let (namespace, name) = slice.named.clone();
        let service = (namespace, Arc::clone(&slice.service));
        let known = self.slices.entry(service).or_default();
        if known.contains_key(&name) || known.len() < SLICES {
            known.insert(name, slice);
        }
    }

    fn slices(&self, namespace: &str, service: &str) -> impl Iterator<Item = &EndpointSlice> {
        let known = self.slices.get(&(namespace.into(), service.into()));
        known
            .into_iter()
            .flat_map(BTreeMap::values)
            .map(AsRef::as_ref)
    }

    /// The peers and ports of a connection to a port of a Service; `None` if they are unknown.
    pub(crate) fn translated(
        &self,
        (name, namespace): (&str, &str),
        (protocol, port): (Protocol, u16),
    ) -> Option<Translated> {
        let service = self.services.get(&(namespace.into(), name.into()));
        let slices = || self.slices(namespace, name);
        let of_protocol = |slice: &EndpointSlice| {
            let ports = slice
                .ports
                .iter()
                .filter(|found| found.protocol == protocol);
            ports.cloned().collect::<Vec<_>>()
        };
        if let Some(service) = service {
            match service.destination {
                Destination::External => return Some(Translated::External),
                Destination::Headless => return Some(Translated::Pods([port].into())),
                Destination::Pods | Destination::Written => {}
            }
        }
        let own = service.map(|service| {
            let mut ports = service.ports.iter();
            ports.find(|(own, _)| (own.protocol, own.number) == (protocol, port))
        });
        let behind = |slice: &EndpointSlice| {
            let found = of_protocol(slice);
            match &own {
                // Without the Service, the only port of its endpoints is the one behind each of its own.
                None if found.len() == 1 => found,
                Some(Some((own, _))) => found
                    .into_iter()
                    .filter(|found| found.name == own.name)
                    .collect(),
                _ => Vec::new(),
            }
        };
        let numbers = slices().flat_map(behind).map(|found| found.number);
        let numbers: BTreeSet<u16> = numbers.collect();
        let is_written = service.is_none_or(|known| known.destination == Destination::Written);
        if is_written && slices().any(|slice| !slice.addresses.is_empty() && !slice.has_pods) {
            let addresses = slices().filter(|slice| !slice.has_pods).flat_map(|slice| {
                let ports = behind(slice);
                let addresses = slice.addresses.iter();
                addresses.flat_map(move |address| {
                    let ports = ports.clone().into_iter();
                    ports.map(|port| (*address, port.number))
                })
            });
            let addresses: BTreeSet<_> = addresses.collect();
            return (!addresses.is_empty()).then_some(Translated::Addresses(addresses));
        }
        match own {
            Some(Some((_, PodPort::Number(number)))) if !is_written => {
                Some(Translated::Pods([*number].into()))
            }
            _ => (!numbers.is_empty()).then_some(Translated::Pods(numbers)),
        }
    }
}

/// A connection that every server makes, to the Services that provide it.
pub(crate) fn of_every_server(cluster: &Cluster) -> Vec<DialTarget> {
    let service = |what, path: &str, protocol, (name, namespace): (&str, &str), port| DialTarget {
        what,
        path: path.into(),
        protocol,
        endpoint: Ok(Endpoint {
            host: Host::Service {
                name: name.into(),
                namespace: namespace.into(),
            },
            port,
        }),
    };
    let (namespace, name) = API_SERVER_SERVICE;
    let what = "the Kubernetes API server";
    let path = "spec.network.apiServerEndpointIPs";
    let mut found = vec![service(what, path, Protocol::Tcp, (name, namespace), 443)];
    let network = &cluster.network;
    // A cache on the node answers at a link-local address. Its own connections are no pod's.
    let is_cached = network
        .dns_endpoints
        .iter()
        .flatten()
        .any(|entry| match entry.address {
            IpAddr::V4(address) => address.is_link_local(),
            IpAddr::V6(address) => address.is_unicast_link_local(),
        });
    if !is_cached {
        let home = network.dns_namespace.as_deref().unwrap_or(DNS_NAMESPACE);
        for protocol in [Protocol::Udp, Protocol::Tcp] {
            found.extend(
                DNS_SERVICES.map(|name| {
                    service(DNS, "spec.network.dnsNamespace", protocol, (name, home), 53)
                }),
            );
        }
    }
    found
}

impl Cluster {
    /// The endpoints that it declares.
    pub(crate) fn dial_targets(&self) -> impl Iterator<Item = &DialTarget> {
        let around = &self.dependencies;
        let jobs = around.backup.iter().flat_map(|backup| &backup.dial_targets);
        around.dial_targets.iter().chain(jobs)
    }
}

/// Namespace and name of the Service of an endpoint, if it is one.
pub(crate) fn dialled(dial: &DialTarget) -> Option<Named> {
    match dial.endpoint.as_ref().ok()?.host.clone() {
        Host::Service { name, namespace } => Some((namespace, name)),
        Host::Address(_) | Host::Name(_) => None,
    }
}

#[cfg(test)]
mod tests;
