//! Where large reviews are judged: a bounded number at a time, beside the threads that serve.
//!
//! A review is work for one processor from beginning to end. Small ones are done sooner than they
//! could be handed on; large ones would keep the connections of others waiting.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use crate::admission::Unjudged;

/// Runs work on threads of its own.
#[derive(Clone, Debug)]
pub(super) struct Workers {
    places: Arc<Semaphore>,
    /// Whose threads: one pool for all that serve, so that no more threads are there than places.
    runtime: Handle,
}

impl Workers {
    /// At most so many at a time, on threads of the runtime that this is called in.
    pub(super) fn new(workers: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(workers.max(1))),
            runtime: Handle::current(),
        }
    }

    /// The result, where it is there by `due`. Work that has begun goes on to its end, which the
    /// budget of proofs and the caps of decoding bring, and holds its place until then.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        due: Instant,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Unjudged> {
        let place = timeout_at(due, Arc::clone(&self.places).acquire_owned());
        let Ok(Ok(place)) = place.await else {
            return Err(Unjudged::TooLate);
        };
        let task = self.runtime.spawn_blocking(move || {
            let done = caught(work);
            drop(place);
            done
        });
        match timeout_at(due, task).await {
            Err(_) => Err(Unjudged::TooLate),
            Ok(Err(_)) => Err(Unjudged::Panicked),
            Ok(Ok(done)) => done,
        }
    }
}

/// The result of work that may panic. What it shares with other work is replaced whole or counted,
/// so nothing is left half done.
pub(super) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, Unjudged> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| Unjudged::Panicked)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_told_apart_and_leaves_the_place_free() {
        let workers = Workers::new(1);
        let due = Instant::now() + Duration::from_secs(20);
        let panicked = workers.run(due, || -> u8 { panic!("on purpose") }).await;
        assert_eq!(panicked, Err(Unjudged::Panicked));
        assert_eq!(workers.run(due, || 7).await, Ok(7));
    }

    #[tokio::test]
    async fn work_that_takes_too_long_holds_its_place_to_its_end() {
        let workers = Workers::new(1);
        let (go_on, told) = mpsc::channel::<()>();
        let soon = Instant::now() + Duration::from_millis(20);
        let slow = workers.run(soon, move || told.recv().is_ok());
        assert_eq!(slow.await, Err(Unjudged::TooLate));
        let soon = Instant::now() + Duration::from_millis(20);
        assert_eq!(workers.run(soon, || 7).await, Err(Unjudged::TooLate));
        go_on.send(()).unwrap();
        let later = Instant::now() + Duration::from_secs(20);
        assert_eq!(workers.run(later, || 7).await, Ok(7));
    }
}
