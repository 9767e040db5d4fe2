//! Keys and certificates: ECDSA on P-256, which every API server supports.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

use super::pem::Pair;
use super::rotation::CertificateIssuer;
use super::validity::{Validity, before};

/// Certificates are valid from this long before their issue, since the clock of an API server may be behind.
pub const BACKDATE: Duration = Duration::from_mins(5);

/// An issuer of real certificates.
#[derive(Clone, Debug)]
pub struct RcgenIssuer {
    common_name: String,
}

impl RcgenIssuer {
    /// An issuer whose leaves have this common name, and its CAs `<common name> CA <id>`.
    pub fn new(common_name: impl Into<String>) -> Self {
        Self {
            common_name: common_name.into(),
        }
    }
}

impl CertificateIssuer for RcgenIssuer {
    type Error = rcgen::Error;

    fn ca(&mut self, validity: Validity) -> Result<Pair, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = lasting(CertificateParams::default(), validity);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        // Two CAs are trusted during a rotation. The id tells them apart.
        let id = match params.key_identifier(&key).as_slice() {
            [first, second, third, ..] => format!("{first:02x}{second:02x}{third:02x}"),
            _ => String::new(),
        };
        params
            .distinguished_name
            .push(DnType::CommonName, format!("{} CA {id}", self.common_name));
        let certificate = params.self_signed(&key)?;
        Ok(pair(&certificate, &key))
    }

    fn leaf(
        &mut self,
        signer: &Pair,
        validity: Validity,
        names: &BTreeSet<String>,
    ) -> Result<Pair, rcgen::Error> {
        let issuer =
            Issuer::from_ca_cert_pem(&signer.certificate, KeyPair::from_pem(&signer.key)?)?;
        let names: Vec<String> = names.iter().cloned().collect();
        let mut params = lasting(CertificateParams::new(names)?, validity);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params
            .distinguished_name
            .push(DnType::CommonName, self.common_name.as_str());
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &issuer)?;
        Ok(pair(&certificate, &key))
    }
}

fn lasting(mut params: CertificateParams, validity: Validity) -> CertificateParams {
    let date = |at: Timestamp| {
        let since = u64::try_from(at.as_second()).unwrap_or(0);
        date_time_ymd(1970, 1, 1) + Duration::from_secs(since)
    };
    params.not_before = date(before(validity.from, BACKDATE));
    params.not_after = date(validity.until);
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
}

fn pair(certificate: &rcgen::Certificate, key: &KeyPair) -> Pair {
    Pair {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
    }
}
