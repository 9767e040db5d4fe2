//! Continuous handshakes, concurrent with the writes.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::ask;
use super::stage::Stage;
use super::writes::Writes;

/// Time for which a bundle has to work after it was replaced.
const SETTLE: Duration = Duration::from_secs(6);

/// Writes and handshakes, and their failures.
pub(in crate::e2e) struct Load {
    writes: Writes,
    is_over: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    most_cas: Arc<AtomicUsize>,
    failed: Arc<Mutex<Vec<String>>>,
    workers: Vec<JoinHandle<()>>,
}

impl Load {
    pub(in crate::e2e) fn start(stage: &Arc<Stage>) -> Self {
        let mut load = Self {
            writes: Writes::start(stage),
            is_over: Arc::default(),
            done: Arc::default(),
            most_cas: Arc::default(),
            failed: Arc::default(),
            workers: Vec::new(),
        };
        // An API server may use an older bundle for a moment, and reconnects rarely. This client reconnects all the
        // time with a recent bundle.
        let (reader, most_cas) = (Arc::clone(stage), Arc::clone(&load.most_cas));
        load.spawn(move || {
            let started = Instant::now();
            let Some(bundle) = reader.bundle() else {
                return Ok(());
            };
            let cas = bundle.matches("BEGIN CERTIFICATE").count();
            most_cas.fetch_max(cas, Ordering::Relaxed);
            let replicas = reader.replicas.read().unwrap().clone();
            for replica in replicas {
                // A new replica gets no requests before it is ready, and has no certificate at first.
                let was_ready = replica.is_ready();
                let trusted = ask::connect(replica.reviews, &bundle).map(drop);
                // On a busy machine, reading alone may take longer than the settling time.
                if was_ready
                    && started.elapsed() < SETTLE
                    && !replica.leaves()
                    && replica.is_ready()
                {
                    trusted.map_err(|error| format!("{error}\n{bundle}"))?;
                }
            }
            Ok(())
        });
        load
    }

    fn spawn(&mut self, mut act: impl FnMut() -> Result<(), String> + Send + 'static) {
        let (is_over, done) = (Arc::clone(&self.is_over), Arc::clone(&self.done));
        let failed = Arc::clone(&self.failed);
        self.workers.push(thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                match act() {
                    Ok(()) => drop(done.fetch_add(1, Ordering::Relaxed)),
                    Err(error) => failed.lock().unwrap().push(error),
                }
            }
        }));
    }

    /// A summary. Fails if any request failed.
    pub(in crate::e2e) fn stop(self) -> String {
        self.is_over.store(true, Ordering::Relaxed);
        for worker in self.workers {
            worker.join().unwrap();
        }
        let failed = self.failed.lock().unwrap();
        let done = self.done.load(Ordering::Relaxed);
        assert!(failed.is_empty(), "{} of {done}: {failed:#?}", failed.len());
        let cas = self.most_cas.load(Ordering::Relaxed);
        assert!(cas >= 2, "old and new CA were never in the bundle together");
        format!("{done} handshakes, 0 failed; {}", self.writes.stop())
    }
}
