//! `docs/reference/baselines.md`: the allowlist as a table.

use std::fmt::Write as _;

use netpol::Direction;
use openbao_perimeter::baseline::{Peers, ROWS, Renderer, Row, RowPorts, RowStatus};
use openbao_perimeter::config::{Baseline, Zone};

use super::{assert_fresh, code, page, table};

/// The peers, for people. Settings and fields that select them are in back-quotes.
pub(super) fn peers(peers: Peers) -> &'static str {
    match peers {
        Peers::ClusterPods => "pods of the same cluster",
        Peers::OperatorPods => "controller and provisioner pods in the operator's namespace",
        Peers::LifecycleJobs => "the cluster's backup and restore pods",
        Peers::GatewayNamespace => "the Gateway's namespace, where it is another one",
        Peers::TrustedPeers => "each of `trustedIngressPeers`",
        Peers::EveryoneForIngress => "everyone, when `spec.ingress.enabled`",
        Peers::HealthNamespaces => "the namespaces of `review.healthNamespaces`",
        Peers::KubeSystem => "namespace `kube-system`",
        Peers::Dns => "`dnsNamespace`, and each of `dnsEndpointIPs`",
        Peers::ApiServer => {
            "`apiServerCIDR` or the Service's address, and each of `apiServerEndpointIPs`"
        }
        Peers::FurtherApiServers => "further addresses of the API server's Service",
        Peers::ApiServerEndpoints => "`review.apiServerEndpoints`",
        Peers::EveryoneWithoutEndpoints => "everyone, where `review.apiServerEndpoints` names none",
        Peers::OpenBaoPods => "the pods of every OpenBao cluster",
        Peers::MetricsNamespaces => "namespaces with `review.metricsNamespaceLabels`",
        Peers::Everyone => "everyone",
        Peers::Platform => "what `review.platform` permits",
        Peers::DevelopmentAddresses => {
            "every address, for a Development cluster without `egressRules`"
        }
        Peers::Declared => "what the cluster declares, as written",
    }
}

/// The ports, with the defaults of the settings.
pub(super) fn ports(ports: RowPorts) -> String {
    match ports {
        RowPorts::Api => "8200/TCP".to_owned(),
        RowPorts::ApiAndMetrics => "8200/TCP, and the metrics listener's port".to_owned(),
        RowPorts::Health => "8200/TCP, or `review.healthPorts`".to_owned(),
        RowPorts::Tcp(numbers) => {
            let numbers: Vec<String> = numbers.iter().map(|port| format!("{port}/TCP")).collect();
            numbers.join(", ")
        }
        RowPorts::All => "every port".to_owned(),
        RowPorts::ApiAndRaft => "8200/TCP, 8201/TCP".to_owned(),
        RowPorts::Dns => "53/UDP, 53/TCP".to_owned(),
        RowPorts::ApiServer => "443/TCP; 6443/TCP for endpoints".to_owned(),
        RowPorts::AsWritten => "as written".to_owned(),
    }
}

pub(super) const fn zone(pods: Zone) -> &'static str {
    match pods {
        Zone::Workload => "OpenBao pods",
        Zone::Jobs => "Backup, restore and snapshot jobs",
        Zone::Controller => "The operator's own pods",
    }
}

fn standing(row: &Row, baseline: Baseline) -> String {
    let word = match row.status {
        RowStatus::Required => "required",
        RowStatus::Permitted => "permitted",
    };
    let is_there = row.baselines.contains(&baseline);
    if is_there {
        word.to_owned()
    } else {
        "–".to_owned()
    }
}

const fn renderer(renderer: Renderer) -> &'static str {
    match renderer {
        Renderer::Operator => "operator",
        Renderer::Installation => "its installation",
        Renderer::Nobody => "nobody",
    }
}

#[test]
fn the_page_about_baselines_is_fresh() {
    let about = "The allowlist of each baseline, in the order in which the operator renders it. A *required* row is floor \
                 and ceiling: no write may cut it. A *permitted* row is ceiling only: a policy may open it. `–`: the baseline \
                 does not have it. Everything without a row is denied. Ports are those of the default settings. In `classic` \
                 the jobs are unrestricted, so they have no rows there. The operator's own pods are checked \
                 if a policy isolates them.\n\nA row is rendered by the operator in its managed policies, by the operator's \
                 installation (Helm or kustomize), or by neither, so that another policy may open it.";
    let mut text = page("Baselines", "`src/baseline/table.rs`", about);
    for pods in Zone::ALL {
        for direction in Direction::ALL {
            let rows = ROWS
                .iter()
                .filter(|row| row.pods == pods && row.direction == direction);
            let side = direction.policy_type().to_lowercase();
            let _ = write!(text, "\n## {}: {side}\n", zone(pods));
            let head: Vec<&str> = ["row", "peer", "ports"]
                .into_iter()
                .chain(Baseline::ALL.map(Baseline::as_str))
                .chain(["rendered by", "for"])
                .collect();
            let rows = rows.map(|row| {
                let baselines = Baseline::ALL.map(|baseline| standing(row, baseline));
                let mut cells = vec![code(row.id), peers(row.peers).to_owned(), ports(row.ports)];
                cells.extend(baselines);
                cells.extend([renderer(row.renderer).to_owned(), row.reason.to_owned()]);
                cells
            });
            table(&mut text, &head, rows);
        }
    }
    assert_fresh("docs/reference/baselines.md", &text);
}
