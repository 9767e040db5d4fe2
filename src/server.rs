//! The server: three ports, one shutdown.
//!
//! The webhooks are served over TLS by [`router`] behind [`listener`]; the probes and the metrics
//! are plain, on ports of their own. No registration names them, and no limit of the webhooks'
//! port is shared with them: a flood there leaves the probes alone.

pub mod authorizer;
mod blocking;
mod body;
pub mod clients;
mod deadline;
mod fresh;
pub mod limits;
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

/// Connections that the kernel keeps until they are accepted. The usual 128 overflow when clients
/// come at once, and whom the kernel then drops believes to be connected.
const QUEUE: u32 = 1024;

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
    /// Clients of the API server that reviews need.
    pub clients: ApiClients,
    /// The namespace that this process runs in, where it is known.
    pub own_namespace: Option<Arc<str>>,
}

/// A server whose ports are bound and that serves none of them yet.
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
    /// Binds the ports, inside a runtime; port 0 takes a free one.
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
            "Answered everything in flight"
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

/// The kubelet and the collectors of metrics are few, and wait for nothing.
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

/// An address to connect to: "every address" is reached by the loopback one.
pub fn reachable(mut address: SocketAddr) -> SocketAddr {
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
    // A restart finds connections of the process before it.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(QUEUE)
}
