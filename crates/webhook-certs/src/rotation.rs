//! State machine of the CA and its leaf: issue, renewal, and the CAs that clients have to trust.
//!
//! It has no clock. [`State::next`] returns the step that is due, [`State::after`] the state after a
//! step. Replicas share one state and take the same steps. The first write wins.
//!
//! A new CA has three stages. First it is **announced**: it is in the bundle, but signs nothing. Then it is
//! **trusted**: the registrations have had the bundle for as long as an API server may take to notice it
//! ([`RotationConfig::settle`]). Finally it is **promoted**: it signs the leaf, and the old CA stays in the
//! bundle, without its key, until its last leaf has expired. So every reader of the bundle trusts every
//! leaf that is served.
//!
//! *Registrations* are the webhook configurations of the program.

#![deny(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::disallowed_types
)]

mod config;
mod serving;
mod step;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::pem::Pair;
use super::validity::{Validity, after};
pub use config::{RotationConfig, RotationConfigError};
pub use serving::{Serving, TrustHistory};
pub use step::{CertificateIssuer, Step};

/// A CA that can sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// Its validity period.
    pub validity: Validity,
    /// Its certificate and key.
    pub pair: Pair,
}

/// The serving certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Its validity period.
    pub validity: Validity,
    /// Names and addresses that it is valid for.
    pub names: BTreeSet<String>,
    /// Its certificate and key.
    pub pair: Pair,
}

/// The CA that comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Successor {
    /// The CA.
    pub ca: Authority,
    /// The time since which all registrations have it.
    pub trusted_since: Option<Timestamp>,
}

/// A CA that no longer signs. Its key is deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retired {
    /// Expiry of the last leaf that it signed.
    pub until: Timestamp,
    /// Its certificate, PEM.
    pub certificate: String,
}

/// The state that replicas share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The CA that signed the leaf and signs the next one.
    pub ca: Authority,
    /// The serving certificate.
    pub leaf: Leaf,
    /// The CA that comes next, once it is announced.
    pub next: Option<Successor>,
    /// CAs that are still trusted.
    pub retired: Vec<Retired>,
}

/// State of the CA bundle in the registrations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Every existing entry has it. Also if there are no registrations: then no API server calls the webhook.
    InPlace,
    /// An entry has another bundle.
    Pending,
}

/// The next action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A step, now.
    Step(Step),
    /// Nothing before this time.
    Rest(Timestamp),
}

impl State {
    /// The next action at `now`. `trust` says whether the registrations have [`Self::bundle`].
    pub fn next(&self, trust: Trust, now: Timestamp, config: &RotationConfig) -> Next {
        let due = self
            .rescue(now)
            .or_else(|| self.renewal(now, config))
            .or_else(|| self.succession(trust, now, config))
            .or_else(|| self.is_retirement_due(now).then_some(Step::Retire));
        due.map_or_else(|| Next::Rest(self.wake(now, config)), Next::Step)
    }

    /// The CA bundle that clients have to trust: unique PEM certificates, in an order that a promotion does
    /// not change. The text changes only with the set of certificates.
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

    /// The step after the leaf has expired, for example after a long downtime. A CA that is already trusted
    /// is preferred. If it has expired too, a CA that no API server knows yet does no damage.
    fn rescue(&self, now: Timestamp) -> Option<Step> {
        if !self.leaf.validity.is_over(now) {
            return None;
        }
        if !self.ca.validity.is_over(now) {
            return Some(Step::Renew);
        }
        match &self.next {
            Some(next) if !next.ca.validity.is_over(now) => Some(Step::Promote),
            _ => Some(Step::Announce),
        }
    }

    fn renewal(&self, now: Timestamp, config: &RotationConfig) -> Option<Step> {
        if self.ca.validity.is_over(now) {
            return None;
        }
        let lacks_a_name = !config.names().is_subset(&self.leaf.names);
        let is_due = self.renewal_at(config).is_some_and(|at| at <= now);
        (lacks_a_name || is_due).then_some(Step::Renew)
    }

    /// Time of the next renewal. `None` if a new leaf could not outlive the old one, since a leaf ends with
    /// its CA at the latest.
    fn renewal_at(&self, config: &RotationConfig) -> Option<Timestamp> {
        let at = self.leaf.validity.renewal();
        let gains = config.leaf_validity(at, self.ca.validity).until > self.leaf.validity.until;
        gains.then_some(at)
    }

    fn succession(&self, trust: Trust, now: Timestamp, config: &RotationConfig) -> Option<Step> {
        let Some(next) = &self.next else {
            return (self.ca.validity.renewal() <= now).then_some(Step::Announce);
        };
        match (trust, next.trusted_since) {
            _ if next.ca.validity.is_over(now) => Some(Step::Announce),
            (Trust::InPlace, None) => Some(Step::Trust),
            (Trust::InPlace, Some(since)) => {
                (after(since, config.settle()) <= now).then_some(Step::Promote)
            }
            (Trust::Pending, Some(_)) => Some(Step::TrustLost),
            (Trust::Pending, None) => None,
        }
    }

    fn is_retirement_due(&self, now: Timestamp) -> bool {
        self.retired.iter().any(|retired| retired.until <= now)
    }

    /// The earliest time at which a step may be due.
    fn wake(&self, now: Timestamp, config: &RotationConfig) -> Timestamp {
        let succession = match &self.next {
            None => Some(self.ca.validity.renewal()),
            Some(next) => next
                .trusted_since
                .map(|since| after(since, config.settle())),
        };
        self.retired
            .iter()
            .map(|retired| retired.until)
            .chain(succession)
            .chain(self.renewal_at(config))
            .chain([self.leaf.validity.until])
            .filter(|at| *at > now)
            .min()
            .unwrap_or(self.leaf.validity.until)
    }
}
