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
    /// where others were trusted before it, have had the time to settle. A replica that has never seen
    /// them without a part of the bundle goes by the age of the CA.
    pub fn is_ready(
        &self,
        state: &State,
        trust: Trust,
        watch: &Watch,
        now: Moment,
        terms: &Terms,
    ) -> bool {
        let is_first = state.retired.is_empty();
        let is_old = state.ca.life.from + terms.settle() <= now && !watch.was_pending;
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
    /// Whether the registrations have ever lacked a part of the bundle. The age of a CA then says nothing
    /// about when they got it: another replica may have written it a moment ago.
    was_pending: bool,
}

impl Watch {
    /// Notes what a round saw.
    pub fn note(&mut self, state: &State, trust: Trust, now: Moment) {
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
    fn has_settled(&self, ca: &str, now: Moment, terms: &Terms) -> bool {
        let since = self.since.get(ca.trim_end());
        since.is_some_and(|since| *since + terms.settle() <= now)
    }
}
