//! Properties of every write: added rules never cut, lost isolation is always found, a review is
//! deterministic, a repaired policy needs no repair, and the operator is never denied.

use std::sync::Arc;

use serde_json::{Value, json};

use super::repairs::repaired;
use super::support::{
    ZONES, cluster, compiled, found, managed, operator, policy, policy_request, tenant,
};
use crate::baseline::Zone;
use crate::inventory::{Cluster, Fact, Policy};
use crate::review::{CompiledSnapshot, Outcome, Request, repair, review};
use crate::rules::{Code, Level};
use netpol::Direction;
use netpol::rule::{Operator, Peer, PortEntry, Rule, Selector};
use netpol::testing::dice::{Dice, hold};

const CASES: u32 = 600;

/// A namespace and one write in it.
#[derive(Debug)]
struct Scene {
    network: Value,
    others: Vec<Arc<Policy>>,
    /// True if a policy of the namespace cannot be read.
    blind: bool,
    name: &'static str,
    before: Option<Arc<Policy>>,
    after: Option<Arc<Policy>>,
}

fn selector(dice: &mut Dice<'_>) -> Selector {
    let key = |dice: &mut Dice<'_>| {
        dice.pick(&[
            "openbao.org/cluster",
            "openbao-active",
            "app",
            "openbao.org/component",
        ])
    };
    let mut selector = Selector::default();
    for _ in 0..dice.roll(3) {
        let (key, value) = (key(dice), dice.pick(&["bao", "true", "web", "backup"]));
        let operator = dice.pick(&[
            Operator::Exists,
            Operator::DoesNotExist,
            Operator::In,
            Operator::NotIn,
        ]);
        let listed = matches!(operator, Operator::In | Operator::NotIn);
        let value = [value];
        selector = selector.and(key, operator, &value[..usize::from(listed)]);
        selector = if dice.once_in(6) {
            selector.and(key, Operator::NotIn, &value)
        } else {
            selector
        };
    }
    selector
}

fn rule(dice: &mut Dice<'_>) -> Rule {
    let peer = |dice: &mut Dice<'_>| match dice.roll(4) {
        0 => Peer::Pods {
            namespaces: Some(Selector::namespace(dice.pick(&[
                "kube-system",
                "web",
                "Not_A_Name",
            ]))),
            pods: None,
        },
        1 => Peer::Pods {
            namespaces: None,
            pods: Some(selector(dice)),
        },
        _ => Peer::Block {
            cidr: dice
                .pick(&["10.96.0.1/32", "0.0.0.0/0", "::/0", "010.0.0.0/8"])
                .parse()
                .expect("a block"),
            except: dice.some(1, |_| "10.96.0.0/16".parse().expect("a block")),
        },
    };
    let port = |dice: &mut Dice<'_>| match dice.roll(5) {
        0 => PortEntry::tcp(8200),
        1 => PortEntry::tcp(443),
        2 => PortEntry::udp(53),
        3 => PortEntry::tcp(8201),
        _ => PortEntry::tcp(53),
    };
    Rule {
        peers: dice.some(2, peer),
        ports: dice.some(2, port),
    }
}

fn any_policy(dice: &mut Dice<'_>, name: &str) -> Policy {
    let Fact::Read(empty) = policy(name, &json!({})) else {
        panic!("an empty spec is readable");
    };
    let types = [
        None,
        Some(vec![Direction::Ingress]),
        Some(Direction::ALL.to_vec()),
        Some(vec![Direction::Egress]),
    ];
    Policy {
        pods: selector(dice),
        policy_types: dice.pick(&types),
        ingress: dice.some(2, rule),
        egress: dice.some(2, rule),
        ..Arc::unwrap_or_clone(empty)
    }
}

pub(super) fn network(dice: &mut Dice<'_>) -> Value {
    let namespaces = json!([{"namespaceSelector": {"matchLabels": {"team": "a"}}}]);
    dice.pick(&[
        json!({}),
        json!({"ingressRules": [{"from": namespaces, "ports": [{"port": 8200}]}]}),
        json!({"egressRules": [{"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}], "ports": [{"port": 443}]}]}),
        json!({"trustedIngressPeers": [{"ipBlock": {"cidr": "198.51.100.7/32"}}], "dnsNamespace": "dns"}),
        json!({"apiServerCIDR": "10.0.0.0/16", "apiServerEndpointIPs": ["192.0.2.9"], "dnsEndpointIPs": ["2001:db8::53"]}),
    ])
}

/// The managed policy with a few changes.
fn tampered(dice: &mut Dice<'_>, own: &Policy) -> Policy {
    let mut after = own.clone();
    for _ in 0..=dice.roll(3) {
        match dice.roll(8) {
            0 if !after.ingress.is_empty() => {
                drop(after.ingress.remove(dice.roll(after.ingress.len())));
            }
            1 if !after.egress.is_empty() => {
                drop(after.egress.remove(dice.roll(after.egress.len())));
            }
            2 => after.policy_types = Some(vec![Direction::Ingress]),
            3 => after.policy_types = Some(vec![Direction::Egress]),
            4 => after.pods = selector(dice),
            5 => after.ingress.push(rule(dice)),
            6 => after.egress.insert(0, rule(dice)),
            _ => after.egress.clear(),
        }
    }
    after
}

impl Scene {
    fn cluster(&self) -> Arc<Cluster> {
        cluster(&self.network)
    }

    fn of_managed(dice: &mut Dice<'_>) -> Self {
        let network = network(dice);
        let own = managed(&cluster(&network), Zone::Workload);
        let others = dice.some(2, |dice| Arc::new(any_policy(dice, "other")));
        // Sometimes it was changed before.
        let before = if dice.once_in(4) {
            tampered(dice, &own)
        } else {
            own
        };
        let after = tampered(dice, &before);
        Self {
            network,
            others,
            blind: dice.once_in(4),
            name: "bao-network-policy",
            before: Some(before.into()),
            after: Some(after.into()),
        }
    }

    fn of_tenant(dice: &mut Dice<'_>) -> Self {
        let one = |dice: &mut Dice<'_>| Arc::new(any_policy(dice, "own"));
        Self {
            network: network(dice),
            others: dice.some(2, |dice| Arc::new(any_policy(dice, "other"))),
            blind: dice.once_in(4),
            name: "own",
            before: (dice.roll(2) == 0).then(|| one(dice)),
            after: (dice.roll(4) < 3).then(|| one(dice)),
        }
    }

    fn compiled(&self) -> CompiledSnapshot {
        let others = self.others.iter().enumerate().map(|(at, other)| {
            let mut other = Policy::clone(other);
            other.meta.name = format!("other-{at}").into();
            other
        });
        let stored = self.before.iter().map(|before| Policy::clone(before));
        let readable = others.chain(stored).map(|policy| Fact::Read(policy.into()));
        let broken = self
            .blind
            .then(|| policy("broken", &json!({"policyTypes": ["Sideways"]})));
        let policies: Vec<Fact<Policy>> = readable.chain(broken).collect();
        compiled(&[self.cluster()], &policies)
    }

    fn request(&self, writer: crate::review::Writer) -> Request {
        let fact = |policy: &Option<Arc<Policy>>| policy.clone().map(Fact::Read);
        policy_request(writer, self.name, fact(&self.before), fact(&self.after))
    }
}

#[test]
fn a_repaired_policy_needs_no_repair_and_keeps_what_was_added() {
    hold("repairs", CASES, Scene::of_managed, |scene| {
        let compiled = scene.compiled();
        let (before, after) = (
            scene.before.clone(),
            scene.after.clone().expect("an update"),
        );
        let repairs = repair(&compiled, &scene.request(tenant())).repairs;
        let fixed = Arc::new(repaired(&after, &repairs));
        let again = policy_request(
            tenant(),
            scene.name,
            before.map(Fact::Read),
            Some(Fact::Read(fixed.clone())),
        );
        let left = repair(&compiled, &again).repairs;
        if !left.is_empty() {
            return Err(format!("after {repairs:?} still {left:?}"));
        }
        let kept = after
            .ingress
            .iter()
            .all(|rule| fixed.ingress.contains(rule))
            && after.egress.iter().all(|rule| fixed.egress.contains(rule));
        if !kept {
            return Err("a rule is gone".to_owned());
        }
        let rendered = ZONES.map(|pods| managed(&scene.cluster(), pods));
        if scene.before.as_deref() != Some(&rendered[0]) {
            return Ok(());
        }
        // If the old policy was complete, no repairable finding is left that denies.
        let verdict = review(&compiled, &again);
        let wrong = verdict
            .findings
            .iter()
            .find(|finding| matches!(finding.code, Code::Obp101 | Code::Obp102 | Code::Obp104));
        wrong.map_or(Ok(()), |wrong| Err(format!("after {repairs:?}: {wrong:?}")))
    });
}

#[test]
fn a_review_is_deterministic_and_replays_whatever_it_shows() {
    let scene = |dice: &mut Dice<'_>| {
        if dice.roll(2) == 0 {
            Scene::of_managed(dice)
        } else {
            Scene::of_tenant(dice)
        }
    };
    hold("determinism", CASES, scene, |scene| {
        let request = scene.request(tenant());
        let (first, second) = (
            review(&scene.compiled(), &request),
            review(&scene.compiled(), &request),
        );
        let sorted = first
            .findings
            .is_sorted_by_key(|finding| (finding.level, finding.code.rule().weight, finding.code));
        if first == second && sorted && first.unreplayed == 0 {
            Ok(())
        } else {
            Err(format!("{first:?}\n{second:?}"))
        }
    });
}

#[test]
fn the_operator_is_never_denied() {
    let scene = |dice: &mut Dice<'_>| {
        if dice.roll(2) == 0 {
            Scene::of_managed(dice)
        } else {
            Scene::of_tenant(dice)
        }
    };
    hold("operator", CASES, scene, |scene| {
        let verdict = review(&scene.compiled(), &scene.request(operator()));
        let mutated = !repair(&scene.compiled(), &scene.request(operator()))
            .repairs
            .is_empty();
        if verdict.outcome() == Outcome::Deny || mutated {
            return Err(format!("{verdict:?}, mutated: {mutated}"));
        }
        Ok(())
    });
}

#[test]
fn what_the_operator_renders_has_no_findings() {
    let networks = |dice: &mut Dice<'_>| (network(dice), dice.pick(&ZONES));
    hold("rendered", 60, networks, |(network, pods)| {
        let own = Fact::Read(Arc::new(managed(&cluster(network), *pods)));
        let name = pods.policy_name("bao").expect("a zone of a cluster");
        for policies in [vec![], vec![own.clone()]] {
            let known = compiled(&[cluster(network)], &policies);
            let request = policy_request(tenant(), &name, None, Some(own.clone()));
            let verdict = found(&review(&known, &request));
            if !verdict.is_empty() {
                return Err(format!("{verdict:?}"));
            }
        }
        Ok(())
    });
}

#[test]
fn a_rule_added_never_cuts() {
    let scene = |dice: &mut Dice<'_>| {
        let mut scene = Scene::of_managed(dice);
        let mut after = Policy::clone(scene.before.as_deref().expect("a managed policy"));
        let added = rule(dice);
        match dice.pick(&Direction::ALL) {
            Direction::Ingress => after.ingress.push(added),
            // Without policyTypes, a first egress rule isolates.
            Direction::Egress => {
                after
                    .policy_types
                    .get_or_insert_with(|| Direction::ALL.to_vec());
                after.egress.push(added);
            }
        }
        scene.after = Some(after.into());
        scene
    };
    hold("a rule added", CASES, scene, |scene| {
        let verdict = review(&scene.compiled(), &scene.request(tenant()));
        let cuts = |code: Code| matches!(code, Code::Obp101 | Code::Obp102);
        let wrong = verdict.findings.iter().find(|finding| cuts(finding.code));
        wrong.map_or(Ok(()), |wrong| Err(format!("{wrong:?}")))
    });
}

#[test]
fn removing_isolation_is_always_seen() {
    let scene = |dice: &mut Dice<'_>| {
        let mut scene = Scene::of_managed(dice);
        scene.others.clear();
        let mut after = managed(&scene.cluster(), Zone::Workload);
        scene.before = Some(Arc::new(after.clone()));
        match dice.roll(4) {
            0 => after.policy_types = Some(vec![Direction::Ingress]),
            1 => after.policy_types = Some(vec![Direction::Egress]),
            2 => after.pods = Selector::labels([("openbao-active", "true")]),
            _ => after.pods = Selector::labels([("app", "web")]),
        }
        scene.after = (dice.roll(5) > 0).then(|| after.into());
        scene
    };
    hold("isolation", 300, scene, |scene| {
        let verdict = review(&scene.compiled(), &scene.request(tenant()));
        let seen = verdict
            .findings
            .iter()
            .any(|finding| finding.code == Code::Obp102 && finding.level == Level::Deny);
        if seen {
            Ok(())
        } else {
            Err(format!("{verdict:?}"))
        }
    });
}
