//! NetworkPolicy as a fact, and its conversion from the API type.

use k8s_openapi::api::networking::v1::NetworkPolicySpec;

use super::rules::{FieldPath, Problems, read_egress, read_ingress, read_selector};
use super::{Meta, Unreadable};
use netpol::Direction;
use netpol::rule::{Rule, Selector};

/// A well-formed NetworkPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Metadata.
    pub meta: Meta,
    /// `spec.podSelector`. An empty one selects every pod of the namespace.
    pub pods: Selector,
    /// `spec.policyTypes` as written; `None` if absent or empty.
    pub policy_types: Option<Vec<Direction>>,
    /// `spec.ingress`.
    pub ingress: Vec<Rule>,
    /// `spec.egress`.
    pub egress: Vec<Rule>,
}

impl Policy {
    /// Returns true if both have the same spec. Metadata is ignored.
    pub(crate) fn same_spec(&self, other: &Self) -> bool {
        self.pods == other.pods
            && Direction::ALL.map(|direction| self.isolates(direction))
                == Direction::ALL.map(|direction| other.isolates(direction))
            && self.ingress == other.ingress
            && self.egress == other.egress
    }

    /// Returns true if the policy isolates its pods in this direction: by `policyTypes`, or by the API
    /// server's default (semantics B1 to B4).
    pub fn isolates(&self, direction: Direction) -> bool {
        match &self.policy_types {
            Some(types) => types.contains(&direction),
            None => direction == Direction::Ingress || !self.egress.is_empty(),
        }
    }

    /// The rules of one direction as written, even if they have no effect.
    pub(crate) fn rules(&self, direction: Direction) -> &[Rule] {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }

    /// The rules that have an effect: none if the policy does not isolate in that direction.
    pub fn effective_rules(&self, direction: Direction) -> &[Rule] {
        if self.isolates(direction) {
            self.rules(direction)
        } else {
            &[]
        }
    }
}

impl TryFrom<(Meta, NetworkPolicySpec)> for Policy {
    type Error = Box<Unreadable>;

    /// Reads a spec. Rejects what the API server rejects (semantics 1.1 to 1.6).
    fn try_from((meta, spec): (Meta, NetworkPolicySpec)) -> Result<Self, Self::Error> {
        let mut problems = Problems::default();
        let root = FieldPath::root("spec");
        let pods = spec.pod_selector.unwrap_or_default();
        let pods = read_selector(&root.field("podSelector"), &pods, &mut problems);
        let ingress_at = root.field("ingress");
        let ingress = spec.ingress.iter().flatten().enumerate();
        let ingress = ingress
            .map(|(i, rule)| read_ingress(&ingress_at.index(i), rule, &mut problems))
            .collect();
        let egress_at = root.field("egress");
        let egress = spec.egress.iter().flatten().enumerate();
        let egress = egress
            .map(|(i, rule)| read_egress(&egress_at.index(i), rule, &mut problems))
            .collect();
        let written = spec.policy_types.unwrap_or_default();
        let policy_types = read_types(&root.field("policyTypes"), &written, &mut problems);
        match problems.or(()) {
            Err(problems) => Err(Box::new(Unreadable {
                meta,
                problems,
                version: None,
                too_large: None,
                pods: None,
            })),
            Ok(()) => Ok(Self {
                meta,
                pods,
                policy_types,
                ingress,
                egress,
            }),
        }
    }
}

/// `None` if there are none. The API has a default for them, see [`Policy::isolates`].
fn read_types(
    at: &FieldPath<'_>,
    written: &[String],
    problems: &mut Problems,
) -> Option<Vec<Direction>> {
    if written.len() > Direction::ALL.len() {
        let problem = format!("expected at most 2 entries, found `{}`", written.len());
        problems.add(at, &written, problem);
    }
    let mut types = Vec::with_capacity(written.len());
    for (i, word) in written.iter().enumerate() {
        let mut known = Direction::ALL.into_iter();
        if let Some(direction) = known.find(|direction| direction.policy_type() == word) {
            types.push(direction);
        } else {
            let problem = format!("expected `Ingress` or `Egress`, found `{word}`");
            problems.add(&at.index(i), word, problem);
        }
    }
    (!types.is_empty()).then_some(types)
}
