use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::issuer::RcgenIssuer;
use crate::rotation::{RotationConfig, Step};

fn config() -> RotationConfig {
    let [ca, leaf, settle] = [90, 30, 1].map(|days| Duration::from_hours(24 * days));
    let names = ["a.svc", "127.0.0.1", "::1"].map(str::to_owned);
    RotationConfig::new(ca, leaf, settle, BTreeSet::from(names)).unwrap()
}

fn issuer() -> RcgenIssuer {
    RcgenIssuer::new("webhook")
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn state() -> State {
    State::begin(None, [], at(0), &config(), &mut issuer()).unwrap()
}

#[test]
fn a_state_comes_back_as_it_was_written_at_every_stage() {
    let steps = [Step::Announce, Step::Trust, Step::Promote, Step::Renew];
    let mut state = state();
    for (now, step) in (1..).zip(steps) {
        assert_eq!(read(&write(&state).unwrap()).unwrap(), state);
        state = state
            .after(step, at(now), &config(), &mut issuer())
            .unwrap();
    }
    assert_eq!(read(&write(&state).unwrap()).unwrap(), state);
    assert_eq!(pem::split(&state.bundle()).len(), 2);
}

#[test]
fn the_key_of_a_retired_ca_is_kept_nowhere() {
    let state = state();
    let old = state.ca.pair.key.clone();
    let announced = state.after(Step::Announce, at(1), &config(), &mut issuer());
    let promoted = announced
        .unwrap()
        .after(Step::Promote, at(2), &config(), &mut issuer());
    for entry in write(&promoted.unwrap()).unwrap().values() {
        let entry = String::from_utf8(entry.0.clone()).unwrap();
        assert!(!entry.contains(&old));
    }
}

/// The error of the data of a state after an edit.
fn problem(edit: impl FnOnce(&mut Data)) -> String {
    let mut data = write(&state()).unwrap();
    edit(&mut data);
    read(&data).map_or_else(|error| error.to_string(), |_| String::new())
}

#[test]
fn data_that_do_not_fit_together_are_no_state() {
    let other = write(&state()).unwrap();
    let put = |entry: &'static str, text: &'static str| {
        move |data: &mut Data| drop(data.insert(entry.into(), bytes(text)))
    };
    let swap = |entry: &'static str| {
        let value = other[entry].clone();
        move |data: &mut Data| drop(data.insert(entry.into(), value))
    };
    assert_eq!(problem(|_| {}), "");
    assert!(problem(|data| drop(data.remove("ca.key"))).contains("an entry `ca.key`"));
    assert!(problem(put("tls.crt", "")).contains("one PEM certificate in `tls.crt`"));
    assert!(problem(put("tls.key", "x")).contains("one PEM private key in `tls.key`"));
    assert!(problem(put("rotation.json", "{}")).contains("rotation.json"));
    assert!(problem(swap("tls.key")).contains("the key of `tls.crt` in `tls.key`"));
    assert!(problem(swap("ca.key")).contains("the key of `ca.crt` in `ca.key`"));
    let foreign = |data: &mut Data| {
        for entry in ["ca.crt", "ca.key"] {
            data.insert(entry.into(), other[entry].clone());
        }
    };
    assert!(problem(foreign).contains("signed by `ca.crt`"));
    let long = |data: &mut Data| {
        data.insert("tls.crt".into(), ByteString(vec![b'x'; ENTRY_LIMIT + 1]));
    };
    assert!(problem(long).contains("at most 262144 bytes"));
}
