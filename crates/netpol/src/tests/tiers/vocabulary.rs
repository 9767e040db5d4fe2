//! Vocabularies of small worlds, as the contract of the oracle lists them.

use crate::port::Protocol;
use crate::rule::{PortEntry, PortRange};
use crate::testing::domain::{HOME, Vocabulary};

/// Ports of the contract: two numbers of OpenBao, another one, a name, a range and a tunnel port.
fn ports() -> Vec<PortEntry> {
    let tcp = |ports| PortEntry::new(Protocol::Tcp, ports);
    let web = |protocol| PortEntry::new(protocol, PortRange::Named("web".into()));
    vec![
        web(Protocol::Udp),
        web(Protocol::Sctp),
        PortEntry::tcp(8200),
        tcp(PortRange::Numbers(8200, 8201)),
        web(Protocol::Tcp),
        tcp(PortRange::All),
        PortEntry::tcp(9000),
        PortEntry::tcp(15008),
        tcp(PortRange::Numbers(8201, u16::MAX)),
    ]
}

fn few_ports() -> Vec<PortEntry> {
    ports().into_iter().take(5).collect()
}

/// Labels of namespaces, of peers and of protected pods.
pub(super) const LABELS: Vocabulary = Vocabulary {
    known: &[("role", &["a"])],
    free: &[],
    namespaces: &[HOME],
    namespace_labels: &[("team", &["t"])],
    pod_labels: &[("tier", &["p"])],
    blocks: &[],
    ports: few_ports,
};

/// Blocks and ports: pod addresses and others, whole families, and text that parsers read differently.
pub(super) const BLOCKS: Vocabulary = Vocabulary {
    known: &[],
    free: &[],
    namespaces: &[HOME],
    namespace_labels: &[],
    pod_labels: &[],
    blocks: &[
        "10.0.0.0/8",
        "10.0.0.0/9",
        "10.128.0.0/9",
        "0.0.0.0/0",
        "fd00::/8",
        "::/0",
        "010.0.0.0/8",
    ],
    ports,
};

/// All dimensions at once.
pub(super) const EVERYTHING: Vocabulary = Vocabulary {
    known: &[("role", &["a"])],
    free: &[],
    namespaces: &[HOME, "n1"],
    namespace_labels: &[("team", &["t"])],
    pod_labels: &[("tier", &["p", "q"])],
    blocks: &["10.0.0.0/8", "10.0.0.0/9", "0.0.0.0/0", "fd00::/8"],
    ports,
};
