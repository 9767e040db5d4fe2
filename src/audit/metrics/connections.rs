//! Metrics of connections to the webhook port.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::{Metrics, OutcomeLabels};

/// Reason for the end of a connection to the webhook port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionEnd {
    /// Closed by either side, after any number of requests.
    Closed,
    /// The TLS handshake failed or took too long.
    Handshake,
    /// The client had no certificate, or not an expected one.
    ClientRefused,
    /// No complete request arrived in time, or it was not valid HTTP.
    Request,
}

impl ConnectionEnd {
    const ALL: [Self; 4] = [
        Self::Closed,
        Self::Handshake,
        Self::ClientRefused,
        Self::Request,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Handshake => "handshake-failed",
            Self::ClientRefused => "client-refused",
            Self::Request => "request-failed",
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct ConnectionMetrics {
    ended: Family<OutcomeLabels, Counter>,
    open: Gauge,
}

impl ConnectionMetrics {
    pub(super) fn register(&self, all: &mut Registry) {
        all.register(
            "connections",
            "Connections to the review port that have ended",
            self.ended.clone(),
        );
        all.register(
            "open_connections",
            "Connections to the review port",
            self.open.clone(),
        );
    }

    /// Creates the series with the value zero.
    pub(super) fn begin(&self) {
        for outcome in ConnectionEnd::ALL.map(ConnectionEnd::as_str) {
            let ended = &self.ended;
            ended.get_or_create(&OutcomeLabels { outcome }).inc_by(0);
        }
    }
}

impl Metrics {
    /// Counts a new connection to the webhook port.
    pub fn connected(&self) {
        self.connections.open.inc();
    }

    /// Counts the end of a connection to the webhook port.
    pub fn disconnected(&self, end: ConnectionEnd) {
        self.connections.open.dec();
        let outcome = end.as_str();
        let ended = &self.connections.ended;
        ended.get_or_create(&OutcomeLabels { outcome }).inc();
    }
}
