//! OBP318: a cluster write opens connections for undeclared peers, since the operator also renders rules for
//! other fields: an Ingress, a Gateway's namespace, the profile.

use super::opened::{Opened, Openings};
use crate::baseline::{Peers, Zone};
use crate::inventory::{ObjectRef, Profile};
use crate::rules::{Cause, Finding, Onset};
use netpol::{Direction, Region};

const PROFILE: &str = "spec.profile";

/// One finding per field. Connections that were open before are not reported. For a new cluster, the Gateway
/// and the profile are not reported, since its baseline names them; an Ingress that admits everyone is.
pub(crate) fn check(
    object: &ObjectRef,
    after: &Openings<'_>,
    before: Option<&Openings<'_>>,
) -> Vec<Finding> {
    let finding = |path: &str, reason: String, help: String| Finding {
        cluster: Some(object.clone()),
        reason,
        help,
        ..Finding::of(Cause::DeclarationOpens, Onset::Introduced, object, path)
    };
    let opened = opened(after, before);
    let opens = |peers: Peers| opened.contains(&peers);
    let (after, (config, ..)) = (after.cluster, after.known);
    let before = before.map(|before| before.cluster);
    let port = config.api_port;
    let baseline = config.baseline;
    let mut findings = Vec::new();
    if opens(Peers::EveryoneForIngress) {
        let reason = format!(
            "opens port {port} of the OpenBao pods to everyone: for an Ingress the operator of `{baseline}` renders a \
             rule without peers"
        );
        let help =
            "expose OpenBao with an Ingress of your own, and name its controller's pods under \
                    spec.network.ingressRules"
                .to_owned();
        findings.push(finding("spec.ingress.enabled", reason, help));
    }
    let Some(before) = before else {
        return findings;
    };
    if opens(Peers::GatewayNamespace)
        && let Some(namespace) = &after.gateway_namespace
    {
        let reason = format!(
            "opens port {port} of the OpenBao pods to every pod of namespace `{namespace}`, where the Gateway now is"
        );
        let help = format!("make sure that only gateways run in namespace `{namespace}`");
        findings.push(finding("spec.gateway.gatewayRef.namespace", reason, help));
    }
    let fallback = opens(Peers::DevelopmentAddresses).then_some(
        "lets backup and restore pods reach every address on port 443, since a Development cluster declares no \
         egressRules",
    );
    let is_softened =
        before.profile == Some(Profile::Hardened) && after.profile != Some(Profile::Hardened);
    if is_softened {
        let ends = "ends the operator's contract for Hardened clusters";
        let reason = fallback.map_or_else(
            || ends.to_owned(),
            |fallback| format!("{ends}, and {fallback}"),
        );
        let help = "leave the profile at Hardened, and declare what is missing".to_owned();
        findings.push(finding(PROFILE, reason, help));
    } else if let Some(fallback) = fallback {
        let is_profile = before.profile != after.profile;
        let path = if is_profile {
            PROFILE
        } else {
            "spec.network.egressRules"
        };
        let help =
            "declare the object storage of backups under spec.network.egressRules".to_owned();
        findings.push(finding(path, fallback.to_owned(), help));
    }
    findings
}

/// Peers that the operator opens for fields that name none, and that were not open before.
fn opened(after: &Openings<'_>, before: Option<&Openings<'_>>) -> Vec<Peers> {
    let of = |(pods, direction)| {
        let known = before.and_then(|before| before.of(pods, direction));
        let known = || {
            known
                .unwrap_or_default()
                .iter()
                .flat_map(|open| &open.regions)
        };
        let is_known = |region: &Region| known().any(|known| region.is_subset(known));
        let now: &[Opened] = after.of(pods, direction).unwrap_or_default();
        let now = now.iter();
        now.filter(|open| is_implied(open.peers) && !open.regions.iter().all(is_known))
            .map(|open| open.peers)
            .collect::<Vec<_>>()
    };
    let both = [
        (Zone::Workload, Direction::Ingress),
        (Zone::Jobs, Direction::Egress),
    ];
    both.into_iter().flat_map(of).collect()
}

const fn is_implied(peers: Peers) -> bool {
    matches!(
        peers,
        Peers::EveryoneForIngress | Peers::GatewayNamespace | Peers::DevelopmentAddresses
    )
}
