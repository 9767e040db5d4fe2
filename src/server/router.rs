//! The two routes of the webhooks' port, and the layers around them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::error_handling::HandleErrorLayer;
use axum::extract::{DefaultBodyLimit, FromRequest as _, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::load_shed::LoadShedLayer;
use tower::{BoxError, ServiceBuilder};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;

use super::fresh::{self, Beside};
use super::listener::Limits;
use crate::admission::{Admission, Point, Protocol};
use crate::audit::{self, Metrics};

/// For asking the API server before an answer; less than half of what it gives us.
const FRESH_READ: Duration = Duration::from_secs(2);

/// Where reviews are handed in.
#[derive(Clone, Debug)]
pub struct Desk {
    pub(super) admission: Arc<Admission>,
    pub(super) metrics: Arc<Metrics>,
    limits: Limits,
    pub(super) beside: Beside,
}

impl Desk {
    /// A desk that answers with `admission` and counts in `metrics`.
    pub fn new(admission: Arc<Admission>, metrics: Arc<Metrics>, limits: Limits) -> Self {
        Self {
            admission,
            metrics,
            limits,
            beside: Beside::default(),
        }
    }

    /// The same, which asks and tells a cluster.
    #[must_use]
    pub fn beside(self, beside: Beside) -> Self {
        Self { beside, ..self }
    }
}

/// The webhooks. Everything else is 404, another method 405.
pub fn router(desk: Desk) -> Router {
    let at = |point: Point| {
        post(
            move |State(desk): State<Desk>, request: Request| async move {
                review(&desk, point, request).await
            },
        )
    };
    let shed = desk.metrics.clone();
    let panicked = desk.metrics.clone();
    let layers = ServiceBuilder::new()
        .layer(CatchPanicLayer::custom(move |_| {
            // The panic itself is printed by the process's hook; its text stays here.
            panicked.panicked();
            text(StatusCode::INTERNAL_SERVER_ERROR, "internal error")
        }))
        .layer(HandleErrorLayer::new(move |_: BoxError| {
            shed.rejected("overloaded");
            std::future::ready(overloaded())
        }))
        .layer(LoadShedLayer::new())
        .layer(GlobalConcurrencyLimitLayer::new(desk.limits.requests))
        .layer(DefaultBodyLimit::disable())
        .layer(RequestBodyLimitLayer::new(desk.limits.body_bytes));
    Router::new()
        .route(Point::Validate.path(), at(Point::Validate))
        .route(Point::Mutate.path(), at(Point::Mutate))
        .layer(layers)
        .with_state(desk)
}

async fn review(desk: &Desk, point: Point, request: Request) -> Response {
    let body = match body(desk, request).await {
        Ok(body) => body,
        Err(rejection) => {
            desk.metrics.rejected(rejection.name());
            return rejection.respond();
        }
    };
    let begun = Instant::now();
    let answer = desk.admission.answer(point, &body);
    let due = tokio::time::Instant::now() + FRESH_READ;
    let answer = fresh::finish(desk, point, &body, answer, due).await;
    audit::record(&desk.metrics, &answer.record, begun.elapsed());
    match answer.protocol {
        Protocol::Review => (
            [(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            )],
            answer.body,
        )
            .into_response(),
        Protocol::NotAReview => text(
            StatusCode::BAD_REQUEST,
            String::from_utf8_lossy(&answer.body).into_owned(),
        ),
    }
}

/// Why a request got an HTTP error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rejection {
    MediaType,
    TooLarge,
    TooSlow,
    Broken,
}

impl Rejection {
    const fn name(self) -> &'static str {
        match self {
            Self::MediaType => "media-type",
            Self::TooLarge => "too-large",
            Self::TooSlow => "too-slow",
            Self::Broken => "broken",
        }
    }

    fn respond(self) -> Response {
        let (status, message) = match self {
            Self::MediaType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "expected content-type `application/json`",
            ),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body too large"),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "body took too long"),
            Self::Broken => (StatusCode::BAD_REQUEST, "body ended early"),
        };
        let mut response = text(status, message);
        if matches!(self, Self::TooSlow | Self::TooLarge) {
            // The rest of the body may still be coming: nothing can follow on this connection.
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
        response
    }
}

/// The whole body, within its limits of size and time.
async fn body(desk: &Desk, request: Request) -> Result<Bytes, Rejection> {
    let json = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"));
    if !json {
        return Err(Rejection::MediaType);
    }
    let read = Bytes::from_request(request, &());
    match tokio::time::timeout(desk.limits.body, read).await {
        Err(_) => Err(Rejection::TooSlow),
        Ok(Ok(body)) => Ok(body),
        Ok(Err(error)) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            Err(Rejection::TooLarge)
        }
        Ok(Err(_)) => Err(Rejection::Broken),
    }
}

/// Too many at once. The API server's client tries again after the time that is named.
fn overloaded() -> Response {
    let mut response = text(StatusCode::TOO_MANY_REQUESTS, "too many reviews at once");
    let second = HeaderValue::from_static("1");
    response.headers_mut().insert(header::RETRY_AFTER, second);
    response
}

fn text(status: StatusCode, message: impl Into<Body>) -> Response {
    let mut response = Response::new(message.into());
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}
