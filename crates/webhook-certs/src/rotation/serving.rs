//! The certificate that one replica serves: changes of it, and readiness.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{RotationConfig, State, Trust, after};

/// The certificate that one replica serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serving {
    /// The certificate of the CA that signed it, PEM.
    signer: String,
    /// Its own certificate, PEM.
    certificate: String,
    until: Timestamp,
}

impl Serving {
    /// The leaf of a state.
    pub fn of(state: &State) -> Self {
        Self {
            signer: state.ca.pair.certificate.clone(),
            certificate: state.leaf.pair.certificate.clone(),
            until: state.leaf.validity.until,
        }
    }

    /// The CA that signed it, PEM.
    pub fn signer(&self) -> &str {
        &self.signer
    }

    /// Whether it has expired.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.until <= now
    }

    /// Whether the leaf of this state replaces it: it is another leaf, and at least as many API servers
    /// trust it.
    pub fn yields_to(
        &self,
        state: &State,
        history: &TrustHistory,
        now: Timestamp,
        config: &RotationConfig,
    ) -> bool {
        let is_other = self.certificate != state.leaf.pair.certificate;
        let is_of_same_ca = self.signer == state.ca.pair.certificate;
        let is_lost = self.is_over(now) || !self.is_trusted_by(state);
        let settled = || history.has_settled(&state.ca.pair.certificate, now, config);
        is_other && (is_lost || is_of_same_ca || settled())
    }

    /// Whether a replica that serves this is ready: the registrations have its CA and, if others were
    /// trusted before it, have had the time to settle. A replica that has never seen
    /// them without a part of the bundle goes by the age of the CA.
    pub fn is_ready(
        &self,
        state: &State,
        trust: Trust,
        history: &TrustHistory,
        now: Timestamp,
        config: &RotationConfig,
    ) -> bool {
        let is_first = state.retired.is_empty();
        let is_old = after(state.ca.validity.from, config.settle()) <= now && !history.was_pending;
        let is_by_ca = self.signer == state.ca.pair.certificate && (is_first || is_old);
        trust == Trust::InPlace
            && self.is_trusted_by(state)
            && (is_by_ca || history.has_settled(&self.signer, now, config))
    }

    fn is_trusted_by(&self, state: &State) -> bool {
        state.trusted().contains(self.signer.trim_end())
    }
}

/// The registrations as one replica has seen them, round by round.
#[derive(Clone, Debug, Default)]
pub struct TrustHistory {
    /// Each CA with the time since which the registrations have it.
    since: BTreeMap<String, Timestamp>,
    /// Whether the registrations have ever lacked a part of the bundle. The age of a CA then says nothing
    /// about when they got it: another replica may have written it a moment ago.
    was_pending: bool,
}

impl TrustHistory {
    /// Notes the registrations of a round.
    pub fn note(&mut self, state: &State, trust: Trust, now: Timestamp) {
        if trust == Trust::Pending {
            self.was_pending = true;
            self.since.clear();
            return;
        }
        let old = std::mem::take(&mut self.since);
        for certificate in state.trusted() {
            let since = old.get(certificate).copied().unwrap_or(now);
            self.since.insert(certificate.to_owned(), since);
        }
    }

    /// Whether every API server knows the CA.
    fn has_settled(&self, ca: &str, now: Timestamp, config: &RotationConfig) -> bool {
        let since = self.since.get(ca.trim_end());
        since.is_some_and(|since| after(*since, config.settle()) <= now)
    }
}
