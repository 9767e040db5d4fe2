//! The state of a rotation as the data of a Secret, and back.
//!
//! Certificates and keys have the entry names that other tools use (`tls.crt`, `tls.key`). Everything else
//! is one small JSON text.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Serialize};

use super::issuer::BACKDATE;
use super::pem::{self, Pair};
use super::rotation::{Authority, Leaf, Retired, State, Successor};
use super::validity::{Validity, after};
use super::x509::{self, CertificateInfo, MalformedCertificate};

/// The data of a Secret.
pub type Data = BTreeMap<String, ByteString>;

/// Maximum size of one entry in bytes. Real entries are a hundred times smaller.
const ENTRY_LIMIT: usize = 256 * 1024;

const LEAF: (&str, &str) = ("tls.crt", "tls.key");
const CA: (&str, &str) = ("ca.crt", "ca.key");
const NEXT: (&str, &str) = ("next-ca.crt", "next-ca.key");
const ROTATION: &str = "rotation.json";

/// Error for data that is no valid state.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// An entry is missing.
    #[error("expected an entry `{entry}`, found none")]
    Absent {
        /// Its key.
        entry: &'static str,
    },
    /// An entry is longer than the limit.
    #[error("expected at most {ENTRY_LIMIT} bytes in `{entry}`, found {found}")]
    TooLong {
        /// Its key.
        entry: &'static str,
        /// Its bytes.
        found: usize,
    },
    /// An entry is not UTF-8.
    #[error("expected text in `{entry}`")]
    Text {
        /// Its key.
        entry: &'static str,
    },
    /// An entry has no PEM block of the expected kind.
    #[error("expected one PEM {expected} in `{entry}`")]
    Pem {
        /// The expected kind.
        expected: &'static str,
        /// Its key.
        entry: &'static str,
    },
    /// A certificate cannot be parsed.
    #[error("cannot use `{entry}`")]
    Certificate {
        /// Its key.
        entry: &'static str,
        /// The cause.
        #[source]
        source: MalformedCertificate,
    },
    /// A key belongs to another certificate.
    #[error("expected the key of `{certificate}` in `{key}`, found another")]
    Mismatch {
        /// Key of the certificate's entry.
        certificate: &'static str,
        /// Key of the key's entry.
        key: &'static str,
    },
    /// Another CA signed the leaf.
    #[error("expected `tls.crt` to be signed by `ca.crt`, found another issuer")]
    Issuer,
    /// The JSON text cannot be parsed.
    #[error("cannot parse `rotation.json`")]
    Rotation(#[from] serde_json::Error),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Rotation {
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "jiff::fmt::serde::timestamp::second::optional"
    )]
    next_trusted_since: Option<Timestamp>,
    retired: Vec<RetiredCa>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RetiredCa {
    #[serde(with = "jiff::fmt::serde::timestamp::second::required")]
    until: Timestamp,
    certificate: String,
}

/// Converts a state to the data of a Secret.
///
/// # Errors
/// The state cannot be written as JSON.
pub fn write(state: &State) -> Result<Data, DataError> {
    let rotation = Rotation {
        next_trusted_since: state.next.as_ref().and_then(|next| next.trusted_since),
        retired: state
            .retired
            .iter()
            .map(|Retired { until, certificate }| RetiredCa {
                until: *until,
                certificate: certificate.clone(),
            })
            .collect(),
    };
    let mut data = Data::new();
    let mut put = |(certificate, key): (&str, &str), pair: &Pair| {
        data.insert(certificate.to_owned(), bytes(&pair.certificate));
        data.insert(key.to_owned(), bytes(&pair.key));
    };
    put(LEAF, &state.leaf.pair);
    put(CA, &state.ca.pair);
    if let Some(next) = &state.next {
        put(NEXT, &next.ca.pair);
    }
    data.insert(
        ROTATION.to_owned(),
        bytes(&serde_json::to_string(&rotation)?),
    );
    Ok(data)
}

/// Reads a state and checks that each key belongs to its certificate and that the CA signed the leaf.
///
/// # Errors
/// An entry is missing, too long or malformed, or the entries do not match.
pub fn read(data: &Data) -> Result<State, DataError> {
    let rotation: Rotation = serde_json::from_str(text(data, ROTATION)?)?;
    let (leaf, leaf_der, facts) = pair(data, LEAF)?;
    let (ca, ca_der, ca_facts) = pair(data, CA)?;
    let is_signed = x509::is_signed_by(&leaf_der, &ca_der);
    if !is_signed.map_err(|source| unusable(LEAF.0, source))? {
        return Err(DataError::Issuer);
    }
    let next = if data.contains_key(NEXT.0) {
        let (pair, _, facts) = pair(data, NEXT)?;
        let validity = made(facts.validity);
        Some(Successor {
            ca: Authority { validity, pair },
            trusted_since: rotation.next_trusted_since,
        })
    } else {
        None
    };
    let mut retired = Vec::new();
    for RetiredCa { until, certificate } in rotation.retired {
        one(certificate.as_bytes(), ROTATION)?;
        retired.push(Retired { until, certificate });
    }
    Ok(State {
        ca: Authority {
            validity: made(ca_facts.validity),
            pair: ca,
        },
        leaf: Leaf {
            validity: made(facts.validity),
            names: facts.names,
            pair: leaf,
        },
        next,
        retired,
    })
}

/// The validity without the backdating of the certificate.
fn made(validity: Validity) -> Validity {
    Validity {
        from: after(validity.from, BACKDATE).min(validity.until),
        ..validity
    }
}

fn pair(
    data: &Data,
    (certificate, key): (&'static str, &'static str),
) -> Result<(Pair, CertificateDer<'static>, CertificateInfo), DataError> {
    let pair = Pair {
        certificate: text(data, certificate)?.to_owned(),
        key: text(data, key)?.to_owned(),
    };
    let der = one(pair.certificate.as_bytes(), certificate)?;
    let facts = CertificateInfo::read(&der).map_err(|source| unusable(certificate, source))?;
    let key_der = pem::key(pair.key.as_bytes()).map_err(|_| DataError::Pem {
        expected: "private key",
        entry: key,
    })?;
    if !x509::is_key_of(key_der, &der) {
        return Err(DataError::Mismatch { certificate, key });
    }
    Ok((pair, der, facts))
}

fn one(text: &[u8], entry: &'static str) -> Result<CertificateDer<'static>, DataError> {
    let expected = "certificate";
    match pem::certificates(text).as_deref() {
        Ok([certificate]) => Ok(certificate.clone()),
        _ => Err(DataError::Pem { expected, entry }),
    }
}

const fn unusable(entry: &'static str, source: MalformedCertificate) -> DataError {
    DataError::Certificate { entry, source }
}

fn text<'a>(data: &'a Data, entry: &'static str) -> Result<&'a str, DataError> {
    let found = &data.get(entry).ok_or(DataError::Absent { entry })?.0;
    if found.len() > ENTRY_LIMIT {
        let found = found.len();
        return Err(DataError::TooLong { entry, found });
    }
    std::str::from_utf8(found).map_err(|_| DataError::Text { entry })
}

fn bytes(text: &str) -> ByteString {
    ByteString(text.as_bytes().to_vec())
}

#[cfg(test)]
mod tests;
