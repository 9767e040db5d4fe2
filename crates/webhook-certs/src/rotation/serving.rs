//! The certificate that one replica serves: replacement and readiness.

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

    /// Returns true if it has expired.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.until <= now
    }

    /// Returns true if the leaf of this state replaces this one: it is another leaf, and at least as many API
    /// servers trust it.
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

    /// Returns true if a replica that serves this certificate is ready: the registrations have its CA and, if
    /// other CAs were trusted before, have had it for the settling time. A replica that has never seen the
    /// registrations without a part of the bundle uses the age of the CA.
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

/// State of the registrations over time, as seen by one replica.
#[derive(Clone, Debug, Default)]
pub struct TrustHistory {
    /// The time since which the registrations have each CA.
    since: BTreeMap<String, Timestamp>,
    /// True if the registrations have ever lacked a part of the bundle. Then the age of a CA does not show
    /// when they got it: another replica may have written it a moment ago.
    was_pending: bool,
}

impl TrustHistory {
    /// Records the state of the registrations in this round.
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

    /// Returns true if every API server knows the CA.
    fn has_settled(&self, ca: &str, now: Timestamp, config: &RotationConfig) -> bool {
        let since = self.since.get(ca.trim_end());
        since.is_some_and(|since| after(*since, config.settle()) <= now)
    }
}
