//! OBP606: a Gateway or an Ingress is on, and no peer that could be its proxy is admitted.
//!
//! The namespace of the proxy's pods is unknown, so any declared peer may be the proxy.

use super::opened::Openings;
use crate::baseline::{Peers, Zone};
use crate::config::ReviewConfig;
use crate::inventory::{Cluster, ObjectRef};
use crate::rules::{Cause, Finding, Onset};
use netpol::Direction;
use netpol::port::{Port, Protocol};

/// The two kinds of proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ProxyKind {
    Gateway,
    Ingress,
}

/// Findings for entrances without an admitted proxy.
pub(crate) fn check(
    object: &ObjectRef,
    after: &Openings<'_>,
    before: Option<&Openings<'_>>,
) -> Vec<Finding> {
    let shut = shut(after);
    let old = before.map_or_else(Vec::new, self::shut);
    let (cluster, (config, ..)) = (after.cluster, after.known);
    let finding = |proxy: ProxyKind| {
        let path = match proxy {
            ProxyKind::Gateway => "spec.gateway",
            ProxyKind::Ingress => "spec.ingress",
        };
        let onset = Onset::of(old.contains(&proxy));
        Finding {
            cluster: Some(object.clone()),
            reason: reason(proxy, cluster, config),
            help: help(proxy, cluster),
            ..Finding::of(Cause::NobodyAdmitted, onset, object, path)
        }
    };
    shut.into_iter().map(finding).collect()
}

/// The kinds of proxies that are on and are not admitted.
fn shut(openings: &Openings<'_>) -> Vec<ProxyKind> {
    let (cluster, (config, ..)) = (openings.cluster, openings.known);
    let Some(opened) = openings.of(Zone::Workload, Direction::Ingress) else {
        return Vec::new();
    };
    let api = Port::Number(config.api_port);
    let is_admitted = |proxy: ProxyKind| {
        let mut candidates = opened.iter().filter(|open| match open.peers {
            Peers::GatewayNamespace => proxy == ProxyKind::Gateway,
            Peers::EveryoneForIngress | Peers::TrustedPeers | Peers::Declared | Peers::Platform => {
                true
            }
            _ => false,
        });
        candidates.any(|open| {
            let mut regions = open.regions.iter();
            regions.any(|region| region.ports.contains(Protocol::Tcp, &api))
        })
    };
    let on = [
        (ProxyKind::Gateway, cluster.gateway_namespace.is_some()),
        (ProxyKind::Ingress, cluster.ingress_enabled),
    ];
    let on = on.into_iter().filter(|(_, is_on)| *is_on);
    on.map(|(proxy, _)| proxy)
        .filter(|proxy| !is_admitted(*proxy))
        .collect()
}

fn reason(proxy: ProxyKind, cluster: &Cluster, config: &ReviewConfig) -> String {
    let port = config.api_port;
    let own = cluster.gateway_namespace.as_ref() == Some(&cluster.meta.namespace);
    match proxy {
        ProxyKind::Gateway
            if own && !config.baseline.features().admits_gateway_of_own_namespace =>
        {
            format!(
                "no rule lets the Gateway reach port {port}: it is in the cluster's own namespace, for which the \
             operator renders no Gateway rule"
            )
        }
        ProxyKind::Gateway => format!(
            "no rule lets the Gateway reach port {port}: the operator opens nothing for it, and no trusted peer is declared"
        ),
        ProxyKind::Ingress => format!(
            "no rule lets the Ingress reach port {port}: the operator opens nothing for it, and no trusted peer is declared"
        ),
    }
}

fn help(proxy: ProxyKind, cluster: &Cluster) -> String {
    let namespace = match (proxy, &cluster.gateway_namespace) {
        (ProxyKind::Gateway, Some(namespace)) => namespace,
        _ => "NAMESPACE-OF-THE-PROXY",
    };
    format!(
        "name the proxy's pods under spec.network.trustedIngressPeers:\n- namespaceSelector:\n    matchLabels:\n      \
         kubernetes.io/metadata.name: {namespace}"
    )
}
