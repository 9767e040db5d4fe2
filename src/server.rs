//! The server: three ports, one shutdown.
//!
//! The webhooks are served over TLS by [`router`] behind [`listener`]; the probes and the metrics
//! are plain, on ports of their own. No registration names them, and no limit of the webhooks'
//! port is shared with them: a flood there leaves the probes alone.

pub mod fresh;
pub mod listener;
pub mod probes;
pub mod router;
pub mod shutdown;
pub mod tls;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::admission::Admission;
use crate::audit::Metrics;
use fresh::Beside;
use listener::{Front, Limits};
use probes::Readiness;
use router::Desk;
use shutdown::{Phase, Shutdown};
use tls::{Certificates, TlsError};

/// Why the server could not begin.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// An address cannot be had.
    #[error("cannot listen on `{address}`")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What happened.
        #[source]
        source: io::Error,
    },
    /// The certificate cannot be served.
    #[error("cannot serve TLS")]
    Tls(#[from] TlsError),
}

/// Addresses: those asked for, or those bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The webhooks.
    pub reviews: SocketAddr,
    /// The probes.
    pub probes: SocketAddr,
    /// The metrics.
    pub metrics: SocketAddr,
}

/// What the server is made of.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Answers reviews.
    pub admission: Arc<Admission>,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// The certificate that is served.
    pub certificates: Arc<Certificates>,
    /// Limits of the webhooks' port.
    pub limits: Limits,
    /// What the cluster is asked and told beside reviews.
    pub beside: Beside,
}

/// A server whose ports are bound and that serves none of them yet.
#[derive(Debug)]
pub struct Server {
    addresses: Addresses,
    parts: Parts,
    reviews: Port,
    probes: Port,
    metrics: Port,
    readiness: Arc<Readiness>,
}

#[derive(Debug)]
struct Port {
    listener: TcpListener,
    front: Front,
    limits: Limits,
    router: Router,
}

impl Server {
    /// Binds the ports; port 0 takes a free one.
    pub async fn bind(addresses: Addresses, parts: Parts) -> Result<Self, ServerError> {
        let readiness = Arc::new(Readiness::new(
            Arc::clone(&parts.admission),
            Arc::clone(&parts.certificates),
        ));
        let acceptor = TlsAcceptor::from(Arc::new(tls::server_config(&parts.certificates)?));
        let (reviews, reviews_at) = listen(addresses.reviews).await?;
        let (probes, probes_at) = listen(addresses.probes).await?;
        let (metrics, metrics_at) = listen(addresses.metrics).await?;
        let desk = Desk::new(
            Arc::clone(&parts.admission),
            Arc::clone(&parts.metrics),
            parts.limits,
        )
        .beside(parts.beside.clone());
        Ok(Self {
            addresses: Addresses {
                reviews: reviews_at,
                probes: probes_at,
                metrics: metrics_at,
            },
            reviews: Port {
                listener: reviews,
                front: Front::Tls(acceptor, Arc::clone(&parts.metrics)),
                limits: parts.limits,
                router: router::router(desk),
            },
            probes: Port::plain(probes, probes::router(Arc::clone(&readiness))),
            metrics: Port::plain(metrics, probes::metrics_router(Arc::clone(&parts.metrics))),
            readiness,
            parts,
        })
    }

    /// The addresses that are bound.
    pub const fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// What the probes say; others may add warnings.
    pub fn readiness(&self) -> Arc<Readiness> {
        Arc::clone(&self.readiness)
    }

    /// Serves until shutdown, and until all that is in flight is answered or the drain's time is
    /// up. The probes answer to the end.
    pub async fn run(self, shutdown: Shutdown) {
        let drained = Shutdown::trigger();
        let until_drained = drained.shutdown();
        let readiness = Arc::clone(&self.readiness);
        let mut unready = shutdown.clone();
        let reviews = async {
            self.reviews.serve(shutdown).await;
            drained.enter(Phase::Draining);
        };
        let leave = async {
            unready.reached(Phase::Unready).await;
            readiness.leave();
        };
        tokio::join!(
            reviews,
            leave,
            self.probes.serve(until_drained.clone()),
            self.metrics.serve(until_drained),
        );
        tracing::info!(
            panics = self.parts.metrics.panics(),
            "Answered everything in flight"
        );
    }
}

impl Port {
    fn plain(listener: TcpListener, router: Router) -> Self {
        Self {
            listener,
            front: Front::Plain,
            limits: Limits {
                connections: 64,
                drain: Duration::from_secs(1),
                ..Limits::default()
            },
            router,
        }
    }

    async fn serve(self, shutdown: Shutdown) {
        listener::serve(
            self.listener,
            self.front,
            self.router,
            self.limits,
            shutdown,
        )
        .await;
    }
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServerError> {
    let failed = |source| ServerError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}
