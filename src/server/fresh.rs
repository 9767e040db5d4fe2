//! One live read before an answer that may be wrong because a watch lags.
//!
//! A live read precedes a denial that depends on facts, the allowance of a policy that could select OpenBao
//! pods in a namespace without a known cluster, and answers that depend on policies kept only as stubs. The
//! review stays pure: it is repeated with facts in which the relevant namespaces are as the API server
//! returned them.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use futures_util::future::try_join_all;
use tokio::time::{Instant, timeout_at};

use super::clients::{Facts, LiveReadError, Scope};
use super::state::WebhookState;
use crate::admission::{Answer, NeedsLiveRead, Rejection, UnsureAnswer, WebhookKind};
use crate::audit::Resolution;
use crate::audit::metrics::cluster::FreshRead;
use crate::inventory::Object;
use crate::review::CompiledSnapshot;

/// Timeout of a live read: less than half of the time that the API server gives to a webhook.
const PATIENCE: Duration = Duration::from_secs(2);

/// An answer that needs no live read, or that was checked by one if possible.
#[derive(Debug)]
pub(super) struct CheckedAnswer {
    /// The answer.
    pub(super) answer: Answer,
    /// The facts that it depends on, if they differ from the published ones.
    pub(super) compiled: Option<Arc<CompiledSnapshot>>,
}

impl From<Answer> for CheckedAnswer {
    fn from(answer: Answer) -> Self {
        Self {
            answer,
            compiled: None,
        }
    }
}

/// Sends an Event for a denial that is not a dry run, enforced or not.
pub(super) fn send_event(state: &WebhookState, answer: &Answer) {
    let is_event = answer.record.resolution == Resolution::Deny && !answer.record.dry_run;
    if let (Some(events), Some(evidence), true) =
        (&state.clients.events, &answer.evidence, is_event)
    {
        events.denied(&evidence.verdict, answer.record.is_denial());
    }
}

/// Checks an answer by a live read if it needs one, until `due`. Without a client the answer is unchanged.
pub(super) async fn check(
    state: &WebhookState,
    webhook: WebhookKind,
    body: &Bytes,
    answer: Answer,
    due: Instant,
) -> Result<CheckedAnswer, Rejection> {
    let Some(facts) = &state.clients.facts else {
        return Ok(answer.into());
    };
    let evidence = answer.evidence.as_ref();
    let Some(unsure) = evidence.and_then(|evidence| evidence.live_read.clone()) else {
        return Ok(answer.into());
    };
    let until = due.min(Instant::now() + PATIENCE);
    let facts_read = live_facts(state, &**facts, &unsure, until);
    match timeout_at(until, facts_read)
        .await
        .unwrap_or(Err(LiveReadError::Late))
    {
        Ok(None) => {
            state.metrics.cluster.fresh_read(FreshRead::Confirmed);
            Ok(answer.into())
        }
        Ok(Some(compiled)) => {
            let review = (webhook, body.clone());
            review_again(state, review, answer, unsure.live_read, compiled, due).await
        }
        Err(why) => {
            let namespace = &answer.record.namespace;
            tracing::warn!(namespace, %why, "live read of a namespace failed");
            state.metrics.cluster.fresh_read(FreshRead::Failed);
            if unsure.live_read == NeedsLiveRead::Denied {
                return Ok(answer.into());
            }
            let (admission, body) = (Arc::clone(&state.admission), body.clone());
            let review = move || admission.answer_without_live_read(webhook, &body);
            Ok(state.blocking.run(due, review).await?.into())
        }
    }
}

/// The facts for a second review; `None` if they are those of the first one.
async fn live_facts(
    state: &WebhookState,
    facts: &dyn Facts,
    unsure: &UnsureAnswer,
    due: Instant,
) -> Result<Option<Arc<CompiledSnapshot>>, LiveReadError> {
    let namespaces = unsure.known.keys();
    if unsure.live_read == NeedsLiveRead::NoCluster {
        let clusters = namespaces.clone().map(|name| clusters(facts, name));
        if try_join_all(clusters).await?.iter().all(Vec::is_empty) {
            return Ok(None);
        }
    }
    let read = try_join_all(namespaces.map(|name| everything(facts, name))).await?;
    let Some(latest) = state.admission.compiled() else {
        return Ok(None);
    };
    let known = unsure.known.clone();
    let compile = move || {
        let mut next = (*latest.snapshot).clone();
        for (namespace, (scope, objects)) in known.keys().zip(read) {
            next = next.renewed(namespace, scope.kinds(), objects);
        }
        // The answer may depend on older facts than the latest ones.
        let is_known = known
            .iter()
            .all(|(name, known)| match (next.namespace(name), known) {
                (Some(next), Some(known)) => Arc::ptr_eq(next, known),
                (next, known) => next.is_none() && known.is_none(),
            });
        let compiled =
            || CompiledSnapshot::compile(Some(&latest), Arc::new(next), Arc::clone(&latest.config));
        (!is_known).then(|| Arc::new(compiled()))
    };
    // CPU-bound work that may take milliseconds.
    state
        .blocking
        .run(due, compile)
        .await
        .map_err(|why| match why {
            Rejection::TooLate => LiveReadError::Late,
            why => {
                state.metrics.panicked();
                LiveReadError::Failed(why.to_string())
            }
        })
}

/// The OpenBaoClusters of a namespace.
async fn clusters(facts: &dyn Facts, namespace: &Arc<str>) -> Result<Vec<Object>, LiveReadError> {
    match facts.read(namespace.clone(), Scope::Clusters).await {
        Err(LiveReadError::Unserved) => Ok(Vec::new()),
        clusters => clusters,
    }
}

/// Everything in a namespace that a verdict may depend on. If OpenBaoClusters are not served, the known ones
/// are kept, so that a denial does not turn into an allowance.
async fn everything(
    facts: &dyn Facts,
    namespace: &Arc<str>,
) -> Result<(Scope, Vec<Object>), LiveReadError> {
    match facts.read(namespace.clone(), Scope::Everything).await {
        Err(LiveReadError::Unserved) => {
            let others = facts.read(namespace.clone(), Scope::Others).await?;
            Ok((Scope::Others, others))
        }
        objects => Ok((Scope::Everything, objects?)),
    }
}

/// Reviews again with other facts. If that fails, a denial stays. An answer without known clusters, or
/// without policies that it depends on, becomes an error.
async fn review_again(
    state: &WebhookState,
    (webhook, body): (WebhookKind, Bytes),
    answer: Answer,
    live_read: NeedsLiveRead,
    compiled: Arc<CompiledSnapshot>,
    due: Instant,
) -> Result<CheckedAnswer, Rejection> {
    let (admission, by) = (Arc::clone(&state.admission), Arc::clone(&compiled));
    let review = move || admission.answer_in(&by, webhook, &body);
    let reviewed = state.blocking.run(due, review).await;
    let outcome = match &reviewed {
        Ok(next) if next.record.resolution == answer.record.resolution => FreshRead::Same,
        Ok(_) => FreshRead::Changed,
        Err(_) => FreshRead::Failed,
    };
    state.metrics.cluster.fresh_read(outcome);
    match reviewed {
        Ok(answer) => Ok(CheckedAnswer {
            answer,
            compiled: Some(compiled),
        }),
        Err(why) if live_read != NeedsLiveRead::Denied => Err(why),
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
    use crate::server::clients::{ApiClients, LiveRead};
    use crate::server::limits::Limits;

    /// The objects on the API server; `None` if it does not answer.
    #[derive(Debug)]
    struct Has(Option<Vec<Object>>);

    impl Facts for Has {
        fn read(&self, _: Arc<str>, _: Scope) -> LiveRead {
            Box::pin(std::future::ready(
                self.0.clone().ok_or(LiveReadError::Late),
            ))
        }
    }

    fn cluster() -> Object {
        let cluster = json!({"apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoCluster",
            "metadata": {"name": "bao", "namespace": "shop"}, "spec": {}});
        read::object(&cluster).unwrap()
    }

    fn compiled() -> CompiledSnapshot {
        CompiledSnapshot::compile(None, Arc::default(), Arc::default())
    }

    /// A server with one worker and facts without a cluster.
    fn state(real: Option<Vec<Object>>) -> WebhookState {
        let admission = Admission::default();
        admission.publish(compiled());
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

    /// Keeps the only worker busy until the sender is dropped.
    async fn occupied(state: &WebhookState) -> mpsc::Sender<()> {
        let (go_on, released) = mpsc::channel();
        let (begun, begins) = oneshot::channel();
        let blocking = state.blocking.clone();
        tokio::spawn(async move {
            let work = move || (begun.send(()), released.recv().is_ok());
            blocking.run(Instant::now() + 10 * PATIENCE, work).await
        });
        begins.await.unwrap();
        go_on
    }

    #[tokio::test]
    async fn the_second_review_of_an_allowance_takes_a_worker_or_there_is_none() {
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
            let checked = check(&state, WebhookKind::Validate, &body, answer, soon()).await;
            assert_eq!(checked.unwrap_err(), Rejection::TooLate);
        }
    }

    #[tokio::test]
    async fn a_denial_that_cannot_be_reviewed_again_stays() {
        let (state, body) = (state(None), review());
        let first = state.admission.answer(WebhookKind::Validate, &body);
        let _busy = occupied(&state).await;
        for (live_read, stands) in [
            (NeedsLiveRead::NoCluster, false),
            (NeedsLiveRead::Denied, true),
        ] {
            let review = (WebhookKind::Validate, body.clone());
            let again = review_again(
                &state,
                review,
                first.clone(),
                live_read,
                Arc::new(compiled()),
                soon(),
            );
            let again = again.await.map(|checked| checked.answer);
            let expected = if stands {
                Ok(first.clone())
            } else {
                Err(Rejection::TooLate)
            };
            assert_eq!(again, expected, "{live_read:?}");
        }
    }
}
