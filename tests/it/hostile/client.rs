//! Hostile clients.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use openbao_perimeter::admission::WebhookKind;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{BOTH, UID, connect_to, review, text};

/// The response to a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    /// A review with the uid of the request, and the code of its status.
    Review { allowed: bool, code: Option<u64> },
    /// An HTTP error.
    Error(u16),
    /// The connection was closed without a response.
    Cut,
}

/// The expected kind of response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A verdict.
    Judged,
    /// A review without a verdict, or an allowance without repair.
    Refused,
    /// An HTTP error.
    Error,
    /// No response. This is never expected.
    Nothing,
}

impl fmt::Display for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Review { allowed: true, .. } => f.write_str("allowed"),
            Self::Review { code, .. } => write!(f, "refused in a review, {}", code.unwrap_or(0)),
            Self::Error(status) => write!(f, "answered with HTTP {status}"),
            Self::Cut => f.write_str("cut without an answer"),
        }
    }
}

pub(crate) fn head(point: WebhookKind, length: usize) -> String {
    format!(
        "POST {}?timeout=30s HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\nconnection: close\r\n\r\n",
        point.path()
    )
}

/// Sends head and body while it reads, as clients do.
pub(crate) async fn exchange<IO>(stream: IO, head: &str, body: &[u8]) -> Answered
where
    IO: AsyncRead + AsyncWrite,
{
    let (mut read, mut write) = tokio::io::split(stream);
    let send = async {
        // The response may arrive before the end. Then the rest is not accepted.
        let _cut = write.write_all(head.as_bytes()).await;
        let _cut = write.write_all(body).await;
        let _cut = write.flush().await;
    };
    let mut answer = Vec::new();
    let ((), _end) = tokio::join!(send, read.read_to_end(&mut answer));
    understood(&answer)
}

fn understood(answer: &[u8]) -> Answered {
    let Ok(answer) = std::str::from_utf8(answer) else {
        return Answered::Cut;
    };
    let Some((head, body)) = answer.split_once("\r\n\r\n") else {
        return Answered::Cut;
    };
    let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
    if status != 200 {
        assert!((400..600).contains(&status), "{answer}");
        return Answered::Error(status);
    }
    let review: Value = serde_json::from_str(body).unwrap();
    assert_eq!(review["kind"], "AdmissionReview", "{body}");
    let response = &review["response"];
    assert!(!response["uid"].as_str().unwrap().is_empty(), "{body}");
    Answered::Review {
        allowed: response["allowed"].as_bool().unwrap(),
        code: response["status"]["code"].as_u64(),
    }
}

/// A connection for several requests, one after another.
pub(crate) struct KeptAlive(SendRequest<Body>);

impl KeptAlive {
    pub(crate) async fn new<IO>(stream: IO) -> Self
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self(sender)
    }

    pub(crate) async fn ask(&mut self, request: Request<Body>) -> String {
        self.0.ready().await.unwrap();
        text(self.0.send_request(request).await.unwrap()).await.1
    }
}

/// Maximum number of open descriptors of this process.
pub(crate) fn files() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    line.unwrap()
        .split_whitespace()
        .nth(3)
        .unwrap()
        .parse()
        .unwrap()
}

pub(crate) fn tls_garbage() -> Vec<(&'static str, Vec<u8>)> {
    let mut noise = vec![0_u8; 4_096];
    for (at, byte) in noise.iter_mut().enumerate() {
        *byte = (at * at % 251).to_le_bytes()[0];
    }
    vec![
        ("TLS: noise", noise),
        (
            "TLS: plain HTTP",
            b"POST /validate HTTP/1.1\r\nhost: x\r\n\r\n".to_vec(),
        ),
        (
            "TLS: a record that is too long",
            b"\x16\x03\x01\xff\xff".repeat(2_000),
        ),
        (
            "TLS: half a greeting",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        ),
        (
            "TLS: an alert first",
            b"\x15\x03\x03\x00\x02\x02\x28".to_vec(),
        ),
        (
            "TLS: data first",
            b"\x17\x03\x03\x00\x10aaaaaaaaaaaaaaaa".to_vec(),
        ),
        ("TLS: nothing", Vec::new()),
    ]
}

pub(crate) fn http_garbage() -> Vec<(&'static str, Vec<u8>)> {
    let post = "POST /validate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    let with = |rest: &str| format!("{post}{rest}").into_bytes();
    vec![
        ("HTTP: nothing", Vec::new()),
        ("HTTP: noise", vec![0x80; 100_000]),
        ("HTTP: a line without end", vec![b'a'; 1_000_000]),
        (
            "HTTP: a header of a megabyte",
            with(&format!("a: {}\r\n\r\n", "b".repeat(1_000_000))),
        ),
        (
            "HTTP: ten thousand headers",
            with(&"a: b\r\n".repeat(10_000)),
        ),
        (
            "HTTP: a negative length",
            with("content-length: -1\r\n\r\n"),
        ),
        (
            "HTTP: two lengths",
            with("content-length: 1\r\ncontent-length: 2\r\n\r\n{}"),
        ),
        (
            "HTTP: length and chunks",
            with("content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}"),
        ),
        (
            "HTTP: a chunk that is too long",
            with("transfer-encoding: chunked\r\n\r\nffffffffffffffff0\r\n{}"),
        ),
        (
            "HTTP: a chunk that never comes",
            with("transfer-encoding: chunked\r\n\r\nff\r\n{}"),
        ),
        (
            "HTTP: a body that never comes",
            with("content-length: 7000000\r\n\r\n"),
        ),
        (
            "HTTP: version 2",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        ),
    ]
}

/// Sends bytes without TLS. Returns the name once the server has closed the connection.
pub(crate) async fn raw(address: SocketAddr, name: &'static str, bytes: Vec<u8>) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let _cut = stream.write_all(&bytes).await;
    rest(name, stream).await
}

/// Reads until the server closes the connection.
pub(crate) async fn rest(name: &str, mut stream: impl AsyncRead + Unpin) -> String {
    let mut rest = Vec::new();
    // A reset counts as an end.
    let _end = stream.read_to_end(&mut rest).await;
    let status = rest.strip_prefix(b"HTTP/1.1 ").map(|rest| &rest[..3]);
    match status {
        Some(status) => format!("{name}: HTTP {}", String::from_utf8_lossy(status)),
        None => format!("{name}: cut"),
    }
}

/// Closes its own direction in the middle of a body.
pub(crate) async fn half_closed(address: SocketAddr, ca: String) -> String {
    let mut stream = connect_to(address, &ca, BOTH).await.unwrap();
    let body = review().to_string();
    let sent = format!(
        "{}{}",
        head(WebhookKind::Validate, body.len()),
        &body[..100]
    );
    stream.write_all(sent.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    rest("half-closed", stream).await
}

/// Sends a byte from time to time, and never all of them. The uid is sent first, so the rejection is a
/// review.
pub(crate) async fn dripping(address: SocketAddr, ca: String) -> String {
    let stream = connect_to(address, &ca, BOTH).await.unwrap();
    let (mut read, mut write) = tokio::io::split(stream);
    let body = format!(r#"{{"request":{{"uid":"{UID}","object":"#);
    let drip = async {
        let begin = format!("{}{body}", head(WebhookKind::Validate, 100_000));
        let mut cut = write.write_all(begin.as_bytes()).await;
        while cut.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
            cut = write.write_all(b" ").await;
            cut = cut.and(write.flush().await);
        }
    };
    let mut answer = Vec::new();
    tokio::select! {
        _end = read.read_to_end(&mut answer) => {}
        () = drip => {}
    }
    format!("dripping: {}", understood(&answer))
}
