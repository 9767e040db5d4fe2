//! `can`: whether connections from one end to another pass, by the policies of both sides.
//!
//! Each side with policies is a `side::Side`: its pods as a zone, and the policies that select some of them. A
//! connection passes if every side that has policies allows it. The answer is exact: containment for `yes`, and
//! the intersection of what the sides allow for `no` and `only`. Where ordered policies exist, the leaves of all
//! layers take the place of the NetworkPolicies. The naive evaluator confirms a connection of each answer.

#![deny(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::disallowed_types
)]

pub mod end;
mod flow;
mod opening;
mod point;
mod side;
#[cfg(test)]
mod tests;
mod tiers;
mod words;

use netpol::cover::{Budget, Exhausted};
use netpol::port::PortSet;
use netpol::stack::Leaf;
use netpol::{Difference, Direction, PeerSet, Reading};

use crate::inventory::{Kind, ObjectRef};
use crate::review::CompiledSnapshot;
use end::{Destination, End};
use flow::{Flow, allowed};
use side::Side;
use tiers::Missing;

pub use opening::Opening;

/// The answer to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Whether the connections pass.
    pub passes: Passes,
    /// The sides that have policies.
    pub sides: Vec<SideAnswer>,
    /// Assumptions, in a clause each.
    pub notes: Vec<String>,
}

/// Whether connections pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passes {
    /// All of them.
    All,
    /// None of them.
    None,
    /// Only these, in words.
    Only(Vec<String>),
    /// It depends on something that is not known.
    Uncertain {
        /// The connections that certainly pass, in words; empty if there are none.
        only: Vec<String>,
        /// The others that may pass.
        perhaps: Vec<String>,
    },
}

/// One side of the connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SideAnswer {
    /// The pods, and the direction.
    pub title: String,
    /// The policies and rules that let all or some of the connections through.
    pub by: Vec<String>,
    /// A connection that the side does not allow, and the smallest change that would.
    pub lacks: Option<Lack>,
}

/// A connection that a side does not allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    /// The connection.
    pub example: String,
    /// True if it may be allowed.
    pub is_uncertain: bool,
    /// The rule of an ordered policy that denies it, in words.
    pub denied_by: Option<String>,
    /// The reading on which the verdict depends.
    pub depends: Option<Difference>,
    /// The smallest change that lets the connections through; `None` if none is known.
    pub opening: Option<Opening>,
}

/// Error of a question that has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// There is no such cluster.
    #[error("OpenBaoCluster {found} not found; known: {}", named(.known))]
    NoCluster {
        /// Namespace and name.
        found: String,
        /// The clusters.
        known: Vec<ObjectRef>,
    },
    /// The declarations of the cluster are unknown.
    #[error("OpenBaoCluster {0} cannot be read, so nothing is known of its pods")]
    UnreadCluster(String),
    /// The jobs of the cluster have no perimeter.
    #[error("the jobs of OpenBaoCluster {0} have no perimeter in this baseline")]
    NoJobs(String),
    /// Neither end has a perimeter.
    #[error(
        "expected one end to be OpenBao, job or operator pods, such as NAMESPACE/CLUSTER, NAMESPACE/CLUSTER/jobs or \
         {operator}/app.kubernetes.io/name=openbao-operator"
    )]
    NotProtected {
        /// Namespace of the operator.
        operator: String,
    },
    /// The proof is out of budget.
    #[error("the question could not be decided within {0} steps; select pods by fewer labels")]
    Undecided(u32),
    /// The two evaluators disagree.
    #[error(
        "the proof and its replay disagree about a connection, which is a bug in openbao-perimeter"
    )]
    Unreplayed,
}

fn named(clusters: &[ObjectRef]) -> String {
    let names = clusters.iter();
    let names: Vec<String> = names
        .map(|cluster| format!("{}/{}", cluster.namespace, cluster.name))
        .collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

/// One end: pods with policies, or peers without.
#[derive(Debug)]
pub(crate) enum Resolved<'a> {
    Side(Box<Side<'a>>),
    Peers(Vec<PeerSet>),
}

impl Resolved<'_> {
    fn side(&self) -> Option<&Side<'_>> {
        match self {
            Self::Side(side) => Some(side),
            Self::Peers(_) => None,
        }
    }
}

/// The question with its ends resolved.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    pub(crate) from: Resolved<'a>,
    pub(crate) to: Resolved<'a>,
    pub(crate) ports: PortSet,
}

impl Question<'_> {
    /// The sides that have policies, each with its direction.
    fn sides(&self) -> impl Iterator<Item = (Direction, &Side<'_>, &Resolved<'_>)> {
        let from = self.from.side();
        let from = from.map(|side| (Direction::Egress, side, &self.to));
        let to = self.to.side();
        from.into_iter()
            .chain(to.map(|side| (Direction::Ingress, side, &self.from)))
    }
}

/// One side of a question, decided.
struct Part<'q> {
    direction: Direction,
    side: &'q Side<'q>,
    other: &'q Resolved<'q>,
    /// Leaves of all layers, if ordered policies exist.
    leaves: Option<Vec<Leaf>>,
    /// A part that the side does not allow in every reading.
    missing: Option<Missing>,
}

/// Answers whether connections from `from` to `to` pass.
///
/// # Errors
/// [`Unanswered`].
pub fn ask(
    compiled: &CompiledSnapshot,
    from: &End,
    to: &Destination,
) -> Result<Answer, Unanswered> {
    let question = Question {
        from: resolved(compiled, from)?,
        to: resolved(compiled, &to.end)?,
        ports: to.port_set(),
    };
    let is_protected = |resolved: &Resolved<'_>| resolved.side().is_some_and(Side::is_protected);
    if !is_protected(&question.from) && !is_protected(&question.to) {
        return Err(Unanswered::NotProtected {
            operator: compiled.config.operator_namespace.to_string(),
        });
    }
    let steps = compiled.config.proof_budget;
    let mut budget = Budget::new(steps);
    answer(compiled, (from, to), &question, &mut budget)?.map_err(|_| Unanswered::Undecided(steps))
}

type Proved<T> = Result<T, Exhausted>;

fn answer(
    compiled: &CompiledSnapshot,
    asked: (&End, &Destination),
    question: &Question<'_>,
    budget: &mut Budget,
) -> Result<Proved<Answer>, Unanswered> {
    let tunnels = &compiled.config.tunnel_ports;
    let proved = |budget: &mut Budget| -> Proved<_> {
        let mut parts = Vec::new();
        for (direction, side, other) in question.sides() {
            let asked = &question.ports;
            let leaves = side.leaves(direction, other, asked, budget)?;
            let missing = side.missing(direction, other, asked, leaves.as_deref(), budget)?;
            parts.push(Part {
                direction,
                side,
                other,
                leaves,
                missing,
            });
        }
        let must = allowed(question, &parts, Reading::Must, budget)?;
        let may = allowed(question, &parts, Reading::May, budget)?;
        Ok((parts, must, may))
    };
    let (parts, must, may) = match proved(budget) {
        Ok(proved) => proved,
        Err(exhausted) => return Ok(Err(exhausted)),
    };
    let perhaps: Vec<&Flow> = may.iter().filter(|flow| flow.is_uncertain()).collect();
    let passes = if parts.iter().all(|part| part.missing.is_none()) {
        Passes::All
    } else if may.is_empty() {
        Passes::None
    } else if perhaps.is_empty() {
        let parts = if must.is_empty() { &may } else { &must };
        Passes::Only(words::parts(question, parts, must.is_empty()))
    } else {
        Passes::Uncertain {
            only: words::parts(question, &must, false),
            perhaps: words::parts(question, perhaps, false),
        }
    };
    if !point::confirms(question, &passes, (&must, &may), &parts, tunnels) {
        return Err(Unanswered::Unreplayed);
    }
    let mut sides = Vec::new();
    for part in &parts {
        let (direction, side) = (part.direction, part.side);
        let lacks = part.missing.as_ref().map(|missing| Lack {
            example: point::example(question, side, direction, &missing.region).unwrap_or_default(),
            is_uncertain: missing.is_uncertain(),
            denied_by: missing.denied_by(side, direction),
            depends: missing.depends(),
            opening: opening::smallest(compiled, asked, side, direction),
        });
        sides.push(SideAnswer {
            title: side.title(direction),
            by: match &part.leaves {
                Some(leaves) => side.deciders(direction, leaves, question),
                None => side.openers(direction, question),
            },
            lacks,
        });
    }
    let notes = question.sides().flat_map(|(_, side, _)| side.notes());
    Ok(Ok(Answer {
        passes,
        sides,
        notes: notes.collect(),
    }))
}

fn resolved<'a>(compiled: &'a CompiledSnapshot, end: &End) -> Result<Resolved<'a>, Unanswered> {
    let side = match end {
        End::Everyone => return Ok(Resolved::Peers(PeerSet::everyone())),
        End::Address(address) => return Ok(Resolved::Peers(flow::address(*address))),
        End::Pods { namespace, labels } => Side::of_labels(compiled, namespace, labels),
        End::Cluster {
            namespace,
            name,
            pods,
        } => {
            let found = || format!("{namespace}/{name}");
            let mut perimeters = compiled.perimeters(namespace).iter();
            let cluster = perimeters.find(|own| own.is_cluster() && *own.object.name == **name);
            let cluster = cluster.ok_or_else(|| Unanswered::NoCluster {
                found: found(),
                known: compiled.snapshot.references(Kind::OpenBaoCluster),
            })?;
            if cluster.unread_version.is_some() {
                return Err(Unanswered::UnreadCluster(found()));
            }
            let mut zones = cluster.zones.iter();
            let zone = zones.find(|zone| zone.pods == *pods);
            Side::of_zone(
                compiled,
                cluster,
                zone.ok_or_else(|| Unanswered::NoJobs(found()))?,
            )
        }
    };
    Ok(Resolved::Side(Box::new(side)))
}
