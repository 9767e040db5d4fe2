//! Output of `render`, compared with the operator's policies.

mod oracle;
mod review;

use std::net::IpAddr;

use openbao_perimeter::baseline::{Facts, written};
use openbao_perimeter::config::{BaselineSetting, ReviewConfig};
use openbao_perimeter::inventory::{Cluster, Object, read};
use openbao_perimeter::show::manifests;
use serde_json::{Value, json};

use oracle::{Choice, SERVICE, SIZES};

/// Settings with a baseline.
pub(crate) fn config(era: &str) -> ReviewConfig {
    ReviewConfig {
        baseline: era.parse::<BaselineSetting>().unwrap().named().unwrap(),
        ..ReviewConfig::default()
    }
}

fn cluster(manifest: &Value) -> std::sync::Arc<Cluster> {
    match read::object(manifest) {
        Some(Object::Cluster(fact)) => fact.read().unwrap().clone(),
        other => panic!("{manifest}: {other:?}"),
    }
}

/// The output for a cluster, if these addresses of the API server are known.
fn printed(
    manifest: &Value,
    config: &ReviewConfig,
    api_server: &[IpAddr],
) -> Result<String, Vec<String>> {
    let cluster = cluster(manifest);
    let facts = Facts {
        cluster: &cluster,
        config,
        api_server,
        observed: &[],
    };
    written(&facts)
        .map(|policies| manifests::documents(&cluster, &policies, config.baseline))
        .map_err(|obstacles| obstacles.iter().map(ToString::to_string).collect())
}

fn documents(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap()
}

/// Choices that cover every pair of values of two different factors.
fn pairs() -> Vec<Choice> {
    let mut choices = Vec::new();
    let mut turn = 0;
    for one in 0..SIZES.len() {
        for other in 0..one {
            for (a, b) in (0..SIZES[one]).flat_map(|a| (0..SIZES[other]).map(move |b| (a, b))) {
                // The other factors rotate at different speeds.
                let mut at: [usize; SIZES.len()] =
                    std::array::from_fn(|axis| (turn / (axis + 1) + axis) % SIZES[axis]);
                (at[one], at[other]) = (a, b);
                choices.push(Choice::from(at));
                turn += 1;
            }
        }
    }
    choices
}

#[test]
fn what_is_rendered_equals_what_the_operator_writes_for_every_pair_of_choices() {
    let choices = pairs();
    assert!(choices.len() > 500, "{}", choices.len());
    for choice in choices {
        let text = printed(&choice.manifest(), &config(choice.era), &[SERVICE.into()]).unwrap();
        assert_eq!(documents(&text), choice.policies(), "{choice:?}");
    }
}

#[test]
fn every_document_says_what_it_is_and_why_it_has_no_owner() {
    let mut manifest = json!({
        "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster",
        "metadata": {"name": "prod", "namespace": "bao"},
        "spec": {"network": {"apiServerCIDR": "10.43.0.1/32"}},
    });
    let without = printed(&manifest, &config("v0.1"), &[]).unwrap();
    let why = "# Without ownerReferences: the OpenBaoCluster's manifest has no metadata.uid, which only an API \
               server gives.\n";
    assert_eq!(without.matches(why).count(), 2, "{without}");
    manifest["metadata"]["uid"] = json!("b1");
    let with = printed(&manifest, &config("v0.1"), &[]).unwrap();
    assert_eq!(
        with.matches("  - apiVersion: openbao.org/v1alpha1\n")
            .count(),
        2,
        "{with}"
    );
    assert!(!with.contains("Without"), "{with}");
    for text in [with, without] {
        let begin = "---\n# prod-network-policy as the operator renders it for OpenBaoCluster bao/prod, baseline v0.1.\n";
        assert!(text.starts_with(begin), "{text}");
    }
}

#[test]
fn labels_that_yaml_could_take_for_something_else_stay_texts() {
    let labels = json!({"a": "on", "b": "1e3", "c": "0x1F", "yes": "1_000", "e": "", "f": "012", "g": "null"});
    let rule = json!({"from": [{"podSelector": {"matchLabels": labels}}], "ports": [{"port": 8200, "protocol": "TCP"}]});
    let manifest = json!({
        "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster",
        "metadata": {"name": "prod", "namespace": "bao"},
        "spec": {"network": {"apiServerCIDR": "10.43.0.1/32", "ingressRules": [rule]}},
    });
    let text = printed(&manifest, &config("v0.1"), &[]).unwrap();
    let rules = documents(&text)[0]["spec"]["ingress"].clone();
    assert_eq!(rules.as_array().unwrap().last(), Some(&rule), "{text}");
    for quoted in [
        "a: \"on\"",
        "\"yes\": \"1_000\"",
        "f: \"012\"",
        "g: \"null\"",
    ] {
        assert!(text.contains(quoted), "no {quoted} in {text}");
    }
}

/// The obstacles to rendering a cluster with this `spec.network`, in a baseline.
fn stopped(era: &str, network: &Value) -> Vec<String> {
    let manifest = json!({
        "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster",
        "metadata": {"name": "prod", "namespace": "bao"}, "spec": {"network": network},
    });
    let stopped = printed(&manifest, &config(era), &[])
        .err()
        .unwrap_or_default();
    let begin = "cannot render OpenBaoCluster bao/prod, ";
    let problems = stopped
        .iter()
        .map(|text| text.strip_prefix(begin).unwrap().to_owned());
    problems.collect()
}

#[test]
fn what_stops_the_operator_is_an_error_that_names_the_field() {
    let stopped_at = |era, network: Value| {
        let problems = stopped(era, &network).into_iter();
        problems
            .map(|text| text.split_once(": ").unwrap().0.to_owned())
            .collect::<Vec<_>>()
    };
    let cidr = || "spec.network.apiServerCIDR".to_owned();
    assert_eq!(stopped_at("v0.1", json!({})), [cidr()]);
    assert_eq!(
        stopped_at("v0.1", json!({"apiServerEndpointIPs": ["192.0.2.1"]})),
        [cidr()]
    );
    for text in [
        "10.43.0.1",
        "10.43.0.0/33",
        "010.43.0.0/16",
        "::ffff:10.43.0.0/112",
        "all",
    ] {
        assert_eq!(
            stopped_at("v0.4", json!({"apiServerCIDR": text})),
            [cidr()],
            "{text}"
        );
    }
    let several = json!({
        "apiServerCIDR": "10.43.0.1/32",
        "apiServerEndpointIPs": ["192.0.2.1", "api.example.com"],
        "dnsEndpointIPs": ["169.254.20.10/32"],
        "trustedIngressPeers": [{}],
        "egressRules": [{"ports": [{"port": 0}]}],
    });
    let field = |text: &str| format!("spec.network.{text}");
    let all = [
        "trustedIngressPeers[0]",
        "dnsEndpointIPs[0]",
        "apiServerEndpointIPs[1]",
        "egressRules[0].ports[0].port",
    ];
    assert_eq!(stopped_at("v0.1", several.clone()), all.map(field));
    // The operator before 0.1 had neither peers nor DNS addresses, so it ignored both.
    assert_eq!(
        stopped_at("classic", several),
        all[2..].iter().map(|text| field(text)).collect::<Vec<_>>()
    );
}

#[test]
fn a_policy_that_the_api_server_would_deny_is_an_error_too() {
    let problems = stopped(
        "v0.1",
        &json!({"apiServerCIDR": "10.43.0.1/32", "dnsNamespace": "kube system"}),
    );
    let at =
        "spec.network.dnsNamespace: the API server would reject the policy: expected a label value";
    assert!(problems[0].starts_with(at), "{problems:?}");
    assert_eq!(problems.len(), 1, "{problems:?}");
}

#[test]
fn a_cluster_that_is_restored_into_asks_for_no_policies() {
    let manifest = json!({
        "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster",
        "metadata": {"name": "prod", "namespace": "bao", "annotations": {"openbao.org/restore-origin": "x"}},
        "spec": {"network": {"apiServerCIDR": "nonsense"}},
    });
    assert_eq!(printed(&manifest, &config("v0.4"), &[]), Ok(String::new()));
}
