//! The rows of the documentation's tables, each with a test that is named after it.
//!
//! A row of the floor: the managed policy contains it, cutting it is denied with its name, and opening it
//! again is allowed. A row of the ceiling: opening it is allowed; one port or peer more is denied with a
//! connection, and so is the row itself if its condition does not hold. The rules are written here as in the
//! documentation, so the table of rows is compared with them. `docs/coverage.md` lists the tests of each row.

mod config;
mod controller;
mod jobs;
mod platform;
mod workload_egress;
mod workload_ingress;

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Value, json};

use super::support::{cluster_named, tenant};
use crate::baseline::{Facts, Zone, rendered, selector};
use crate::code::EnforcementPoint;
use crate::config::{Baseline, ReviewConfig};
use crate::inventory::{
    Change, Cluster, Fact, Kind, Object, ObjectRef, Policy, Snapshot, read, render as manifest,
};
use crate::review::{CompiledSnapshot, Edit, Operation, Request, Subject, Verdict, render, review};
use crate::rules::{Code, Level};
use netpol::Direction;

/// Baselines in which a row is the same.
const EACH: [Baseline; 3] = Baseline::ALL;
const BEFORE_V04: [Baseline; 2] = [Baseline::Classic, Baseline::V01];
const SINCE_V01: [Baseline; 2] = [Baseline::V01, Baseline::V04];

const API_SERVER: [u8; 4] = [10, 96, 0, 1];

/// A namespace with one cluster, or the operator's, and the zone to test.
struct Place {
    pods: Zone,
    config: ReviewConfig,
    spec: Value,
    api_server: Vec<IpAddr>,
    stored: Vec<(&'static str, Value)>,
}

impl Place {
    fn of(pods: Zone, baseline: Baseline) -> Self {
        Self {
            pods,
            config: ReviewConfig {
                baseline,
                ..ReviewConfig::default()
            },
            spec: json!({}),
            api_server: vec![API_SERVER.into()],
            stored: Vec::new(),
        }
    }

    /// Sets the spec of the OpenBaoCluster.
    fn with(self, spec: Value) -> Self {
        Self { spec, ..self }
    }

    /// Sets `spec.network`.
    fn declaring(self, network: &Value) -> Self {
        self.with(json!({ "network": network }))
    }

    /// Changes the settings.
    fn set(mut self, set: impl FnOnce(&mut ReviewConfig)) -> Self {
        set(&mut self.config);
        self
    }

    /// Adds another user's policy for the pods of the zone.
    fn holding(mut self, name: &'static str, types: &[Direction], rules: &[Rule]) -> Self {
        let spec = self.policy_spec(types, rules);
        self.stored.push((name, spec));
        self
    }

    fn namespace(&self) -> &'static str {
        match self.pods {
            Zone::Controller => "openbao-operator-system",
            Zone::Workload | Zone::Jobs => "bao",
        }
    }

    fn cluster(&self) -> Arc<Cluster> {
        cluster_named("bao", &self.spec)
    }

    /// The spec of a policy for the pods of the zone.
    fn policy_spec(&self, types: &[Direction], rules: &[Rule]) -> Value {
        let of = |direction: Direction| -> Vec<&Value> {
            let rules = rules.iter().filter(|rule| rule.0 == direction);
            rules.map(|rule| &rule.1).collect()
        };
        json!({
            "podSelector": manifest::selector(&selector(self.pods, "bao")),
            "policyTypes": types.iter().map(|direction| direction.policy_type()).collect::<Vec<_>>(),
            "ingress": of(Direction::Ingress),
            "egress": of(Direction::Egress),
        })
    }

    fn fact(&self, name: &str, spec: &Value) -> Fact<Policy> {
        let namespace = self.namespace();
        let metadata = json!({"name": name, "namespace": namespace});
        let json = json!({"metadata": metadata, "spec": spec}).to_string();
        read::policy(json.as_bytes(), &self.reference(name))
    }

    fn reference(&self, name: &str) -> ObjectRef {
        ObjectRef {
            kind: Kind::NetworkPolicy,
            namespace: self.namespace().into(),
            name: name.into(),
        }
    }

    /// The managed policy of a zone.
    fn managed(&self, pods: Zone) -> Policy {
        let cluster = self.cluster();
        let facts = Facts {
            cluster: &cluster,
            config: &self.config,
            api_server: &self.api_server,
            observed: &[],
        };
        rendered(pods, &facts).expect("a zone of a cluster")
    }

    fn compiled(&self) -> CompiledSnapshot {
        let mut objects = vec![Object::ApiServer(self.api_server.clone())];
        if self.pods != Zone::Controller {
            objects.push(Object::Cluster(Fact::Read(self.cluster())));
            for pods in Zone::of_cluster(self.config.baseline) {
                objects.push(Object::Policy(Fact::Read(self.managed(*pods).into())));
            }
        }
        for (name, spec) in &self.stored {
            objects.push(Object::Policy(self.fact(name, spec)));
        }
        let snapshot = Snapshot::default().apply(objects.into_iter().map(Change::Set));
        CompiledSnapshot::compile(None, snapshot.into(), self.config.clone().into())
    }

    /// A tenant's write of a policy.
    fn write(
        &self,
        name: &str,
        before: Option<Fact<Policy>>,
        after: Option<Fact<Policy>>,
    ) -> Verdict {
        let request = Request {
            operation: match (&before, &after) {
                (None, _) => Operation::Create,
                (Some(_), Some(_)) => Operation::Update,
                (Some(_), None) => Operation::Delete,
            },
            writer: tenant(),
            point: EnforcementPoint::Webhook,
            subject: Subject::Policy(Edit {
                object: self.reference(name),
                before,
                after,
                spec_changed: true,
            }),
        };
        let verdict = review(&self.compiled(), &request);
        assert_eq!(verdict.unreplayed, 0, "{verdict:?}");
        verdict
    }

    /// A tenant's creation of a policy for the pods of the zone.
    fn create(&self, types: &[Direction], rules: &[Rule]) -> Verdict {
        let after = self.fact("own", &self.policy_spec(types, rules));
        self.write("own", None, Some(after))
    }

    /// Replaces a stored policy of another user.
    fn replace(&self, name: &'static str, types: &[Direction], rules: &[Rule]) -> Verdict {
        let stored = self.stored.iter().find(|(stored, _)| *stored == name);
        let (_, before) = stored.expect("a stored policy");
        let after = self.fact(name, &self.policy_spec(types, rules));
        self.write(name, Some(self.fact(name, before)), Some(after))
    }

    /// Checks that opening the rule is allowed without a finding.
    fn permits(&self, rule: &Rule) {
        let verdict = self.create(&[rule.0], std::slice::from_ref(rule));
        assert_eq!(
            reasons(&verdict),
            [""; 0],
            "{} {rule:?}",
            self.config.baseline
        );
    }

    /// Checks that opening the rule is denied, with a connection that has these parts.
    fn refuses(&self, rule: &Rule, shown: &[&str]) {
        let verdict = self.create(&[rule.0], std::slice::from_ref(rule));
        let code = match rule.0 {
            Direction::Ingress => Code::Obp201,
            Direction::Egress => Code::Obp202,
        };
        assert_denied(&verdict, code, shown);
    }

    /// Checks that the managed policy has the rule, and that removing it is denied with the name of the row.
    fn requires(&self, row: &str, rule: &Rule) {
        let managed = self.managed(self.pods);
        let name = managed.meta.name.to_string();
        let mut without = managed.clone();
        let rules = match rule.0 {
            Direction::Ingress => &mut without.ingress,
            Direction::Egress => &mut without.egress,
        };
        let whole = rules.len();
        rules.retain(|own| manifest::rule(own, rule.0) != rule.1);
        assert_eq!(rules.len() + 1, whole, "one rule {} of {managed:?}", rule.1);
        let fact = |policy: Policy| Some(Fact::Read(Arc::new(policy)));
        let verdict = self.write(&name, fact(managed), fact(without));
        assert_cut(&verdict, row);
        self.permits(rule);
    }

    /// Returns true if the managed policy has the rule.
    fn renders(&self, rule: &Rule) -> bool {
        let managed = self.managed(self.pods);
        let mut rules = managed.rules(rule.0).iter();
        rules.any(|own| manifest::rule(own, rule.0) == rule.1)
    }
}

/// A rule of one direction as in a manifest.
#[derive(Clone, Debug)]
struct Rule(Direction, Value);

fn ingress(from: &Value, ports: &Value) -> Rule {
    Rule(Direction::Ingress, json!({"from": from, "ports": ports}))
}

fn egress(to: &Value, ports: &Value) -> Rule {
    Rule(Direction::Egress, json!({"to": to, "ports": ports}))
}

fn tcp(ports: &[u16]) -> Value {
    let port = |port: &u16| json!({"port": port, "protocol": "TCP"});
    ports.iter().map(port).collect()
}

fn dns_ports() -> Value {
    json!([{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}])
}

fn namespace(name: &str) -> Value {
    json!([{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}])
}

fn block(cidr: &str) -> Value {
    json!([{"ipBlock": {"cidr": cidr}}])
}

/// Pods of the same cluster, by the four labels.
fn cluster_pods() -> Value {
    json!([{"podSelector": {"matchLabels": {
        "app.kubernetes.io/instance": "bao",
        "app.kubernetes.io/managed-by": "openbao-operator",
        "app.kubernetes.io/name": "openbao",
        "openbao.org/cluster": "bao",
    }}}])
}

/// Each finding in one line: code, level, path, connection.
fn reasons(verdict: &Verdict) -> Vec<String> {
    let findings = verdict.findings.iter();
    findings
        .map(|finding| {
            let shown = finding.witness.as_ref().map(render::connection);
            let shown = shown.unwrap_or_else(|| finding.reason.clone());
            let (code, level, path) = (finding.code, finding.level, &finding.path);
            format!("{code} {level} {path}: {shown}")
        })
        .collect()
}

/// Checks for one finding that denies with this code and has a connection with these parts.
fn assert_denied(verdict: &Verdict, code: Code, shown: &[&str]) {
    let reasons = reasons(verdict);
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    let head = format!("{code} {} spec", Level::Deny);
    assert!(reasons[0].starts_with(&head), "{head}: {reasons:?}");
    for part in shown {
        assert!(reasons[0].contains(part), "{part:?}: {reasons:?}");
    }
}

/// Checks that only this core row is cut.
fn assert_cut(verdict: &Verdict, row: &str) {
    let [finding] = &verdict.findings[..] else {
        panic!("{row}: {:?}", reasons(verdict));
    };
    let named = format!("`{row}`");
    assert_eq!((finding.code, finding.level), (Code::Obp101, Level::Deny));
    assert!(finding.reason.contains(&named), "{named}: {finding:?}");
    assert!(finding.witness.is_some(), "{finding:?}");
}
