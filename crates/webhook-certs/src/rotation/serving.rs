//! When a replica changes what it serves, and when it may be sent requests.

use std::collections::BTreeMap;

use super::{Moment, State, Terms, Trust};

/// What one replica serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serving {
    /// The certificate of the CA that signed it, PEM.
    signer: String,
    /// Its own certificate, PEM.
    certificate: String,
    until: Moment,
}

impl Serving {
    /// The leaf of a state.
    pub fn of(state: &State) -> Self {
        Self {
            signer: state.ca.pair.certificate.clone(),
            certificate: state.leaf.pair.certificate.clone(),
            until: state.leaf.life.until,
        }
    }

    /// The CA that signed it, PEM.
    pub fn signer(&self) -> &str {
        &self.signer
    }

    /// Whether it has expired.
    pub fn is_over(&self, now: Moment) -> bool {
        self.until <= now
    }

    /// Whether the leaf of this state should take its place: it is another one, and believed at
    /// least as much.
    pub fn yields_to(&self, state: &State, watch: &Watch, now: Moment, terms: &Terms) -> bool {
        let is_other = self.certificate != state.leaf.pair.certificate;
        let is_of_same_ca = self.signer == state.ca.pair.certificate;
        let is_lost = self.is_over(now) || !self.is_trusted_by(state);
        let settled = || watch.has_settled(&state.ca.pair.certificate, now, terms);
        is_other && (is_lost || is_of_same_ca || settled())
    }

    /// Whether a replica that serves this may be sent requests: the registrations have its CA and,
    /// where others were trusted before it, have had the time to settle. A replica that has just
    /// begun goes by the age of the CA, unless it has itself seen them without the CA since.
    pub fn is_ready(
        &self,
        state: &State,
        trust: Trust,
        watch: &Watch,
        now: Moment,
        terms: &Terms,
    ) -> bool {
        let is_first = state.retired.is_empty();
        let is_old = state.ca.life.from + terms.settle() <= now && !watch.was_pending(now, terms);
        let is_by_ca = self.signer == state.ca.pair.certificate && (is_first || is_old);
        trust == Trust::InPlace
            && self.is_trusted_by(state)
            && (is_by_ca || watch.has_settled(&self.signer, now, terms))
    }

    fn is_trusted_by(&self, state: &State) -> bool {
        state.trusted().contains(self.signer.trim_end())
    }
}

/// What one replica has seen of the registrations, round by round.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    /// Each CA with the time since when the registrations have it without a break.
    since: BTreeMap<String, Moment>,
    /// The last time at which the registrations lacked a part of the bundle.
    pending: Option<Moment>,
}

impl Watch {
    /// Notes what a round saw.
    pub fn note(&mut self, state: &State, trust: Trust, now: Moment) {
        if trust == Trust::Pending {
            self.pending = Some(now);
            self.since.clear();
            return;
        }
        let old = std::mem::take(&mut self.since);
        for certificate in state.trusted() {
            let since = old.get(certificate).copied().unwrap_or(now);
            self.since.insert(certificate.to_owned(), since);
        }
    }

    /// Whether the registrations lacked a part of the bundle a moment ago, so that an API server may
    /// still go by the old one.
    fn was_pending(&self, now: Moment, terms: &Terms) -> bool {
        self.pending.is_some_and(|at| at + terms.settle() > now)
    }

    /// Whether every API server knows the CA.
    fn has_settled(&self, ca: &str, now: Moment, terms: &Terms) -> bool {
        let since = self.since.get(ca.trim_end());
        since.is_some_and(|since| *since + terms.settle() <= now)
    }
}
