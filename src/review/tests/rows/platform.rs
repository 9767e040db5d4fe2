//! Connections that the configuration permits for every perimeter.

use super::{EACH, Place, Rule, SINCE_V01, block, egress, ingress, namespace, tcp};
use crate::baseline::Zone;
use crate::config::Baseline;
use crate::settings::ServerConfig;
use netpol::Direction::{self, Egress, Ingress};

const PERMITTED: &str = "
review:
  platform:
    - ingress:
        - from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: mesh}}}]
          ports: [{port: 15021, protocol: TCP}]
      egress:
        - to: [{ipBlock: {cidr: 169.254.20.10/32}}]
          ports: [{port: 53, protocol: UDP}]
    - zones: [workload]
      ingress:
        - from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]
          ports: [{port: 8200, protocol: TCP}]
";

fn place(pods: Zone, baseline: Baseline) -> Place {
    let settings: ServerConfig = serde_saphyr::from_str(PERMITTED).expect("settings");
    let config = settings.review_config().expect("a config");
    let place = Place::of(pods, baseline).set(|own| own.platform_rules = config.platform_rules);
    match pods {
        Zone::Controller => place.holding("deny-all-ingress", &[Ingress], &[]),
        Zone::Workload | Zone::Jobs => place,
    }
}

fn mesh(port: u16) -> Rule {
    ingress(&namespace("mesh"), &tcp(&[port]))
}

fn cache(port: u16) -> Rule {
    let Rule(direction, rule) = egress(&block("169.254.20.10/32"), &serde_json::json!([]));
    let ports = serde_json::json!([{"port": port, "protocol": "UDP"}]);
    Rule(
        direction,
        serde_json::json!({"to": rule["to"], "ports": ports}),
    )
}

fn assert_platform(pods: Zone, direction: Direction, baselines: &[Baseline]) {
    for baseline in baselines {
        let permitted = place(pods, *baseline);
        let (row, more) = match direction {
            Ingress => (mesh(15021), mesh(15020)),
            Egress => (cache(53), cache(54)),
        };
        if pods == Zone::Controller && direction == Egress {
            // Nothing isolates them in that direction. A first policy would cut needed connections.
            continue;
        }
        permitted.permits(&row);
        permitted.refuses(&more, &[]);
        let mut nothing = place(pods, *baseline);
        nothing.config.platform_rules.clear();
        nothing.refuses(&row, &[]);
    }
}

#[test]
fn platform_workload_ingress() {
    assert_platform(Zone::Workload, Ingress, &EACH);
}

#[test]
fn platform_workload_egress() {
    assert_platform(Zone::Workload, Egress, &EACH);
}

#[test]
fn platform_jobs_ingress() {
    assert_platform(Zone::Jobs, Ingress, &SINCE_V01);
}

#[test]
fn platform_jobs_egress() {
    assert_platform(Zone::Jobs, Egress, &SINCE_V01);
}

#[test]
fn platform_controller_ingress() {
    assert_platform(Zone::Controller, Ingress, &EACH);
}

#[test]
fn platform_rules_hold_in_the_zones_that_they_name() {
    let monitoring = ingress(&namespace("monitoring"), &tcp(&[8200]));
    for baseline in SINCE_V01 {
        place(Zone::Workload, baseline).permits(&monitoring);
        place(Zone::Jobs, baseline).refuses(&monitoring, &["`monitoring`"]);
    }
}
