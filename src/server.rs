//! The server: three ports, one shutdown.
//!
//! The webhooks are served over TLS by [`router`] behind [`listener`]. Probes and metrics are served without
//! TLS on their own ports. These do not share the limits of the webhook port, so a flood of requests there
//! does not affect the probes.

pub mod authorizer;
mod blocking;
mod body;
pub mod clients;
mod deadline;
mod fresh;
pub(crate) mod limits;
pub mod listener;
pub mod probes;
pub mod router;
pub mod shutdown;
pub mod state;
pub mod tls;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpSocket};
use tokio_rustls::TlsAcceptor;

use crate::admission::Admission;
use crate::audit::Metrics;
use clients::ApiClients;
use listener::{Limits, Transport};
use probes::Readiness;
use shutdown::{Phase, Shutdown};
use state::WebhookState;
use tls::{Certificates, TlsError};

/// Length of the kernel's accept queue. The usual 128 overflows when many clients connect at once, and a
/// dropped client believes that it is connected.
const QUEUE: u32 = 1024;

/// Error of starting the server.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// An address cannot be bound.
    #[error("cannot listen on `{address}`")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The certificate cannot be served.
    #[error("cannot serve TLS")]
    Tls(#[from] TlsError),
}

/// Listen addresses, requested or bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The webhooks.
    pub reviews: SocketAddr,
    /// The probes.
    pub probes: SocketAddr,
    /// The metrics.
    pub metrics: SocketAddr,
}

/// The parts of a server.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Handler of reviews.
    pub admission: Arc<Admission>,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// The serving certificate.
    pub certificates: Arc<Certificates>,
    /// Limits of the webhook port.
    pub limits: Limits,
    /// Clients of the API server that reviews need.
    pub clients: ApiClients,
    /// The namespace of this pod, if it is known.
    pub own_namespace: Option<Arc<str>>,
}

/// A server with bound ports that does not serve yet.
#[derive(Debug)]
pub struct Server {
    addresses: Addresses,
    parts: Parts,
    reviews: Port,
    plain: [Port; 2],
    readiness: Arc<Readiness>,
}

#[derive(Debug)]
struct Port {
    listener: TcpListener,
    transport: Transport,
    limits: Limits,
    router: Router,
}

impl Server {
    /// Binds the ports. Port 0 selects a free one. Needs a runtime.
    pub fn bind(addresses: Addresses, parts: Parts) -> Result<Self, ServerError> {
        let readiness = Arc::new(Readiness::new(
            Arc::clone(&parts.admission),
            Arc::clone(&parts.certificates),
            parts.own_namespace.clone(),
        ));
        let acceptor = TlsAcceptor::from(Arc::new(tls::server_config(&parts.certificates)?));
        let (reviews, reviews_at) = listen(addresses.reviews)?;
        let (probes, probes_at) = listen(addresses.probes)?;
        let (metrics, metrics_at) = listen(addresses.metrics)?;
        let state = WebhookState::new(
            Arc::clone(&parts.admission),
            Arc::clone(&parts.metrics),
            parts.limits,
        )
        .with_clients(parts.clients.clone());
        Ok(Self {
            addresses: Addresses {
                reviews: reviews_at,
                probes: probes_at,
                metrics: metrics_at,
            },
            reviews: Port {
                listener: reviews,
                transport: Transport::Tls(acceptor, Arc::clone(&parts.metrics)),
                limits: parts.limits,
                router: router::router(state),
            },
            plain: [
                plain(probes, probes::router(Arc::clone(&readiness))),
                plain(
                    metrics,
                    probes::metrics_router(Arc::clone(&parts.metrics), Arc::clone(&readiness)),
                ),
            ],
            readiness,
            parts,
        })
    }

    /// The bound addresses.
    pub const fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// The readiness of the server. Other tasks may add warnings to it.
    pub(crate) fn readiness(&self) -> Arc<Readiness> {
        Arc::clone(&self.readiness)
    }

    /// Serves until shutdown, and then until all requests in flight are answered or the drain time has
    /// passed. The probes are served until the end.
    pub async fn run(self, shutdown: Shutdown) {
        let drained = Shutdown::trigger();
        let [probes, metrics] = self.plain;
        let plain = futures_util::future::join(
            probes.serve(drained.shutdown()),
            metrics.serve(drained.shutdown()),
        );
        let readiness = Arc::clone(&self.readiness);
        let mut unready = shutdown.clone();
        let reviews = async {
            self.reviews.serve(shutdown.clone()).await;
            drained.enter(Phase::Draining);
        };
        let leave = async {
            unready.reached(Phase::Unready).await;
            readiness.leave();
        };
        tokio::join!(reviews, leave, plain);
        tracing::info!(
            panics = self.parts.metrics.panics(),
            "answered all requests in flight"
        );
    }
}

impl Port {
    async fn serve(self, shutdown: Shutdown) {
        listener::serve(
            self.listener,
            self.transport,
            self.router,
            self.limits,
            shutdown,
        )
        .await;
    }
}

/// Limits for the kubelet and for metrics collectors, which are few and do not wait.
fn plain_limits() -> Limits {
    Limits {
        connections: 64,
        head: Duration::from_secs(5),
        drain: Duration::from_secs(1),
        ..Limits::default()
    }
}

fn plain(listener: TcpListener, router: Router) -> Port {
    Port {
        listener,
        transport: Transport::Plain,
        limits: plain_limits(),
        router,
    }
}

/// An address to connect to. The unspecified address is replaced by the loopback address.
pub(crate) fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServerError> {
    let failed = |source| ServerError::Listen { address, source };
    let listener = queue(address).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

fn queue(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // Connections of the previous process may still be in TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(QUEUE)
}
