//! The state of a rotation as the data of a Secret, and back.
//!
//! The pairs stand under names that other tools know (`openssl x509 -in tls.crt`); what is no
//! certificate is one small JSON text.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Serialize};

use super::foundry::BACKDATE;
use super::life::{Life, Moment};
use super::pem::{self, Pair};
use super::rotation::{Authority, Leaf, Retired, State, Successor};
use super::x509::{self, Facts, Malformed};

/// The data of a Secret.
pub type Data = BTreeMap<String, ByteString>;

/// Bytes of one entry; real ones have a hundredth.
const ENTRY_LIMIT: usize = 256 * 1024;

const LEAF: (&str, &str) = ("tls.crt", "tls.key");
const CA: (&str, &str) = ("ca.crt", "ca.key");
const NEXT: (&str, &str) = ("next-ca.crt", "next-ca.key");
const ROTATION: &str = "rotation.json";

/// Why data are no state.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// An entry is missing.
    #[error("expected an entry `{entry}`, found none")]
    Absent {
        /// Its key.
        entry: &'static str,
    },
    /// An entry is too long to be looked at.
    #[error("expected at most {ENTRY_LIMIT} bytes in `{entry}`, found {found}")]
    TooLong {
        /// Its key.
        entry: &'static str,
        /// Bytes.
        found: usize,
    },
    /// An entry is no text.
    #[error("expected text in `{entry}`")]
    Text {
        /// Its key.
        entry: &'static str,
    },
    /// An entry holds no PEM of the kind expected.
    #[error("expected one PEM {expected} in `{entry}`")]
    Pem {
        /// What should be in it.
        expected: &'static str,
        /// Its key.
        entry: &'static str,
    },
    /// A certificate cannot be understood.
    #[error("cannot use `{entry}`")]
    Certificate {
        /// Its key.
        entry: &'static str,
        /// What is wrong.
        #[source]
        source: Malformed,
    },
    /// A key belongs to another certificate.
    #[error("expected the key of `{certificate}` in `{key}`, found another")]
    Mismatch {
        /// Key of the certificate's entry.
        certificate: &'static str,
        /// Key of the key's entry.
        key: &'static str,
    },
    /// The leaf is another CA's.
    #[error("expected `tls.crt` to be signed by `ca.crt`, found another issuer")]
    Issuer,
    /// The times cannot be understood.
    #[error("cannot understand `rotation.json`")]
    Rotation(#[from] serde_json::Error),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Rotation {
    #[serde(skip_serializing_if = "Option::is_none")]
    next_trusted_since: Option<Moment>,
    retired: Vec<RetiredCa>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RetiredCa {
    until: Moment,
    certificate: String,
}

/// Writes a state down.
pub fn write(state: &State) -> Result<Data, SecretError> {
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

/// Reads a state. What is returned fits together: each key is its certificate's, and the leaf is
/// signed by the CA.
pub fn read(data: &Data) -> Result<State, SecretError> {
    let rotation: Rotation = serde_json::from_str(text(data, ROTATION)?)?;
    let (leaf, leaf_der, facts) = pair(data, LEAF)?;
    let (ca, ca_der, ca_facts) = pair(data, CA)?;
    let is_signed = x509::is_signed_by(&leaf_der, &ca_der);
    if !is_signed.map_err(|source| unusable(LEAF.0, source))? {
        return Err(SecretError::Issuer);
    }
    let next = if data.contains_key(NEXT.0) {
        let (pair, _, facts) = pair(data, NEXT)?;
        let life = made(facts.life);
        Some(Successor {
            ca: Authority { life, pair },
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
            life: made(ca_facts.life),
            pair: ca,
        },
        leaf: Leaf {
            life: made(facts.life),
            names: facts.names,
            pair: leaf,
        },
        next,
        retired,
    })
}

/// The life as it was counted when the certificate was made.
fn made(life: Life) -> Life {
    Life {
        from: (life.from + BACKDATE).min(life.until),
        ..life
    }
}

fn pair(
    data: &Data,
    (certificate, key): (&'static str, &'static str),
) -> Result<(Pair, CertificateDer<'static>, Facts), SecretError> {
    let pair = Pair {
        certificate: text(data, certificate)?.to_owned(),
        key: text(data, key)?.to_owned(),
    };
    let der = one(pair.certificate.as_bytes(), certificate)?;
    let facts = Facts::read(&der).map_err(|source| unusable(certificate, source))?;
    let key_der = pem::key(pair.key.as_bytes()).map_err(|_| SecretError::Pem {
        expected: "private key",
        entry: key,
    })?;
    if !x509::is_key_of(key_der, &der) {
        return Err(SecretError::Mismatch { certificate, key });
    }
    Ok((pair, der, facts))
}

fn one(text: &[u8], entry: &'static str) -> Result<CertificateDer<'static>, SecretError> {
    let expected = "certificate";
    match pem::certificates(text).as_deref() {
        Ok([certificate]) => Ok(certificate.clone()),
        _ => Err(SecretError::Pem { expected, entry }),
    }
}

const fn unusable(entry: &'static str, source: Malformed) -> SecretError {
    SecretError::Certificate { entry, source }
}

fn text<'a>(data: &'a Data, entry: &'static str) -> Result<&'a str, SecretError> {
    let found = &data.get(entry).ok_or(SecretError::Absent { entry })?.0;
    if found.len() > ENTRY_LIMIT {
        let found = found.len();
        return Err(SecretError::TooLong { entry, found });
    }
    std::str::from_utf8(found).map_err(|_| SecretError::Text { entry })
}

fn bytes(text: &str) -> ByteString {
    ByteString(text.as_bytes().to_vec())
}

#[cfg(test)]
mod tests;
