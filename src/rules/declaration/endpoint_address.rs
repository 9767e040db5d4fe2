//! OBP308: an API server endpoint or DNS address that cannot be read, is unsafe, is listed twice, or is
//! public. The operator opens 6443/TCP and port 53 to each of these addresses. A public one warns, since
//! endpoints of managed clusters are public; under the contract for Hardened clusters it denies, unless the
//! configuration names the endpoint.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use super::unsafe_address::blocks;
use super::{Declaration, unsafe_address};
use crate::config::ReviewConfig;
use crate::inventory::{Cluster, Declared, ListedAddress, Malformed, Network};
use crate::rules::remedy::{AddressList, Change, ClusterEdit, Rank, Remedy, SettingEdit};
use crate::rules::{Cause, Finding, Onset};
use ipnet::IpNet;
use netpol::Direction;
use netpol::address::AddressSet;

/// Blocks that no Internet host has: private, shared, loopback, link-local, documentation, benchmarks,
/// multicast and reserved addresses (IANA's registries of special-purpose addresses).
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
/// Global unicast is `2000::/3`. The documentation block in it belongs to no host.
const GLOBAL_V6: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
const DOCUMENTATION_V6: &[(Ipv6Addr, u8)] = &[
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// One of the two lists.
struct List {
    addresses: AddressList,
    /// Ports that the operator opens to each address.
    ports: &'static str,
    /// Command that finds the right addresses.
    source: &'static str,
    of: fn(&Network) -> &[Declared<ListedAddress>],
    /// Addresses that cannot be one of the list.
    nowhere: fn(&ReviewConfig) -> AddressSet,
    /// Addresses that can be one of the list in some clouds only.
    uncertain: fn(&ReviewConfig) -> AddressSet,
}

const API_SERVERS: List = List {
    addresses: AddressList::ApiServers,
    ports: "6443/TCP",
    source: "kubectl -n default get endpointslices -l kubernetes.io/service-name=kubernetes",
    of: |network| &network.api_server_endpoints,
    nowhere: unsafe_address::without_api_server,
    uncertain: |_| AddressSet::none(),
};
const RESOLVERS: List = List {
    addresses: AddressList::Resolvers,
    ports: "53/UDP and 53/TCP",
    source: "kubectl -n kube-system get service kube-dns",
    of: |network| &network.dns_endpoints,
    nowhere: unsafe_address::without_resolver,
    uncertain: unsafe_address::metadata_resolver,
};

/// Findings about both lists. Addresses that were listed before are not reported unless the operator cannot
/// render them or they are unsafe. The oldest operator has no list of resolvers.
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
    let reported = before.filter(|_| !declaration.is_newly_under_contract());
    let reported = Old::of(
        reported
            .map(|old| (list.of)(&old.network))
            .unwrap_or_default(),
    );
    let nowhere = (list.nowhere)(declaration.config);
    let uncertain = (list.uncertain)(declaration.config);
    let mut copies: BTreeMap<IpAddr, usize> = BTreeMap::new();
    let mut findings = Vec::new();
    for (number, entry) in (list.of)(&after.network).iter().enumerate() {
        let found = match entry {
            Err(problems) => reported.unreadable(declaration, list, (number, problems)),
            Ok(ListedAddress { at, address }) => {
                let copies = copies.entry(*address).or_default();
                *copies += 1;
                let path = format!("spec.network.{}[{at}]", list.addresses.field());
                if *copies == 1 && is_among(declaration, *address, &nowhere) {
                    Some(of_unsafe(declaration, list, &stood, (*at, *address), path))
                } else if reported.is_known(*address, *copies) {
                    None
                } else if *copies > 1 {
                    Some(Finding {
                        reason: format!("lists {address} twice"),
                        help: "list each address once".to_owned(),
                        ..declaration.finding(Cause::DuplicateEndpoint, Onset::Introduced, path)
                    })
                } else if is_among(declaration, *address, &uncertain) {
                    Some(of_uncertain(declaration, list, *address, path))
                } else {
                    of_public(declaration, list, (*at, *address), path)
                }
            }
        };
        findings.extend(found);
    }
    findings
}

/// The finding about an address that cannot be one of the list.
fn of_unsafe(
    declaration: &Declaration<'_>,
    list: &List,
    stood: &Old<'_>,
    (at, address): (usize, IpAddr),
    path: String,
) -> Finding {
    let onset = Onset::of(stood.is_known(address, 1));
    Finding {
        reason: format!(
            "opens {} to {address}, a loopback, link-local or cloud-metadata address",
            list.ports
        ),
        help: format!("list the addresses that `{}` shows", list.source),
        remedies: vec![leave_out(declaration, list, at), permit(address)],
        ..declaration.finding(Cause::EndpointAddress, onset, path)
    }
}

/// The finding about an address that can be one of the list in some clouds only.
fn of_uncertain(
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
        help: format!(
            "list the addresses that `{}` shows; if the resolver really has this address, the platform team permits \
             it in `review.unsafeEgressAllowed`",
            list.source
        ),
        remedies: vec![permit(address)],
        ..declaration.finding(Cause::PublicEndpoint, Onset::Introduced, path)
    }
}

/// Leaves the address at this number out.
fn leave_out(declaration: &Declaration<'_>, list: &List, at: usize) -> Remedy {
    declaration.remedy(
        Rank::LeaveOut,
        "leave the address out",
        ClusterEdit::NoAddress(list.addresses, at),
    )
}

/// Has the platform permit an unsafe address.
fn permit(address: IpAddr) -> Remedy {
    let edit = SettingEdit::UnsafeAllowed(Direction::Egress, address.into());
    let action = "ask the platform team to permit it, if the resolver really has this address";
    Remedy::new(Rank::Permit, action, Change::Setting(edit))
}

/// A list before the write.
struct Old<'a> {
    /// Number of occurrences of each address.
    addresses: BTreeMap<IpAddr, usize>,
    /// Values that are no addresses.
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

    fn unreadable(
        &self,
        declaration: &Declaration<'_>,
        list: &List,
        (number, problems): (usize, &[Malformed]),
    ) -> Option<Finding> {
        let problem = problems.first()?;
        let onset = Onset::of(self.unreadable.contains(problem.value.as_str()));
        Some(Finding {
            reason: format!(
                "{}; the operator stops at this entry and renders no policy",
                problem.problem
            ),
            help: format!("write the addresses that `{}` shows", list.source),
            remedies: written_as_block(&problem.value)
                .map(|address| {
                    let edit = ClusterEdit::Address(list.addresses, number, address);
                    declaration.remedy(Rank::Field, "write the address alone", edit)
                })
                .into_iter()
                .collect(),
            ..declaration.finding(Cause::EndpointAddress, onset, problem.path.clone())
        })
    }

    /// Returns true if the list had at least `copy` occurrences of the address.
    fn is_known(&self, address: IpAddr, copy: usize) -> bool {
        self.addresses.get(&address).is_some_and(|old| *old >= copy)
    }
}

/// The address of a block that is one.
fn written_as_block(value: &str) -> Option<IpAddr> {
    let net: IpNet = value.trim_matches('"').parse().ok()?;
    (net.prefix_len() == net.max_prefix_len()).then(|| net.addr())
}

/// Returns true if the address is one of these, or if it carries one and is not permitted itself.
fn is_among(declaration: &Declaration<'_>, address: IpAddr, addresses: &AddressSet) -> bool {
    let one = AddressSet::of(address.into());
    unsafe_address::first_of(declaration, &one, addresses).is_some()
}

/// The finding about a public address that the configuration does not name.
fn of_public(
    declaration: &Declaration<'_>,
    list: &List,
    (at, address): (usize, IpAddr),
    path: String,
) -> Option<Finding> {
    let permitted = match list.addresses {
        AddressList::ApiServers => Some(Remedy::new(
            Rank::Permit,
            "ask the platform's team to name the endpoint",
            Change::Setting(SettingEdit::ApiServerEndpoint(address)),
        )),
        AddressList::Resolvers => None,
    };
    let named = declaration.config.api_server_endpoints.iter();
    let public = named.fold(PUBLIC.clone(), |left, named| {
        left.minus(&AddressSet::of((*named).into()))
    });
    is_among(declaration, address, &public).then(|| Finding {
        reason: format!(
            "opens {} to {address}, a public address of the Internet",
            list.ports
        ),
        help: format!("list the addresses that `{}` shows", list.source),
        remedies: permitted
            .into_iter()
            .chain([leave_out(declaration, list, at)])
            .collect(),
        ..declaration.finding(Cause::PublicEndpoint, Onset::Introduced, path)
    })
}

/// All public addresses.
pub(super) static PUBLIC: LazyLock<AddressSet> = LazyLock::new(|| {
    let global = blocks(&[(Ipv4Addr::UNSPECIFIED, 0)], &[GLOBAL_V6]);
    global.minus(&blocks(NOT_PUBLIC_V4, DOCUMENTATION_V6))
});
