//! `can`: whether connections from one end to another pass, by the policies of both sides.
//!
//! Each side with policies is a `side::Side`: its pods as a zone, and the policies that select some of them. A
//! connection passes if every side that has policies allows it. The answer is exact: containment for `yes`, and
//! the intersection of what the sides allow for `no` and `only`. The naive evaluator confirms a connection of
//! each answer.

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
mod words;

use netpol::cover::{Budget, Exhausted};
use netpol::port::PortSet;
use netpol::{Direction, PeerSet, Reading};

use crate::inventory::{Kind, ObjectRef};
use crate::review::CompiledSnapshot;
use end::{Destination, End};
use flow::allowed;
use side::Side;

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
    Side(Side<'a>),
    Peers(Vec<PeerSet>),
}

impl Resolved<'_> {
    const fn side(&self) -> Option<&Side<'_>> {
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
        let must = allowed(question, Reading::Must, budget)?;
        let may = allowed(question, Reading::May, budget)?;
        let mut missing = Vec::new();
        for (direction, side, other) in question.sides() {
            let piece = side.missing(direction, other, &question.ports, budget)?;
            missing.push((direction, side, piece));
        }
        Ok((must, may, missing))
    };
    let (must, may, missing) = match proved(budget) {
        Ok(proved) => proved,
        Err(exhausted) => return Ok(Err(exhausted)),
    };
    let is_all = missing.iter().all(|(_, _, piece)| piece.is_none());
    let passes = if is_all {
        Passes::All
    } else if may.is_empty() {
        Passes::None
    } else {
        let parts = if must.is_empty() { &may } else { &must };
        Passes::Only(words::parts(question, parts, must.is_empty()))
    };
    if !point::confirms(question, &passes, (&must, &may), &missing, tunnels) {
        return Err(Unanswered::Unreplayed);
    }
    let mut sides = Vec::new();
    for (direction, side, piece) in &missing {
        let lacks = piece.as_ref().map(|piece| Lack {
            example: point::example(question, side, *direction, piece).unwrap_or_default(),
            opening: opening::smallest(compiled, asked, side, *direction),
        });
        sides.push(SideAnswer {
            title: side.title(*direction),
            by: side.openers(*direction, question),
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
            Side::of_zone(cluster, zone.ok_or_else(|| Unanswered::NoJobs(found()))?)
        }
    };
    Ok(Resolved::Side(side))
}
