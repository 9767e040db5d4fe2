//! Shutdown in phases, begun by a signal.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// How far the shutdown is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Serving.
    Serving,
    /// Still serving, but not ready any more, so that endpoints can notice. Each answer asks its
    /// client to close: what is closed later would be so at a moment that the client does not know.
    Unready,
    /// No more connections; what is in flight is finished.
    Draining,
}

/// Moves a shutdown on. Dropping it is the same as [`Phase::Draining`].
#[derive(Debug)]
pub struct Trigger(watch::Sender<Phase>);

impl Trigger {
    /// Enters a phase; never goes back.
    pub fn enter(&self, phase: Phase) {
        self.0.send_if_modified(|current| {
            let later = phase > *current;
            *current = phase.max(*current);
            later
        });
    }

    /// What waits for this trigger.
    pub fn shutdown(&self) -> Shutdown {
        Shutdown(self.0.subscribe())
    }
}

/// Waits for a shutdown.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<Phase>);

impl Shutdown {
    /// The end that begins the shutdown.
    pub fn trigger() -> Trigger {
        Trigger(watch::Sender::new(Phase::Serving))
    }

    /// Waits until `phase`, or a later one, is reached.
    pub async fn reached(&mut self, phase: Phase) {
        // An error means that the trigger is gone: then there is nobody left to wait for.
        let _gone = self.0.wait_for(|current| *current >= phase).await;
    }

    /// Whether clients should turn to somebody else.
    pub fn is_leaving(&self) -> bool {
        *self.0.borrow() >= Phase::Unready
    }

    /// Whether no more connections are taken.
    pub fn is_draining(&self) -> bool {
        *self.0.borrow() >= Phase::Draining
    }

    /// Waits until [`Phase::Draining`], as a future that owns what it needs.
    pub async fn begun(mut self) {
        self.reached(Phase::Draining).await;
    }
}

/// The signals that end the process: SIGTERM and SIGINT.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Takes over both signals; from now on they end nothing by themselves.
    pub fn take() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next one.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Goes through the phases at the first signal, `delay` apart, and returns at the second.
    pub async fn conduct(mut self, trigger: Trigger, delay: Duration) {
        self.next().await;
        tracing::info!("Shutting down; a second signal ends at once");
        trigger.enter(Phase::Unready);
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = self.next() => return,
        }
        trigger.enter(Phase::Draining);
        self.next().await;
    }
}
