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
         unsafeEgressAllowed: []}",
    );
    let posture = empty.posture().unwrap();
    assert!(posture.dns_namespaces.is_empty() && posture.tunnel_ports.is_empty());
    assert!(posture.runtime_label_keys.is_empty() && posture.health_namespaces.is_empty());
    assert!(posture.metrics_namespace_labels.is_empty());
}
