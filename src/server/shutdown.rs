//! Shutdown in phases, started by a signal.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Phase of the shutdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Serving.
    Serving,
    /// Still serving, but not ready, so that endpoints are updated. Each response asks its client to close
    /// the connection, since a close by the server could hit a request in flight.
    Unready,
    /// No new connections. Requests in flight are finished.
    Draining,
}

/// Advances a shutdown. Dropping it is the same as [`Phase::Draining`].
#[derive(Debug)]
pub struct Trigger(watch::Sender<Phase>);

impl Trigger {
    /// Enters a phase. It never goes back.
    pub fn enter(&self, phase: Phase) {
        self.0.send_if_modified(|current| {
            let later = phase > *current;
            *current = phase.max(*current);
            later
        });
    }

    /// Future that completes when shutdown is requested.
    pub fn shutdown(&self) -> Shutdown {
        Shutdown(self.0.subscribe())
    }
}

/// Receiver of the shutdown phases.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<Phase>);

impl Shutdown {
    /// Creates the sender of the shutdown phases.
    pub fn trigger() -> Trigger {
        Trigger(watch::Sender::new(Phase::Serving))
    }

    /// Waits until `phase`, or a later one, is reached.
    pub(crate) async fn reached(&mut self, phase: Phase) {
        // An error means that the trigger was dropped, which is the last phase.
        let _gone = self.0.wait_for(|current| *current >= phase).await;
    }

    /// Returns true if clients should use another replica.
    pub(crate) fn is_leaving(&self) -> bool {
        *self.0.borrow() >= Phase::Unready
    }

    /// Returns true if no more connections are accepted.
    pub(crate) fn is_draining(&self) -> bool {
        *self.0.borrow() >= Phase::Draining
    }

    /// Waits until [`Phase::Draining`]. The future owns its data.
    pub(crate) async fn begun(mut self) {
        self.reached(Phase::Draining).await;
    }
}

/// The signals that end the process: SIGTERM and SIGINT.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Installs handlers for both signals. They no longer end the process by themselves.
    pub(crate) fn take() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next signal.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Starts the shutdown at the first signal, waits `delay` between phases, and returns at the second
    /// signal.
    pub(crate) async fn conduct(mut self, trigger: Trigger, delay: Duration) {
        self.next().await;
        tracing::info!("shutting down, a second signal stops at once");
        trigger.enter(Phase::Unready);
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = self.next() => return,
        }
        trigger.enter(Phase::Draining);
        self.next().await;
    }
}
