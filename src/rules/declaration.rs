//! The rules about what an OpenBaoCluster declares: additive-only, held against the limit.

pub mod api_server;
pub mod everyone;
pub mod malformed;
pub mod raft_port;
pub mod unsafe_address;

use std::cell::Cell;

use super::{Code, Finding, Level, text};
use crate::baseline::{Facts, Peers, Pods, ROWS, expand};
use crate::inventory::{Cluster, ObjectRef};
use crate::perimeter::cover::{Budget, Exhausted};
use crate::perimeter::port::PortSet;
use crate::perimeter::rule::Rule;
use crate::perimeter::{Direction, LabelSet, Reading, Region};
use crate::posture::Posture;

/// One declared ingress rule.
#[derive(Clone, Debug)]
pub struct DeclaredRule {
    /// Field path in the OpenBaoCluster.
    pub path: String,
    /// The rule that the operator renders from it.
    pub rule: Rule,
    /// What it may let through. A port name counts as every port of its protocol, since a declared
    /// name can come to mean any of them.
    pub regions: Vec<Region>,
    /// What it surely lets through, where that is something else.
    must: Option<Vec<Region>>,
}

impl DeclaredRule {
    /// What it surely lets through: without its port names, and without blocks in ambiguous text.
    fn must(&self) -> &[Region] {
        self.must.as_ref().unwrap_or(&self.regions)
    }

    /// What it may let through, beginning with what it surely does: who looks for an example finds
    /// a sure one first.
    fn surest_first(&self) -> impl Iterator<Item = &Region> {
        self.must.iter().flatten().chain(&self.regions)
    }
}

/// A declaration held against the limit, after the write and, for an update, before it.
#[derive(Clone, Debug)]
pub struct Declaration<'a> {
    /// The cluster.
    pub object: &'a ObjectRef,
    /// The settings.
    pub posture: &'a Posture,
    /// Which of its rules: ingress (`ingressRules`, `trustedIngressPeers`) or egress (`egressRules`).
    pub direction: Direction,
    /// What is declared now.
    pub after: Vec<DeclaredRule>,
    /// What was declared before the write.
    pub before: Vec<DeclaredRule>,
    /// Work that the proofs of the review may still do, all together.
    pub budget: &'a Cell<Budget>,
}

impl<'a> Declaration<'a> {
    /// The declared rules of a cluster in one direction.
    pub fn new(
        object: &'a ObjectRef,
        posture: &'a Posture,
        direction: Direction,
        after: &Cluster,
        before: Option<&Cluster>,
        budget: &'a Cell<Budget>,
    ) -> Self {
        let rules = |cluster| rules(cluster, posture, direction);
        Self {
            object,
            posture,
            direction,
            after: rules(after),
            before: before.map(rules).unwrap_or_default(),
            budget,
        }
    }

    /// What was already declared before the write.
    fn known(&self) -> Vec<&Region> {
        self.before.iter().flat_map(|rule| &rule.regions).collect()
    }

    fn finding(&self, code: Code, level: Level, path: impl Into<String>) -> Finding {
        Finding::new(code, level, self.object, path)
    }

    fn undecided(&self, path: &str, exhausted: &Exhausted) -> Finding {
        Finding {
            reason: format!(
                "the declaration could not be decided within {} steps",
                self.posture.proof_budget
            ),
            help: text::simpler(exhausted),
            ..self.finding(Code::Obp402, Level::Deny, path)
        }
    }
}

fn rules(cluster: &Cluster, posture: &Posture, direction: Direction) -> Vec<DeclaredRule> {
    let facts = Facts {
        cluster,
        posture,
        api_server: &[],
        observed: &[],
    };
    let rows = ROWS.iter().filter(|row| {
        row.direction == direction
            && row.pods == Pods::Workload
            && matches!(row.peers, Peers::TrustedPeers | Peers::Declared)
    });
    let namespace = &cluster.meta.namespace;
    rows.flat_map(|row| expand(row, &facts))
        .filter_map(|expansion| {
            Some(declared(
                expansion.declared?,
                expansion.rule,
                namespace,
                direction,
            ))
        })
        .collect()
}

fn declared(path: String, rule: Rule, namespace: &str, direction: Direction) -> DeclaredRule {
    let regions = |reading| rule.regions(namespace, direction, &LabelSet::any(), reading);
    let with_ports =
        |ports: PortSet, region: Region| (!ports.is_empty()).then_some(Region { ports, ..region });
    let may = regions(Reading::May).into_iter();
    let may = may.filter_map(|region| with_ports(region.ports.names_as_all(), region));
    let must = (rule.is_ambiguous() || rule.names_ports()).then(|| {
        let must = regions(Reading::Must).into_iter();
        must.filter_map(|region| with_ports(region.ports.without_names(), region))
            .collect()
    });
    DeclaredRule {
        path,
        regions: may.collect(),
        must,
        rule,
    }
}

/// Whether a rule may not be declared: the code that refuses it.
pub(super) fn refused(
    rule: &Rule,
    direction: Direction,
    object: &ObjectRef,
    posture: &Posture,
    budget: &Cell<Budget>,
) -> Option<Code> {
    let rule = declared(String::new(), rule.clone(), &object.namespace, direction);
    let declaration = Declaration {
        object,
        posture,
        direction,
        after: vec![rule],
        before: Vec::new(),
        budget,
    };
    let findings = limit(&declaration);
    findings
        .iter()
        .find(|finding| finding.level == Level::Deny)
        .map(|finding| finding.code)
}

/// Everything that the limit has to say about the declared rules of one direction.
pub fn limit(declaration: &Declaration<'_>) -> Vec<Finding> {
    let (count, most) = (declaration.after.len(), declaration.posture.caps.declared);
    if count > most {
        // Their unions are not formed: the work grows faster than their number.
        return vec![Finding {
            reason: format!(
                "{count} declared rules are more than can be proved; expected at most {most}"
            ),
            help: "merge rules with the same ports, or blocks that lie side by side".to_owned(),
            ..declaration.finding(Code::Obp402, Level::Deny, "spec.network")
        }];
    }
    let mut findings = everyone::check(declaration);
    if declaration.direction == Direction::Ingress {
        findings.extend(raft_port::check(declaration));
    }
    findings.extend(unsafe_address::check(declaration));
    findings
}
