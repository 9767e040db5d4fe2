//! Work that proofs may do, and what counts as how much of it.

/// Work that proofs may still do, counted in comparisons of one label, or of a few ranges. What takes
/// as long counts as well: writing out a piece, showing what was found. All proofs of one review
/// share it, so that many of them cost no more than one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    limit: u64,
    done: u64,
    beside: u64,
    ran_out: bool,
}

/// Comparisons of a step, the unit of limits and figures.
const STEP: u64 = 20;

/// Comparisons in steps.
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
            beside: 0,
            ran_out: false,
        }
    }

    /// Comparisons so far.
    pub const fn comparisons(&self) -> u64 {
        self.done
    }

    /// Steps used so far.
    pub const fn used(&self) -> u64 {
        self.done.div_ceil(STEP)
    }

    /// All work done so far, in steps, that beside it too.
    pub const fn work(&self) -> u64 {
        (self.done + self.beside).div_ceil(STEP)
    }

    /// Counts the work of a proof that had a budget of its own; what is left here stays.
    pub const fn beside(&mut self, other: &Self) {
        let work = other.done.saturating_add(other.beside);
        self.beside = self.beside.saturating_add(work);
        self.ran_out |= other.ran_out;
    }

    /// Whether a proof used all that it had, of a part too. Where not, a larger budget changes no result.
    pub const fn ran_out(&self) -> bool {
        self.ran_out
    }

    /// Whether nothing is left.
    pub const fn is_spent(&self) -> bool {
        self.done >= self.limit
    }

    /// Counts comparisons; false where that is too much.
    pub const fn look(&mut self, comparisons: usize) -> bool {
        self.done = self.done.saturating_add(comparisons as u64);
        self.ran_out |= self.is_spent();
        self.done <= self.limit
    }

    /// Does work that may take no more than `steps` of what is left, so that something is left for
    /// the rest.
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
