//! The rules about what an OpenBaoCluster declares: additive-only, held against the limit.

pub mod everyone;
pub mod malformed;
pub mod raft_port;

use super::{Code, Finding, Level};
use crate::baseline::{Facts, Peers, ROWS, expand};
use crate::inventory::{Cluster, ObjectRef};
use crate::perimeter::cover::Exhausted;
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
}

/// A declaration held against the limit, after the write and, for an update, before it.
#[derive(Clone, Debug)]
pub struct Declaration<'a> {
    /// The cluster.
    pub object: &'a ObjectRef,
    /// The settings.
    pub posture: &'a Posture,
    /// What is declared now.
    pub after: Vec<DeclaredRule>,
    /// What was declared before the write.
    pub before: Vec<DeclaredRule>,
}

impl<'a> Declaration<'a> {
    /// The declared ingress of a cluster: `ingressRules` and `trustedIngressPeers`.
    pub fn new(
        object: &'a ObjectRef,
        posture: &'a Posture,
        after: &Cluster,
        before: Option<&Cluster>,
    ) -> Self {
        let rules = |cluster| ingress(cluster, posture);
        Self {
            object,
            posture,
            after: rules(after),
            before: before.map(rules).unwrap_or_default(),
        }
    }

    /// What was already declared before the write.
    fn known(&self) -> Vec<&Region> {
        self.before.iter().flat_map(|rule| &rule.regions).collect()
    }

    fn finding(&self, code: Code, level: Level, path: impl Into<String>) -> Finding {
        Finding {
            code,
            level,
            object: self.object.clone(),
            path: path.into(),
            reason: String::new(),
            witness: None,
            help: String::new(),
        }
    }

    fn undecided(&self, path: &str, exhausted: &Exhausted) -> Finding {
        let keys: Vec<&str> = exhausted.keys.iter().map(AsRef::as_ref).collect();
        Finding {
            reason: format!(
                "the declaration could not be decided within {} steps",
                self.posture.proof_budget
            ),
            help: format!(
                "select by fewer label keys; the proof split on: {}",
                keys.join(", ")
            ),
            ..self.finding(Code::Obp402, Level::Deny, path)
        }
    }
}

fn ingress(cluster: &Cluster, posture: &Posture) -> Vec<DeclaredRule> {
    let facts = Facts {
        cluster,
        posture,
        api_server: &[],
        observed: &[],
    };
    let rows = ROWS.iter().filter(|row| {
        row.direction == Direction::Ingress
            && matches!(row.peers, Peers::TrustedPeers | Peers::Declared)
    });
    rows.flat_map(|row| expand(row, &facts))
        .filter_map(|expansion| {
            Some(declared(
                expansion.declared?,
                expansion.rule,
                &cluster.meta.namespace,
            ))
        })
        .collect()
}

fn declared(path: String, rule: Rule, namespace: &str) -> DeclaredRule {
    let mut regions = rule.regions(
        namespace,
        Direction::Ingress,
        &LabelSet::any(),
        Reading::May,
    );
    for region in &mut regions {
        region.ports = region.ports.names_as_all();
    }
    DeclaredRule {
        path,
        rule,
        regions,
    }
}

/// Whether an ingress rule may not be declared: the code that refuses it.
pub(super) fn refused(rule: &Rule, object: &ObjectRef, posture: &Posture) -> Option<Code> {
    let rule = declared(
        "spec.network.ingressRules".to_owned(),
        rule.clone(),
        &object.namespace,
    );
    let declaration = Declaration {
        object,
        posture,
        after: vec![rule],
        before: Vec::new(),
    };
    let findings = [
        everyone::check(&declaration),
        raft_port::check(&declaration),
    ]
    .concat();
    findings.first().map(|finding| finding.code)
}
