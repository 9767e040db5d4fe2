//! OBP308: an API server endpoint or DNS address that cannot be read, is listed twice, or is public.
//!
//! The operator opens 6443/TCP and 53 to each of them, whatever they are. A public one warns, since
//! endpoints of managed clusters are; under the contract for Hardened clusters it denies, unless the
//! platform's owner names the endpoint.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

use super::Declaration;
use crate::inventory::{Cluster, Declared, ListedAddress, Malformed, Network};
use crate::rules::{Code, Finding, Level};

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

/// The two lists: their field, what they are for, and how to find the right addresses.
const LISTS: [(&str, &str, &str, List); 2] = [
    (
        "apiServerEndpointIPs",
        "6443/TCP",
        "kubectl -n default get endpointslices -l kubernetes.io/service-name=kubernetes",
        |network| &network.api_server_endpoints,
    ),
    (
        "dnsEndpointIPs",
        "53/UDP and 53/TCP",
        "kubectl -n kube-system get service kube-dns",
        |network| &network.dns_endpoints,
    ),
];

type List = fn(&Network) -> &[Declared<ListedAddress>];

/// Findings about both lists. What was listed before the write stays unsaid, unless the operator
/// cannot render it.
pub fn check(
    declaration: &Declaration<'_>,
    after: &Cluster,
    before: Option<&Cluster>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (field, port, source, list) in LISTS {
        let before = before.filter(|_| !declaration.is_newly_under_contract());
        let old = Old::of(before.map(|old| list(&old.network)).unwrap_or_default());
        let mut copies: BTreeMap<IpAddr, usize> = BTreeMap::new();
        for entry in list(&after.network) {
            let found = match entry {
                Err(problems) => old.unreadable(declaration, problems),
                Ok(ListedAddress { at, address }) => {
                    let copies = copies.entry(*address).or_default();
                    *copies += 1;
                    let path = format!("spec.network.{field}[{at}]");
                    if old.is_known(*address, *copies) {
                        None
                    } else if *copies > 1 {
                        Some(Finding {
                            reason: format!("lists {address} a second time"),
                            ..declaration.advice(Code::Obp308, path)
                        })
                    } else {
                        of_public(declaration, *address, port, path)
                    }
                }
            };
            findings.extend(found.map(|found| Finding {
                help: format!("list each address once, as this shows them:\n{source}"),
                ..found
            }));
        }
    }
    findings
}

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

/// The finding about an address, where it is public and not one that the platform's owner names.
fn of_public(
    declaration: &Declaration<'_>,
    address: IpAddr,
    port: &str,
    path: String,
) -> Option<Finding> {
    let named = &declaration.posture.api_server_endpoints;
    (is_public(address) && !named.contains(&address)).then(|| Finding {
        reason: format!("opens {port} to {address}, a public address of the Internet"),
        ..declaration.by_contract(Code::Obp308, path)
    })
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !holds(NOT_PUBLIC_V4, Ipv4Net::new, |net| net.contains(&address)),
        IpAddr::V6(address) => {
            let within = |net: Ipv6Net| net.contains(&address);
            holds(&[GLOBAL_V6], Ipv6Net::new, within)
                && !holds(DOCUMENTATION_V6, Ipv6Net::new, within)
        }
    }
}

fn holds<A: Copy, N, E>(
    blocks: &[(A, u8)],
    net: impl Fn(A, u8) -> Result<N, E>,
    within: impl Fn(N) -> bool,
) -> bool {
    let mut nets = blocks
        .iter()
        .filter_map(|(address, length)| net(*address, *length).ok());
    nets.any(within)
}
