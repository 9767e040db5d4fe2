//! The work that a proof counts, and the point at which it gives up.

use super::laws::region;
use crate::cover::{Budget, Exhausted, all_uncovered, uncovered};
use crate::label::Values;
use crate::port::{PortSet, Protocol};
use crate::testing::dice::{Dice, hold};
use crate::{LabelSet, PeerSet, Region, address};

fn labels(keys: &[(&'static str, Values)]) -> LabelSet {
    let mut keys = keys.iter();
    keys.try_fold(LabelSet::any(), |set, (key, values)| {
        set.and(*key, values.clone())
    })
    .expect("satisfiable")
}

/// All connections of pods with these labels.
fn of(keys: &[(&'static str, Values)]) -> Region {
    Region {
        subject: labels(keys),
        peer: PeerSet::V4(address::all_v4()),
        ports: PortSet::all(),
    }
}

fn on(first: u16, last: u16) -> Region {
    Region {
        ports: PortSet::range(Protocol::Tcp, first, last),
        ..of(&[])
    }
}

/// A cover that leaves two pieces: pods with `a`, and pods without `a` that have `b`.
fn corner() -> Region {
    of(&[("a", Values::absent()), ("b", Values::absent())])
}

/// Number of pieces of everything that these covers leave, and the comparisons used.
fn left(covers: &[Region]) -> (usize, u64) {
    let covers: Vec<&Region> = covers.iter().collect();
    let mut budget = Budget::new(1_000);
    let left = all_uncovered(&of(&[]), &covers, &mut budget).expect("decided");
    (left.len(), budget.comparisons())
}

#[test]
fn what_cuts_one_dimension_is_taken_off_at_once() {
    let pieces = |covers: &[Region]| left(covers).0;
    assert_eq!(pieces(&[]), 1);
    assert_eq!(pieces(&[of(&[])]), 0);
    assert_eq!(pieces(&[corner()]), 2);
    // Covers that cut one dimension are subtracted at once, whatever their number and order.
    let pods = ["a", "b", "c"].map(|key| of(&[(key, Values::absent())]));
    assert_eq!(pieces(&pods), 1);
    let mut ranges: Vec<Region> = (1..=300).map(|port| on(port, port)).collect();
    let (all, half) = (left(&ranges), left(&ranges[..150]));
    assert_eq!((all.0, half.0), (1, 1));
    assert!(all.1 <= 2 * half.1, "{all:?} {half:?}");
    ranges.reverse();
    assert_eq!(pieces(&ranges), 1);
    // After a subtraction, a cover on two dimensions can be one on a single dimension.
    assert_eq!(pieces(&[corner(), of(&[("a", Values::present())])]), 1);
    // A subtraction can leave nothing.
    let halves = [Values::absent(), Values::present()].map(|values| of(&[("a", values)]));
    assert_eq!(pieces(&halves), 0);
}

#[test]
fn what_is_long_takes_more_of_the_budget() {
    let one = |values: usize, ranges: u16| {
        let values = (0..values).map(|at| at.to_string());
        let ports = (0..ranges).map(|at| PortSet::number(Protocol::Tcp, 2 * at + 1));
        let cover = Region {
            ports: ports.fold(PortSet::none(), |all, one| all.union(&one)),
            ..of(&[("a", Values::one_of(values))])
        };
        left(&[cover]).1
    };
    let short = one(1, 1);
    assert!(one(1_000, 1) > short + 1_000);
    assert!(one(1, 1_000) > short + 200);
}

#[test]
fn a_proof_ends_where_its_budget_does() {
    let (area, corner) = (of(&[]), corner());
    let (_, whole) = left(std::slice::from_ref(&corner));
    for limit in 0..5 {
        let mut budget = Budget::new(limit);
        let found = all_uncovered(&area, &[&corner], &mut budget);
        let is_enough = 20 * u64::from(limit) >= whole;
        assert_eq!(found.is_ok(), is_enough, "{limit}");
        assert!(is_enough || budget.is_spent(), "{limit}");
    }
    // The first piece alone takes less. The next proof uses the rest.
    let mut budget = Budget::new(100);
    assert!(uncovered(&area, &[&corner], &mut budget).is_ok());
    let first = budget.comparisons();
    assert!(first < whole);
    assert!(all_uncovered(&area, &[&corner], &mut budget).is_ok());
    assert_eq!(budget.comparisons(), first + whole);
    assert_eq!(budget.used(), (first + whole).div_ceil(20));
}

#[test]
fn an_exhausted_proof_names_every_key_of_its_covers() {
    let pods = PeerSet::Pods {
        namespaces: labels(&[("team", Values::present())]),
        pods: labels(&[("app", Values::one_of(["web"]))]),
    };
    let cover = Region {
        peer: pods,
        ..of(&[("role", Values::absent()), ("app", Values::present())])
    };
    let found = uncovered(&of(&[]), &[&cover, &corner()], &mut Budget::new(0));
    let keys = ["a", "app", "b", "role", "team"].map(Into::into).into();
    assert_eq!(found, Err(Exhausted { keys }));
}

#[test]
fn a_step_is_twenty_comparisons() {
    let mut budget = Budget::new(2);
    assert!(budget.spend(40) && budget.is_spent());
    assert!(!budget.spend(1) && !budget.spend(0));
    assert!(Budget::new(0).spend(0));
    // Work done elsewhere is counted and takes nothing from this budget.
    let mut other = Budget::new(2);
    other.add_work(&budget);
    assert_eq!((other.used(), other.work()), (0, 3));
    assert!(other.spend(40));
}

#[test]
fn work_within_a_part_of_the_budget_leaves_the_rest() {
    let (area, corner) = (of(&[]), corner());
    let (_, whole) = left(std::slice::from_ref(&corner));
    let enough = u32::try_from(whole.div_ceil(20)).expect("few");
    let mut budget = Budget::new(4 * enough);
    let prove = |budget: &mut Budget| all_uncovered(&area, &[&corner], budget).is_ok();
    assert!(!budget.within(0, prove) && !budget.is_spent());
    let before = budget.comparisons();
    assert!(budget.within(enough, prove));
    assert_eq!(budget.comparisons(), before + whole);
    assert!(budget.within(u32::MAX, prove));
    while prove(&mut budget) {}
    assert!(!budget.within(100, prove), "no more than there is");
    // The same with single calls: 200 in all, of which 7 are used.
    let mut budget = Budget::new(10);
    assert!(budget.spend(7));
    assert!(budget.within(2, |budget| budget.spend(40) && !budget.spend(1)));
    assert!(budget.spend(200 - 48) && !budget.within(2, |budget| budget.spend(1)));
}

#[test]
fn what_is_left_of_a_region_and_what_is_taken_off_make_it_up() {
    let some = |dice: &mut Dice<'_>| {
        let area = region(dice);
        let mut covers = dice.some(2, region);
        // Most regions have another kind of peer, and nothing would be subtracted.
        for cover in &mut covers {
            if dice.roll(4) > 0 && area.peer.is_disjoint(&cover.peer) {
                cover.peer = area.peer.clone();
            }
        }
        (area, covers)
    };
    hold("pieces", 3_000, some, |(area, covers)| {
        let covers: Vec<&Region> = covers.iter().collect();
        let pieces = all_uncovered(area, &covers, &mut Budget::new(1_000));
        let pieces = pieces.map_err(|_| "out of budget")?;
        let stray = pieces.iter().enumerate().any(|(at, piece)| {
            let before = covers.iter().copied().chain(&pieces[..at]);
            !piece.is_subset(area) || before.into_iter().any(|other| !other.is_disjoint(piece))
        });
        let all: Vec<&Region> = covers.iter().copied().chain(&pieces).collect();
        let lost = uncovered(area, &all, &mut Budget::new(10_000)) != Ok(None);
        match (stray, lost) {
            (false, false) => Ok(()),
            (true, _) => Err(format!("a piece is not of the area alone: {pieces:?}")),
            (false, true) => Err(format!("the pieces leave something out: {pieces:?}")),
        }
    });
}
