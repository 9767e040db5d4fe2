//! The work that a proof counts, and where it gives up.

use super::dice::{Dice, hold};
use super::laws::region;
use crate::perimeter::cover::{Budget, Exhausted, all_uncovered, uncovered};
use crate::perimeter::label::Values;
use crate::perimeter::port::{PortSet, Protocol};
use crate::perimeter::{LabelSet, PeerSet, Region, address};

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

/// One split that leaves two pieces: pods with `a`, and those without it that have `b`.
fn corner() -> Region {
    of(&[("a", Values::absent()), ("b", Values::absent())])
}

/// What is left of everything by these covers, and the steps it took.
fn steps(covers: &[Region]) -> (usize, u32) {
    let covers: Vec<&Region> = covers.iter().collect();
    let mut budget = Budget::new(1_000);
    let left = all_uncovered(&of(&[]), &covers, &mut budget).expect("decided");
    (left.len(), budget.used())
}

#[test]
fn a_step_is_counted_for_each_piece_that_is_looked_at() {
    assert_eq!(steps(&[]), (1, 1));
    assert_eq!(steps(&[of(&[])]), (0, 1));
    assert_eq!(steps(&[corner()]), (2, 3));
    // Covers that cut one dimension are taken off at once, however many and in whatever order.
    let pods = ["a", "b", "c"].map(|key| of(&[(key, Values::absent())]));
    assert_eq!(steps(&pods), (1, 1));
    let mut ranges: Vec<Region> = (1..=300).map(|port| on(port, port)).collect();
    assert_eq!(steps(&ranges), (1, 1));
    ranges.reverse();
    assert_eq!(steps(&ranges), (1, 1));
    // What is taken off can make of a cover on two dimensions one on a single dimension.
    assert_eq!(steps(&[corner(), of(&[("a", Values::present())])]), (1, 1));
    // And it can leave nothing.
    let halves = [Values::absent(), Values::present()].map(|values| of(&[("a", values)]));
    assert_eq!(steps(&halves), (0, 1));
}

#[test]
fn a_proof_has_as_many_steps_as_its_budget() {
    let (area, corner) = (of(&[]), corner());
    for limit in 0..5 {
        let mut budget = Budget::new(limit);
        let found = all_uncovered(&area, &[&corner], &mut budget);
        assert_eq!(found.is_ok(), limit >= 3, "{limit}");
        assert_eq!(budget.used(), limit.min(3));
        assert_eq!(budget.is_spent(), limit <= 3, "{limit}");
    }
    // The first piece alone takes fewer, and the next proof goes on with what is left.
    let mut budget = Budget::new(3);
    assert!(uncovered(&area, &[&corner], &mut budget).is_ok());
    assert_eq!(budget.used(), 2);
    assert!(uncovered(&area, &[&corner], &mut budget).is_err());
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
fn covers_looked_at_are_counted_beside_steps() {
    let mut budget = Budget::new(2);
    assert!(budget.look(40), "twenty for each step");
    assert!(!budget.look(1) && !budget.look(0));
    assert!(!budget.is_spent(), "that is about steps");
    assert!(Budget::new(0).look(0));
    // A proof looks at each of its covers at each step.
    let covers: Vec<Region> = (1..=60).map(|port| on(port, port)).collect();
    let covers: Vec<&Region> = covers.iter().collect();
    let area = on(1, 100);
    assert!(uncovered(&area, &covers, &mut Budget::new(2)).is_err());
    assert!(uncovered(&area, &covers, &mut Budget::new(3)).is_ok());
    let mut budget = Budget::new(4);
    assert!(budget.look(20) && uncovered(&area, &covers, &mut budget).is_ok());
    assert!(!budget.look(1));
}

#[test]
fn work_within_a_part_of_the_budget_leaves_the_rest() {
    let (area, corner) = (of(&[]), corner());
    let mut budget = Budget::new(10);
    let prove = |budget: &mut Budget| all_uncovered(&area, &[&corner], budget).is_ok();
    assert!(!budget.within(2, prove));
    assert_eq!((budget.used(), budget.is_spent()), (2, false));
    assert!(budget.within(3, prove));
    assert_eq!(budget.used(), 5);
    assert!(budget.within(u32::MAX, prove));
    assert_eq!(budget.used(), 8);
    assert!(!budget.within(100, prove), "no more than there is");
    assert_eq!((budget.used(), budget.is_spent()), (10, true));
    // The same of looks: 200 in all, of which 7 are gone.
    let mut budget = Budget::new(10);
    assert!(budget.look(7));
    assert!(budget.within(2, |budget| budget.look(40) && !budget.look(1)));
    assert!(budget.look(200 - 48) && !budget.within(2, |budget| budget.look(1)));
}

#[test]
fn what_is_left_of_a_region_and_what_is_taken_off_make_it_up() {
    let some = |dice: &mut Dice<'_>| {
        let area = region(dice);
        let mut covers = dice.some(2, region);
        // Most regions have another kind of peer and would take nothing off.
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
