use std::path::Path;

use crate::settings::Settings;

fn yaml(text: &str) -> Settings {
    Settings::from_yaml(Path::new("settings.yaml"), text).unwrap()
}

#[test]
fn an_empty_list_takes_the_place_of_the_default() {
    let empty = yaml(
        "review: {levels: {}, platform: [], healthPorts: [], dnsNamespaces: [], runtimeLabelKeys: [], \
         healthNamespaces: [], apiServerEndpoints: [], metricsNamespaceLabels: {}, tunnelPorts: [], \
         unsafeEgressAllowed: [], unsafeIngressAllowed: []}",
    );
    let config = empty.config().unwrap();
    assert!(config.dns_namespaces.is_empty() && config.tunnel_ports.is_empty());
    assert!(config.runtime_label_keys.is_empty() && config.health_namespaces.is_empty());
    assert!(config.metrics_namespace_labels.is_empty());
}
