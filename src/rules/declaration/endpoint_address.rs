//! OBP308: an API server endpoint or DNS address that cannot be read, is unsafe, is listed twice, or
//! is public.
//!
//! The operator opens 6443/TCP and 53 to each of them, whatever they are. A public one warns, since
//! endpoints of managed clusters are; under the contract for Hardened clusters it denies, unless the
//! platform's owner names the endpoint.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::unsafe_address::blocks;
use super::{Declaration, unsafe_address};
use crate::config::ReviewConfig;
use crate::inventory::{Cluster, Declared, ListedAddress, Malformed, Network};
use crate::rules::{Code, Finding, Level};
use netpol::address::AddressSet;

/// Blocks that no host of the Internet has, as far as a cluster has a use for them: private, shared,
/// loopback, link-local, documentation, benchmarks, multicast, reserved (IANA's registries of special
/// purpose addresses).
const NOT_PUBLIC_V4: &[(Ipv4Addr, u8)] = &[
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 3),
];
/// All of global unicast is `2000::/3`; of that, documentation is nobody's.
const GLOBAL_V6: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
const DOCUMENTATION_V6: &[(Ipv6Addr, u8)] = &[
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// One of the two lists.
struct List {
    field: &'static str,
    /// The ports that the operator opens to each.
    ports: &'static str,
    /// How to find the right addresses.
    source: &'static str,
    of: fn(&Network) -> &[Declared<ListedAddress>],
    /// Addresses at which nothing of the kind is.
    nowhere: fn(&ReviewConfig) -> AddressSet,
    /// Addresses at which it is in some clouds only.
    doubtful: fn(&ReviewConfig) -> AddressSet,
}

const API_SERVERS: List = List {
    field: "apiServerEndpointIPs",
    ports: "6443/TCP",
    source: "kubectl -n default get endpointslices -l kubernetes.io/service-name=kubernetes",
    of: |network| &network.api_server_endpoints,
    nowhere: unsafe_address::without_api_server,
    doubtful: |_| AddressSet::none(),
};
const RESOLVERS: List = List {
    field: "dnsEndpointIPs",
    ports: "53/UDP and 53/TCP",
    source: "kubectl -n kube-system get service kube-dns",
    of: |network| &network.dns_endpoints,
    nowhere: unsafe_address::without_resolver,
    doubtful: unsafe_address::metadata_resolver,
};

/// Findings about both lists. What was listed before the write stays unsaid, unless the operator
/// cannot render it or it is unsafe. The oldest operator has no list of resolvers.
pub fn check(
    declaration: &Declaration<'_>,
    after: &Cluster,
    before: Option<&Cluster>,
) -> Vec<Finding> {
    let lists: &[List] = if declaration.config.baseline.features().has_dns_fields {
        &[API_SERVERS, RESOLVERS]
    } else {
        &[API_SERVERS]
    };
    let lists = lists.iter();
    lists
        .flat_map(|list| of_list(declaration, list, after, before))
        .collect()
}

fn of_list(
    declaration: &Declaration<'_>,
    list: &List,
    after: &Cluster,
    before: Option<&Cluster>,
) -> Vec<Finding> {
    let stood = Old::of(
        before
            .map(|old| (list.of)(&old.network))
            .unwrap_or_default(),
    );
    let told = before.filter(|_| !declaration.is_newly_under_contract());
    let told = Old::of(told.map(|old| (list.of)(&old.network)).unwrap_or_default());
    let nowhere = (list.nowhere)(declaration.config);
    let doubtful = (list.doubtful)(declaration.config);
    let mut copies: BTreeMap<IpAddr, usize> = BTreeMap::new();
    let mut findings = Vec::new();
    for entry in (list.of)(&after.network) {
        let found = match entry {
            Err(problems) => told.unreadable(declaration, problems),
            Ok(ListedAddress { at, address }) => {
                let copies = copies.entry(*address).or_default();
                *copies += 1;
                let path = format!("spec.network.{}[{at}]", list.field);
                if *copies == 1 && is_among(declaration, *address, &nowhere) {
                    Some(of_unsafe(declaration, list, &stood, *address, path))
                } else if told.is_known(*address, *copies) {
                    None
                } else if *copies > 1 {
                    Some(Finding {
                        reason: format!("lists {address} a second time"),
                        ..declaration.advice(Code::Obp308, path)
                    })
                } else if is_among(declaration, *address, &doubtful) {
                    Some(of_doubtful(declaration, list, *address, path))
                } else {
                    of_public(declaration, *address, list.ports, path)
                }
            }
        };
        findings.extend(found.map(|found| Finding {
            help: format!(
                "list each address once, as this shows them:\n{}{}",
                list.source, found.help
            ),
            ..found
        }));
    }
    findings
}

/// The finding about an address at which nothing of the kind is.
fn of_unsafe(
    declaration: &Declaration<'_>,
    list: &List,
    stood: &Old<'_>,
    address: IpAddr,
    path: String,
) -> Finding {
    let level = if stood.is_known(address, 1) {
        Level::Warn
    } else {
        Level::Deny
    };
    Finding {
        reason: format!(
            "opens {} to {address}, a loopback, link-local or cloud-metadata address",
            list.ports
        ),
        help: WHERE_IT_IS.to_owned(),
        ..declaration.finding(Code::Obp308, level, path)
    }
}

/// The finding about an address at which it is in some clouds only.
fn of_doubtful(
    declaration: &Declaration<'_>,
    list: &List,
    address: IpAddr,
    path: String,
) -> Finding {
    Finding {
        reason: format!(
            "opens {} to {address}, the metadata service of most clouds",
            list.ports
        ),
        help: WHERE_IT_IS.to_owned(),
        ..declaration.by_contract(Code::Obp308, path)
    }
}

const WHERE_IT_IS: &str = "\nif it is there all the same, ask the platform's owner to list it in the setting \
                           `review.unsafeEgressAllowed`";

/// What a list held before the write.
struct Old<'a> {
    /// How often each address stood there.
    addresses: BTreeMap<IpAddr, usize>,
    /// The values that no address could be read from.
    unreadable: BTreeSet<&'a str>,
}

impl<'a> Old<'a> {
    fn of(list: &'a [Declared<ListedAddress>]) -> Self {
        let mut old = Self {
            addresses: BTreeMap::new(),
            unreadable: BTreeSet::new(),
        };
        for entry in list {
            match entry {
                Ok(listed) => *old.addresses.entry(listed.address).or_default() += 1,
                Err(problems) => {
                    let values = problems.iter().map(|problem| problem.value.as_str());
                    old.unreadable.extend(values);
                }
            }
        }
        old
    }

    fn unreadable(&self, declaration: &Declaration<'_>, problems: &[Malformed]) -> Option<Finding> {
        let problem = problems.first()?;
        let level = if self.unreadable.contains(problem.value.as_str()) {
            Level::Warn
        } else {
            Level::Deny
        };
        Some(Finding {
            reason: format!(
                "{}; the operator stops at it and renders no policy",
                problem.problem
            ),
            ..declaration.finding(Code::Obp308, level, problem.path.clone())
        })
    }

    /// Whether an address stood there for the `copy`-th time already.
    fn is_known(&self, address: IpAddr, copy: usize) -> bool {
        self.addresses.get(&address).is_some_and(|old| *old >= copy)
    }
}

/// Whether an address is one of these, or carries one of them and is not named or allowed itself.
fn is_among(declaration: &Declaration<'_>, address: IpAddr, addresses: &AddressSet) -> bool {
    let one = AddressSet::of(address.into());
    unsafe_address::first_of(declaration, &one, addresses).is_some()
}

/// The finding about an address, where it is public and not one that the platform's owner names.
fn of_public(
    declaration: &Declaration<'_>,
    address: IpAddr,
    port: &str,
    path: String,
) -> Option<Finding> {
    let named = declaration.config.api_server_endpoints.iter();
    let public = named.fold(public(), |left, named| {
        left.minus(&AddressSet::of((*named).into()))
    });
    is_among(declaration, address, &public).then(|| Finding {
        reason: format!("opens {port} to {address}, a public address of the Internet"),
        ..declaration.by_contract(Code::Obp308, path)
    })
}

/// All public addresses.
pub(super) fn public() -> AddressSet {
    let global = blocks(&[(Ipv4Addr::UNSPECIFIED, 0)], &[GLOBAL_V6]);
    global.minus(&blocks(NOT_PUBLIC_V4, DOCUMENTATION_V6))
}
