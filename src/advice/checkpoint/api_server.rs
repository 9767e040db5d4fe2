//! `APIServerNetworkReady`: the network path to the Kubernetes API server is known.

use std::net::IpAddr;

use super::Condition;
use crate::config::ReviewConfig;
use crate::inventory::{Checkpoint, Cluster, Malformed, Snapshot, Status};
use netpol::address::Cidr;

const KIND: Checkpoint = Checkpoint::ApiServerNetwork;

/// The condition of a cluster that is neither paused nor without a profile.
pub(super) fn condition(
    cluster: &Cluster,
    snapshot: &Snapshot,
    config: &ReviewConfig,
) -> Condition {
    let network = &cluster.network;
    let invalid = |message: String| {
        let reason = "APIServerNetworkConfigurationInvalid";
        Condition::new(KIND, Status::False, reason, message)
    };
    let cidr = network.api_server_cidr.as_ref();
    if let Some(problem) = cidr.and_then(unreadable) {
        return invalid(problem);
    }
    let broken = network.api_server_endpoints.iter();
    let mut broken = broken.filter_map(|entry| entry.as_ref().err());
    if let Some(problem) = broken.next() {
        return invalid(said(problem));
    }
    if !network.api_server_endpoints.is_empty() {
        let message = "the addresses of the API server's endpoints are declared";
        return Condition::new(KIND, Status::True, "APIServerNetworkReady", message);
    }
    let address = config.api_server_addresses.iter();
    let address: Option<&IpAddr> = address.chain(&snapshot.api_server).next();
    let service = match (cidr, address) {
        (Some(Ok(cidr)), _) => cidr.to_string(),
        (_, Some(address)) => address.to_string(),
        _ => {
            let message = "no address of the API server is declared or known here; the operator takes it from its \
                           own environment";
            return Condition::unknown(KIND, message);
        }
    };
    let message = format!(
        "only the Service address {service} is open; network plugins that look behind it need \
         apiServerEndpointIPs too"
    );
    let reason = "APIServerEndpointIPsRecommended";
    Condition::new(KIND, Status::Unknown, reason, message)
}

/// The operator's problem with the block. It rejects leading zeros, as Go does.
fn unreadable(cidr: &Result<Cidr, Vec<Malformed>>) -> Option<String> {
    match cidr {
        Err(problems) => Some(said(problems)),
        Ok(cidr) => {
            let address = cidr.text().split('/').next().unwrap_or_default();
            let strict = address.parse::<IpAddr>();
            strict
                .is_err()
                .then(|| format!("the operator does not read `{cidr}`"))
        }
    }
}

fn said(problems: &[Malformed]) -> String {
    let first = problems.first();
    first.map_or_else(String::new, |problem| problem.problem.clone())
}
