//! Maximum silence on a connection, with paused time.

use axum::routing::get;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::super::shutdown::Trigger;
use super::*;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";

/// Serves one connection with a buffer of `bytes` and returns its result. Dropping the second value drains
/// it.
fn serve(
    bytes: usize,
    answer: String,
) -> (
    DuplexStream,
    (Trigger, GracefulShutdown),
    JoinHandle<ConnectionEnd>,
) {
    let (client, stream) = duplex(bytes);
    let (trigger, graceful) = (Shutdown::trigger(), GracefulShutdown::new());
    let connection = Connection {
        router: Router::new().route("/", get(move || std::future::ready(answer.clone()))),
        limits: Limits::default(),
        watcher: graceful.watcher(),
        shutdown: trigger.shutdown(),
    };
    let served = tokio::spawn(connection.http(stream, None, Requests::Many));
    (client, (trigger, graceful), served)
}

async fn answered(client: &mut DuplexStream) {
    client.write_all(REQUEST).await.unwrap();
    let mut answer = [0; 4096];
    let read = client.read(&mut answer).await.unwrap();
    assert!(answer[..read].starts_with(b"HTTP/1.1 200"));
}

/// Time until the server closes the connection.
async fn closed(mut client: DuplexStream) -> Duration {
    let begun = Instant::now();
    client.read_to_end(&mut Vec::new()).await.unwrap();
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_was_idle_for_95_seconds_still_answers() {
    let (mut client, _open, _served) = serve(4096, "ok".to_owned());
    for _ in 0..3 {
        answered(&mut client).await;
        sleep(Duration::from_secs(95)).await;
    }
    answered(&mut client).await;
    let (head, closed) = (Limits::default().head, closed(client).await);
    assert!(
        closed >= head && closed < head + Duration::from_secs(1),
        "{closed:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_head_that_never_ends_is_cut() {
    for begin in [&REQUEST[..9], b""] {
        let (mut client, _open, served) = serve(4096, "ok".to_owned());
        client.write_all(begin).await.unwrap();
        let (head, closed) = (Limits::default().head, closed(client).await);
        assert!(
            closed >= head && closed < head + Duration::from_secs(1),
            "{closed:?}"
        );
        assert_eq!(served.await.unwrap(), ConnectionEnd::Request);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_is_cut() {
    let (client, _open, served) = serve(64, "x".repeat(4096));
    let begun = Instant::now();
    let (_reads_nothing, mut writes) = tokio::io::split(client);
    let asks = tokio::spawn(async move { while writes.write_all(REQUEST).await.is_ok() {} });
    assert_eq!(served.await.unwrap(), ConnectionEnd::Request);
    assert!(
        begun.elapsed() < 2 * Limits::default().write,
        "{:?}",
        begun.elapsed()
    );
    asks.await.unwrap();
}
