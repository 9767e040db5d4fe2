//! OBP309: `dnsNamespace` is no valid namespace name, or not the namespace of the platform's DNS. The latter
//! warns, and denies under the contract for Hardened clusters.

use std::sync::Arc;

use super::Declaration;
use crate::inventory::Cluster;
use crate::rules::remedy::{Change, ClusterEdit, Rank, Remedy, SettingEdit};
use crate::rules::{Code, Finding, Level};
use netpol::label::is_dns_label;

/// Field path.
pub(super) const PATH: &str = "spec.network.dnsNamespace";

/// The finding about the declared namespace. A value that was declared before is not reported unless it is
/// invalid. The oldest operator always uses `kube-system`.
pub fn check(
    declaration: &Declaration<'_>,
    after: &Cluster,
    before: Option<&Cluster>,
) -> Option<Finding> {
    if !declaration.config.baseline.features().has_dns_fields {
        return None;
    }
    let name = after.network.dns_namespace.as_deref()?;
    let is_known = before.is_some_and(|old| old.network.dns_namespace.as_deref() == Some(name));
    let known = &declaration.config.dns_namespaces;
    let found = if !is_dns_label(name) {
        let level = if is_known { Level::Warn } else { Level::Deny };
        Finding {
            reason: format!(
                "expected the name of a namespace, found `{name}`; no namespace can have it, so OpenBao would be \
                 without DNS"
            ),
            ..declaration.finding(Code::Obp309, level, PATH)
        }
    } else if (!is_known || declaration.is_newly_under_contract())
        && known.iter().all(|expected| **expected != *name)
    {
        Finding {
            reason: format!(
                "opens port 53 to every pod of namespace `{name}`, which is none in which the platform's DNS is expected"
            ),
            ..declaration.by_contract(Code::Obp309, PATH)
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
        let action = "ask the platform's team to name it as one of its DNS";
        Remedy::new(Rank::Permit, action, Change::Setting(edit))
    });
    Some(Finding {
        help: "name the namespace of the platform's DNS; the platform's team lists those in `review.dnsNamespaces`"
            .to_owned(),
        remedies: home.into_iter().chain(permit).collect(),
        ..found
    })
}
