//! Certificates that change under a running server, and client certificates.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::http::StatusCode;
use k8s_openapi::jiff::SignedDuration;
use openbao_perimeter::audit::Metrics;
use openbao_perimeter::server::listener::Limits;
use openbao_perimeter::server::tls::ephemeral::Ephemeral;
use openbao_perimeter::server::tls::{Certificates, Clients, Files, Served, issuer};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, HandshakeKind, RootCertStore, SupportedProtocolVersion};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use webhook_certs::rotation::CertificateIssuer as _;
use webhook_certs::{Pair, Validity};

use crate::support::{BOTH, Running, ask, connect, folder, post, review, start};
use crate::tls::{counted, self_signed};
use crate::volume::Volume;

/// Interval longer than any test, so that changes are noticed by events only.
const NEVER: Duration = Duration::from_hours(1);

/// A validity period that starts and ends this number of days from now.
pub(crate) fn validity(from: i64, until: i64) -> Validity {
    let day = |days: i64| webhook_certs::now() + SignedDuration::from_hours(24 * days);
    Validity {
        from: day(from),
        until: day(until),
    }
}

async fn start_following(files: Files, every: Duration) -> Running {
    let metrics = Arc::new(Metrics::new());
    let contents = files.contents().unwrap();
    let served = files.served(&contents).unwrap();
    let certificates = Arc::new(Certificates::new(served, Arc::clone(&metrics)));
    let running = start(Arc::clone(&certificates), metrics, Limits::default()).await;
    tokio::spawn(files.follow(contents, every, certificates, running.trigger.shutdown()));
    running
}

#[tokio::test]
async fn a_swapped_volume_is_noticed_by_an_event() {
    let folder = folder("certificate-event");
    let volume = Volume(&folder);
    let (first, first_key) = self_signed();
    volume.swap_pair("v1", &first, &first_key);
    let running = start_following(volume.pair(), NEVER).await;
    connect(&running, &first, BOTH).await.unwrap();
    let mut last = first;
    for version in ["v2", "v3", "v4"] {
        let (cert, key) = self_signed();
        swap_until_served(&volume, version, &cert, &key, &running).await;
        connect(&running, &last, BOTH).await.unwrap_err();
        last = cert;
    }
    running.stop().await;
}

/// Swaps the volume. The follower reads once after its watch has started, so no swap is missed.
async fn swap_until_served(
    volume: &Volume<'_>,
    version: &str,
    cert: &str,
    key: &str,
    running: &Running,
) {
    volume.swap_pair(version, cert, key);
    let swapped = version[1..].parse::<u32>().unwrap() - 1;
    let line = format!(r#"certificate_reloads_total{{outcome="swapped"}} {swapped}"#);
    counted(&running.metrics, &line).await;
    connect(running, cert, BOTH).await.unwrap();
}

#[tokio::test]
async fn files_that_vanish_or_grow_too_long_are_counted_and_the_old_pair_stays() {
    let folder = folder("certificate-vanished");
    let (cert, key) = self_signed();
    let files = Files {
        cert: folder.join("tls.crt"),
        key: folder.join("tls.key"),
    };
    fs::write(&files.cert, &cert).unwrap();
    fs::write(&files.key, &key).unwrap();
    let running = start_following(files.clone(), Duration::from_millis(10)).await;
    let kept = |count| format!(r#"certificate_reloads_total{{outcome="kept-old"}} {count}"#);
    fs::remove_file(&files.cert).unwrap();
    counted(&running.metrics, &kept(1)).await;
    fs::write(&files.cert, cert.repeat(1_000)).unwrap();
    counted(&running.metrics, &kept(2)).await;
    connect(&running, &cert, BOTH).await.unwrap();
    let error = files.contents().map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("at most 262144 bytes of PEM"), "{error}");
    running.stop().await;
}

#[tokio::test]
async fn the_expiry_of_leaf_and_ca_is_reported_and_no_valid_pair_is_replaced_by_an_invalid_one() {
    let folder = folder("certificate-expiry");
    let volume = Volume(&folder);
    let (good, long) = (validity(-2, 3), validity(-2, 9));
    let write = |version: &str, leaf: Validity| {
        let ca = issuer().ca(long).unwrap();
        let made = issuer()
            .leaf(&ca, leaf, &BTreeSet::from(["localhost".to_owned()]))
            .unwrap();
        volume.swap_pair(version, &(made.certificate + &ca.certificate), &made.key);
    };
    write("v1", good);
    let running = start_following(volume.pair(), Duration::from_millis(10)).await;
    let line = format!(
        "openbao_perimeter_certificate_expiry_timestamp_seconds {}",
        good.until.as_second()
    );
    counted(&running.metrics, &line).await;
    let ca_line = format!(
        "certificate_ca_expiry_timestamp_seconds{{}} {}",
        long.until.as_second()
    );
    counted(&running.metrics, &ca_line).await;
    for (times, other) in [(1, validity(-2, -1)), (2, validity(1, 3))] {
        write(&format!("kept-{times}"), other);
        let kept = format!(r#"certificate_reloads_total{{outcome="kept-old"}} {times}"#);
        counted(&running.metrics, &kept).await;
        counted(&running.metrics, &line).await;
    }
    write("v2", validity(-1, 2));
    let swapped = r#"certificate_reloads_total{outcome="swapped"} 1"#;
    counted(&running.metrics, swapped).await;
    running.stop().await;
}

#[test]
fn outside_of_its_life_a_certificate_is_not_ready() {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let begun = SystemTime::now();
    let day = Duration::from_hours(24);
    params.not_before = begun.into();
    params.not_after = (begun + day).into();
    let made = params.self_signed(&key).unwrap();
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let served = Served::new(vec![made.der().clone()], key).unwrap();
    let certificates = Certificates::new(served, Arc::new(Metrics::new()));
    let at = |time: SystemTime| certificates.problem(time.try_into().unwrap());
    assert_eq!(at(begun - day), Some("not valid yet"));
    assert_eq!(at(begun + day / 2), None);
    assert_eq!(at(begun + 2 * day), Some("expired"));
}

/// A client certificate like that of an API server.
pub(crate) fn client(ca: &Pair, name: &str) -> Pair {
    let signer = KeyPair::from_pem(&ca.key).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&ca.certificate, signer).unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate().unwrap();
    Pair {
        certificate: params.signed_by(&key, &issuer).unwrap().pem(),
        key: key.serialize_pem(),
    }
}

/// A client with a session cache.
fn config(
    ca_pem: &str,
    own: Option<&Pair>,
    versions: &[&'static SupportedProtocolVersion],
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap())
        .unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    Arc::new(match own {
        None => config.with_no_client_auth(),
        Some(own) => {
            let chain = CertificateDer::from_pem_slice(own.certificate.as_bytes()).unwrap();
            let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
            config.with_client_auth_cert(vec![chain], key).unwrap()
        }
    })
}

async fn open(
    running: &Running,
    config: &Arc<ClientConfig>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(running.addresses.reviews).await?;
    TlsConnector::from(Arc::clone(config))
        .connect(ServerName::try_from("localhost").unwrap(), stream)
        .await
}

/// A server that accepts `kube-apiserver` with the CA in a file, and the CA of the server's certificate.
async fn start_guarded(file: &Path) -> (Running, String) {
    let metrics = Arc::new(Metrics::new());
    let subjects = BTreeSet::from(["kube-apiserver".to_owned()]);
    let (clients, contents) =
        Clients::new(file.to_owned(), subjects, Arc::clone(&metrics)).unwrap();
    let made = Ephemeral::make().unwrap();
    let certificates = Certificates::new(made.served, Arc::clone(&metrics));
    let certificates = Arc::new(certificates.with_clients(Some(Arc::clone(&clients))));
    let running = start(certificates, metrics, Limits::default()).await;
    tokio::spawn(clients.follow(contents, NEVER, running.trigger.shutdown()));
    (running, made.ca_pem)
}

/// Returns true if a review is answered. With TLS 1.3 a client notices a rejection only afterwards.
async fn is_answered(running: &Running, config: &Arc<ClientConfig>) -> bool {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let Ok(mut stream) = open(running, config).await else {
        return false;
    };
    let request = "GET /validate HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    if stream.write_all(request.as_bytes()).await.is_err() {
        return false;
    }
    let mut answer = Vec::new();
    let _end = stream.read_to_end(&mut answer).await;
    answer.starts_with(b"HTTP/1.1")
}

#[tokio::test]
async fn only_the_client_that_is_expected_gets_in() {
    let file = folder("client-ca").join("ca.crt");
    let [ca, other_ca] = [(); 2].map(|()| issuer().ca(validity(0, 9)).unwrap());
    fs::write(&file, &ca.certificate).unwrap();
    let (running, server_ca) = start_guarded(&file).await;
    let expected = client(&ca, "kube-apiserver");
    let stranger = client(&ca, "kubelet");
    let forged = client(&other_ca, "kube-apiserver");
    let mut denied = 0;
    for version in BOTH {
        let config = |own| config(&server_ca, own, &[version]);
        let config_in = config(Some(&expected));
        let stream = open(&running, &config_in).await.unwrap();
        let (status, _) = ask(stream, post("/validate", review().to_string())).await;
        assert_eq!(status, StatusCode::OK);
        for own in [None, Some(&stranger), Some(&forged)] {
            assert!(!is_answered(&running, &config(own)).await, "{own:?}");
            denied += 1;
            let line = format!(r#"connections_total{{outcome="client-refused"}} {denied}"#);
            counted(&running.metrics, &line).await;
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn a_session_with_a_client_certificate_is_never_resumed() {
    let file = folder("client-resumption").join("ca.crt");
    let ca = issuer().ca(validity(0, 9)).unwrap();
    fs::write(&file, &ca.certificate).unwrap();
    let (running, server_ca) = start_guarded(&file).await;
    let own = client(&ca, "kube-apiserver");
    for version in BOTH {
        let config = config(&server_ca, Some(&own), &[version]);
        for _ in 0..3 {
            let stream = open(&running, &config).await.unwrap();
            let kind = stream.get_ref().1.handshake_kind();
            assert_eq!(kind, Some(HandshakeKind::Full));
            ask(stream, post("/validate", review().to_string())).await;
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn client_cas_are_read_again() {
    let file = folder("client-ca-change").join("ca.crt");
    let [first, second] = [(); 2].map(|()| issuer().ca(validity(0, 9)).unwrap());
    fs::write(&file, &first.certificate).unwrap();
    let (running, server_ca) = start_guarded(&file).await;
    let [old, new] =
        [&first, &second].map(|ca| config(&server_ca, Some(&client(ca, "kube-apiserver")), BOTH));
    assert!(is_answered(&running, &old).await);
    assert!(!is_answered(&running, &new).await);
    fs::write(&file, "garbage").unwrap();
    counted(
        &running.metrics,
        r#"client_ca_reloads_total{outcome="kept-old"} 1"#,
    )
    .await;
    assert!(is_answered(&running, &old).await);
    fs::write(&file, &second.certificate).unwrap();
    counted(
        &running.metrics,
        r#"client_ca_reloads_total{outcome="swapped"} 1"#,
    )
    .await;
    assert!(!is_answered(&running, &old).await);
    assert!(is_answered(&running, &new).await);
    running.stop().await;
}
