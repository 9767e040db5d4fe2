//! The server on real sockets: TLS, timeouts, drain, certificates that change.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use openbao_perimeter::audit::Metrics;
use openbao_perimeter::server::listener::Limits;
use openbao_perimeter::server::shutdown::Phase;
use openbao_perimeter::server::tls::ephemeral::Ephemeral;
use openbao_perimeter::server::tls::{Certificates, Files};
use rcgen::{CertificateParams, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{
    BOTH, PATIENCE, Running, UID, ask, connect, fetch, folder, post, review, start, start_ephemeral,
};
use crate::volume::Volume;

#[tokio::test]
async fn both_tls_versions_are_served_over_http_1_1() {
    let (running, ca) = start_ephemeral(Limits::default()).await;
    for version in BOTH {
        let stream = connect(&running, &ca, &[version]).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        let (status, body) = ask(stream, post("/validate", review().to_string())).await;
        assert_eq!(status, StatusCode::OK);
        assert!(body.contains(UID), "{body}");
    }
    running.stop().await;
}

/// Go clients, and so API servers, offer this exchange first since Go 1.24.
#[cfg(feature = "aws-lc")]
#[tokio::test]
async fn a_client_that_offers_only_the_post_quantum_key_exchange_connects() {
    use rustls::NamedGroup;
    use rustls::crypto::CryptoProvider;
    use rustls::crypto::aws_lc_rs::{default_provider, kx_group};

    let (running, ca) = start_ephemeral(Limits::default()).await;
    let offer = CryptoProvider {
        kx_groups: vec![kx_group::X25519MLKEM768],
        ..default_provider()
    };
    let address = running.addresses.reviews;
    let stream = crate::support::connect_with(offer, address, &ca, BOTH)
        .await
        .unwrap();
    let group = stream.get_ref().1.negotiated_key_exchange_group().unwrap();
    assert_eq!(group.name(), NamedGroup::X25519MLKEM768);
    let (status, _) = ask(stream, post("/validate", review().to_string())).await;
    assert_eq!(status, StatusCode::OK);
    running.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_know_the_ca_is_rejected_and_counted() {
    let (running, _) = start_ephemeral(Limits::default()).await;
    let (other, ca) = start_ephemeral(Limits::default()).await;
    connect(&running, &ca, BOTH).await.unwrap_err();
    counted(
        &running.metrics,
        r#"connections_total{outcome="handshake-failed"} 1"#,
    )
    .await;
    running.stop().await;
    other.stop().await;
}

/// Waits until the metrics contain this line.
pub(crate) async fn counted(metrics: &Metrics, line: &str) {
    let wait = async {
        while !metrics.text().unwrap().contains(line) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = timeout(PATIENCE, wait).await;
    assert!(waited.is_ok(), "no {line} in {}", metrics.text().unwrap());
}

/// Waits until the server closes.
async fn closed(mut stream: impl tokio::io::AsyncRead + Unpin) {
    let mut rest = Vec::new();
    // A reset, and an end without a TLS close notification, count as closed too.
    let _end = timeout(PATIENCE, stream.read_to_end(&mut rest))
        .await
        .unwrap();
}

#[tokio::test]
async fn silence_is_cut_at_every_stage() {
    let short = Duration::from_millis(100);
    let limits = Limits {
        handshake: short,
        head: short,
        ..Limits::default()
    };
    let (running, ca) = start_ephemeral(limits).await;
    closed(TcpStream::connect(running.addresses.reviews).await.unwrap()).await;
    closed(connect(&running, &ca, BOTH).await.unwrap()).await;
    let mut half = connect(&running, &ca, BOTH).await.unwrap();
    half.write_all(b"POST /validate HTTP/1.1\r\nhost:")
        .await
        .unwrap();
    closed(half).await;
    counted(
        &running.metrics,
        r#"connections_total{outcome="handshake-failed"} 1"#,
    )
    .await;
    counted(
        &running.metrics,
        r#"connections_total{outcome="request-failed"} 2"#,
    )
    .await;
    counted(&running.metrics, "open_connections 0").await;
    running.stop().await;
}

#[tokio::test]
async fn a_slow_handshake_delays_no_other() {
    let (running, ca) = start_ephemeral(Limits::default()).await;
    let _silent = TcpStream::connect(running.addresses.reviews).await.unwrap();
    let stream = connect(&running, &ca, BOTH).await.unwrap();
    let asked = ask(stream, post("/validate", review().to_string()));
    // Shorter than the handshake timeout, so it has not waited for that.
    let (status, _) = timeout(Duration::from_millis(1_500), asked).await.unwrap();
    assert_eq!(status, StatusCode::OK);
    running.stop().await;
}

#[tokio::test]
async fn a_drain_finishes_what_is_in_flight_and_takes_nothing_new() {
    let (running, ca) = start_ephemeral(Limits::default()).await;
    let body = review().to_string();
    let (head, tail) = body.split_at(100);
    let mut slow = connect(&running, &ca, BOTH).await.unwrap();
    // The server asks for the body. From then on the request is in flight.
    let request = format!(
        "POST /validate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nexpect: 100-continue\r\n\r\n",
        body.len()
    );
    slow.write_all(request.as_bytes()).await.unwrap();
    let mut asked = [0; 25];
    slow.read_exact(&mut asked).await.unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    slow.write_all(head.as_bytes()).await.unwrap();
    let idle = connect(&running, &ca, BOTH).await.unwrap();
    let stalled = TcpStream::connect(running.addresses.reviews).await.unwrap();

    running.trigger.enter(Phase::Draining);
    closed(idle).await;
    closed(stalled).await;
    let denied = async {
        while TcpStream::connect(running.addresses.reviews).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, denied).await.unwrap();
    assert!(!running.run.is_finished());

    slow.write_all(tail.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _end = timeout(PATIENCE, slow.read_to_end(&mut answer))
        .await
        .unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.contains(UID), "{answer}");
    timeout(PATIENCE, running.run).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_drain_does_not_wait_for_ever() {
    let limits = Limits {
        drain: Duration::from_millis(100),
        ..Limits::default()
    };
    let (running, ca) = start_ephemeral(limits).await;
    let mut stuck = connect(&running, &ca, BOTH).await.unwrap();
    stuck
        .write_all(
            b"POST /validate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
              content-length: 9\r\nexpect: 100-continue\r\n\r\n",
        )
        .await
        .unwrap();
    stuck.read_exact(&mut [0; 25]).await.unwrap();
    let limit = Limits::default().body;
    running.trigger.enter(Phase::Draining);
    timeout(limit, running.run).await.unwrap().unwrap();
}

#[tokio::test]
async fn it_is_unready_before_it_stops_serving() {
    let (running, ca) = start_ephemeral(Limits::default()).await;
    let probes = running.addresses.probes;
    assert_eq!(
        fetch(probes, "/readyz").await,
        (StatusCode::OK, "ok".into())
    );
    assert_eq!(fetch(probes, "/livez").await, (StatusCode::OK, "ok".into()));
    let (_, verbose) = fetch(probes, "/readyz?verbose").await;
    assert!(verbose.contains("[+]inventory ok"), "{verbose}");

    running.trigger.enter(Phase::Unready);
    let unready = async {
        loop {
            let (status, text) = fetch(probes, "/readyz").await;
            if status == StatusCode::SERVICE_UNAVAILABLE {
                return text;
            }
        }
    };
    let text = timeout(PATIENCE, unready).await.unwrap();
    assert!(text.contains("[-]shutdown failed"), "{text}");
    assert_eq!(fetch(probes, "/livez").await.0, StatusCode::OK);
    let stream = connect(&running, &ca, BOTH).await.unwrap();
    let (status, _) = ask(stream, post("/validate", review().to_string())).await;
    assert_eq!(status, StatusCode::OK);
    running.stop().await;
}

#[tokio::test]
async fn a_client_of_a_server_that_shuts_down_is_asked_to_close() {
    let (running, ca) = start_ephemeral(Limits::default()).await;
    let mut stream = connect(&running, &ca, BOTH).await.unwrap();
    let body = review().to_string();
    let request = format!(
        "POST /validate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut answer = vec![0; 64 * 1024];
    stream.write_all(request.as_bytes()).await.unwrap();
    let read = stream.read(&mut answer).await.unwrap();
    let open = String::from_utf8(answer[..read].to_vec()).unwrap();
    assert!(
        open.contains(UID) && !open.contains("connection:"),
        "{open}"
    );

    running.trigger.enter(Phase::Unready);
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut last = Vec::new();
    let _end = timeout(PATIENCE, stream.read_to_end(&mut last)).await;
    let last = String::from_utf8(last).unwrap();
    assert!(
        last.contains(UID) && last.contains("connection: close"),
        "{last}"
    );
    running.stop().await;
}

#[tokio::test]
async fn the_metrics_are_served_by_their_names() {
    let (running, ca) = start_ephemeral(Limits::default()).await;
    let stream = connect(&running, &ca, BOTH).await.unwrap();
    ask(stream, post("/validate", review().to_string())).await;
    let (status, text) = fetch(running.addresses.metrics, "/metrics").await;
    assert_eq!(status, StatusCode::OK);
    for line in [
        r#"openbao_perimeter_reviews_total{point="validate",kind="NetworkPolicy",operation="CREATE",outcome="allow"} 1"#,
        r#"openbao_perimeter_review_duration_seconds_count{point="validate",outcome="answered"} 1"#,
        r#"openbao_perimeter_review_duration_seconds_bucket{le="0.00005""#,
        "openbao_perimeter_panics_total 0",
        "openbao_perimeter_build_info{",
        "openbao_perimeter_certificate_expiry_timestamp_seconds ",
        "# EOF",
    ] {
        assert!(text.contains(line), "no {line} in {text}");
    }
    running.stop().await;
}

pub(crate) fn self_signed() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

/// A server that checks a volume often.
async fn start_following(files: Files) -> Running {
    let metrics = Arc::new(Metrics::new());
    let contents = files.contents().unwrap();
    let served = files.served(&contents).unwrap();
    let certificates = Arc::new(Certificates::new(served, Arc::clone(&metrics)));
    let running = start(Arc::clone(&certificates), metrics, Limits::default()).await;
    let every = Duration::from_millis(10);
    tokio::spawn(files.follow(contents, every, certificates, running.trigger.shutdown()));
    running
}

#[tokio::test]
async fn a_swapped_volume_is_served_and_a_broken_one_is_not() {
    let folder = folder("certificate-volume");
    let volume = Volume(&folder);
    let (first, first_key) = self_signed();
    volume.swap_pair("v1", &first, &first_key);
    let running = start_following(volume.pair()).await;
    connect(&running, &first, BOTH).await.unwrap();

    let (second, second_key) = self_signed();
    volume.swap_pair("v2", &second, &second_key);
    counted(
        &running.metrics,
        r#"certificate_reloads_total{outcome="swapped"} 1"#,
    )
    .await;
    connect(&running, &first, BOTH).await.unwrap_err();
    connect(&running, &second, BOTH).await.unwrap();

    let (third, _) = self_signed();
    for (at, cert, key) in [
        ("v3", third.as_str(), second_key.as_str()),
        ("v4", &third[..third.len() / 2], ""),
        ("v5", "", "garbage"),
    ] {
        volume.swap_pair(at, cert, key);
        let kept = at[1..].parse::<usize>().unwrap() - 2;
        let line = format!(r#"certificate_reloads_total{{outcome="kept-old"}} {kept}"#);
        counted(&running.metrics, &line).await;
        connect(&running, &second, BOTH).await.unwrap();
    }
    running.stop().await;
}

#[test]
fn files_that_cannot_be_served_say_why() {
    let folder = folder("certificate-errors");
    let (cert, key) = self_signed();
    let (_, other_key) = self_signed();
    let files = Files {
        cert: folder.join("tls.crt"),
        key: folder.join("tls.key"),
    };
    let problem = || {
        files
            .contents()
            .and_then(|contents| files.served(&contents))
            .map_or_else(|error| error.to_string(), |_| String::new())
    };
    assert!(problem().contains("cannot read"), "{}", problem());
    for (cert, key, expected) in [
        (cert.as_str(), key.as_str(), ""),
        (&cert, &other_key, "cannot use the certificate and key"),
        ("", &key, "expected a chain"),
        (&cert, "", "expected a PEM private key"),
    ] {
        fs::write(&files.cert, cert).unwrap();
        fs::write(&files.key, key).unwrap();
        let problem = problem();
        assert!(problem.contains(expected), "{expected}: {problem}");
        assert_eq!(problem.is_empty(), expected.is_empty(), "{problem}");
    }
}

#[test]
fn a_bundle_is_trusted_by_the_ca_in_it_and_for_the_names_of_the_leaf() {
    let made = Ephemeral::make().unwrap();
    let other = Ephemeral::make().unwrap();
    let certificates = Certificates::new(made.served, Arc::new(Metrics::new()));
    let service = "openbao-perimeter.openbao-perimeter-system.svc";
    let trusted = |bundle: &str, name: &str| certificates.is_trusted_by(bundle.as_bytes(), name);
    assert!(trusted(&made.ca_pem, service));
    let both = format!("{}{}", other.ca_pem, made.ca_pem);
    assert!(trusted(&both, service), "while a CA is rotated");
    assert!(!trusted(&other.ca_pem, service));
    assert!(!trusted(
        &made.ca_pem,
        "elsewhere.openbao-perimeter-system.svc"
    ));
    for bundle in [
        "",
        "no PEM",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        assert!(!trusted(bundle, service), "{bundle}");
    }
}

#[test]
fn a_certificate_that_is_its_own_root_is_trusted_by_itself() {
    let (cert, key) = self_signed();
    let folder = folder("own-root");
    let files = Files {
        cert: folder.join("tls.crt"),
        key: folder.join("tls.key"),
    };
    fs::write(&files.cert, &cert).unwrap();
    fs::write(&files.key, key).unwrap();
    let served = files.served(&files.contents().unwrap()).unwrap();
    let certificates = Certificates::new(served, Arc::new(Metrics::new()));
    assert!(certificates.is_trusted_by(cert.as_bytes(), "localhost"));
}
