//! Every row of the operator's tables, by its reason.

mod gateway;
mod jobs;

use serde_json::{Value, json};

use super::{Condition, REASONS, checkpoints};
use crate::code::Code;
use crate::config::{Baseline, ReviewConfig};
use crate::inventory::Checkpoint::ApiServerNetwork;
use crate::inventory::Status::{False, True, Unknown};
use crate::inventory::{
    Change, Cluster, Completeness, Kind, Object, ObjectRef, Restore, Snapshot, Status, read,
};
use crate::rules::Onset;

fn reference(kind: Kind) -> ObjectRef {
    ObjectRef {
        kind,
        namespace: "bao".into(),
        name: "bao".into(),
    }
}

fn cluster_with(spec: &Value, status: &Value) -> Cluster {
    let json =
        json!({"metadata": {"name": "bao", "namespace": "bao"}, "spec": spec, "status": status});
    let fact = read::cluster(
        json.to_string().as_bytes(),
        &reference(Kind::OpenBaoCluster),
    );
    let cluster = fact.read().expect("readable");
    Cluster::clone(cluster)
}

fn cluster(spec: &Value) -> Cluster {
    cluster_with(spec, &Value::Null)
}

fn restore(spec: &Value) -> Restore {
    let json = json!({"metadata": {"name": "again", "namespace": "bao"}, "spec": spec});
    let fact = read::restore(
        json.to_string().as_bytes(),
        &reference(Kind::OpenBaoRestore),
    );
    Restore::clone(fact.read().expect("readable"))
}

fn config_of(baseline: Baseline) -> ReviewConfig {
    ReviewConfig {
        baseline,
        ..ReviewConfig::default()
    }
}

/// Facts with a cluster that serves the Gateway API.
fn snapshot(objects: &[Value]) -> Snapshot {
    let objects = objects
        .iter()
        .map(|object| read::object(object).expect("ours"));
    let whole = [Kind::Gateway, Kind::GatewayClass]
        .map(|kind| Change::Completeness(kind, Completeness::Whole));
    Snapshot::default().apply(objects.map(Change::Set).chain(whole))
}

fn with_api_server() -> Snapshot {
    let address = Object::ApiServer(vec![[10, 96, 0, 1].into()]);
    Snapshot::default().apply([Change::Set(address)])
}

/// Status and reason, checked against the table of the baseline.
fn pair(condition: &Condition, baseline: Baseline) -> (Status, &'static str) {
    let pair = (condition.status, condition.reason);
    let mut known = REASONS.iter().filter(|known| known.kind == condition.kind);
    assert!(
        known.any(
            |known| (known.status, known.reason) == pair && known.baselines.contains(&baseline)
        ),
        "{condition:?}"
    );
    pair
}

fn api_server(network: &Value, snapshot: &Snapshot) -> (Status, &'static str) {
    let cluster = cluster(&json!({"profile": "Hardened", "network": network}));
    let found = checkpoints(&cluster, snapshot, &ReviewConfig::default());
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].kind, ApiServerNetwork);
    pair(&found[0], Baseline::V01)
}

#[test]
fn api_server_network_ready_with_an_endpoint_address() {
    let network =
        json!({"apiServerCIDR": "10.43.0.1/32", "apiServerEndpointIPs": [" ", "192.0.2.10"]});
    assert_eq!(
        api_server(&network, &Snapshot::default()),
        (True, "APIServerNetworkReady")
    );
}

#[test]
fn api_server_endpoint_ips_recommended_with_a_service_address_alone() {
    let expected = (Unknown, "APIServerEndpointIPsRecommended");
    let declared = json!({"apiServerCIDR": "10.43.0.0/16"});
    assert_eq!(api_server(&declared, &Snapshot::default()), expected);
    assert_eq!(
        api_server(&json!({"apiServerEndpointIPs": [" "]}), &with_api_server()),
        expected
    );
}

#[test]
fn api_server_network_configuration_invalid_with_what_the_operator_does_not_read() {
    let expected = (False, "APIServerNetworkConfigurationInvalid");
    for network in [
        json!({"apiServerCIDR": "not-a-cidr"}),
        json!({"apiServerCIDR": "010.43.0.0/16"}),
        json!({"apiServerCIDR": "10.43.0.1/32", "apiServerEndpointIPs": ["192.0.2.10", "example.org"]}),
    ] {
        assert_eq!(
            api_server(&network, &with_api_server()),
            expected,
            "{network}"
        );
    }
    // Go accepts an IPv4-mapped address.
    let mapped = json!({"apiServerCIDR": "::ffff:10.43.0.1/128"});
    assert_eq!(api_server(&mapped, &with_api_server()).0, Unknown);
}

#[test]
fn api_server_network_is_unknown_where_no_address_is_known_here() {
    assert_eq!(
        api_server(&json!({}), &Snapshot::default()),
        (Unknown, "Unknown")
    );
}

#[test]
fn paused_and_profile_not_set_hold_every_check_of_a_cluster() {
    let bad = json!({"network": {"apiServerCIDR": "x"}, "gateway": {"enabled": true},
        "backup": {"schedule": "0 3 * * *"}});
    for (spec, reason) in [
        (json!({"paused": true, "profile": "Hardened"}), "Paused"),
        (json!({"paused": true}), "Paused"),
        (json!({}), "ProfileNotSet"),
        (json!({"profile": "Other"}), "ProfileNotSet"),
    ] {
        let mut whole = bad.clone();
        whole
            .as_object_mut()
            .expect("a map")
            .extend(spec.as_object().expect("a map").clone());
        let found = checkpoints(
            &cluster(&whole),
            &Snapshot::default(),
            &ReviewConfig::default(),
        );
        let found: Vec<_> = found.iter().map(|one| pair(one, Baseline::V01)).collect();
        assert_eq!(found, [(Unknown, reason); 3], "{whole}");
    }
}

#[test]
fn the_oldest_baseline_has_no_checkpoints() {
    let spec = json!({"profile": "Hardened", "network": {"apiServerCIDR": "x"}, "gateway": {"enabled": true},
        "backup": {}});
    let config = config_of(Baseline::Classic);
    assert_eq!(
        checkpoints(&cluster(&spec), &Snapshot::default(), &config),
        []
    );
    assert_eq!(
        super::of_restore(&restore(&json!({})), &cluster(&spec), &config),
        None
    );
}

#[test]
fn a_checkpoint_of_what_is_off_is_left_out() {
    let spec = json!({"profile": "Development", "gateway": {"enabled": false}});
    let found = checkpoints(
        &cluster(&spec),
        &Snapshot::default(),
        &ReviewConfig::default(),
    );
    let kinds: Vec<_> = found.iter().map(|one| one.kind).collect();
    assert_eq!(kinds, [ApiServerNetwork]);
}

#[test]
fn a_live_condition_that_differs_is_shown_with_ours() {
    let spec = json!({"profile": "Hardened", "network": {"apiServerCIDR": "x"}});
    let live = |status: &str, reason: &str| json!({"conditions": [{"type": "APIServerNetworkReady", "status": status, "reason": reason}]});
    let said = |spec: &Value, status: &Value, before: Option<&Value>| {
        let after = cluster_with(spec, status);
        let before = before.map(cluster);
        let facts = (&Snapshot::default(), &ReviewConfig::default());
        let object = reference(Kind::OpenBaoCluster);
        let found = super::check(ApiServerNetwork, &object, (before.as_ref(), &after), facts);
        found.map(|one| (one.code, one.onset, one.reason))
    };
    let (code, onset, reason) =
        said(&spec, &live("True", "APIServerNetworkReady"), None).expect("found");
    assert_eq!((code, onset), (Code::Obp601, Onset::Introduced));
    assert!(
        reason.ends_with("; the live object says True (APIServerNetworkReady)"),
        "{reason}"
    );
    // The same condition is reported once.
    let same = live("False", "APIServerNetworkConfigurationInvalid");
    let (_, onset, reason) = said(&spec, &same, Some(&spec)).expect("found");
    assert_eq!(onset, Onset::PreExisting);
    assert!(!reason.contains("live"), "{reason}");
    // Conditions that only the operator can compute are reported if they are `False`.
    let blind = json!({"profile": "Hardened"});
    let (_, onset, reason) = said(&blind, &same, Some(&blind)).expect("found");
    assert_eq!(onset, Onset::PreExisting);
    assert!(
        reason.contains("is Unknown (Unknown)") && reason.contains("says False"),
        "{reason}"
    );
    // The operator has not processed the write that fixes it.
    let good = json!({"profile": "Hardened", "network": {"apiServerEndpointIPs": ["192.0.2.1"]}});
    assert_eq!(said(&good, &same, Some(&spec)), None);
    assert_eq!(said(&good, &Value::Null, None), None);
}

#[test]
fn a_status_that_cannot_be_read_says_nothing() {
    for status in [
        json!("x"),
        json!({"conditions": 7}),
        json!({"conditions": [null, {"type": 1}]}),
    ] {
        let cluster = cluster_with(&json!({"profile": "Hardened"}), &status);
        assert_eq!(cluster.dependencies.live, []);
    }
}
