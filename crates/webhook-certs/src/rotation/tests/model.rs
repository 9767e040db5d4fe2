//! Random simulation of replicas, API servers and registrations. No replica that is ready serves an
//! unexpired leaf that an API server does not trust, even if that API server reads the bundle as late as
//! it may.

use proptest::prelude::*;

use super::*;

const SETTLE: i64 = 30;

/// The next event.
#[derive(Clone, Debug)]
enum Event {
    /// Time passes.
    Pass(i64),
    /// A replica makes a whole round.
    Round(usize),
    /// A replica reads the Secret and then stalls.
    Stall(usize),
    /// A stalled replica continues with what it read.
    Resume(usize),
    /// A replica makes a round in which the registrations cannot be written.
    Unwritable(usize),
    /// The Secret is deleted.
    Lose,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let replica = 0..3_usize;
    let event = prop_oneof![
        6 => (1..20_i64).prop_map(Event::Pass),
        8 => replica.clone().prop_map(Event::Round),
        1 => replica.clone().prop_map(Event::Stall),
        1 => replica.clone().prop_map(Event::Resume),
        1 => replica.prop_map(Event::Unwritable),
        1 => Just(Event::Lose),
    ];
    prop::collection::vec(event, 50..400)
}

#[derive(Default)]
struct Replica {
    serving: Option<Serving>,
    held: Option<State>,
    history: TrustHistory,
    is_ready: bool,
    /// It had no valid leaf to serve, and took one of a CA that is not known everywhere yet.
    is_excused: bool,
    /// Version of the registrations and state that were read before it stalled.
    stalled: Option<(usize, State)>,
}

#[derive(Default)]
struct World {
    now: i64,
    issuer: Fake,
    secret: Option<State>,
    /// Each bundle with the time of its write. The version is the length of the list.
    bundles: Vec<(i64, String)>,
    replicas: [Replica; 3],
    promotions: u32,
}

impl World {
    fn play(&mut self, event: &Event) {
        match *event {
            Event::Pass(seconds) => self.now += seconds,
            Event::Round(replica) => self.round(replica, true),
            Event::Unwritable(replica) => self.round(replica, false),
            Event::Stall(replica) => {
                let version = self.bundles.len();
                self.replicas[replica].stalled = self.secret.clone().map(|state| (version, state));
            }
            Event::Resume(replica) => {
                if let Some((version, state)) = self.replicas[replica].stalled.take()
                    && version == self.bundles.len()
                {
                    self.write_bundle(state.bundle());
                }
            }
            Event::Lose => self.secret = None,
        }
    }

    /// One round, as the cluster code does it.
    fn round(&mut self, replica: usize, is_writable: bool) {
        let config = config();
        for _ in 0..20 {
            let now = at(self.now);
            let Some(state) = self.secret.clone() else {
                let known = self.bundles.last().map(|(_, bundle)| bundle.clone());
                let known = known.unwrap_or_default();
                let known: Vec<String> = known.lines().map(str::to_owned).collect();
                let held = self.replicas[replica].held.clone();
                let Ok(state) = State::begin(held, known, now, &config, &mut self.issuer);
                self.secret = Some(state);
                continue;
            };
            let bundle = state.bundle();
            let trust = match self.bundles.last() {
                Some((_, last)) if *last == bundle => Trust::InPlace,
                _ => Trust::Pending,
            };
            if let Next::Step(step) = state.next(trust, now, &config) {
                self.promotions += u32::from(step == Step::Promote);
                let Ok(state) = state.after(step, now, &config, &mut self.issuer);
                self.secret = Some(state);
                continue;
            }
            let own = &mut self.replicas[replica];
            own.history.note(&state, trust, now);
            let is_idle = own.serving.as_ref().is_none_or(|own| own.is_over(now));
            let serving = own.serving.as_ref();
            if serving.is_none_or(|old| old.yields_to(&state, &own.history, now, &config)) {
                own.serving = Some(Serving::of(&state));
                own.is_excused |= is_idle;
            }
            own.is_ready |= own
                .serving
                .as_ref()
                .is_some_and(|serving| serving.is_ready(&state, trust, &own.history, now, &config));
            own.held = Some(state);
            if trust == Trust::InPlace || !is_writable {
                return;
            }
            self.write_bundle(bundle);
        }
        panic!("a round does not end: {:?}", self.secret);
    }

    fn write_bundle(&mut self, bundle: String) {
        if self.bundles.last().is_none_or(|(_, last)| *last != bundle) {
            self.bundles.push((self.now, bundle));
        }
    }

    /// The bundles that API servers may use now, the last one first.
    fn believed(&self) -> impl Iterator<Item = &str> {
        let mut replaced = i64::MAX;
        let recent = self.bundles.iter().rev().take_while(move |(at, _)| {
            let is_recent = self.now < replaced.saturating_add(SETTLE);
            replaced = *at;
            is_recent
        });
        recent.map(|(_, bundle)| bundle.as_str())
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        for number in 0..self.replicas.len() {
            let replica = &self.replicas[number];
            let Some(serving) = &replica.serving else {
                continue;
            };
            let is_trusted = |bundle: &str| bundle.lines().any(|ca| ca == serving.signer());
            let is_trusted = self.believed().all(is_trusted);
            let is_promised =
                replica.is_ready && !replica.is_excused && !serving.is_over(at(self.now));
            prop_assert!(
                is_trusted || !is_promised,
                "at {} replica {number} serves {serving:?}, believed are {:?}",
                self.now,
                self.believed().collect::<Vec<_>>()
            );
            self.replicas[number].is_excused &= !is_trusted;
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_served_is_trusted(events in events()) {
        let mut world = World::default();
        for event in &events {
            world.play(event);
            world.check()?;
        }
    }

    #[test]
    fn replicas_that_are_up_are_never_without_a_sound_leaf(events in events()) {
        let mut world = World::default();
        for event in &events {
            world.play(event);
            // At least one replica is up more often than a third of a leaf's lifetime.
            world.round(0, true);
            world.round(1, true);
            let now = at(world.now);
            let state = world.secret.as_ref();
            prop_assert!(state.is_some_and(|state| !state.leaf.validity.is_over(now)));
            for replica in &world.replicas[..2] {
                prop_assert!(replica.serving.as_ref().is_some_and(|own| !own.is_over(now)));
            }
        }
    }
}

#[test]
fn the_model_sees_rotations() {
    let mut world = World::default();
    for _ in 0..3_000 {
        world.play(&Event::Pass(1));
        world.round(0, true);
        world.check().unwrap();
    }
    assert!((4..=5).contains(&world.promotions), "{}", world.promotions);
}

#[test]
fn a_replica_is_not_ready_while_the_bundle_it_waited_for_is_new() {
    let mut world = World::default();
    // The first CA is never announced. The registrations have that of replica 0 when the Secret is lost again.
    let events = [
        Event::Unwritable(1),
        Event::Lose,
        Event::Round(0),
        Event::Lose,
        Event::Unwritable(1),
        Event::Pass(SETTLE),
        Event::Round(1),
    ];
    for event in &events {
        world.play(event);
        world.check().unwrap();
    }
    assert!(!world.replicas[1].is_ready);
    world.play(&Event::Pass(SETTLE));
    world.play(&Event::Round(1));
    assert!(world.replicas[1].is_ready);
}

#[test]
fn a_replica_that_slept_while_another_wrote_the_bundle_does_not_go_by_the_age_of_the_ca() {
    let mut world = World::default();
    let events = [
        Event::Unwritable(1),
        Event::Lose,
        Event::Round(0),
        Event::Lose,
        Event::Unwritable(1),
        Event::Pass(13),
        Event::Round(0),
        // Longer than `SETTLE` after the CA was issued, but not after its bundle was written.
        Event::Pass(22),
        Event::Round(1),
    ];
    for event in &events {
        world.play(event);
        world.check().unwrap();
    }
    assert!(!world.replicas[1].is_ready);
    world.play(&Event::Pass(SETTLE));
    world.play(&Event::Round(1));
    assert!(world.replicas[1].is_ready);
}
