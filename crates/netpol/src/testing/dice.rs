//! Random instances made from plain numbers. They are cheap to make, and proptest shrinks them by making
//! the numbers smaller, since zero always means the simplest choice.

#![allow(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "a test reads how many instances are wanted, and says how many it ran"
)]

use std::env;
use std::fmt::Debug;

use proptest::collection::vec;
use proptest::prelude::any;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

/// A supply of random choices. When it is used up, every choice is the simplest.
pub struct Dice<'a> {
    numbers: std::slice::Iter<'a, u16>,
}

impl Dice<'_> {
    /// A number below `sides`.
    pub fn roll(&mut self, sides: usize) -> usize {
        usize::from(self.numbers.next().copied().unwrap_or_default()) % sides
    }

    /// One of these.
    pub fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())].clone()
    }

    /// Up to `most` values made by `one`.
    pub fn some<T>(&mut self, most: usize, mut one: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count = self.roll(most + 1);
        (0..count).map(|_| one(self)).collect()
    }

    /// True once in `sides` times; never when shrunk.
    pub fn once_in(&mut self, sides: usize) -> bool {
        self.roll(sides) == sides - 1
    }
}

/// A supply of random choices that are the same in each run (xorshift), and has no end.
#[derive(Clone, Debug)]
pub struct Seeded(u64);

impl Seeded {
    /// The choices of a seed. Of zero and one they are the same.
    pub const fn new(seed: u64) -> Self {
        Self(if seed == 0 { 1 } else { seed })
    }

    /// A number below `sides`.
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).expect("below a usize")
    }

    /// One of these.
    pub fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())].clone()
    }
}

/// Number of instances that a test runs: `share` percent of `OBP_ORACLE_INSTANCES`, by default 120,000.
pub fn instances(share: u32) -> u32 {
    let asked = env::var("OBP_ORACLE_INSTANCES");
    let all: u32 = asked.map_or(120_000, |text| text.parse().expect("a number of instances"));
    (u64::from(all) * u64::from(share) / 100)
        .try_into()
        .expect("no more than asked for")
}

/// Runs `check` on `cases` random instances. `check` returns the problem, if any. The instance reported is
/// the smallest that proptest finds.
pub fn hold<T: Debug>(
    name: &str,
    cases: u32,
    make: impl Fn(&mut Dice<'_>) -> T,
    check: impl Fn(&T) -> Result<(), String>,
) {
    // Mutation tests turn shrinking off with `PROPTEST_MAX_SHRINK_ITERS`.
    let asked = Config::default();
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: asked.max_shrink_iters.min(20_000),
        ..asked
    };
    let instance = |numbers: &[u16]| {
        make(&mut Dice {
            numbers: numbers.iter(),
        })
    };
    let result = TestRunner::new(config).run(&vec(any::<u16>(), 0..120), |numbers| {
        let instance = instance(&numbers);
        check(&instance).map_err(|wrong| TestCaseError::fail(format!("{wrong}\n{instance:#?}")))
    });
    if let Err(error) = result {
        panic!("{name}: {error}");
    }
    println!("{name}: {cases} instances agree");
}
