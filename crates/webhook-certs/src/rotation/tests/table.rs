use super::*;

/// A sequence of states, with registrations that always follow at once.
struct Course {
    state: State,
    issuer: Fake,
}

impl Course {
    /// Starts at time 0.
    fn begin() -> Self {
        let mut issuer = Fake::default();
        let Ok(state) = State::begin(None, [], at(0), &config(), &mut issuer);
        Self { state, issuer }
    }

    fn next(&self, trust: Trust, now: i64) -> Next {
        self.state.next(trust, at(now), &config())
    }

    fn take(&mut self, step: Step, now: i64) {
        let Ok(state) = self
            .state
            .clone()
            .after(step, at(now), &config(), &mut self.issuer);
        self.state = state;
    }

    /// Takes every step that is due.
    fn settle(&mut self, trust: Trust, now: i64) -> Vec<Step> {
        let mut taken = Vec::new();
        while let Next::Step(step) = self.next(trust, now) {
            self.take(step, now);
            taken.push(step);
            assert!(taken.len() < 10, "no end: {taken:?}");
        }
        taken
    }

    fn bundle(&self) -> Vec<String> {
        self.state.bundle().lines().map(str::to_owned).collect()
    }
}

use Step::{Announce, Promote, Renew, Retire, Trust as Trusted, TrustLost};
use Trust::{InPlace, Pending};

#[test]
fn a_leaf_is_renewed_at_two_thirds_of_its_life_and_rests_until_then() {
    let mut course = Course::begin();
    for now in [0, 59] {
        assert_eq!(course.next(InPlace, now), Next::Rest(at(60)));
    }
    assert_eq!(course.settle(InPlace, 60), [Renew]);
    assert_eq!(course.state.leaf.pair.certificate, "leaf 3 of ca 1");
    assert_eq!(course.next(InPlace, 60), Next::Rest(at(120)));
    assert_eq!(course.bundle(), ["ca 1"]);
}

#[test]
fn a_new_ca_signs_nothing_before_it_is_trusted_for_long_enough() {
    let mut course = Course::begin();
    course.settle(InPlace, 590);
    assert_eq!(course.next(Pending, 599), Next::Rest(at(600)));
    assert_eq!(course.settle(Pending, 600), [Announce]);
    assert_eq!(course.bundle(), ["ca 1", "ca 4"]);
    assert_eq!(course.settle(Pending, 630), [], "not written yet");
    assert_eq!(course.settle(InPlace, 631), [Trusted]);
    assert_eq!(course.settle(InPlace, 649), []);
    assert_eq!(
        course.settle(Pending, 650),
        [Renew, TrustLost],
        "overwritten"
    );
    assert_eq!(course.settle(InPlace, 655), [Trusted]);
    assert_eq!(course.next(InPlace, 684), Next::Rest(at(685)));
    assert_eq!(course.settle(InPlace, 685), [Promote]);
    assert_eq!(course.state.leaf.pair.certificate, "leaf 6 of ca 4");
    assert_eq!(course.bundle(), ["ca 1", "ca 4"], "for the old leaf");
    assert_eq!(course.state.retired[0].until, at(740));
}

#[test]
fn an_old_ca_goes_when_its_last_leaf_has_expired() {
    let mut course = Course::begin();
    course.settle(InPlace, 599);
    assert_eq!(course.settle(InPlace, 600), [Announce, Trusted]);
    assert_eq!(course.settle(InPlace, 630), [Promote]);
    assert_eq!(course.settle(InPlace, 688), []);
    assert_eq!(course.bundle().len(), 2);
    assert_eq!(course.settle(InPlace, 689), [Retire]);
    assert_eq!(course.bundle(), ["ca 4"]);
    let text = format!("{:?}", course.state);
    assert!(!text.contains("key of"), "{text}");
}

#[test]
fn after_a_long_sleep_the_ca_that_is_known_signs_first() {
    let mut course = Course::begin();
    assert_eq!(course.settle(InPlace, 700), [Renew, Announce, Trusted]);
    assert_eq!(course.state.leaf.pair.certificate, "leaf 3 of ca 1");
}

#[test]
fn when_all_has_expired_a_new_ca_signs_at_once() {
    let mut course = Course::begin();
    assert_eq!(course.settle(Pending, 5_000), [Announce, Promote, Retire]);
    assert_eq!(
        course.state.leaf.validity,
        Validity::starting(at(5_000), Duration::from_secs(90))
    );
    assert_eq!(course.bundle(), ["ca 3"]);
}

#[test]
fn a_next_ca_that_expired_on_its_way_is_made_again() {
    let mut course = Course::begin();
    course.settle(InPlace, 599);
    course.settle(Pending, 600);
    assert_eq!(course.settle(Pending, 9_000), [Announce, Promote, Retire]);
}

#[test]
fn a_leaf_never_outlives_its_ca_and_is_not_renewed_for_nothing() {
    let mut course = Course::begin();
    // The bundle cannot be written, so the old CA signs until its end.
    let mut taken = 0;
    for now in 1..900 {
        taken += course.settle(Pending, now).len();
        assert!(course.state.leaf.validity.until <= course.state.ca.validity.until);
        assert!(!course.state.leaf.validity.is_over(at(now)));
    }
    assert!(taken < 20, "{taken} steps");
}

#[test]
fn a_name_that_is_missing_is_added_and_none_that_others_need_is_lost() {
    let mut issuer = Fake::default();
    let other = config_for("b");
    let Ok(state) = State::begin(None, [], at(0), &config(), &mut issuer);
    assert_eq!(state.next(InPlace, at(1), &other), Next::Step(Renew));
    let Ok(state) = state.after(Renew, at(1), &other, &mut issuer);
    assert_eq!(state.leaf.names, names(&["a", "b"]));
    for config in [&config(), &other] {
        assert_eq!(state.next(InPlace, at(1), config), Next::Rest(at(61)));
    }
    let Ok(state) = state.after(Renew, at(61), &other, &mut issuer);
    assert_eq!(state.leaf.names, names(&["b"]));
}

#[test]
fn a_replica_changes_to_another_ca_only_where_that_is_known() {
    let mut course = Course::begin();
    let old = course.state.clone();
    course.settle(InPlace, 600);
    let renewed = course.state.clone();
    course.settle(InPlace, 630);
    let promoted = course.state.clone();
    let serving = Serving::of(&old);
    let mut history = TrustHistory::default();
    let yields =
        |history: &TrustHistory, state, now| serving.yields_to(state, history, at(now), &config());
    assert!(!yields(&history, &old, 30), "the same");
    assert!(yields(&history, &renewed, 30), "the same CA");
    assert!(!yields(&history, &promoted, 30), "another one");
    assert!(yields(&history, &promoted, 90), "nothing to lose");
    let Ok(stranger) = State::begin(None, [], at(0), &config(), &mut course.issuer);
    assert!(yields(&history, &stranger, 30), "nobody trusts the own one");
    history.note(&renewed, InPlace, at(10));
    history.note(&promoted, InPlace, at(20));
    assert!(!yields(&history, &promoted, 39));
    assert!(yields(&history, &promoted, 40));
    history.note(&promoted, Pending, at(41));
    assert!(!yields(&history, &promoted, 42), "overwritten");
}

#[test]
fn a_replica_is_ready_once_its_ca_is_known_everywhere() {
    let mut issuer = Fake::default();
    let Ok(first) = State::begin(None, [], at(0), &config(), &mut issuer);
    let Ok(second) = State::begin(None, ["ca".to_owned()], at(0), &config(), &mut issuer);
    let history = TrustHistory::default();
    let is_ready =
        |state, trust, now| Serving::of(state).is_ready(state, trust, &history, at(now), &config());
    assert!(!is_ready(&first, Pending, 0));
    assert!(is_ready(&first, InPlace, 0), "nobody was trusted before");
    assert!(!is_ready(&second, InPlace, 29));
    assert!(is_ready(&second, InPlace, 30));
    let other = Serving::of(&first);
    let is_ready = other.is_ready(&second, InPlace, &history, at(30), &config());
    assert!(!is_ready, "serves what nobody trusts");
}

#[test]
fn a_ca_that_the_registrations_had_before_stays_for_the_life_of_a_leaf() {
    let mut issuer = Fake::default();
    let before = "ca of another".to_owned();
    let Ok(state) = State::begin(None, [before], at(0), &config(), &mut issuer);
    let mut course = Course { state, issuer };
    assert_eq!(course.bundle(), ["ca 1", "ca of another"]);
    assert_eq!(course.settle(InPlace, 89), [Renew]);
    assert_eq!(course.settle(InPlace, 90), [Retire]);
    assert_eq!(course.bundle(), ["ca 1"]);
}

#[test]
fn what_is_lost_begins_again_with_new_keys_and_the_old_ones_trusted() {
    let mut course = Course::begin();
    course.settle(InPlace, 10);
    let known = ["ca 1".to_owned(), "ca of another".to_owned()];
    let held = Some(course.state.clone());
    let Ok(state) = State::begin(held, known.clone(), at(10), &config(), &mut course.issuer);
    course.state = state;
    assert_eq!(course.bundle(), ["ca 1", "ca 3", "ca of another"]);
    assert_eq!(course.settle(InPlace, 10), [Trusted]);
    assert_eq!(course.settle(InPlace, 40), [Promote]);
    assert_eq!(course.settle(InPlace, 100), [Renew, Retire]);
    assert_eq!(course.bundle(), ["ca 3"]);

    let held = Some(course.state.clone());
    let Ok(state) = State::begin(held, known, at(300), &config(), &mut course.issuer);
    assert_eq!(state.ca.pair.certificate, "ca 6", "too old to go on");
}
