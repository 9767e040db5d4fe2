//! Comparison of manifests and code.

mod certificates;
pub(crate) mod chart;
pub(crate) mod identity;
mod image;
pub(crate) mod monitoring;
pub(crate) mod overlays;
mod registrations;
mod rights;

use std::collections::BTreeSet;
use std::fs;

use clap::{CommandFactory as _, Parser as _};
use k8s_openapi::Resource;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Container;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use openbao_perimeter::cli::{Cli, Command};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The document of this kind in a manifest.
fn object<T: DeserializeOwned + Resource>(file: &str) -> T {
    let text = fs::read_to_string(format!("manifests/{file}")).unwrap();
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    let mut of_kind = documents
        .into_iter()
        .filter(|document| document["kind"] == T::KIND);
    let document = of_kind.next().unwrap();
    assert!(of_kind.next().is_none(), "{file}: one {}", T::KIND);
    serde_json::from_value(document).unwrap()
}

fn container() -> Container {
    let deployment: Deployment = object("base/deployment.yaml");
    deployment
        .spec
        .unwrap()
        .template
        .spec
        .unwrap()
        .containers
        .remove(0)
}

fn container_port(target: Option<&IntOrString>) -> Option<i32> {
    match target? {
        IntOrString::Int(port) => Some(*port),
        IntOrString::String(name) => {
            let ports = container().ports?;
            let named = ports.iter().find(|port| port.name.as_ref() == Some(name));
            named.map(|port| port.container_port)
        }
    }
}

#[test]
fn the_deployment_serves_the_ports_that_it_and_its_network_policy_name() {
    let container = container();
    let args = container.args.unwrap();
    let typed = std::iter::once("openbao-perimeter".to_owned()).chain(args);
    let Command::Serve(serve) = Cli::try_parse_from(typed).unwrap().command else {
        panic!("expected `serve`");
    };
    let config = serve.settings.with(None);
    let listens = [config.listen, config.probes_listen, config.metrics_listen];
    let served: BTreeSet<i32> = listens.map(|address| address.port().into()).into();
    let ports = container.ports.unwrap();
    let declared: BTreeSet<i32> = ports.iter().map(|port| port.container_port).collect();
    assert_eq!(served, declared);
    let policy: NetworkPolicy = object("base/network-policy.yaml");
    let ingress = policy.spec.unwrap().ingress.unwrap();
    let open = ingress
        .into_iter()
        .flat_map(|rule| rule.ports.unwrap_or_default());
    let open: BTreeSet<i32> = open
        .filter_map(|port| container_port(port.port.as_ref()))
        .collect();
    assert_eq!(open, served);
}

#[test]
fn the_pods_get_out_to_an_api_server_on_any_port_and_by_tcp_only() {
    let policy: NetworkPolicy = object("base/network-policy.yaml");
    let egress = serde_json::to_value(policy.spec.unwrap().egress).unwrap();
    assert_eq!(
        egress,
        serde_json::json!([{"ports": [{"protocol": "TCP"}]}])
    );
}

/// The variable for the C library.
pub(crate) const TUNABLES: &str = "GLIBC_TUNABLES";

/// The value of a variable in the Deployment.
pub(crate) fn variable(name: &str) -> String {
    let mut variables = container().env.unwrap().into_iter();
    let found = variables.find(|variable| variable.name == name);
    found.and_then(|variable| variable.value).unwrap()
}

#[test]
fn the_variables_of_the_deployment_are_settings_that_exist() {
    let mut command = Cli::command();
    command.build();
    let serve = command.find_subcommand("serve").unwrap();
    let known: Vec<_> = serve
        .get_arguments()
        .filter_map(|arg| arg.get_env())
        .collect();
    for variable in container().env.unwrap() {
        assert!(
            variable.name == TUNABLES || known.iter().any(|name| *name == variable.name.as_str()),
            "{}",
            variable.name
        );
    }
}
