//! The threads that connections are served on.
//!
//! A review is read, judged and answered in less time than it takes to wake another thread. A
//! runtime that shares its work among threads wakes one for nearly every review; here a connection
//! stays on one thread to its end. Large reviews are judged by `workers`, whatever thread their
//! connection is on.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// Threads at most. One answers more reviews than an API server has writes, and a node may have a
/// hundred processors.
const MOST: usize = 4;

/// Where new connections go. What is still served when it is dropped is cut.
#[derive(Debug)]
pub(super) struct Threads(Vec<Thread>);

#[derive(Debug)]
struct Thread {
    handle: Handle,
    /// One more for each connection that is open.
    open: Arc<()>,
    /// Ends the thread when it is dropped.
    _until: Option<oneshot::Sender<()>>,
}

impl Threads {
    /// As many new threads as there are processors, within reason.
    pub(super) fn start() -> io::Result<Self> {
        let processors = thread::available_parallelism()
            .map_or(1, usize::from)
            .min(MOST);
        (1..=processors)
            .map(Thread::start)
            .collect::<io::Result<_>>()
            .map(Self)
    }

    /// No thread: the runtime that this is called in serves.
    pub(super) fn none() -> Self {
        Self(vec![Thread {
            handle: Handle::current(),
            open: Arc::default(),
            _until: None,
        }])
    }

    /// Serves a connection where the fewest are open.
    pub(super) fn serve(&self, connection: impl Future<Output = ()> + Send + 'static) {
        let open = |thread: &&Thread| Arc::strong_count(&thread.open);
        let Some(thread) = self.0.iter().min_by_key(open) else {
            return;
        };
        let one_more = Arc::clone(&thread.open);
        thread.handle.spawn(async move {
            connection.await;
            drop(one_more);
        });
    }
}

impl Thread {
    fn start(number: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (until, dropped) = oneshot::channel();
        let run = move || {
            let _dropped = runtime.block_on(dropped);
            // A review that goes on past its time holds nobody up any more.
            runtime.shutdown_background();
        };
        let name = format!("connections-{number}");
        thread::Builder::new().name(name).spawn(run)?;
        Ok(Self {
            handle,
            open: Arc::default(),
            _until: Some(until),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;
    use tokio::time::timeout;

    use super::*;

    /// The thread that a connection is served on, and what ends it.
    async fn one(threads: &Threads) -> (thread::ThreadId, oneshot::Sender<()>) {
        let (tell, told) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        threads.serve(async move {
            let _nobody_asks = tell.send(thread::current().id());
            let _ended = ended.await;
        });
        (told.await.unwrap(), end)
    }

    #[tokio::test]
    async fn connections_are_spread_and_stay_where_they_are() {
        let threads = Threads((1..=3).map(|n| Thread::start(n).unwrap()).collect());
        let mut all = Vec::new();
        for _ in 0..6 {
            all.push(one(&threads).await);
        }
        for (thread, _) in &all {
            let here = all.iter().filter(|(other, _)| other == thread);
            assert_eq!(here.count(), 2);
        }
        // Whoever leaves makes room where it was.
        let (left, end) = all.remove(3);
        drop(end);
        let fewest = || {
            let open = threads
                .0
                .iter()
                .map(|thread| Arc::strong_count(&thread.open));
            open.min().unwrap()
        };
        let left_room = async {
            while fewest() > 2 {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_mins(1), left_room).await.unwrap();
        assert_eq!(one(&threads).await.0, left);
    }

    #[tokio::test]
    async fn what_is_served_is_cut_when_the_threads_end() {
        let threads = Threads::start().unwrap();
        let (held, cut) = oneshot::channel::<()>();
        threads.serve(async move {
            std::future::pending::<()>().await;
            drop(held);
        });
        drop(threads);
        assert!(cut.await.is_err(), "dropped, not sent");
    }
}
