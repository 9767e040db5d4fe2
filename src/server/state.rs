//! Shared state of the webhook handlers.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::blocking::Blocking;
use super::body::Bodies;
use super::clients::ApiClients;
use super::limits::Limits;
use crate::admission::Admission;
use crate::audit::Metrics;

/// State of the two webhooks.
#[derive(Clone, Debug)]
pub struct WebhookState {
    pub(super) admission: Arc<Admission>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) limits: Limits,
    pub(super) places: Arc<Semaphore>,
    pub(super) bodies: Bodies,
    pub(super) blocking: Blocking,
    pub(super) clients: ApiClients,
}

impl WebhookState {
    /// State with `admission` for reviews and `metrics` for counting.
    pub fn new(admission: Arc<Admission>, metrics: Arc<Metrics>, limits: Limits) -> Self {
        Self {
            admission,
            metrics,
            limits,
            places: Arc::new(Semaphore::new(limits.requests)),
            bodies: Bodies::new(limits),
            blocking: Blocking::new(limits.workers),
            clients: ApiClients::default(),
        }
    }

    /// Adds clients of the API server.
    #[must_use]
    pub fn with_clients(self, clients: ApiClients) -> Self {
        Self { clients, ..self }
    }
}
