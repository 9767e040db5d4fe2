//! OBP307: `apiServerCIDR` is unreadable, opens more than the API server, or contains addresses that are
//! unsafe (loopback, link-local, cloud metadata) or public.

use super::endpoint_address::PUBLIC;
use super::{Declaration, unsafe_address};
use crate::inventory::{Cluster, Declared};
use crate::rules::remedy::{Change, ClusterEdit, Rank, Remedy, SettingEdit};
use crate::rules::{Cause, Finding, Onset};
use ipnet::IpNet;
use netpol::address::{AddressSet, Cidr};
use netpol::carried;

const PATH: &str = "spec.network.apiServerCIDR";

/// The finding about the declared block. A block that was declared before warns, except a public one, which
/// is not reported again.
pub fn check(
    declaration: &Declaration<'_>,
    after: &Cluster,
    before: Option<&Cluster>,
) -> Option<Finding> {
    let declared = after.network.api_server_cidr.as_ref()?;
    let before = before.and_then(|before| before.network.api_server_cidr.as_ref());
    let is_known = before.is_some_and(|before| before == declared || narrows(before, declared));
    let reason = match declared {
        Err(problems) => Some(problems.first()?.problem.clone()),
        Ok(cidr) => too_wide(declaration, cidr).or_else(|| unsafe_part(declaration, cidr)),
    };
    let help = "name the address that `kubectl -n default get service kubernetes` shows, as a /32"
        .to_owned();
    let known = declaration.config.api_server_addresses.first();
    let name = known.map(|address| {
        let edit = ClusterEdit::ApiServer(Cidr::host(*address));
        declaration.remedy(Rank::Field, "name the API server's address", edit)
    });
    if let Some(reason) = reason {
        return Some(Finding {
            reason,
            help,
            remedies: name.into_iter().collect(),
            ..declaration.finding(Cause::ApiServerBlock, Onset::of(is_known), PATH)
        });
    }
    let is_reported = is_known && !declaration.is_newly_under_contract();
    let cidr = declared.as_ref().ok().filter(|_| !is_reported)?;
    Some(Finding {
        reason: public_part(declaration, cidr)?,
        help: "the platform team permits a public API server in the setting `apiServerAddresses`"
            .to_owned(),
        remedies: name.into_iter().chain(permit(cidr)).collect(),
        ..declaration.finding(Cause::PublicApiServerBlock, Onset::Introduced, PATH)
    })
}

/// Has the platform name the one address of a block as the API server's.
fn permit(cidr: &Cidr) -> Option<Remedy> {
    let net = cidr.canonical()?;
    let is_host = net.prefix_len() == net.max_prefix_len();
    let edit = SettingEdit::ApiServerAddress(net.addr());
    let action = "ask the platform team to list it as an API server address";
    is_host.then(|| Remedy::new(Rank::Permit, action, Change::Setting(edit)))
}

/// Returns true if the block opens nothing that the old block did not open.
fn narrows(before: &Declared<Cidr>, after: &Declared<Cidr>) -> bool {
    let net = |cidr: &Declared<Cidr>| cidr.as_ref().ok().and_then(Cidr::canonical);
    net(before)
        .zip(net(after))
        .is_some_and(|(before, after)| before.contains(&after))
}

fn too_wide(declaration: &Declaration<'_>, cidr: &Cidr) -> Option<String> {
    let net = cidr.canonical()?;
    let widths = &declaration.config.widths;
    let widest = if net.addr().is_ipv4() {
        widths.api_server_v4
    } else {
        widths.api_server_v6
    };
    let expected = if net.prefix_len() < widest {
        format!("a block no wider than /{widest}")
    } else if carries_too_many(net, widths.api_server_v4) {
        format!(
            "one that carries no more IPv4 addresses than a /{}",
            widths.api_server_v4
        )
    } else {
        return None;
    };
    Some(format!(
        "`{cidr}` opens port 443 of far more than the API server; expected {expected}"
    ))
}

/// Returns true if a block carries more IPv4 addresses than a block with this prefix length has.
fn carries_too_many(net: IpNet, widest: u8) -> bool {
    let most = 1_u64.checked_shl(32_u32.saturating_sub(widest.into()));
    let carried = carried::of(&AddressSet::of(net).v6);
    most.is_some_and(|most| carried.len() > most)
}

fn unsafe_part(declaration: &Declaration<'_>, cidr: &Cidr) -> Option<String> {
    let nowhere = unsafe_address::without_api_server(declaration.config);
    let block = AddressSet::of(cidr.canonical()?);
    let found = unsafe_address::first_of(declaration, &block, &nowhere)?;
    Some(format!(
        "`{cidr}` opens port 443 of {found}, a loopback, link-local or cloud-metadata address, which no API server \
         has"
    ))
}

/// A public part of the block that the configuration does not name.
fn public_part(declaration: &Declaration<'_>, cidr: &Cidr) -> Option<String> {
    let named = unsafe_address::named(declaration.config);
    let public = PUBLIC.minus(&named);
    let block = AddressSet::of(cidr.canonical()?);
    let found = unsafe_address::first_of(declaration, &block, &public)?;
    Some(format!(
        "`{cidr}` opens port 443 of {found}, a public address of the Internet"
    ))
}
