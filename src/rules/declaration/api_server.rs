//! OBP307: `apiServerCIDR` is unreadable, or so wide that it opens more than the API server.

use super::Declaration;
use crate::inventory::{Cluster, Declared};
use crate::perimeter::address::Cidr;
use crate::rules::{Code, Finding, Level};

const PATH: &str = "spec.network.apiServerCIDR";

/// The finding about the declared block; what was declared before the write warns.
pub fn check(
    declaration: &Declaration<'_>,
    after: &Cluster,
    before: Option<&Cluster>,
) -> Option<Finding> {
    let declared = after.network.api_server_cidr.as_ref()?;
    let before = before.and_then(|before| before.network.api_server_cidr.as_ref());
    let known = before.is_some_and(|before| before == declared || narrows(before, declared));
    let level = if known { Level::Warn } else { Level::Deny };
    let reason = match declared {
        Err(problems) => problems.first()?.problem.clone(),
        Ok(cidr) => too_wide(declaration, cidr)?,
    };
    Some(Finding {
        reason,
        help: format!(
            "name the address of the Service default/kubernetes, for example:\napiServerCIDR: {}",
            "10.96.0.1/32"
        ),
        ..declaration.finding(Code::Obp307, level, PATH)
    })
}

/// Whether the block opens nothing that the one before the write did not.
fn narrows(before: &Declared<Cidr>, after: &Declared<Cidr>) -> bool {
    let net = |cidr: &Declared<Cidr>| cidr.as_ref().ok().and_then(Cidr::canonical);
    net(before)
        .zip(net(after))
        .is_some_and(|(before, after)| before.contains(&after))
}

fn too_wide(declaration: &Declaration<'_>, cidr: &Cidr) -> Option<String> {
    let net = cidr.canonical()?;
    let widths = &declaration.posture.widths;
    let widest = if net.addr().is_ipv4() {
        widths.api_server_v4
    } else {
        widths.api_server_v6
    };
    (net.prefix_len() < widest).then(|| {
        format!("`{cidr}` opens port 443 of far more than the API server; expected a block no wider than /{widest}")
    })
}
