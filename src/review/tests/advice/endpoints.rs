//! OBP605: rules that cover an endpoint.

use serde_json::{Value, json};

use super::{advised, block, namespace, to, transit};
use crate::config::Baseline;
use crate::rules::Code::Obp605;
use crate::rules::{Level, Onset};

/// Returns true if these rules cover the address of a transit seal.
fn covered(address: &str, egress: &[Value]) -> bool {
    let found = advised(Baseline::V01, None, &transit(address, egress));
    assert!(
        found
            .iter()
            .all(|one| one.code == Obp605 && one.level == Level::Warn),
        "{found:?}"
    );
    assert!(found.len() < 2, "{found:?}");
    found.is_empty()
}

/// Places that nothing lets the servers of this cluster reach.
fn shut(spec: &Value) -> Vec<(String, String)> {
    let found = advised(Baseline::V01, None, spec).into_iter();
    let place = |reason: &str| reason.rsplit(", ").next().unwrap_or_default().to_owned();
    found
        .map(|one| (one.path.clone(), place(&one.reason)))
        .collect()
}

#[test]
fn obp605_audit_devices_telemetry_and_plugins_are_endpoints_of_the_servers() {
    let audit = |device: Value| json!({"audit": [{"type": "file", "path": "f"}, device]});
    let at = |path: &str, place: &str| vec![(path.to_owned(), place.to_owned())];
    for (spec, expected) in [
        (
            audit(json!({"type": "http", "httpOptions": {"uri": "https://siem.example.org/in"}})),
            at("spec.audit[1].httpOptions.uri", "siem.example.org:443"),
        ),
        (
            audit(json!({"type": "http", "options": {"uri": "http://192.0.2.1"}})),
            at("spec.audit[1].options.uri", "192.0.2.1:80"),
        ),
        (
            audit(json!({"type": "socket", "socketOptions": {"address": "192.0.2.1:9090"}})),
            at("spec.audit[1].socketOptions.address", "192.0.2.1:9090"),
        ),
        (
            audit(
                json!({"type": "socket", "options": {"address": "192.0.2.1:514", "socket_type": "udp"}}),
            ),
            at("spec.audit[1].options.address", "192.0.2.1:514"),
        ),
        (
            json!({"telemetry": {"statsdAddress": "statsd.monitoring.svc"}}),
            at("spec.telemetry.statsdAddress", "statsd.monitoring.svc:8125"),
        ),
        (
            json!({"telemetry": {"stackdriverProjectID": "p"}}),
            at(
                "spec.telemetry.stackdriverProjectID",
                "monitoring.googleapis.com:443",
            ),
        ),
        (
            json!({"plugins": [{"name": "a", "image": "ghcr.io/openbao/plugin"}]}),
            at("spec.plugins[0].image", "ghcr.io:443"),
        ),
        (
            json!({"plugins": [{"name": "a", "image": "registry.local:5000/a"}]}),
            at("spec.plugins[0].image", "registry.local:5000"),
        ),
        (
            json!({"plugins": [{"name": "a", "image": "openbao/plugin"}]}),
            at("spec.plugins[0].image", "registry-1.docker.io:443"),
        ),
    ] {
        assert_eq!(shut(&spec), expected, "{spec}");
    }
    for spec in [
        audit(json!({"type": "socket", "socketOptions": {"address": "127.0.0.1:9090"}})),
        audit(
            json!({"type": "socket", "socketOptions": {"address": "/tmp/a.sock", "socketType": "unix"}}),
        ),
        audit(json!({"type": "syslog", "options": {"address": "192.0.2.1:514"}})),
        json!({"audit": {"type": "http"}, "telemetry": [], "plugins": "x", "configuration": 1}),
        json!({"plugins": [{"name": "a", "command": "a"}]}),
        json!({"plugins": [{"name": "a", "image": "ghcr.io/a"}],
            "configuration": {"plugin": {"autoDownload": false}}}),
    ] {
        assert_eq!(shut(&spec), [], "{spec}");
    }
}

#[test]
fn obp605_a_rule_covers_the_protocol_that_it_opens() {
    let statsd = |protocol: &str| {
        let ports = json!([{"protocol": protocol, "port": 8125}]);
        let rule = json!({"to": [block("192.0.2.1/32")], "ports": ports});
        json!({"telemetry": {"statsdAddress": "192.0.2.1"}, "network": {"egressRules": [rule]}})
    };
    assert_eq!(shut(&statsd("UDP")), []);
    assert_eq!(shut(&statsd("TCP")).len(), 1);
    let found = advised(Baseline::V01, None, &statsd("TCP"));
    assert!(found[0].help.contains("protocol: UDP"), "{}", found[0].help);
}

#[test]
fn obp605_a_service_is_covered_by_pods_of_its_namespace_on_its_port() {
    for address in [
        "https://infra.seal.svc:8200",
        "https://INFRA.seal.svc.cluster.local.:8200/v1/",
        "infra-0.infra.seal.svc:8200",
        "https://infra.seal:8200",
        "infra.seal.svc.any.domain:8200",
        "infra-0.infra.seal.svc.any.domain:8200",
    ] {
        assert!(
            covered(address, &[to(&namespace("seal"), 8200)]),
            "{address}"
        );
        assert!(
            covered(address, &[json!({"to": [namespace("seal")]})]),
            "{address}"
        );
        assert!(covered(address, &[json!({})]), "{address}");
        let labelled = json!({"namespaceSelector": {"matchLabels": {"team": "a"}}});
        assert!(
            covered(address, &[to(&labelled, 8200)]),
            "believed: {address}"
        );
        assert!(!covered(address, &[]), "{address}");
        assert!(
            !covered(address, &[to(&namespace("seal"), 443)]),
            "{address}"
        );
        assert!(
            !covered(address, &[to(&namespace("other"), 8200)]),
            "{address}"
        );
        assert!(
            !covered(address, &[to(&block("0.0.0.0/0"), 8200)]),
            "{address}"
        );
    }
    // A name with one label is a Service in the namespace of the pods.
    let own = json!({"podSelector": {"matchLabels": {"app": "seal"}}});
    assert!(covered("https://infra:8200", &[to(&own, 8200)]));
    assert!(!covered(
        "https://infra:8200",
        &[to(&namespace("infra"), 8200)]
    ));
    // In its own namespace, the core rows open only the cluster's own pods.
    assert!(covered("https://bao.bao.svc:8200", &[]));
    assert!(!covered("https://bao-too.bao.svc:8200", &[]));
    // The pods define the number of a port name.
    let named = json!({"to": [namespace("seal")], "ports": [{"port": "api"}]});
    assert!(covered("https://infra.seal.svc:8200", &[named]));
}

#[test]
fn obp605_says_what_a_rule_for_another_port_or_for_addresses_is_worth() {
    let reason = |egress: Value| {
        let found = advised(
            Baseline::V01,
            None,
            &transit("https://infra.seal.svc", &[egress]),
        );
        found
            .into_iter()
            .map(|one| one.reason)
            .collect::<Vec<_>>()
            .concat()
    };
    let other = reason(to(&namespace("seal"), 8200));
    assert!(
        other.contains("only on ports other than 443; this works only if the pods"),
        "{other}"
    );
    let addresses = reason(to(&block("0.0.0.0/0"), 443));
    assert!(
        addresses.contains("pods only under some network plugins"),
        "{addresses}"
    );
    let shut = reason(to(&namespace("other"), 443));
    assert_eq!(
        shut,
        "no egress rule lets pods reach the transit seal, infra.seal.svc:443"
    );
}

#[test]
fn obp605_an_address_is_covered_by_a_block_that_holds_it() {
    for (address, cidr) in [
        ("https://192.0.2.40:8200", "192.0.2.0/24"),
        ("https://[2001:db8::40]:8200", "2001:db8::/64"),
        ("https://[::ffff:192.0.2.40]:8200", "192.0.2.40/32"),
    ] {
        assert!(covered(address, &[to(&block(cidr), 8200)]), "{address}");
        assert!(!covered(address, &[to(&block(cidr), 8201)]), "{address}");
        assert!(
            !covered(address, &[to(&block("198.51.100.0/24"), 8200)]),
            "{address}"
        );
        assert!(
            !covered(address, &[to(&namespace("seal"), 8200)]),
            "{address}"
        );
    }
    let carved = json!({"ipBlock": {"cidr": "192.0.2.0/24", "except": ["192.0.2.40/32"]}});
    assert!(!covered("https://192.0.2.40:8200", &[to(&carved, 8200)]));
    let udp = json!({"to": [block("192.0.2.0/24")], "ports": [{"port": 8200, "protocol": "UDP"}]});
    assert!(!covered("https://192.0.2.40:8200", &[udp]));
    // A connection inside a pod needs no policy.
    assert!(covered("http://127.0.0.1:8200", &[]));
    assert!(covered("http://localhost:8200", &[]));
}

#[test]
fn obp605_another_name_is_covered_where_its_port_is_open_to_addresses() {
    let name = "https://seal.example.org:8200";
    assert!(covered(name, &[to(&block("192.0.2.0/24"), 8200)]));
    assert!(covered(name, &[json!({"ports": [{"port": 8200}]})]));
    for egress in [
        to(&block("192.0.2.0/24"), 443),
        to(&namespace("seal"), 8200),
        to(&block("127.0.0.0/8"), 8200),
        to(&block("169.254.0.0/16"), 8200),
    ] {
        assert!(!covered(name, std::slice::from_ref(&egress)), "{egress}");
    }
    // Rules for the API server and for DNS do not count.
    assert!(!covered("https://seal.example.org", &[]));
}

#[test]
fn obp605_a_port_is_the_written_one_or_the_schemes() {
    let https = [to(&namespace("seal"), 443)];
    assert!(covered("https://infra.seal.svc", &https));
    assert!(covered("infra.seal.svc", &https));
    assert!(!covered("http://infra.seal.svc", &https));
    assert!(covered(
        "http://infra.seal.svc",
        &[to(&namespace("seal"), 80)]
    ));
}

#[test]
fn obp605_a_text_that_is_no_endpoint_is_reported() {
    for address in [
        "https://",
        "https://infra:99999",
        "https://infra:",
        "a b",
        "https://infra:0",
    ] {
        assert!(!covered(address, &[json!({})]), "{address}");
    }
    assert!(covered("  ", &[]), "blank is absent");
}

#[test]
fn obp605_what_was_so_before_is_known() {
    let spec = transit("https://infra.seal.svc:8200", &[]);
    let moved = transit("https://other.seal.svc:8200", &[]);
    let harms = |before: Option<&Value>, after: &Value| {
        let found = advised(Baseline::V01, before, after);
        found.into_iter().map(|one| one.onset).collect::<Vec<_>>()
    };
    let mut scaled = spec.clone();
    scaled["podMetadata"] = json!({"labels": {"app": "vault"}});
    assert_eq!(harms(None, &spec), [Onset::Introduced]);
    assert_eq!(harms(Some(&spec), &scaled), [Onset::PreExisting]);
    assert_eq!(harms(Some(&spec), &moved), [Onset::Introduced]);
    assert_eq!(harms(Some(&spec), &spec), [], "nothing is written");
}
