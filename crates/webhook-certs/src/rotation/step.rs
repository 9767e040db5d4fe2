//! What each step makes of a state.

use std::collections::BTreeSet;

use super::{Authority, Leaf, Life, Moment, Pair, Retired, State, Successor, Terms};

/// A change of the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// A new leaf of the CA.
    Renew,
    /// A CA that comes next, for the bundle only.
    Announce,
    /// The next CA is in all registrations from now on.
    Trust,
    /// It no longer is.
    Doubt,
    /// The next CA takes over, with a leaf of its own.
    Promote,
    /// CAs go whose last leaf has expired.
    Retire,
}

impl Step {
    /// Its name in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Renew => "renew",
            Self::Announce => "announce",
            Self::Trust => "trust",
            Self::Doubt => "doubt",
            Self::Promote => "promote",
            Self::Retire => "retire",
        }
    }
}

/// Makes keys and certificates.
pub trait Foundry {
    /// Why it cannot.
    type Error;

    /// A new CA.
    fn ca(&mut self, life: Life) -> Result<Pair, Self::Error>;

    /// A new leaf with a key of its own.
    fn leaf(
        &mut self,
        signer: &Pair,
        life: Life,
        names: &BTreeSet<String>,
    ) -> Result<Pair, Self::Error>;
}

impl State {
    /// The state to begin with when nothing is kept.
    ///
    /// `held` is what this replica still knows of a state that was kept before. Its CA goes on
    /// until a new one is trusted, since whoever deletes what is kept wants new keys; unless it has
    /// lost its trust meanwhile, by time or by the registrations.
    ///
    /// `known` are the CAs that the registrations have by now. Somebody may serve a leaf of one
    /// still, as while the mode is changed under way; so they stay for the life of a leaf.
    pub fn begin<F: Foundry>(
        held: Option<Self>,
        known: impl IntoIterator<Item = String>,
        now: Moment,
        terms: &Terms,
        foundry: &mut F,
    ) -> Result<Self, F::Error> {
        let known: BTreeSet<String> = known.into_iter().collect();
        let is_known = |held: &Self| {
            let mut known = known.iter().map(|certificate| certificate.trim_end());
            known.len() == 0 || known.any(|known| known == held.ca.pair.certificate.trim_end())
        };
        let state = match held.filter(|held| !held.leaf.life.is_over(now) && is_known(held)) {
            Some(held) => held.after(Step::Announce, now, terms, foundry)?,
            None => Self::first(now, terms, foundry)?,
        };
        Ok(state.still_trusting(known, now, terms))
    }

    /// A CA and its leaf.
    fn first<F: Foundry>(now: Moment, terms: &Terms, foundry: &mut F) -> Result<Self, F::Error> {
        let ca = authority(now, terms, foundry)?;
        Ok(Self {
            leaf: leaf(&ca, now, terms, terms.names().clone(), foundry)?,
            ca,
            next: None,
            retired: Vec::new(),
        })
    }

    fn still_trusting(
        mut self,
        known: impl IntoIterator<Item = String>,
        now: Moment,
        terms: &Terms,
    ) -> Self {
        let until = Life::starting(now, terms.leaf).until;
        for certificate in known {
            // Also the CA itself: somebody may serve a younger leaf of it than the one here.
            let mut retired = self.retired.iter_mut();
            match retired.find(|retired| retired.certificate == certificate) {
                Some(retired) => retired.until = retired.until.max(until),
                None => self.retired.push(Retired { until, certificate }),
            }
        }
        self
    }

    /// The state once a step is done.
    pub fn after<F: Foundry>(
        mut self,
        step: Step,
        now: Moment,
        terms: &Terms,
        foundry: &mut F,
    ) -> Result<Self, F::Error> {
        match step {
            Step::Renew => {
                // Names that others need stay, or two replicas of different settings would replace
                // each other's leaf for ever. The next regular renewal drops them.
                let names = if terms.names().is_subset(&self.leaf.names) {
                    terms.names().clone()
                } else {
                    terms.names() | &self.leaf.names
                };
                self.leaf = leaf(&self.ca, now, terms, names, foundry)?;
            }
            Step::Announce => {
                self.next = Some(Successor {
                    ca: authority(now, terms, foundry)?,
                    trusted_since: None,
                });
            }
            Step::Trust => self.note_trust(Some(now)),
            Step::Doubt => self.note_trust(None),
            Step::Promote => return self.promoted(now, terms, foundry),
            Step::Retire => self.retired.retain(|retired| retired.until > now),
        }
        Ok(self)
    }

    fn note_trust(&mut self, since: Option<Moment>) {
        if let Some(next) = &mut self.next {
            next.trusted_since = since;
        }
    }

    fn promoted<F: Foundry>(
        mut self,
        now: Moment,
        terms: &Terms,
        foundry: &mut F,
    ) -> Result<Self, F::Error> {
        let Some(next) = self.next.take() else {
            return Ok(self);
        };
        let leaf = leaf(&next.ca, now, terms, terms.names().clone(), foundry)?;
        self.retired.push(Retired {
            until: self.leaf.life.until,
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

fn authority<F: Foundry>(
    now: Moment,
    terms: &Terms,
    foundry: &mut F,
) -> Result<Authority, F::Error> {
    let life = terms.ca_life(now);
    Ok(Authority {
        life,
        pair: foundry.ca(life)?,
    })
}

fn leaf<F: Foundry>(
    signer: &Authority,
    now: Moment,
    terms: &Terms,
    names: BTreeSet<String>,
    foundry: &mut F,
) -> Result<Leaf, F::Error> {
    let life = terms.leaf_life(now, signer.life);
    Ok(Leaf {
        life,
        pair: foundry.leaf(&signer.pair, life, &names)?,
        names,
    })
}
