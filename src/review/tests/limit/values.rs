//! OBP308, OBP309 and OBP312: addresses, a namespace and a port that a cluster declares.

use serde_json::{Value, json};

use super::super::support::{config_of, row};
use super::{changed, declared, specified};
use crate::config::{Baseline, ReviewConfig};
use crate::rules::Code::{Obp301, Obp303, Obp308, Obp309, Obp312};
use crate::rules::Level::{Deny, Warn};

#[test]
fn obp308_addresses_that_stop_the_operator_are_denied_with_their_index() {
    for field in ["apiServerEndpointIPs", "dnsEndpointIPs"] {
        let network = |addresses: &[&str]| json!({field: addresses});
        let path = |at: usize| format!("spec.network.{field}[{at}]");
        for text in [
            "example.org",
            "10.0.0.1/32",
            "010.0.0.1",
            "10.0.0",
            "fe80::1%eth0",
            "10.0.0.1:6443",
        ] {
            // A blank entry is skipped, but counts for the index.
            let broken = network(&[" ", "10.0.0.7", text]);
            assert_eq!(
                declared(&broken),
                [row(Obp308, Deny, &path(2), "")],
                "{text}"
            );
            let more = network(&[text, "10.0.0.7", "10.0.0.8"]);
            assert_eq!(
                changed(&broken, &more),
                [row(Obp308, Warn, &path(0), "")],
                "{text}"
            );
        }
        assert_eq!(declared(&network(&["", " "])), []);
    }
}

#[test]
fn obp308_public_addresses_and_duplicates_are_reported_once() {
    for field in ["apiServerEndpointIPs", "dnsEndpointIPs"] {
        let network = |addresses: &[&str]| json!({field: addresses});
        let reported = |at: &[usize]| -> Vec<_> {
            let path = |at: &usize| format!("spec.network.{field}[{at}]");
            at.iter()
                .map(|at| row(Obp308, Warn, &path(at), ""))
                .collect()
        };
        let table: [(&[&str], &[usize]); 8] = [
            (&["8.8.8.8"], &[0]),
            (&["10.0.0.7", "", "1.1.1.1"], &[2]),
            (&["2606:4700::1111"], &[0]),
            (&["100.128.0.1", "172.32.0.1", "192.169.0.1"], &[0, 1, 2]),
            (&["10.0.0.7", "10.0.0.8", " 10.0.0.7 "], &[2]),
            // An IPv4-mapped address is rendered as IPv4.
            (&["10.0.0.7", "::ffff:10.0.0.7"], &[1]),
            (&["fd00::1", "fd00:0::1"], &[1]),
            (
                &[
                    "169.254.20.10",
                    "10.96.0.10",
                    "172.31.0.1",
                    "192.168.1.1",
                    "100.64.0.1",
                    "fd00::53",
                    "fe80::53",
                    "2001:db8::53",
                ],
                &[],
            ),
        ];
        for (addresses, at) in table {
            // A link-local address may be a resolver, but not an API server.
            let is_local = |address: &&str| {
                field == "dnsEndpointIPs"
                    || !address.starts_with("169.254") && !address.starts_with("fe80")
            };
            let addresses: Vec<&str> = addresses.iter().copied().filter(is_local).collect();
            let network = network(&addresses);
            assert_eq!(declared(&network), reported(at), "{network}");
            // An unchanged address is not reported again, wherever it is in the list.
            let mut moved = addresses.clone();
            moved.insert(0, "10.0.0.99");
            assert_eq!(changed(&network, &json!({field: moved})), [], "{network}");
        }
        let third = changed(
            &network(&["10.0.0.7", "10.0.0.7"]),
            &network(&["10.0.0.7", "10.0.0.7", "10.0.0.7", "8.8.8.8"]),
        );
        assert_eq!(third, reported(&[2, 3]));
    }
}

#[test]
fn obp308_unsafe_addresses_are_denied() {
    let both = [
        "127.0.0.1",
        "::1",
        "0.0.0.0",
        "::",
        "::ffff:127.0.0.1",
        "100.100.100.200",
        "192.0.0.192",
        "fd00:ec2::254",
    ];
    let endpoints_only = [
        "169.254.20.10",
        "168.63.129.16",
        "fe80::53",
        "169.254.169.254",
    ];
    let nowhere = both.map(|address| ("dnsEndpointIPs", address));
    let endpoints = both.iter().chain(&endpoints_only);
    let endpoints = endpoints.map(|address| ("apiServerEndpointIPs", *address));
    for (field, address) in nowhere.into_iter().chain(endpoints) {
        let network = json!({field: ["10.0.0.7", address]});
        let path = format!("spec.network.{field}[1]");
        assert_eq!(
            declared(&network),
            [row(Obp308, Deny, &path, "")],
            "{network}"
        );
        let known = [row(Obp308, Warn, &path, "")];
        assert_eq!(changed(&network, &network), known, "{network}");
        let config = |allowed: &str| ReviewConfig {
            unsafe_egress_allowed: vec![allowed.parse().unwrap()],
            ..ReviewConfig::default()
        };
        let host = if address.contains("::") && !address.starts_with("::ffff") {
            format!("{address}/128")
        } else {
            format!("{}/32", address.trim_start_matches("::ffff:"))
        };
        let allowed = specified(config(&host), None, &json!({"network": network}));
        let left = allowed.iter().filter(|found| found.1 == Deny).count();
        assert_eq!(left, 0, "{network}");
    }
    let named = ReviewConfig {
        api_server_endpoints: vec!["169.254.1.1".parse().unwrap()],
        ..ReviewConfig::default()
    };
    let spec = json!({"network": {"apiServerEndpointIPs": ["169.254.1.1"]}});
    assert_eq!(specified(named, None, &spec), []);
}

#[test]
fn obp308_the_metadata_service_as_a_resolver_is_advised_against() {
    let spec = |profile: &str| json!({"profile": profile, "network": {"dnsEndpointIPs": ["169.254.169.254"]}});
    let path = "spec.network.dnsEndpointIPs[0]";
    let of = |config: ReviewConfig, profile: &str| {
        let found = specified(config, None, &spec(profile)).into_iter();
        found.filter(|found| found.0 == Obp308).collect::<Vec<_>>()
    };
    let warned = [row(Obp308, Warn, path, "")];
    assert_eq!(of(ReviewConfig::default(), "Development"), warned);
    assert_eq!(of(config_of(Baseline::V04), "Development"), warned);
    assert_eq!(
        of(config_of(Baseline::V04), "Hardened"),
        [row(Obp308, Deny, path, "")]
    );
    let allowed = ReviewConfig {
        unsafe_egress_allowed: vec!["169.254.169.254/32".parse().unwrap()],
        ..ReviewConfig::default()
    };
    assert_eq!(of(allowed, "Development"), []);
}

#[test]
fn the_oldest_operator_opens_no_dns_that_is_declared() {
    for network in [
        json!({"dnsNamespace": "tenant"}),
        json!({"dnsNamespace": "kube_system"}),
        json!({"dnsEndpointIPs": ["8.8.8.8", "127.0.0.1", "example.org", "8.8.8.8"]}),
    ] {
        let spec = json!({"network": network});
        assert_eq!(
            specified(config_of(Baseline::Classic), None, &spec),
            [],
            "{spec}"
        );
        assert_ne!(
            specified(config_of(Baseline::V01), None, &spec),
            [],
            "{spec}"
        );
    }
    let endpoints = json!({"network": {"apiServerEndpointIPs": ["8.8.8.8"]}});
    let path = "spec.network.apiServerEndpointIPs[0]";
    let found = specified(config_of(Baseline::Classic), None, &endpoints);
    assert_eq!(found, [row(Obp308, Warn, path, "")]);
}

#[test]
fn obp309_dns_is_looked_for_in_a_namespace_of_the_platform() {
    let path = "spec.network.dnsNamespace";
    let network = |name: &str| json!({"dnsNamespace": name});
    let long = "a".repeat(64);
    // An invalid label value stops the operator. It does not trim blanks.
    let stalls = ["-dns", " kube-system ", " ", "kube system", &long];
    let nameless = ["kube_system", "Kube-System", "a.b"];
    let stalls = stalls.map(|name| (Obp301, name));
    for (code, name) in stalls
        .into_iter()
        .chain(nameless.map(|name| (Obp309, name)))
    {
        let refused = [row(code, Deny, path, "")];
        assert_eq!(declared(&network(name)), refused, "{name}");
        let known = changed(&network(name), &network(name));
        assert_eq!(known, [row(code, Warn, path, "")], "{name}");
    }
    let warned = [row(Obp309, Warn, path, "")];
    assert_eq!(declared(&network("tenant")), warned);
    assert_eq!(changed(&network("dns"), &network("tenant")), warned);
    assert_eq!(changed(&network("tenant"), &network("tenant")), []);
    for name in ["kube-system", ""] {
        assert_eq!(declared(&network(name)), [], "{name:?}");
    }
    let config = ReviewConfig {
        dns_namespaces: vec!["openshift-dns".into(), "node-dns".into()],
        ..ReviewConfig::default()
    };
    let under = |name| specified(config.clone(), None, &json!({"network": network(name)}));
    assert_eq!(under("node-dns"), []);
    assert_eq!(under("kube-system"), warned);
}

#[test]
fn obp312_the_metrics_listener_has_a_port_of_its_own() {
    let path = "spec.observability.metrics.metricsOnlyListener.port";
    let spec = |listener: Value| json!({"observability": {"metrics": {"enabled": true, "metricsOnlyListener": listener}}});
    let on = |port: i32| spec(json!({"enabled": true, "port": port}));
    for baseline in Baseline::ALL {
        let written =
            |before: Option<&Value>, after: &Value| specified(config_of(baseline), before, after);
        for port in [8200, 8201, 0, 70_000, -1] {
            let refused = [row(Obp312, Deny, path, "")];
            assert_eq!(written(None, &on(port)), refused, "{baseline} {port}");
            let known = [row(Obp312, Warn, path, "")];
            assert_eq!(
                written(Some(&on(port)), &on(port)),
                known,
                "{baseline} {port}"
            );
        }
        for fine in [
            on(8202),
            on(9102),
            spec(json!({"enabled": false, "port": 8201})),
            spec(json!({"port": 8201})),
            spec(json!({"enabled": true})),
        ] {
            assert_eq!(written(None, &fine), [], "{baseline} {fine}");
        }
        let switched_on = written(
            Some(&spec(json!({"enabled": false, "port": 8201}))),
            &on(8201),
        );
        assert_eq!(switched_on, [row(Obp312, Deny, path, "")], "{baseline}");
    }
    // In the newest baseline the port is opened to every trusted peer.
    let mut trusting = on(8201);
    trusting["network"] = json!({"trustedIngressPeers": [super::namespace("monitoring")]});
    let codes: Vec<_> = specified(config_of(Baseline::V04), None, &trusting)
        .into_iter()
        .map(|found| found.0)
        .collect();
    assert_eq!(codes, [Obp303, Obp312]);
}
