//! Fields of a certificate, and checks of its signature and key.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use jiff::Timestamp;

use super::validity::Validity;

/// Error of a certificate that cannot be parsed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot parse the certificate: {problem}")]
pub struct MalformedCertificate {
    problem: String,
}

/// The fields of a certificate that are shown or checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateInfo {
    /// Distinguished name of the subject.
    pub subject: String,
    /// Common names of the subject.
    pub common_names: Vec<String>,
    /// Distinguished name of the issuer.
    pub issuer: String,
    /// Subject alternative names: DNS names and addresses as they are, others with their type.
    pub names: BTreeSet<String>,
    /// Validity period.
    pub validity: Validity,
    /// True if it may sign others.
    pub is_ca: bool,
}

impl CertificateInfo {
    /// Reads a certificate.
    ///
    /// # Errors
    /// The certificate cannot be parsed.
    pub fn read(certificate: &CertificateDer<'_>) -> Result<Self, MalformedCertificate> {
        let parsed = parse(certificate)?;
        let names = parsed.subject_alternative_name().map_err(malformed)?;
        let names = names.map(|extension| &extension.value.general_names);
        let common_names = parsed.subject().iter_common_name();
        Ok(Self {
            subject: parsed.subject().to_string(),
            common_names: common_names
                .map(|name| name.as_str().map(str::to_owned).map_err(malformed))
                .collect::<Result<_, _>>()?,
            issuer: parsed.issuer().to_string(),
            names: names.into_iter().flatten().map(name).collect(),
            validity: Validity {
                from: second(parsed.validity().not_before.timestamp())?,
                until: second(parsed.validity().not_after.timestamp())?,
            },
            is_ca: parsed.is_ca(),
        })
    }
}

/// Returns true if `signer` signed `certificate`.
///
/// # Errors
/// One of the certificates cannot be parsed.
pub fn is_signed_by(
    certificate: &CertificateDer<'_>,
    signer: &CertificateDer<'_>,
) -> Result<bool, MalformedCertificate> {
    let (certificate, signer) = (parse(certificate)?, parse(signer)?);
    Ok(certificate
        .verify_signature(Some(signer.public_key()))
        .is_ok())
}

/// Returns true if the key belongs to the certificate.
pub fn is_key_of(key: PrivateKeyDer<'static>, certificate: &CertificateDer<'_>) -> bool {
    let chain = vec![certificate.clone().into_owned()];
    CertifiedKey::from_der(chain, key, &ring::default_provider()).is_ok()
}

fn parse<'a>(
    certificate: &'a CertificateDer<'_>,
) -> Result<X509Certificate<'a>, MalformedCertificate> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(malformed)?;
    Ok(parsed)
}

fn second(seconds: i64) -> Result<Timestamp, MalformedCertificate> {
    Timestamp::from_second(seconds).map_err(malformed)
}

fn malformed(error: impl std::fmt::Display) -> MalformedCertificate {
    MalformedCertificate {
        problem: error.to_string(),
    }
}

fn name(name: &GeneralName<'_>) -> String {
    match name {
        GeneralName::DNSName(name) => (*name).to_owned(),
        GeneralName::IPAddress(bytes) => address(bytes),
        other => other.to_string(),
    }
}

fn address(bytes: &[u8]) -> String {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Ipv4Addr::from(bytes).to_string();
    }
    <[u8; 16]>::try_from(bytes).map_or_else(
        |_| format!("an address of {} bytes", bytes.len()),
        |bytes| Ipv6Addr::from(bytes).to_string(),
    )
}
