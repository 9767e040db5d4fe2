//! Contents of the picture of a perimeter: the documentation's own diagram, for one cluster. Mermaid and
//! SVG draw it.

use super::view::{ClusterView, Isolated, RowView, State, ZoneView};
use crate::baseline::Peers;

/// One group of pods and its peers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Band {
    /// The key of the pods.
    pub(super) key: &'static str,
    /// The pods in words.
    pub(super) title: &'static str,
    /// Notes about them.
    pub(super) notes: Vec<String>,
    /// Ordered policies that come before the NetworkPolicies.
    pub(super) before: Vec<String>,
    /// Ordered policies that come after the NetworkPolicies.
    pub(super) after: Vec<String>,
    /// Connections with them.
    pub(super) arrows: Vec<Arrow>,
}

/// One other end, and what passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Arrow {
    /// The key of the other end, the same in all bands.
    pub(super) key: String,
    /// The other end in words.
    pub(super) title: &'static str,
    /// The peers here.
    pub(super) lines: Vec<String>,
    /// The ports.
    pub(super) labels: Vec<String>,
    /// Side that begins.
    pub(super) way: Way,
    /// Reason.
    pub(super) mark: Mark,
}

/// Side that begins a connection, seen from the protected pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    In,
    Out,
    Both,
}

/// Reason of an arrow; the worst comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mark {
    /// The lifecycle needs it.
    Core,
    /// It is permitted, and open.
    Permitted,
    /// The OpenBaoCluster declares it.
    Declared,
    /// The lifecycle needs it, and it does not pass.
    Broken,
    /// It passes, and nothing permits it.
    Beyond,
}

impl Mark {
    pub(super) const ALL: [Self; 5] = [
        Self::Core,
        Self::Permitted,
        Self::Declared,
        Self::Broken,
        Self::Beyond,
    ];

    /// The name of its style.
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Permitted => "permitted",
            Self::Declared => "declared",
            Self::Broken => "broken",
            Self::Beyond => "beyond",
        }
    }

    /// Meaning, for the legend.
    pub(super) const fn meaning(self) -> &'static str {
        match self {
            Self::Core => "needed",
            Self::Permitted => "permitted",
            Self::Declared => "declared",
            Self::Broken => "needed and cut",
            Self::Beyond => "beyond the ceiling",
        }
    }
}

/// The bands of a cluster: its OpenBao pods and, where they are restricted, its jobs.
pub(super) fn bands(cluster: &ClusterView) -> Vec<Band> {
    cluster
        .zones
        .iter()
        .map(|zone| band(cluster, zone))
        .collect()
}

fn band(cluster: &ClusterView, zone: &ZoneView) -> Band {
    let is_jobs = zone.zone == "jobs";
    let mut band = Band {
        key: if is_jobs { "jobs" } else { "pods" },
        title: if is_jobs { JOBS } else { PODS },
        notes: zone
            .policy
            .iter()
            .map(|policy| policy.name.clone())
            .collect(),
        before: tiers(zone, true),
        after: tiers(zone, false),
        arrows: Vec::new(),
    };
    for row in &zone.rows {
        if !matches!(row.state, State::Off | State::Closed) {
            band.add(arrow(row, is_jobs, band.arrows.len()));
        }
    }
    for isolation in &zone.isolation {
        let way = way(isolation.direction);
        let words = match isolation.state {
            Isolated::Yes => continue,
            Isolated::OnceRendered => {
                band.notes
                    .push(format!("{}: isolated once rendered", isolation.direction));
                continue;
            }
            Isolated::Unknown => {
                band.notes
                    .push(format!("{}: may not be isolated", isolation.direction));
                continue;
            }
            Isolated::Partly => "some of these pods are not isolated",
            Isolated::No => "these pods are not isolated",
        };
        let everyone = ("Everyone", vec![words.to_owned()], "every port");
        band.arrows.push(beyond(
            format!("everyone-{}", isolation.direction),
            everyone,
            way,
        ));
    }
    for (at, piercing) in cluster.piercing.iter().enumerate() {
        if piercing.zone == Some(zone.zone) {
            let place = piercing.place().map(|place| format!("by {place}"));
            let words = piercing.connection.clone().into_iter().chain(place);
            let words = words.collect();
            let way = way(piercing.direction.unwrap_or("ingress"));
            let pierced = ("Beyond the ceiling", words, piercing.code);
            band.arrows
                .push(beyond(format!("beyond-{at}"), pierced, way));
        }
    }
    band
}

/// The keys and titles of the frames for ordered policies.
pub(super) const FRAMES: [(&str, &str); 2] = [
    ("before", "Before NetworkPolicies"),
    ("after", "After NetworkPolicies"),
];

/// The ordered policies of a tier that have an effect.
fn tiers(zone: &ZoneView, is_before: bool) -> Vec<String> {
    let tiers = zone.tiers.iter();
    let tiers = tiers.filter(|own| own.enforced && own.is_before() == is_before);
    tiers.map(|own| own.policy.clone()).collect()
}

const PODS: &str = "OpenBao pods";
const JOBS: &str = "Backup and restore jobs";

fn way(direction: &str) -> Way {
    if direction == "ingress" {
        Way::In
    } else {
        Way::Out
    }
}

fn beyond(
    key: String,
    (title, lines, label): (&'static str, Vec<String>, &str),
    way: Way,
) -> Arrow {
    Arrow {
        key,
        title,
        lines,
        labels: vec![label.to_owned()],
        way,
        mark: Mark::Beyond,
    }
}

fn arrow(row: &RowView, is_jobs: bool, number: usize) -> Arrow {
    let (key, title) = end(row, is_jobs);
    // What people chose stands alone, each rule by itself.
    let is_single = matches!(row.peers, Peers::Declared | Peers::Platform);
    let unique = format!("{key}-{}-{number}", row.direction);
    // The title says already that it is the operator.
    let peer = row
        .peer
        .strip_prefix("the operator, in ")
        .unwrap_or(&row.peer);
    let own_words = matches!(row.peers, Peers::ClusterPods | Peers::LifecycleJobs);
    Arrow {
        key: if is_single { unique } else { key.to_owned() },
        title,
        lines: if own_words {
            Vec::new()
        } else {
            vec![peer.to_owned()]
        },
        labels: vec![row.ports.clone()],
        way: way(row.direction),
        mark: mark(row),
    }
}

/// The other end of a row: its key and its name.
const fn end(row: &RowView, is_jobs: bool) -> (&'static str, &'static str) {
    match row.peers {
        Peers::ClusterPods if is_jobs => ("pods", PODS),
        Peers::ClusterPods => ("raft", "Raft peers"),
        Peers::OperatorPods => ("operator", "Operator"),
        Peers::LifecycleJobs => ("jobs", JOBS),
        Peers::GatewayNamespace => ("gateway", "Gateway"),
        Peers::TrustedPeers => ("trusted", "Trusted peers"),
        Peers::EveryoneForIngress => ("ingress", "Ingress controller"),
        Peers::HealthNamespaces | Peers::KubeSystem if is_ingress(row) => {
            ("health", "Health checks")
        }
        Peers::Dns | Peers::KubeSystem | Peers::HealthNamespaces => ("dns", "DNS"),
        Peers::ApiServer
        | Peers::FurtherApiServers
        | Peers::ApiServerEndpoints
        | Peers::EveryoneWithoutEndpoints => ("api", "Kubernetes API"),
        Peers::DevelopmentAddresses => ("https", "Object storage"),
        Peers::Platform => ("platform", "Platform"),
        Peers::Declared if is_ingress(row) => ("declared", "Declared ingress"),
        Peers::Declared => ("declared", "Declared egress"),
        Peers::OpenBaoPods | Peers::MetricsNamespaces | Peers::Everyone => ("others", "Others"),
    }
}

const fn is_ingress(row: &RowView) -> bool {
    matches!(row.direction.as_bytes(), b"ingress")
}

fn mark(row: &RowView) -> Mark {
    match (row.state, row.peers) {
        (State::Broken, _) => Mark::Broken,
        (
            _,
            Peers::Declared
            | Peers::TrustedPeers
            | Peers::GatewayNamespace
            | Peers::EveryoneForIngress,
        ) => Mark::Declared,
        _ if row.standing == "floor" => Mark::Core,
        _ => Mark::Permitted,
    }
}

impl Band {
    /// Adds an arrow, or what it says to one that leads to the same other end.
    fn add(&mut self, arrow: Arrow) {
        let Some(known) = self.arrows.iter_mut().find(|known| known.key == arrow.key) else {
            self.arrows.push(arrow);
            return;
        };
        let mut append = |list: fn(&mut Arrow) -> &mut Vec<String>, more: Vec<String>| {
            for text in more {
                if !text.is_empty() && !list(known).contains(&text) {
                    list(known).push(text);
                }
            }
        };
        append(|arrow| &mut arrow.lines, arrow.lines);
        append(|arrow| &mut arrow.labels, arrow.labels);
        if known.way != arrow.way {
            known.way = Way::Both;
        }
        known.mark = known.mark.max(arrow.mark);
    }
}
