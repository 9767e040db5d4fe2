//! What a certificate says.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::life::{Life, Moment};

/// Why a certificate cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot understand the certificate: {problem}")]
pub struct Malformed {
    problem: String,
}

/// A certificate, as far as people and we want to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Distinguished name of its owner.
    pub subject: String,
    /// Common names of its owner.
    pub common_names: Vec<String>,
    /// Distinguished name of who signed it.
    pub issuer: String,
    /// Subject alternative names: DNS names and addresses; others by their kind.
    pub names: BTreeSet<String>,
    /// From and until when it is good.
    pub life: Life,
    /// Whether it may sign others.
    pub is_ca: bool,
}

impl Facts {
    /// Reads a certificate.
    pub fn read(certificate: &CertificateDer<'_>) -> Result<Self, Malformed> {
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
            life: Life {
                from: Moment::from_unix(parsed.validity().not_before.timestamp()),
                until: Moment::from_unix(parsed.validity().not_after.timestamp()),
            },
            is_ca: parsed.is_ca(),
        })
    }
}

/// Whether `signer` signed `certificate`.
pub fn is_signed_by(
    certificate: &CertificateDer<'_>,
    signer: &CertificateDer<'_>,
) -> Result<bool, Malformed> {
    let (certificate, signer) = (parse(certificate)?, parse(signer)?);
    Ok(certificate
        .verify_signature(Some(signer.public_key()))
        .is_ok())
}

/// Whether the key is the certificate's.
pub fn is_key_of(key: PrivateKeyDer<'static>, certificate: &CertificateDer<'_>) -> bool {
    let chain = vec![certificate.clone().into_owned()];
    CertifiedKey::from_der(chain, key, &ring::default_provider()).is_ok()
}

fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, Malformed> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(malformed)?;
    Ok(parsed)
}

fn malformed(error: impl std::fmt::Display) -> Malformed {
    Malformed {
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
