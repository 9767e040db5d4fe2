//! Steps, and the state after each.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{Authority, Leaf, Pair, Retired, RotationConfig, State, Successor, Validity};

/// A change of the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Issues a new leaf of the CA.
    Renew,
    /// Issues the next CA and adds it to the bundle.
    Announce,
    /// Records that all registrations have the next CA.
    Trust,
    /// Records that they no longer have it.
    TrustLost,
    /// Replaces the CA by the next one, with a new leaf.
    Promote,
    /// Removes CAs whose last leaf has expired.
    Retire,
}

impl Step {
    /// The name in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Renew => "renew",
            Self::Announce => "announce",
            Self::Trust => "trust",
            Self::TrustLost => "trust-lost",
            Self::Promote => "promote",
            Self::Retire => "retire",
        }
    }
}

/// Issues keys and certificates.
pub trait CertificateIssuer {
    /// Error of issuing a certificate.
    type Error;

    /// Issues a new CA.
    ///
    /// # Errors
    /// The CA cannot be issued.
    fn ca(&mut self, validity: Validity) -> Result<Pair, Self::Error>;

    /// Issues a new leaf with a key of its own.
    ///
    /// # Errors
    /// The leaf cannot be issued.
    fn leaf(
        &mut self,
        signer: &Pair,
        validity: Validity,
        names: &BTreeSet<String>,
    ) -> Result<Pair, Self::Error>;
}

impl State {
    /// The first state, if none is stored.
    ///
    /// `held` is the last state that this replica has seen. If the stored state was deleted, new keys are
    /// wanted, so its CA stays only until a new one is trusted. It is dropped at once if it has expired or is
    /// not in the registrations.
    ///
    /// `known` are the CAs in the registrations. Another server may still serve a leaf of one of them, so
    /// they stay in the bundle for the lifetime of a leaf.
    ///
    /// # Errors
    /// A certificate cannot be issued.
    pub fn begin<F: CertificateIssuer>(
        held: Option<Self>,
        known: impl IntoIterator<Item = String>,
        now: Timestamp,
        config: &RotationConfig,
        issuer: &mut F,
    ) -> Result<Self, F::Error> {
        let known: BTreeSet<String> = known.into_iter().collect();
        let is_known = |held: &Self| {
            let mut known = known.iter().map(|certificate| certificate.trim_end());
            known.len() == 0 || known.any(|known| known == held.ca.pair.certificate.trim_end())
        };
        let state = match held.filter(|held| !held.leaf.validity.is_over(now) && is_known(held)) {
            Some(held) => held.after(Step::Announce, now, config, issuer)?,
            None => Self::first(now, config, issuer)?,
        };
        Ok(state.still_trusting(known, now, config))
    }

    /// A CA and its leaf.
    fn first<F: CertificateIssuer>(
        now: Timestamp,
        config: &RotationConfig,
        issuer: &mut F,
    ) -> Result<Self, F::Error> {
        let ca = authority(now, config, issuer)?;
        Ok(Self {
            leaf: leaf(&ca, now, config, config.names().clone(), issuer)?,
            ca,
            next: None,
            retired: Vec::new(),
        })
    }

    fn still_trusting(
        mut self,
        known: impl IntoIterator<Item = String>,
        now: Timestamp,
        config: &RotationConfig,
    ) -> Self {
        let until = Validity::starting(now, config.leaf).until;
        for certificate in known {
            // This applies to the CA itself too: another server may serve a newer leaf of it.
            let mut retired = self.retired.iter_mut();
            match retired.find(|retired| retired.certificate == certificate) {
                Some(retired) => retired.until = retired.until.max(until),
                None => self.retired.push(Retired { until, certificate }),
            }
        }
        self
    }

    /// The state after a step.
    ///
    /// # Errors
    /// A certificate cannot be issued.
    pub fn after<F: CertificateIssuer>(
        mut self,
        step: Step,
        now: Timestamp,
        config: &RotationConfig,
        issuer: &mut F,
    ) -> Result<Self, F::Error> {
        match step {
            Step::Renew => {
                // Names that other replicas need are kept. Otherwise two replicas with different settings would keep
                // replacing each other's leaf. The next regular renewal drops them.
                let names = if config.names().is_subset(&self.leaf.names) {
                    config.names().clone()
                } else {
                    config.names() | &self.leaf.names
                };
                self.leaf = leaf(&self.ca, now, config, names, issuer)?;
            }
            Step::Announce => {
                self.next = Some(Successor {
                    ca: authority(now, config, issuer)?,
                    trusted_since: None,
                });
            }
            Step::Trust => self.note_trust(Some(now)),
            Step::TrustLost => self.note_trust(None),
            Step::Promote => return self.promoted(now, config, issuer),
            Step::Retire => self.retired.retain(|retired| retired.until > now),
        }
        Ok(self)
    }

    fn note_trust(&mut self, since: Option<Timestamp>) {
        if let Some(next) = &mut self.next {
            next.trusted_since = since;
        }
    }

    fn promoted<F: CertificateIssuer>(
        mut self,
        now: Timestamp,
        config: &RotationConfig,
        issuer: &mut F,
    ) -> Result<Self, F::Error> {
        let Some(next) = self.next.take() else {
            return Ok(self);
        };
        let leaf = leaf(&next.ca, now, config, config.names().clone(), issuer)?;
        self.retired.push(Retired {
            until: self.leaf.validity.until,
            certificate: self.ca.pair.certificate,
        });
        Ok(Self {
            ca: next.ca,
            leaf,
            next: None,
            retired: self.retired,
        })
    }
}

fn authority<F: CertificateIssuer>(
    now: Timestamp,
    config: &RotationConfig,
    issuer: &mut F,
) -> Result<Authority, F::Error> {
    let validity = config.ca_validity(now);
    Ok(Authority {
        validity,
        pair: issuer.ca(validity)?,
    })
}

fn leaf<F: CertificateIssuer>(
    signer: &Authority,
    now: Timestamp,
    config: &RotationConfig,
    names: BTreeSet<String>,
    issuer: &mut F,
) -> Result<Leaf, F::Error> {
    let validity = config.leaf_validity(now, signer.validity);
    Ok(Leaf {
        validity,
        pair: issuer.leaf(&signer.pair, validity, &names)?,
        names,
    })
}
