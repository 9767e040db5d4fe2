//! Limit on the work of proofs.

/// The work that the proofs of one review may do, counted in comparisons of one label or a few ranges.
/// Other work that takes as long counts too: copying a piece, printing a result. All proofs of a review
/// share the budget, so many proofs cost no more than one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    limit: u64,
    done: u64,
    other: u64,
    ran_out: bool,
}

/// Comparisons per step. Limits and figures are in steps.
const STEP: u64 = 20;

/// Converts comparisons to steps, rounded up.
pub fn steps(comparisons: usize) -> u32 {
    let steps = (comparisons as u64).div_ceil(STEP);
    u32::try_from(steps).unwrap_or(u32::MAX)
}

impl Budget {
    /// A budget of `limit` steps.
    pub const fn new(limit: u32) -> Self {
        Self {
            limit: STEP * limit as u64,
            done: 0,
            other: 0,
            ran_out: false,
        }
    }

    /// Comparisons made so far.
    pub const fn comparisons(&self) -> u64 {
        self.done
    }

    /// Steps used so far.
    pub const fn used(&self) -> u64 {
        self.done.div_ceil(STEP)
    }

    /// Steps used so far, including the work counted with [`Budget::add_work`].
    pub const fn work(&self) -> u64 {
        (self.done + self.other).div_ceil(STEP)
    }

    /// Adds the work of a proof with its own budget. It takes nothing from this one.
    pub const fn add_work(&mut self, other: &Self) {
        let work = other.done.saturating_add(other.other);
        self.other = self.other.saturating_add(work);
        self.ran_out |= other.ran_out;
    }

    /// Returns true if a proof used up the budget, or its part of it. If not, a larger budget changes no
    /// result.
    pub const fn ran_out(&self) -> bool {
        self.ran_out
    }

    /// Returns true if the budget is used up.
    pub const fn is_spent(&self) -> bool {
        self.done >= self.limit
    }

    /// Takes `comparisons` from the budget. Returns false if too few are left.
    pub const fn spend(&mut self, comparisons: usize) -> bool {
        self.done = self.done.saturating_add(comparisons as u64);
        self.ran_out |= self.is_spent();
        self.done <= self.limit
    }

    /// Runs `work` with at most `steps` of the remaining budget, so that something is left afterwards.
    pub fn within<T>(&mut self, steps: u32, work: impl FnOnce(&mut Self) -> T) -> T {
        let whole = self.limit;
        let most = self.done.saturating_add(STEP * u64::from(steps));
        self.limit = self.limit.min(most);
        self.ran_out |= self.is_spent();
        let done = work(self);
        self.limit = whole;
        done
    }
}
