//! The accept loop: one task per connection, a timeout for every wait.
//!
//! The handshake runs in the connection's task, so a slow client delays no other. A connection counts for
//! the drain only after the handshake, so a stalled handshake does not delay the shutdown.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderValue, header};
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;

pub use super::limits::Limits;
use super::shutdown::{Phase, Shutdown};
use crate::audit::Metrics;
use crate::audit::metrics::ConnectionEnd;

/// Buffer of one connection in bytes, in addition to the body that is read. hyper's default is six times as
/// large, and a client with many connections could fill each.
const CONNECTION_BUFFER: usize = 64 * 1024;

/// Layer between socket and HTTP.
#[derive(Clone)]
pub(crate) enum Transport {
    /// No layer.
    Plain,
    /// TLS. Its connections are counted.
    Tls(TlsAcceptor, Arc<Metrics>),
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Plain => "Plain",
            Self::Tls(..) => "Tls",
        })
    }
}

/// Serves until shutdown, then finishes requests in flight within the drain time.
pub(super) async fn serve(
    listener: TcpListener,
    transport: Transport,
    router: Router,
    limits: Limits,
    mut shutdown: Shutdown,
) {
    let graceful = GracefulShutdown::new();
    let slots = Arc::new(Semaphore::new(limits.connections));
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.reached(Phase::Draining) => break,
            accepted = accept(&listener, &slots) => accepted,
        };
        let Some((stream, slot)) = accepted else {
            break;
        };
        let connection = Connection {
            router: router.clone(),
            limits,
            watcher: graceful.watcher(),
            shutdown: shutdown.clone(),
        };
        tokio::spawn(connection.run(stream, transport.clone(), slot));
    }
    drop(listener);
    if timeout(limits.drain, graceful.shutdown()).await.is_err() {
        tracing::warn!(after = ?limits.drain, "closing connections with requests in flight");
    }
}

/// The next connection, once there is a free slot; `None` after the last one.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Responses are small and written at once. Nagle's algorithm would only delay them.
                let _unset = stream.set_nodelay(true);
                return Some((stream, slot));
            }
            Err(error) => pause_after(&error).await,
        }
    }
}

/// Waits after an accept error, such as too many open files. A connection that its client closed needs no
/// wait.
async fn pause_after(error: &io::Error) {
    let gone = [
        io::ErrorKind::ConnectionAborted,
        io::ErrorKind::ConnectionReset,
        io::ErrorKind::ConnectionRefused,
        io::ErrorKind::Interrupted,
    ];
    if !gone.contains(&error.kind()) {
        tracing::warn!(%error, "cannot accept a connection, trying again");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Number of requests on one connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Requests {
    /// One, for probes and metrics: any client may send them, and they must not keep connections busy.
    One,
    /// Any number.
    Many,
}

struct Connection {
    router: Router,
    limits: Limits,
    watcher: Watcher,
    shutdown: Shutdown,
}

impl Connection {
    async fn run(self, stream: TcpStream, transport: Transport, slot: OwnedSemaphorePermit) {
        let peer = stream.peer_addr().ok();
        match transport {
            Transport::Plain => {
                self.http(stream, peer, Requests::One).await;
            }
            Transport::Tls(acceptor, metrics) => {
                metrics.connected();
                let end = self.secured(stream, &acceptor, peer).await;
                metrics.disconnected(end);
            }
        }
        drop(slot);
    }

    async fn secured(
        mut self,
        stream: TcpStream,
        acceptor: &TlsAcceptor,
        peer: Option<SocketAddr>,
    ) -> ConnectionEnd {
        let handshake = timeout(self.limits.handshake, acceptor.accept(stream));
        let outcome = tokio::select! {
            outcome = handshake => outcome,
            () = self.shutdown.reached(Phase::Draining) => return ConnectionEnd::Handshake,
        };
        match outcome {
            // Boxed, so that failed handshakes do not need its memory.
            Ok(Ok(stream)) => Box::pin(self.http(stream, peer, Requests::Many)).await,
            Ok(Err(error)) if is_about_the_client(&error) => {
                tracing::warn!(?peer, %error, "client certificate rejected");
                ConnectionEnd::ClientRefused
            }
            Ok(Err(error)) => {
                tracing::debug!(?peer, %error, "TLS handshake failed");
                ConnectionEnd::Handshake
            }
            Err(_) => {
                tracing::debug!(?peer, "TLS handshake took too long");
                ConnectionEnd::Handshake
            }
        }
    }

    async fn http<IO>(
        self,
        stream: IO,
        peer: Option<SocketAddr>,
        requests: Requests,
    ) -> ConnectionEnd
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // hyper has no timeout for a client that does not read.
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(self.limits.write));
        let stream = TokioIo::new(Box::pin(stream));
        let (router, shutdown) = (TowerToHyperService::new(self.router), self.shutdown);
        let shutdown = Arc::new(shutdown);
        let service = service_fn(move |request| {
            let (answer, shutdown) = (router.call(request), Arc::clone(&shutdown));
            async move {
                let mut answer = answer.await?;
                if shutdown.is_leaving() {
                    let close = HeaderValue::from_static("close");
                    answer.headers_mut().insert(header::CONNECTION, close);
                }
                Ok::<_, Infallible>(answer)
            }
        });
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head)
            .max_buf_size(CONNECTION_BUFFER)
            .keep_alive(requests == Requests::Many)
            .serve_connection(stream, service);
        match self.watcher.watch(served).await {
            Ok(()) => ConnectionEnd::Closed,
            Err(error) => {
                tracing::debug!(?peer, %error, "connection ended early");
                ConnectionEnd::Request
            }
        }
    }
}

/// Returns true if a handshake failed because of the client's certificate: absent, invalid or unexpected.
fn is_about_the_client(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|error| error.downcast_ref());
    matches!(
        inner,
        Some(rustls::Error::NoCertificatesPresented | rustls::Error::InvalidCertificate(_))
    )
}

#[cfg(test)]
mod tests;
