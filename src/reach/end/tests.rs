//! The grammar of ends.

use super::{Destination, End, InvalidEnd};
use netpol::port::{PortSet, Protocol};

#[test]
fn each_form_is_read() {
    for (text, shown) in [
        ("-", "everyone"),
        ("10.0.0.7", "10.0.0.7"),
        ("fd00::1", "fd00::1"),
        ("[fd00::1]", "fd00::1"),
        ("::ffff:10.0.0.7", "10.0.0.7"),
        ("monitoring/", "monitoring/"),
        (
            "m/app=prometheus,app.kubernetes.io/name=x",
            "m/app=prometheus,app.kubernetes.io/name=x",
        ),
        ("bao/bao", "bao/bao"),
        ("bao/bao/jobs", "bao/bao/jobs"),
    ] {
        let end: End = text.parse().unwrap();
        assert_eq!(end.to_string(), shown);
    }
}

#[test]
fn a_destination_may_have_a_port_and_a_protocol() {
    for (text, end, ports) in [
        (
            "bao/bao:8200",
            "bao/bao",
            PortSet::number(Protocol::Tcp, 8200),
        ),
        (
            "bao/bao:53/udp",
            "bao/bao",
            PortSet::number(Protocol::Udp, 53),
        ),
        (
            "m/a/b=c:metrics/SCTP",
            "m/a/b=c",
            PortSet::name(Protocol::Sctp, "metrics"),
        ),
        (
            "[fd00::1]:443",
            "fd00::1",
            PortSet::number(Protocol::Tcp, 443),
        ),
        (
            "10.0.0.7:443",
            "10.0.0.7",
            PortSet::number(Protocol::Tcp, 443),
        ),
        ("-:443", "everyone", PortSet::number(Protocol::Tcp, 443)),
        ("bao/bao", "bao/bao", PortSet::all()),
    ] {
        let destination: Destination = text.parse().unwrap();
        assert_eq!(destination.end.to_string(), end);
        assert_eq!(destination.port_set(), ports, "{text}");
    }
}

#[test]
fn anything_else_is_an_error() {
    for text in [
        "",
        "bao",
        "Bao/bao",
        "bao/bao/x",
        "bao/=x",
        "bao/a=b,c",
        "[fd00::1",
        "10.0.0.300",
    ] {
        let error = text.parse::<End>().unwrap_err();
        assert!(matches!(error, InvalidEnd::Form(_)), "{text}: {error}");
    }
    let error = "bao/bao:8200".parse::<End>().unwrap_err();
    assert!(matches!(error, InvalidEnd::Port(_)), "{error}");
    for text in [
        "bao/bao:0",
        "bao/bao:65536",
        "bao/bao:80/ICMP",
        "bao/bao:",
        "bao/bao:a_b",
        "bao/bao:8200-8201",
    ] {
        let error = text.parse::<Destination>().unwrap_err();
        assert!(
            matches!(error, InvalidEnd::InvalidPort(_)),
            "{text}: {error}"
        );
    }
}
