//! The plain ports, on a thread of their own.
//!
//! Reviews are work for the processor. However many of them there are, and however slow, they must
//! not keep the kubelet's question from being answered: a liveness probe that is late restarts
//! the server just when it is needed most.

use std::io;
use std::net::TcpListener as StdListener;
use std::thread;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::listener::{self, Front, Limits};
use super::shutdown::Shutdown;
use super::threads::Threads;

/// A port that is bound, for any runtime.
#[derive(Debug)]
pub(super) struct PlainPort {
    pub(super) listener: StdListener,
    pub(super) router: Router,
}

/// Serves the ports until shutdown, on another thread. The receiver ends when they are closed.
pub(super) fn serve(
    ports: [PlainPort; 2],
    limits: Limits,
    shutdown: Shutdown,
) -> io::Result<oneshot::Receiver<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (closed, until_closed) = oneshot::channel();
    let run = move || {
        let _told_when_dropped = closed;
        let [first, second] = ports.map(|port| one(port, limits, shutdown.clone()));
        runtime.block_on(async { tokio::join!(first, second) });
    };
    thread::Builder::new().name("probes".into()).spawn(run)?;
    Ok(until_closed)
}

async fn one(port: PlainPort, limits: Limits, shutdown: Shutdown) {
    match TcpListener::from_std(port.listener) {
        Ok(listener) => {
            let here = Threads::none();
            listener::serve(listener, Front::Plain, port.router, limits, here, shutdown).await;
        }
        Err(error) => tracing::error!(%error, "Cannot serve probes or metrics"),
    }
}
