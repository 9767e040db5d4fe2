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

/// The two kinds of entrance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entrance {
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
    let (cluster, (config, _)) = (after.cluster, after.known);
    let finding = |entrance: Entrance| {
        let path = match entrance {
            Entrance::Gateway => "spec.gateway",
            Entrance::Ingress => "spec.ingress",
        };
        let onset = Onset::of(old.contains(&entrance));
        Finding {
            cluster: Some(object.clone()),
            reason: reason(entrance, cluster, config),
            help: help(entrance, cluster),
            ..Finding::of(Cause::NobodyAdmitted, onset, object, path)
        }
    };
    shut.into_iter().map(finding).collect()
}

/// The entrances that are on and admit no proxy.
fn shut(openings: &Openings<'_>) -> Vec<Entrance> {
    let (cluster, (config, _)) = (openings.cluster, openings.known);
    let Some(opened) = openings.of(Zone::Workload, Direction::Ingress) else {
        return Vec::new();
    };
    let api = Port::Number(config.api_port);
    let admits = |entrance: Entrance| {
        let mut candidates = opened.iter().filter(|open| match open.peers {
            Peers::GatewayNamespace => entrance == Entrance::Gateway,
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
        (Entrance::Gateway, cluster.gateway_namespace.is_some()),
        (Entrance::Ingress, cluster.ingress_enabled),
    ];
    let on = on.into_iter().filter(|(_, is_on)| *is_on);
    on.map(|(entrance, _)| entrance)
        .filter(|entrance| !admits(*entrance))
        .collect()
}

fn reason(entrance: Entrance, cluster: &Cluster, config: &ReviewConfig) -> String {
    let port = config.api_port;
    let own = cluster.gateway_namespace.as_ref() == Some(&cluster.meta.namespace);
    match entrance {
        Entrance::Gateway if own && !config.baseline.features().admits_gateway_of_own_namespace => {
            format!(
                "no rule lets the Gateway reach port {port}: it is in the cluster's own namespace, for which the \
             operator renders no Gateway rule"
            )
        }
        Entrance::Gateway => format!(
            "no rule lets the Gateway reach port {port}: the operator opens nothing for it, and no trusted peer is declared"
        ),
        Entrance::Ingress => format!(
            "no rule lets the Ingress reach port {port}: the operator opens nothing for it, and no trusted peer is declared"
        ),
    }
}

fn help(entrance: Entrance, cluster: &Cluster) -> String {
    let namespace = match (entrance, &cluster.gateway_namespace) {
        (Entrance::Gateway, Some(namespace)) => namespace,
        _ => "NAMESPACE-OF-THE-PROXY",
    };
    format!(
        "name the proxy's pods under spec.network.trustedIngressPeers:\n- namespaceSelector:\n    matchLabels:\n      \
         kubernetes.io/metadata.name: {namespace}"
    )
}
