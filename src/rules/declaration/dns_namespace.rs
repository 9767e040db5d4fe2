//! OBP309: `dnsNamespace` is no valid namespace name, or not the namespace of the platform's DNS. The latter
//! warns, and denies under the contract for Hardened clusters.

use std::sync::Arc;

use super::Declaration;
use crate::inventory::Cluster;
use crate::rules::remedy::{Change, ClusterEdit, Rank, Remedy, SettingEdit};
use crate::rules::{Cause, Finding, Onset};
use netpol::label::is_dns_label;

/// Field path.
const PATH: &str = "spec.network.dnsNamespace";

/// The finding about the declared namespace. A value that was declared before is not reported unless it is
/// invalid, nor is one of which `found` says that the API server denies it. The oldest operator always uses
/// `kube-system`.
pub fn check(
    declaration: &Declaration<'_>,
    after: &Cluster,
    before: Option<&Cluster>,
    found: &[Finding],
) -> Option<Finding> {
    let is_reported = found.iter().any(|found| found.path == PATH);
    if is_reported || !declaration.config.baseline.features().has_dns_fields {
        return None;
    }
    let name = after.network.dns_namespace.as_deref()?;
    let is_known = before.is_some_and(|old| old.network.dns_namespace.as_deref() == Some(name));
    let known = &declaration.config.dns_namespaces;
    let found = if !is_dns_label(name) {
        Finding {
            reason: format!(
                "expected a namespace name, found `{name}`, which no namespace can have; OpenBao would be without \
                 DNS"
            ),
            ..declaration.finding(Cause::DnsNamespace, Onset::of(is_known), PATH)
        }
    } else if (!is_known || declaration.is_newly_under_contract())
        && known.iter().all(|expected| **expected != *name)
    {
        Finding {
            reason: format!(
                "opens port 53 to every pod of namespace `{name}`, which is not a DNS namespace of the platform"
            ),
            ..declaration.finding(Cause::UnexpectedDnsNamespace, Onset::Introduced, PATH)
        }
    } else {
        return None;
    };
    let name: Arc<str> = name.into();
    let home = known.first().map(|home| {
        let edit = ClusterEdit::DnsNamespace(home.clone());
        declaration.remedy(
            Rank::Field,
            "name the namespace of the platform's DNS",
            edit,
        )
    });
    let permit = is_dns_label(&name).then(|| {
        let edit = SettingEdit::DnsNamespace(name);
        let action = "ask the platform team to list it as a DNS namespace";
        Remedy::new(Rank::Permit, action, Change::Setting(edit))
    });
    Some(Finding {
        help: "name the namespace of the platform's DNS; the platform team lists those in `review.dnsNamespaces`"
            .to_owned(),
        remedies: home.into_iter().chain(permit).collect(),
        ..found
    })
}
