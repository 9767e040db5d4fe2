//! How long a connection may be silent: long between two requests, short within the head of one and
//! while an answer waits to be read.
//!
//! hyper has one limit for both. A server that closes an idle connection may do so at the moment in
//! which the next review is sent, and no API server sends a review twice: the write would fail. So
//! whoever asks closes first, and an API server does so after 90 s.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time;

/// hyper's clock for the head of a request, which knows whether that has begun.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    heard: Arc<AtomicBool>,
    idle: Duration,
    head: Duration,
}

impl Pace {
    /// At most `idle` until a request begins, then at most `head` until its head is there.
    pub(super) fn new(idle: Duration, head: Duration) -> Self {
        Self {
            heard: Arc::default(),
            idle,
            head,
        }
    }

    /// The stream, which notes that something is heard.
    pub(super) fn listen<IO>(&self, io: IO) -> Paced<IO> {
        Paced {
            io,
            heard: Arc::clone(&self.heard),
            patience: self.head,
            stalled: None,
        }
    }
}

impl Timer for Pace {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(Instant::now() + duration)
    }

    /// hyper asks when it begins to wait for a request, and only for that.
    fn sleep_until(&self, _head: Instant) -> Pin<Box<dyn Sleep>> {
        self.heard.store(false, Ordering::Relaxed);
        Box::pin(Wait {
            end: Box::pin(time::sleep(self.idle)),
            heard: Arc::clone(&self.heard),
            head: Some(self.head),
        })
    }
}

struct Wait {
    end: Pin<Box<time::Sleep>>,
    heard: Arc<AtomicBool>,
    /// What is still to be set once something is heard.
    head: Option<Duration>,
}

impl Sleep for Wait {}

impl Future for Wait {
    type Output = ();

    // hyper looks here after each read that did not complete the head.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.heard.load(Ordering::Relaxed)
            && let Some(head) = self.head.take()
        {
            self.end.as_mut().reset(time::Instant::now() + head);
        }
        self.end.as_mut().poll(cx)
    }
}

/// A stream that notes whether something was read, and that breaks once the other side has read
/// nothing for as long as a head may take: hyper would wait for it for ever.
#[derive(Debug)]
pub(super) struct Paced<IO> {
    io: IO,
    heard: Arc<AtomicBool>,
    patience: Duration,
    /// Runs since nothing more could be written.
    stalled: Option<Pin<Box<time::Sleep>>>,
}

impl<IO> Paced<IO> {
    /// The outcome of a write, with an end to waiting.
    fn unless_stalled<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(time::sleep(self.patience)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Paced<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.heard.store(true, Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Paced<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.unless_stalled(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, bytes);
        self.unless_stalled(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        self.unless_stalled(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.io).poll_shutdown(cx);
        self.unless_stalled(cx, shut)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use hyper::Response;
    use hyper::server::conn::http1;
    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::time::Instant;

    use super::*;

    const IDLE: Duration = Duration::from_mins(2);
    const HEAD: Duration = Duration::from_secs(5);
    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";

    fn serve() -> DuplexStream {
        let (client, stream) = duplex(4096);
        let pace = Pace::new(IDLE, HEAD);
        let stream = TokioIo::new(pace.listen(stream));
        let answer = service_fn(|_| async { Ok::<_, Infallible>(Response::new(String::new())) });
        let served = http1::Builder::new()
            .timer(pace)
            .header_read_timeout(HEAD)
            .serve_connection(stream, answer);
        tokio::spawn(served);
        client
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_nothing_is_cut() {
        let (client, stream) = duplex(64);
        let pace = Pace::new(IDLE, HEAD);
        let stream = TokioIo::new(pace.listen(stream));
        let long = "x".repeat(4096);
        let answer = service_fn(move |_| {
            let answer = Response::new(long.clone());
            async move { Ok::<_, Infallible>(answer) }
        });
        let served = http1::Builder::new()
            .timer(pace)
            .header_read_timeout(HEAD)
            .serve_connection(stream, answer);
        let begun = Instant::now();
        let (_reads_nothing, mut writes) = tokio::io::split(client);
        let asks = tokio::spawn(async move { while writes.write_all(REQUEST).await.is_ok() {} });
        let error = served.await.unwrap_err();
        assert!(error.to_string().contains("error writing"), "{error}");
        assert!(begun.elapsed() < 2 * HEAD, "{:?}", begun.elapsed());
        asks.await.unwrap();
    }

    async fn answered(client: &mut DuplexStream) {
        client.write_all(REQUEST).await.unwrap();
        let mut answer = [0; 4096];
        let read = client.read(&mut answer).await.unwrap();
        assert!(answer[..read].starts_with(b"HTTP/1.1 200"));
    }

    /// When the server closes, from now on.
    async fn closed(mut client: DuplexStream) -> Duration {
        let begun = Instant::now();
        client.read_to_end(&mut Vec::new()).await.unwrap();
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_may_be_silent_for_long_between_requests() {
        let mut client = serve();
        for _ in 0..3 {
            answered(&mut client).await;
            time::sleep(IDLE.checked_sub(HEAD).unwrap()).await;
        }
        answered(&mut client).await;
        let closed = closed(client).await;
        assert!(closed >= IDLE && closed < IDLE + HEAD, "{closed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_has_begun_has_to_come_soon() {
        for requests in [0, 1] {
            let mut client = serve();
            for _ in 0..requests {
                answered(&mut client).await;
            }
            time::sleep(2 * HEAD).await;
            client.write_all(&REQUEST[..9]).await.unwrap();
            let closed = closed(client).await;
            assert!(closed >= HEAD && closed < 2 * HEAD, "{closed:?}");
        }
    }
}
