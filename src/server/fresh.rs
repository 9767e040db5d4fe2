//! One fresh read before an answer that a lagging watch may have wrong.
//!
//! Only a refusal that rests on facts pays for it, and the allowance of a policy that could select
//! OpenBao pods where no cluster is known. The review stays pure: it is held again, in a world in
//! which one namespace is as the API server says it is.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::Bytes;
use tokio::time::Instant;

use super::authorizer::Authorizer;
use super::desk::Desk;
use crate::admission::{Answer, Doubt, Doubted, Point};
use crate::audit::metrics::cluster::FreshRead;
use crate::audit::{Outbox, Resolution};
use crate::inventory::{Kind, Object};
use crate::review::World;

/// What is read of a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Its OpenBaoClusters.
    Clusters,
    /// All that a verdict about it may rest on.
    Everything,
}

impl Scope {
    /// The kinds that are read.
    pub const fn kinds(self) -> &'static [Kind] {
        match self {
            Self::Clusters => &[Kind::OpenBaoCluster],
            Self::Everything => &[Kind::OpenBaoCluster, Kind::NetworkPolicy, Kind::Namespace],
        }
    }
}

/// Why nothing was read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    /// It took too long.
    #[error("the API server did not answer in time")]
    Late,
    /// The API server refused, or is not reached.
    #[error("{0}")]
    Failed(String),
}

/// The objects of a namespace, later.
pub type Reading = Pin<Box<dyn Future<Output = Result<Vec<Object>, Unread>> + Send>>;

/// Who can ask the API server.
pub trait Facts: fmt::Debug + Send + Sync {
    /// Reads a namespace as it is at some moment after this call.
    fn read(&self, namespace: Arc<str>, scope: Scope) -> Reading;
}

/// What the cluster is asked and told beside reviews; nothing where the facts come from files.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    /// Who can ask the API server.
    pub facts: Option<Arc<dyn Facts>>,
    /// Who is asked whether a writer may do maintenance.
    pub authorizer: Option<Arc<dyn Authorizer>>,
    /// Who is told of refusals.
    pub outbox: Option<Outbox>,
}

/// An answer without doubt, or whose doubt nobody could settle.
#[derive(Debug)]
pub(super) struct Settled {
    /// The answer.
    pub(super) answer: Answer,
    /// The facts that it rests on, where they are others than those that were published.
    pub(super) world: Option<Arc<World>>,
}

impl From<Answer> for Settled {
    fn from(answer: Answer) -> Self {
        Self {
            answer,
            world: None,
        }
    }
}

/// Tells of a refusal that is no dry run.
pub(super) fn tell(desk: &Desk, answer: &Answer) {
    let is_told = answer.record.resolution == Resolution::Deny && !answer.record.dry_run;
    if let (Some(outbox), Some(grounds), true) = (&desk.beside.outbox, &answer.grounds, is_told) {
        outbox.refused(&grounds.verdict);
    }
}

/// The answer after the doubt about it is settled, until `due`. Without doubt, or anybody to ask, it
/// is the answer itself.
pub(super) async fn settle(
    desk: &Desk,
    point: Point,
    body: &Bytes,
    answer: Answer,
    due: Instant,
) -> Settled {
    let Some(facts) = &desk.beside.facts else {
        return answer.into();
    };
    let Some((namespace, doubted)) = doubted(&answer) else {
        return answer.into();
    };
    let renewed = renewed(desk, &**facts, &namespace, &doubted);
    let renewed = tokio::time::timeout_at(due, renewed).await;
    match renewed.unwrap_or(Err(Unread::Late)) {
        Ok(None) => {
            desk.metrics.cluster.fresh_read(FreshRead::Confirmed);
            answer.into()
        }
        Ok(Some(world)) => again(desk, point, body, answer, world).await,
        Err(why) => {
            tracing::warn!(%namespace, %why, "Could not read a namespace afresh");
            desk.metrics.cluster.fresh_read(FreshRead::Failed);
            match doubted.doubt {
                Doubt::Refused => answer.into(),
                Doubt::NoCluster => desk.admission.answer_unread(point, body).into(),
            }
        }
    }
}

fn doubted(answer: &Answer) -> Option<(Arc<str>, Doubted)> {
    let grounds = answer.grounds.as_ref()?;
    let doubted = grounds.doubt.clone()?;
    Some((grounds.object.namespace.clone(), doubted))
}

/// The facts to judge by again; `None` where they are those that the answer rests on.
async fn renewed(
    desk: &Desk,
    facts: &dyn Facts,
    namespace: &Arc<str>,
    doubted: &Doubted,
) -> Result<Option<Arc<World>>, Unread> {
    if doubted.doubt == Doubt::NoCluster {
        let clusters = facts.read(namespace.clone(), Scope::Clusters).await?;
        if clusters.is_empty() {
            return Ok(None);
        }
    }
    let scope = Scope::Everything;
    let objects = facts.read(namespace.clone(), scope).await?;
    let Some(latest) = desk.admission.world() else {
        return Ok(None);
    };
    let (namespace, known) = (namespace.clone(), doubted.known.clone());
    let compile = move || {
        let next = latest.snapshot.renewed(&namespace, scope.kinds(), objects);
        // The answer may be older than the latest facts.
        let is_known = match (next.namespace(&namespace), &known) {
            (Some(next), Some(known)) => Arc::ptr_eq(next, known),
            (next, known) => next.is_none() && known.is_none(),
        };
        let world = || World::compile(Some(&latest), Arc::new(next), Arc::clone(&latest.posture));
        (!is_known).then(|| Arc::new(world()))
    };
    // Pure work that may take milliseconds: off the threads that serve.
    let compiled = tokio::task::spawn_blocking(compile).await;
    compiled.map_err(|error| Unread::Failed(error.to_string()))
}

async fn again(
    desk: &Desk,
    point: Point,
    body: &Bytes,
    answer: Answer,
    world: Arc<World>,
) -> Settled {
    let (admission, body) = (Arc::clone(&desk.admission), body.clone());
    let by = Arc::clone(&world);
    let judge = move || admission.answer_in(&by, point, &body);
    let judged = tokio::task::spawn_blocking(judge).await;
    let outcome = match &judged {
        Ok(next) if next.record.resolution == answer.record.resolution => FreshRead::Same,
        Ok(_) => FreshRead::Changed,
        Err(_) => FreshRead::Failed,
    };
    desk.metrics.cluster.fresh_read(outcome);
    // A panic is printed by the process's hook; then the first answer stands.
    match judged {
        Ok(answer) => Settled {
            answer,
            world: Some(world),
        },
        Err(_) => answer.into(),
    }
}
