//! CPU-bound work outside of the serving threads, with a limit on concurrency.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

use crate::admission::Rejection;

/// Runs work with [`spawn_blocking`], under a semaphore.
#[derive(Clone, Debug)]
pub(super) struct Blocking(Arc<Semaphore>);

impl Blocking {
    /// Allows `most` concurrent tasks.
    pub(super) fn new(most: usize) -> Self {
        Self(Arc::new(Semaphore::new(most.max(1))))
    }

    /// The result, if it is available by `due`. Work that has started runs to its end, which the proof budget
    /// and the size limits bound, and keeps its permit until then.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        due: Instant,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Rejection> {
        let place = timeout_at(due, Arc::clone(&self.0).acquire_owned());
        let Ok(Ok(place)) = place.await else {
            return Err(Rejection::TooLate);
        };
        let task = spawn_blocking(move || {
            let _place = place;
            work()
        });
        match timeout_at(due, task).await {
            Err(_) => Err(Rejection::TooLate),
            Ok(done) => done.map_err(|_panicked| Rejection::Panicked),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_distinguished_and_frees_its_permit() {
        let blocking = Blocking::new(1);
        let due = Instant::now() + Duration::from_secs(20);
        let panicked = blocking.run(due, || -> u8 { panic!("on purpose") }).await;
        assert_eq!(panicked, Err(Rejection::Panicked));
        assert_eq!(blocking.run(due, || 7).await, Ok(7));
    }

    #[tokio::test]
    async fn work_that_takes_too_long_holds_its_place_to_its_end() {
        let blocking = Blocking::new(1);
        let (go_on, released) = mpsc::channel::<()>();
        let soon = Instant::now() + Duration::from_millis(20);
        let slow = blocking.run(soon, move || released.recv().is_ok());
        assert_eq!(slow.await, Err(Rejection::TooLate));
        let soon = Instant::now() + Duration::from_millis(20);
        assert_eq!(blocking.run(soon, || 7).await, Err(Rejection::TooLate));
        go_on.send(()).unwrap();
        let later = Instant::now() + Duration::from_secs(20);
        assert_eq!(blocking.run(later, || 7).await, Ok(7));
    }
}
