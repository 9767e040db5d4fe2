//! Makes keys and certificates: ECDSA on P-256, which every client of the API server's age speaks.

use std::collections::BTreeSet;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

use super::life::{Life, Moment};
use super::pem::Pair;
use super::rotation::Foundry;

/// Certificates are good a little before they are made: an API server's clock may be behind.
pub const BACKDATE: Duration = Duration::from_mins(5);

/// Makes real ones.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rcgen;

impl Foundry for Rcgen {
    type Error = rcgen::Error;

    fn ca(&mut self, life: Life) -> Result<Pair, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = lasting(CertificateParams::default(), life);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        // Two CAs are trusted at once during a rotation; people tell them apart by this.
        let id = match params.key_identifier(&key).as_slice() {
            [first, second, third, ..] => format!("{first:02x}{second:02x}{third:02x}"),
            _ => String::new(),
        };
        params
            .distinguished_name
            .push(DnType::CommonName, format!("openbao-perimeter CA {id}"));
        let certificate = params.self_signed(&key)?;
        Ok(pair(&certificate, &key))
    }

    fn leaf(
        &mut self,
        signer: &Pair,
        life: Life,
        names: &BTreeSet<String>,
    ) -> Result<Pair, rcgen::Error> {
        let issuer =
            Issuer::from_ca_cert_pem(&signer.certificate, KeyPair::from_pem(&signer.key)?)?;
        let names: Vec<String> = names.iter().cloned().collect();
        let mut params = lasting(CertificateParams::new(names)?, life);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params
            .distinguished_name
            .push(DnType::CommonName, "openbao-perimeter");
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &issuer)?;
        Ok(pair(&certificate, &key))
    }
}

fn lasting(mut params: CertificateParams, life: Life) -> CertificateParams {
    let date = |moment: Moment| {
        let since = u64::try_from(moment.unix()).unwrap_or(0);
        date_time_ymd(1970, 1, 1) + Duration::from_secs(since)
    };
    params.not_before = date(life.from - BACKDATE);
    params.not_after = date(life.until);
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
}

fn pair(certificate: &rcgen::Certificate, key: &KeyPair) -> Pair {
    Pair {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
    }
}
