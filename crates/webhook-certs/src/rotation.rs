//! When CA and leaf are made and renewed, and what has to be trusted meanwhile.
//!
//! A state machine without a clock: [`State::next`] says what is to be done now, [`State::after`]
//! is the state once it is done. Replicas share one state and take the same steps; whoever writes
//! first wins.
//!
//! A new CA goes through three stages. It is **announced**: in the bundle, but nothing is signed
//! with it. It is **trusted**: the bundle was seen in the registrations, and has been there for
//! as long as an API server may take to notice ([`Terms::settle`]). It is **promoted**: it signs
//! the leaf, and the old CA stays in the bundle, without its key, until the last leaf of the old
//! CA has expired. So at no time a leaf is served that a reader of the bundle does not trust.

#![deny(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::disallowed_types
)]

mod serving;
mod step;
mod terms;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use super::life::{Life, Moment};
use super::pem::Pair;
pub use serving::{Serving, Watch};
pub use step::{Foundry, Step};
pub use terms::{Terms, TermsError};

/// A CA that can sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// Its life.
    pub life: Life,
    /// Its certificate and key.
    pub pair: Pair,
}

/// What is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Its life.
    pub life: Life,
    /// Names and addresses that it is good for.
    pub names: BTreeSet<String>,
    /// Its certificate and key.
    pub pair: Pair,
}

/// The CA that comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Successor {
    /// The CA.
    pub ca: Authority,
    /// Since when all registrations have it, without a break.
    pub trusted_since: Option<Moment>,
}

/// A CA that signs no more. Its key is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retired {
    /// When the last leaf that it signed expires.
    pub until: Moment,
    /// Its certificate, PEM.
    pub certificate: String,
}

/// All that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The CA that signed the leaf, and signs the next one.
    pub ca: Authority,
    /// What is served.
    pub leaf: Leaf,
    /// The CA that comes next, while it is on its way.
    pub next: Option<Successor>,
    /// CAs that are still trusted.
    pub retired: Vec<Retired>,
}

/// Whether the registrations have the bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Each entry that there is has it. Where there is no registration nobody calls us, so nobody
    /// is missing.
    InPlace,
    /// An entry has another one.
    Pending,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A step, now.
    Step(Step),
    /// Nothing before this moment.
    Rest(Moment),
}

impl State {
    /// What is to be done at `now`, given what the registrations say about [`Self::bundle`].
    pub fn next(&self, trust: Trust, now: Moment, terms: &Terms) -> Next {
        let due = self
            .rescue(now)
            .or_else(|| self.renewal(now, terms))
            .or_else(|| self.succession(trust, now, terms))
            .or_else(|| self.is_retirement_due(now).then_some(Step::Retire));
        due.map_or_else(|| Next::Rest(self.wake(now, terms)), Next::Step)
    }

    /// What clients have to trust: PEM certificates, each once, in an order that a promotion does
    /// not change. Its text changes only when the set does.
    pub fn bundle(&self) -> String {
        let all = self.trusted().into_iter();
        all.flat_map(|certificate| [certificate, "\n"]).collect()
    }

    fn trusted(&self) -> BTreeSet<&str> {
        let next = self.next.iter().map(|next| &next.ca.pair.certificate);
        let retired = self.retired.iter().map(|retired| &retired.certificate);
        std::iter::once(&self.ca.pair.certificate)
            .chain(next)
            .chain(retired)
            .map(|certificate| certificate.trim_end())
            .collect()
    }

    /// What is left to do when the leaf has expired, as after a long sleep. The CA that is trusted
    /// already comes first; when it has expired too, nothing is lost by one that nobody knows yet.
    fn rescue(&self, now: Moment) -> Option<Step> {
        if !self.leaf.life.is_over(now) {
            return None;
        }
        if !self.ca.life.is_over(now) {
            return Some(Step::Renew);
        }
        match &self.next {
            Some(next) if !next.ca.life.is_over(now) => Some(Step::Promote),
            _ => Some(Step::Announce),
        }
    }

    fn renewal(&self, now: Moment, terms: &Terms) -> Option<Step> {
        if self.ca.life.is_over(now) {
            return None;
        }
        let lacks_a_name = !terms.names().is_subset(&self.leaf.names);
        let is_due = self.renewal_at(terms).is_some_and(|at| at <= now);
        (lacks_a_name || is_due).then_some(Step::Renew)
    }

    /// When a new leaf is due. Never where it could not live longer than the old one: a leaf ends
    /// with its CA at the latest.
    fn renewal_at(&self, terms: &Terms) -> Option<Moment> {
        let at = self.leaf.life.renewal();
        let gains = terms.leaf_life(at, self.ca.life).until > self.leaf.life.until;
        gains.then_some(at)
    }

    fn succession(&self, trust: Trust, now: Moment, terms: &Terms) -> Option<Step> {
        let Some(next) = &self.next else {
            return (self.ca.life.renewal() <= now).then_some(Step::Announce);
        };
        match (trust, next.trusted_since) {
            _ if next.ca.life.is_over(now) => Some(Step::Announce),
            (Trust::InPlace, None) => Some(Step::Trust),
            (Trust::InPlace, Some(since)) => {
                (since + terms.settle() <= now).then_some(Step::Promote)
            }
            (Trust::Pending, Some(_)) => Some(Step::Doubt),
            (Trust::Pending, None) => None,
        }
    }

    fn is_retirement_due(&self, now: Moment) -> bool {
        self.retired.iter().any(|retired| retired.until <= now)
    }

    /// The earliest moment at which there may be something to do.
    fn wake(&self, now: Moment, terms: &Terms) -> Moment {
        let succession = match &self.next {
            None => Some(self.ca.life.renewal()),
            Some(next) => next.trusted_since.map(|since| since + terms.settle()),
        };
        self.retired
            .iter()
            .map(|retired| retired.until)
            .chain(succession)
            .chain(self.renewal_at(terms))
            .chain([self.leaf.life.until])
            .filter(|at| *at > now)
            .min()
            .unwrap_or(self.leaf.life.until)
    }
}
