//! OBP308: an API server endpoint or DNS address that cannot be read, is listed twice, or is public.
//!
//! The operator opens 6443/TCP and 53 to each of them, whatever they are.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

use super::Declaration;
use crate::inventory::{Cluster, Declared, ListedAddress, Network};
use crate::rules::{Code, Finding, Level};

/// Blocks that no host of the Internet has, as far as a cluster has a use for them: private, shared,
/// loopback, link-local, documentation, benchmarks, multicast, reserved (IANA's registries of special
/// purpose addresses).
const NOT_PUBLIC_V4: &[(Ipv4Addr, u8)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8),
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
        let (after, before) = (list(&after.network), before.map(|old| list(&old.network)));
        let old = before.unwrap_or_default();
        for (at, entry) in after.iter().enumerate() {
            let found = match entry {
                Err(problems) => unreadable(declaration, problems, old),
                Ok(listed) => {
                    let path = format!("spec.network.{field}[{}]", listed.at);
                    let reason = remark(*listed, &after[..at], old, port);
                    reason.map(|reason| Finding {
                        reason,
                        ..declaration.advice(Code::Obp308, path)
                    })
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

fn unreadable(
    declaration: &Declaration<'_>,
    problems: &[crate::inventory::Malformed],
    old: &[Declared<ListedAddress>],
) -> Option<Finding> {
    let problem = problems.first()?;
    let mut known = old.iter().filter_map(|entry| entry.as_ref().err());
    let is_known = known.any(|known| known.iter().any(|known| known.value == problem.value));
    let level = if is_known { Level::Warn } else { Level::Deny };
    Some(Finding {
        reason: format!(
            "{}; the operator stops at it and renders no policy",
            problem.problem
        ),
        ..declaration.finding(Code::Obp308, level, problem.path.clone())
    })
}

/// What there is to say of an address that can be read; `None` where it was so before.
fn remark(
    listed: ListedAddress,
    earlier: &[Declared<ListedAddress>],
    old: &[Declared<ListedAddress>],
    port: &str,
) -> Option<String> {
    let address = listed.address;
    let count = |entries: &[Declared<ListedAddress>]| {
        let same = entries.iter().flatten();
        same.filter(|entry| entry.address == address).count()
    };
    let (copies, known) = (count(earlier), count(old));
    if copies > 0 {
        return (known <= copies).then(|| format!("lists {address} a second time"));
    }
    let tells = is_public(address) && known == 0;
    tells.then(|| format!("opens {port} to {address}, a public address of the Internet"))
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
