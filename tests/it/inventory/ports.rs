//! The rows of semantics 1.4 and 1.6 that are about reading ports.

use netpol::port::Protocol;
use netpol::rule::{PortEntry, PortRange};
use serde_json::json;

use super::{paths, readable, with_ports};

#[test]
fn d2_to_d7_ports_are_read_with_their_defaults() {
    let entry = PortEntry::new;
    let table = [
        (json!({}), entry(Protocol::Tcp, PortRange::All)),
        (
            json!({"port": null, "endPort": null}),
            entry(Protocol::Tcp, PortRange::All),
        ),
        (
            json!({"protocol": "UDP"}),
            entry(Protocol::Udp, PortRange::All),
        ),
        (
            json!({"protocol": "SCTP"}),
            entry(Protocol::Sctp, PortRange::All),
        ),
        (json!({"port": 1}), PortEntry::tcp(1)),
        (
            json!({"port": 65535, "protocol": null}),
            PortEntry::tcp(65535),
        ),
        (json!({"port": 80, "endPort": 80}), PortEntry::tcp(80)),
        (
            json!({"port": 80, "endPort": 90}),
            entry(Protocol::Tcp, PortRange::Numbers(80, 90)),
        ),
        (
            json!({"port": "api"}),
            entry(Protocol::Tcp, PortRange::Named("api".into())),
        ),
        (
            json!({"port": "8a-b"}),
            entry(Protocol::Tcp, PortRange::Named("8a-b".into())),
        ),
        (
            json!({"port": "fifteen-letters"}),
            entry(Protocol::Tcp, PortRange::Named("fifteen-letters".into())),
        ),
    ];
    for (written, expected) in table {
        let rules = readable(&with_ports(&json!([written]))).ingress;
        assert_eq!(rules[0].ports, [expected], "{written}");
    }
}

#[test]
fn d3_to_d6_malformed_ports_are_rejected_where_they_are_wrong() {
    let table = [
        (json!({"port": 0}), "port"),
        (json!({"port": -1}), "port"),
        (json!({"port": 65536}), "port"),
        (json!({"port": "80"}), "port"),
        (json!({"port": ""}), "port"),
        (json!({"port": "sixteen-letters-"}), "port"),
        (json!({"port": "sixteen-lettersx"}), "port"),
        (json!({"port": "a--b"}), "port"),
        (json!({"port": "-a"}), "port"),
        (json!({"port": "a-"}), "port"),
        (json!({"port": "API"}), "port"),
        (json!({"port": "a_b"}), "port"),
        (json!({"endPort": 90}), "endPort"),
        (json!({"port": "api", "endPort": 90}), "endPort"),
        (json!({"port": 80, "endPort": 79}), "endPort"),
        (json!({"port": 80, "endPort": 65536}), "endPort"),
        (json!({"protocol": "tcp"}), "protocol"),
        (json!({"protocol": ""}), "protocol"),
        (json!({"protocol": "ICMP"}), "protocol"),
        (json!({"port": 4_294_967_296_u64}), "port"),
        (json!({"port": 80.5}), "port"),
        (json!({"port": true}), "port"),
    ];
    for (written, field) in table {
        let spec = with_ports(&json!([{"port": 8200}, written]));
        let expected = format!("spec.ingress[0].ports[1].{field}");
        assert_eq!(paths(&spec), [expected], "{written}");
    }
}
