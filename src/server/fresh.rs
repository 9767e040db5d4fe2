//! One fresh read before an answer that a lagging watch may have wrong.
//!
//! Only a refusal that rests on facts pays for it, the allowance of a policy that could select OpenBao pods where no
//! cluster is known, and what rests on policies of which only stubs are kept. The review stays pure: it is held again, in a world in
//! which the namespaces that it rests on are as the API server says they are.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use futures_util::future::try_join_all;
use tokio::time::{Instant, timeout_at};

use super::clients::{Facts, Scope, Unread};
use super::state::WebhookState;
use crate::admission::{Answer, NeedsLiveRead, Rejection, UnsureAnswer, WebhookKind};
use crate::audit::Resolution;
use crate::audit::metrics::cluster::FreshRead;
use crate::inventory::Object;
use crate::review::CompiledSnapshot;

/// For asking the API server before an answer; less than half of what it gives us.
const PATIENCE: Duration = Duration::from_secs(2);

/// An answer without doubt, or whose doubt nobody could settle.
#[derive(Debug)]
pub(super) struct Settled {
    /// The answer.
    pub(super) answer: Answer,
    /// The facts that it rests on, where they are others than those that were published.
    pub(super) world: Option<Arc<CompiledSnapshot>>,
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
pub(super) fn tell(state: &WebhookState, answer: &Answer) {
    let is_told = answer.record.resolution == Resolution::Deny && !answer.record.dry_run;
    if let (Some(events), Some(evidence), true) = (&state.clients.events, &answer.evidence, is_told)
    {
        events.denied(&evidence.verdict);
    }
}

/// The answer after the doubt about it is settled, until `due`. Without doubt, or anybody to ask, it
/// is the answer itself.
pub(super) async fn settle(
    state: &WebhookState,
    webhook: WebhookKind,
    body: &Bytes,
    answer: Answer,
    due: Instant,
) -> Result<Settled, Rejection> {
    let Some(facts) = &state.clients.facts else {
        return Ok(answer.into());
    };
    let evidence = answer.evidence.as_ref();
    let Some(unsure) = evidence.and_then(|evidence| evidence.live_read.clone()) else {
        return Ok(answer.into());
    };
    let until = due.min(Instant::now() + PATIENCE);
    let renewed = renewed(state, &**facts, &unsure, until);
    match timeout_at(until, renewed)
        .await
        .unwrap_or(Err(Unread::Late))
    {
        Ok(None) => {
            state.metrics.cluster.fresh_read(FreshRead::Confirmed);
            Ok(answer.into())
        }
        Ok(Some(world)) => {
            let review = (webhook, body.clone());
            again(state, review, answer, unsure.live_read, world, due).await
        }
        Err(why) => {
            let namespace = &answer.record.namespace;
            tracing::warn!(namespace, %why, "Could not read a namespace afresh");
            state.metrics.cluster.fresh_read(FreshRead::Failed);
            if unsure.live_read == NeedsLiveRead::Refused {
                return Ok(answer.into());
            }
            let (admission, body) = (Arc::clone(&state.admission), body.clone());
            let judge = move || admission.answer_unread(webhook, &body);
            Ok(state.blocking.run(due, judge).await?.into())
        }
    }
}

/// The facts to judge by again; `None` where they are those that the answer rests on.
async fn renewed(
    state: &WebhookState,
    facts: &dyn Facts,
    unsure: &UnsureAnswer,
    due: Instant,
) -> Result<Option<Arc<CompiledSnapshot>>, Unread> {
    let namespaces = unsure.known.keys();
    if unsure.live_read == NeedsLiveRead::NoCluster {
        let clusters = namespaces.clone().map(|name| clusters(facts, name));
        if try_join_all(clusters).await?.iter().all(Vec::is_empty) {
            return Ok(None);
        }
    }
    let read = try_join_all(namespaces.map(|name| everything(facts, name))).await?;
    let Some(latest) = state.admission.world() else {
        return Ok(None);
    };
    let known = unsure.known.clone();
    let compile = move || {
        let mut next = (*latest.snapshot).clone();
        for (namespace, (scope, objects)) in known.keys().zip(read) {
            next = next.renewed(namespace, scope.kinds(), objects);
        }
        // The answer may be older than the latest facts.
        let is_known = known
            .iter()
            .all(|(name, known)| match (next.namespace(name), known) {
                (Some(next), Some(known)) => Arc::ptr_eq(next, known),
                (next, known) => next.is_none() && known.is_none(),
            });
        let world =
            || CompiledSnapshot::compile(Some(&latest), Arc::new(next), Arc::clone(&latest.config));
        (!is_known).then(|| Arc::new(world()))
    };
    // Pure work that may take milliseconds: off the threads that serve.
    state
        .blocking
        .run(due, compile)
        .await
        .map_err(|why| match why {
            Rejection::TooLate => Unread::Late,
            why => {
                state.metrics.panicked();
                Unread::Failed(why.to_string())
            }
        })
}

/// The OpenBaoClusters of a namespace.
async fn clusters(facts: &dyn Facts, namespace: &Arc<str>) -> Result<Vec<Object>, Unread> {
    match facts.read(namespace.clone(), Scope::Clusters).await {
        Err(Unread::Unserved) => Ok(Vec::new()),
        clusters => clusters,
    }
}

/// All of a namespace that a verdict may rest on. That a kind is not served makes no denial an allowance: what is known
/// of it stays.
async fn everything(
    facts: &dyn Facts,
    namespace: &Arc<str>,
) -> Result<(Scope, Vec<Object>), Unread> {
    match facts.read(namespace.clone(), Scope::Everything).await {
        Err(Unread::Unserved) => {
            let others = facts.read(namespace.clone(), Scope::Others).await?;
            Ok((Scope::Others, others))
        }
        objects => Ok((Scope::Everything, objects?)),
    }
}

/// Judges again, by other facts. Where that fails a refusal stands; an answer that was given where no cluster was
/// known, and there is one, or without the policies that it rests on, does not.
async fn again(
    state: &WebhookState,
    (webhook, body): (WebhookKind, Bytes),
    answer: Answer,
    live_read: NeedsLiveRead,
    world: Arc<CompiledSnapshot>,
    due: Instant,
) -> Result<Settled, Rejection> {
    let (admission, by) = (Arc::clone(&state.admission), Arc::clone(&world));
    let judge = move || admission.answer_in(&by, webhook, &body);
    let judged = state.blocking.run(due, judge).await;
    let outcome = match &judged {
        Ok(next) if next.record.resolution == answer.record.resolution => FreshRead::Same,
        Ok(_) => FreshRead::Changed,
        Err(_) => FreshRead::Failed,
    };
    state.metrics.cluster.fresh_read(outcome);
    match judged {
        Ok(answer) => Ok(Settled {
            answer,
            world: Some(world),
        }),
        Err(why) if live_read != NeedsLiveRead::Refused => Err(why),
        Err(why) => {
            if why == Rejection::Panicked {
                state.metrics.panicked();
            }
            Ok(answer.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use serde_json::json;
    use tokio::sync::oneshot;

    use super::*;
    use crate::admission::Admission;
    use crate::audit::Metrics;
    use crate::inventory::read;
    use crate::server::clients::{ApiClients, Reading};
    use crate::server::limits::Limits;

    /// What the API server has; `None` while it does not answer.
    #[derive(Debug)]
    struct Has(Option<Vec<Object>>);

    impl Facts for Has {
        fn read(&self, _: Arc<str>, _: Scope) -> Reading {
            Box::pin(std::future::ready(self.0.clone().ok_or(Unread::Late)))
        }
    }

    fn cluster() -> Object {
        let cluster = json!({"apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster",
            "metadata": {"name": "bao", "namespace": "shop"}, "spec": {}});
        read::object(&cluster).unwrap()
    }

    fn world() -> CompiledSnapshot {
        CompiledSnapshot::compile(None, Arc::default(), Arc::default())
    }

    /// One worker, and facts that know of no cluster.
    fn state(real: Option<Vec<Object>>) -> WebhookState {
        let admission = Admission::default();
        admission.publish(world());
        let limits = Limits {
            workers: 1,
            ..Limits::default()
        };
        let state = WebhookState::new(Arc::new(admission), Arc::new(Metrics::new()), limits);
        state.with_clients(ApiClients {
            facts: Some(Arc::new(Has(real))),
            ..ApiClients::default()
        })
    }

    /// A policy that selects every pod.
    fn review() -> Bytes {
        let policy = json!({"metadata": {"name": "all", "namespace": "shop"},
            "spec": {"podSelector": {}, "ingress": [{}]}});
        let resource =
            json!({"group": "networking.k8s.io", "version": "v1", "resource": "networkpolicies"});
        let kind = json!({"group": "networking.k8s.io", "version": "v1", "kind": "NetworkPolicy"});
        let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": {"uid": "a", "operation": "CREATE", "namespace": "shop", "name": "all", "kind": kind,
                "resource": resource, "userInfo": {"username": "alice"}, "object": policy}});
        review.to_string().into()
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(20)
    }

    /// The only worker is busy until the sender is gone.
    async fn occupied(state: &WebhookState) -> mpsc::Sender<()> {
        let (go_on, told) = mpsc::channel();
        let (begun, begins) = oneshot::channel();
        let blocking = state.blocking.clone();
        tokio::spawn(async move {
            let work = move || (begun.send(()), told.recv().is_ok());
            blocking.run(Instant::now() + 10 * PATIENCE, work).await
        });
        begins.await.unwrap();
        go_on
    }

    #[tokio::test]
    async fn the_second_judgement_of_an_allowance_takes_a_worker_or_there_is_none() {
        for real in [None, Some(vec![cluster()])] {
            let (state, body) = (state(real), review());
            let answer = state.admission.answer(WebhookKind::Validate, &body);
            assert_eq!(
                answer
                    .evidence
                    .as_ref()
                    .unwrap()
                    .live_read
                    .as_ref()
                    .unwrap()
                    .live_read,
                NeedsLiveRead::NoCluster
            );
            let _busy = occupied(&state).await;
            let settled = settle(&state, WebhookKind::Validate, &body, answer, soon()).await;
            assert_eq!(settled.unwrap_err(), Rejection::TooLate);
        }
    }

    #[tokio::test]
    async fn an_answer_that_cannot_be_judged_again_stands_where_it_refuses() {
        let (state, body) = (state(None), review());
        let first = state.admission.answer(WebhookKind::Validate, &body);
        let _busy = occupied(&state).await;
        for (live_read, stands) in [
            (NeedsLiveRead::NoCluster, false),
            (NeedsLiveRead::Refused, true),
        ] {
            let review = (WebhookKind::Validate, body.clone());
            let again = again(
                &state,
                review,
                first.clone(),
                live_read,
                Arc::new(world()),
                soon(),
            );
            let again = again.await.map(|settled| settled.answer);
            let expected = if stands {
                Ok(first.clone())
            } else {
                Err(Rejection::TooLate)
            };
            assert_eq!(again, expected, "{live_read:?}");
        }
    }
}
