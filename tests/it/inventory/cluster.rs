//! Declarations of an OpenBaoCluster.

use openbao_perimeter::inventory::{Fact, Kind, Malformed, Profile, read};
use serde_json::{Value, json};

use super::{cluster, reference};

#[test]
fn a_cluster_without_anything_is_read() {
    for spec in [
        Value::Null,
        json!({}),
        json!({"network": null, "unknown": {"x": 1}}),
    ] {
        let cluster = cluster(&spec);
        assert_eq!(
            cluster.network,
            openbao_perimeter::inventory::Network::default()
        );
        assert_eq!((cluster.profile, cluster.gateway_namespace), (None, None));
    }
}

#[test]
fn a_clusters_addresses_are_trimmed_and_blank_ones_skipped() {
    let cluster = cluster(&json!({"network": {
        "apiServerCIDR": " 10.43.0.1/16 ",
        "apiServerEndpointIPs": [" ", " 192.0.2.1 ", "::ffff:192.0.2.2", "example.org", "10.0.0.1/32"],
        "dnsNamespace": "openshift-dns",
        "dnsEndpointIPs": ["", "169.254.20.10", "2001:db8::53"],
    }}));
    let network = cluster.network;
    let cidr = network
        .api_server_cidr
        .expect("declared")
        .expect("readable");
    assert_eq!(
        cidr.canonical().map(|net| net.to_string()).as_deref(),
        Some("10.43.0.0/16")
    );
    assert_eq!(network.dns_namespace.as_deref(), Some("openshift-dns"));
    let read: Vec<Result<String, Vec<String>>> = network
        .api_server_endpoints
        .into_iter()
        .map(|entry| {
            entry
                .map(|listed| format!("{} {}", listed.at, listed.address))
                .map_err(|problems| problems.into_iter().map(|problem| problem.path).collect())
        })
        .collect();
    assert_eq!(
        read,
        [
            Ok("1 192.0.2.1".to_owned()),
            Ok("2 192.0.2.2".to_owned()),
            Err(vec!["spec.network.apiServerEndpointIPs[3]".to_owned()]),
            Err(vec!["spec.network.apiServerEndpointIPs[4]".to_owned()]),
        ]
    );
    assert_eq!(network.dns_endpoints.len(), 2);
    let blank = self::cluster(&json!({"network": {"apiServerCIDR": " ", "dnsNamespace": ""}}));
    assert_eq!(
        (blank.network.api_server_cidr, blank.network.dns_namespace),
        (None, None)
    );
}

#[test]
fn names_of_namespaces_keep_their_blanks_as_the_operator_copies_them() {
    let gateway = |namespace: &str| json!({"enabled": true, "gatewayRef": {"name": "g", "namespace": namespace}});
    for (written, dns, gateways) in [
        ("edge", Some("edge"), "edge"),
        (" edge ", Some(" edge "), " edge "),
        // If the Gateway's namespace is blank, the operator uses the cluster's own.
        (" ", Some(" "), "bao"),
        ("", None, "bao"),
    ] {
        let spec = json!({"network": {"dnsNamespace": written}, "gateway": gateway(written)});
        let read = cluster(&spec);
        let found = (
            read.network.dns_namespace.as_deref(),
            read.gateway_namespace.as_deref(),
        );
        assert_eq!(found, (dns, Some(gateways)), "{written:?}");
    }
}

#[test]
fn what_is_wrong_with_one_declaration_stays_with_it() {
    let cluster = cluster(&json!({"network": {
        "apiServerCIDR": "everywhere",
        "ingressRules": [{"ports": [{"port": 8200}]}, {"from": [{"ipBlock": {"cidr": "::/0"}, "podSelector": {}}]}],
        "egressRules": [{"to": [{"ipBlock": {"cidr": "nowhere"}}, {}], "ports": [{"endPort": 1}]}],
        "trustedIngressPeers": [{"namespaceSelector": {}}, {}],
    }}));
    let paths = |problems: &[Malformed]| -> Vec<String> {
        problems
            .iter()
            .map(|problem| problem.path.clone())
            .collect()
    };
    let network = &cluster.network;
    let cidr = network.api_server_cidr.as_ref().expect("declared");
    assert_eq!(
        paths(cidr.as_ref().unwrap_err()),
        ["spec.network.apiServerCIDR"]
    );
    assert!(network.ingress_rules[0].is_ok());
    assert_eq!(
        paths(network.ingress_rules[1].as_ref().unwrap_err()),
        ["spec.network.ingressRules[1].from[0]"]
    );
    assert_eq!(
        paths(network.egress_rules[0].as_ref().unwrap_err()),
        [
            "spec.network.egressRules[0].to[0].ipBlock.cidr",
            "spec.network.egressRules[0].to[1]",
            "spec.network.egressRules[0].ports[0].endPort",
        ]
    );
    assert!(network.trusted_ingress_peers[0].is_ok());
    assert_eq!(
        paths(network.trusted_ingress_peers[1].as_ref().unwrap_err()),
        ["spec.network.trustedIngressPeers[1]"]
    );
}

#[test]
fn a_clusters_zone_fields_are_read() {
    let spec = json!({
        "profile": "Hardened",
        "podMetadata": {"labels": {"team": "a"}},
        "readReplicas": {"replicas": 2, "template": {"metadata": {"labels": {"tier": "read"}}}},
        "backup": {"target": {"workloadIdentity": {"podLabels": {"identity": "on"}}}},
        "gateway": {"enabled": true, "gatewayRef": {"name": "gw", "namespace": "edge"}},
        "ingress": {"enabled": true},
    });
    let read = cluster(&spec);
    assert_eq!(read.profile, Some(Profile::Hardened));
    assert_eq!(read.pod_labels.len(), 2);
    assert_eq!(
        read.job_labels.get("identity").map(AsRef::as_ref),
        Some("on")
    );
    assert_eq!(read.gateway_namespace.as_deref(), Some("edge"));
    assert!(read.ingress_enabled);

    let off = cluster(
        &json!({"profile": "Relaxed", "gateway": {"enabled": false, "gatewayRef": {"namespace": "edge"}}}),
    );
    assert_eq!(
        (off.profile, off.gateway_namespace, off.ingress_enabled),
        (None, None, false)
    );
    let own = cluster(&json!({"gateway": {"enabled": true, "gatewayRef": {"name": "gw"}}}));
    assert_eq!(
        own.gateway_namespace.as_deref(),
        Some("bao"),
        "the cluster's own by default"
    );
}

#[test]
fn the_metrics_port_is_kept_as_declared_where_the_listener_is_on() {
    let port = |metrics: Value| {
        let read = cluster(&json!({"observability": {"metrics": metrics}})).metrics_port;
        let path = |problems: Vec<Malformed>| problems[0].path.clone();
        read.map(|port| port.map_err(path))
    };
    let broken = Err("spec.observability.metrics.metricsOnlyListener.port".to_owned());
    let table = [
        (json!({"enabled": true}), None),
        (
            json!({"enabled": true, "scrapeProfile": "AllNodes"}),
            Some(Ok(8202)),
        ),
        (
            json!({"enabled": true, "scrapeProfile": "AllNodes", "metricsOnlyListener": {"enabled": false}}),
            None,
        ),
        (
            json!({"enabled": true, "metricsOnlyListener": {"enabled": true, "port": 8201}}),
            Some(Ok(8201)),
        ),
        (
            json!({"enabled": false, "metricsOnlyListener": {"enabled": true, "port": 8201}}),
            None,
        ),
        (
            json!({"enabled": true, "metricsOnlyListener": {"enabled": true, "port": 0}}),
            Some(broken.clone()),
        ),
        (
            json!({"enabled": true, "metricsOnlyListener": {"enabled": true, "port": 70000}}),
            Some(broken),
        ),
    ];
    for (metrics, expected) in table {
        assert_eq!(port(metrics.clone()), expected, "{metrics}");
    }
}

#[test]
fn a_cluster_stores_snapshots_for_backups_and_before_upgrades() {
    let table = [
        (json!({}), false),
        (json!({"backup": {}}), true),
        (json!({"upgrade": {"preUpgradeSnapshot": true}}), true),
        (
            json!({"upgrade": {"preUpgradeSnapshot": false, "blueGreen": {}}}),
            false,
        ),
        (
            json!({"upgrade": {"blueGreen": {"preUpgradeSnapshot": true}}}),
            true,
        ),
    ];
    for (spec, expected) in table {
        assert_eq!(cluster(&spec).stores_snapshots, expected, "{spec}");
    }
}

#[test]
fn the_uid_is_a_fact_of_clusters_and_no_part_of_what_they_say() {
    let cluster = |uid: Value| {
        let json = json!({"metadata": {"name": "it", "uid": uid}, "spec": {}}).to_string();
        let Fact::Read(cluster) = read::cluster(json.as_bytes(), &reference(Kind::OpenBaoCluster))
        else {
            panic!("{json}");
        };
        cluster
    };
    let known = cluster(json!("b1"));
    assert_eq!(known.uid.as_deref(), Some("b1"));
    for absent in [Value::Null, json!("")] {
        let unknown = cluster(absent);
        assert_eq!(unknown.uid, None);
        assert!(unknown.same_spec(&known));
    }
}
