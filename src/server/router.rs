//! The two routes of the webhook port.
//!
//! A request that exceeds a limit, except that of size, is answered as a review if its uid is known
//! ([`rejected`](crate::admission::Admission::rejected)), and otherwise with an HTTP error. This needs the
//! body, which tower layers do not have. So the limits are checked here, and a layer only catches panics.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::post;
use tokio::time::timeout_at;
use tower_http::catch_panic::CatchPanicLayer;

use super::body::{BodyError, RejectedBody, WholeBody};
use super::deadline::deadline;
use super::fresh::{self, CheckedAnswer};
use super::state::WebhookState;
use crate::admission::{Answer, Protocol, Rejection, WebhookKind};
use crate::audit::{self, Record, Resolution};

/// Reason label: the content type is not JSON.
const MEDIA_TYPE: &str = "media-type";
/// Reason label: the body ended early.
const BROKEN: &str = "broken";

/// The webhooks. Other paths are answered with 404, other methods with 405.
pub fn router(state: WebhookState) -> Router {
    let at = |webhook: WebhookKind| {
        post(
            move |State(state): State<Arc<WebhookState>>, request: Request| async move {
                Review::new(&state, webhook, &request).answer(request).await
            },
        )
    };
    let panicked = state.metrics.clone();
    for why in Rejection::ALL.map(Rejection::as_str) {
        state.metrics.may_reject(why);
    }
    for why in [MEDIA_TYPE, BROKEN] {
        state.metrics.may_reject(why);
    }
    Router::new()
        .route(WebhookKind::Validate.path(), at(WebhookKind::Validate))
        .route(WebhookKind::Mutate.path(), at(WebhookKind::Mutate))
        .layer(CatchPanicLayer::custom(move |_| {
            // The panic hook of the process prints the panic. Its text is not sent.
            panicked.panicked();
            panicked.rejected(Rejection::Panicked.as_str());
            text(StatusCode::INTERNAL_SERVER_ERROR, "internal error")
        }))
        .with_state(Arc::new(state))
}

/// A request in progress.
struct Review<'a> {
    state: &'a WebhookState,
    webhook: WebhookKind,
    begun: tokio::time::Instant,
    due: tokio::time::Instant,
}

impl<'a> Review<'a> {
    fn new(state: &'a WebhookState, webhook: WebhookKind, request: &Request) -> Self {
        let begun = tokio::time::Instant::now();
        Self {
            state,
            webhook,
            begun,
            due: deadline(begun, request.uri().query(), state.limits.review),
        }
    }

    async fn answer(self, request: Request) -> Response {
        if !is_json(request.headers()) {
            let message = "expected content-type `application/json`";
            return self.unread(MEDIA_TYPE, StatusCode::UNSUPPORTED_MEDIA_TYPE, message);
        }
        let body = request.into_body();
        let Ok(_place) = self.state.places.try_acquire() else {
            let rejected = self.state.bodies.reject(body, self.due).await;
            return self.not_taken(&rejected);
        };
        match self.state.bodies.read(body, self.due).await {
            Ok(body) => self.review(body).await,
            Err(rejected) => self.not_taken(&rejected),
        }
    }

    async fn review(self, body: WholeBody) -> Response {
        let begun = Instant::now();
        let body = Arc::new(body);
        let reviewed = match self.answered(&body).await {
            Ok(answer) => {
                let (state, webhook, due) = (self.state, self.webhook, self.due);
                match fresh::check(state, webhook, &body.bytes, answer, due).await {
                    Ok(checked) => self.check_maintenance(&body, checked).await,
                    Err(why) => Err(why),
                }
            }
            Err(why) => Err(why),
        };
        match reviewed {
            Ok(_) if tokio::time::Instant::now() > self.due => {
                self.rejected(&body.bytes, Rejection::TooLate, true)
            }
            Ok(answer) => {
                fresh::send_event(self.state, &answer);
                audit::record(&self.state.metrics, &answer.record, begun.elapsed());
                respond(answer, StatusCode::BAD_REQUEST)
            }
            Err(why) => self.rejected(&body.bytes, why, true),
        }
    }

    /// The first answer. A small body is reviewed here with a small budget. If that is not enough, and for
    /// large bodies, [`Blocking`](super::blocking::Blocking) runs the review with the full budget.
    async fn answered(&self, body: &Arc<WholeBody>) -> Result<Answer, Rejection> {
        let (webhook, state) = (self.webhook, self.state);
        if body.bytes.len() <= state.limits.at_once_bytes {
            // State that it shares with other work is replaced as a whole or counted, so nothing is left half done.
            let brief = AssertUnwindSafe(|| {
                state
                    .admission
                    .answer_with_small_budget(webhook, &body.bytes)
            });
            if let Some(answer) = catch_unwind(brief).map_err(|_| Rejection::Panicked)? {
                return Ok(answer);
            }
        }
        let (admission, body) = (Arc::clone(&state.admission), Arc::clone(body));
        let work = move || admission.answer(webhook, &body.bytes);
        state.blocking.run(self.due, work).await
    }

    /// Checks a maintenance request, if there is one and a client to check it. If the check fails, the
    /// earlier answer stays. If it does not finish in time, the request is rejected.
    async fn check_maintenance(
        &self,
        body: &Arc<WholeBody>,
        checked: CheckedAnswer,
    ) -> Result<Answer, Rejection> {
        let CheckedAnswer { answer, compiled } = checked;
        let (Some(maintenance), Some(authorizer)) =
            (&answer.maintenance, &self.state.clients.authorizer)
        else {
            return Ok(answer);
        };
        let forbidden = timeout_at(self.due, authorizer.first_forbidden(maintenance)).await;
        match forbidden.map_err(|_late| Rejection::TooLate)? {
            Ok(None) => {
                let (grants, webhook) = (maintenance.clusters.clone(), self.webhook);
                let (admission, body) = (Arc::clone(&self.state.admission), Arc::clone(body));
                let work = move || {
                    admission.answer_granted(compiled.as_deref(), webhook, &body.bytes, grants)
                };
                self.state.blocking.run(self.due, work).await
            }
            Ok(Some(cluster)) => Ok(answer.without_permission(cluster)),
            Err(error) => {
                audit::log::maintenance_unchecked(&error);
                Ok(answer)
            }
        }
    }

    fn not_taken(self, body: &RejectedBody) -> Response {
        let why = match body.error {
            BodyError::TooLarge => Rejection::TooLarge(self.state.limits.body_bytes),
            BodyError::Overloaded => Rejection::Overloaded,
            BodyError::TooSlow => Rejection::TooSlow,
            BodyError::Broken => {
                // The client is gone, so no answer is sent.
                return self.unread(BROKEN, StatusCode::BAD_REQUEST, "body ended early");
            }
        };
        self.rejected(&body.first, why, body.is_read)
    }

    /// Answers a request whose body was not read.
    fn unread(self, why: &'static str, status: StatusCode, message: &'static str) -> Response {
        let noted = Record::of(self.webhook, Resolution::Unreviewed);
        audit::rejected_request(&self.state.metrics, &noted, why, self.begun.elapsed());
        text(status, message)
    }

    fn rejected(self, beginning: &[u8], why: Rejection, is_read: bool) -> Response {
        if why == Rejection::Panicked {
            self.state.metrics.panicked();
        }
        let admission = &self.state.admission;
        let answer = admission.rejected(self.webhook, beginning, why);
        let (metrics, took) = (&self.state.metrics, self.begun.elapsed());
        audit::rejected_request(metrics, &answer.record, why.as_str(), took);
        let status = match why {
            Rejection::TooSlow => StatusCode::REQUEST_TIMEOUT,
            _ => StatusCode::from_u16(why.code()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE),
        };
        let mut response = respond(answer, status);
        let is_error = !response.status().is_success();
        let headers = response.headers_mut();
        if let Some(seconds) = why.retry_after().filter(|_| is_error) {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if !is_read {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// Sends an answer over HTTP. If it is not a review, `error` is the status code.
fn respond(answer: Answer, error: StatusCode) -> Response {
    match answer.protocol {
        Protocol::Review => {
            let mut response = Response::new(Body::from(answer.body));
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(header::CONTENT_TYPE, json);
            response
        }
        Protocol::NotAReview => text(error, answer.body),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

fn text(status: StatusCode, message: impl Into<Body>) -> Response {
    let mut response = Response::new(message.into());
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}

#[cfg(test)]
mod tests;
