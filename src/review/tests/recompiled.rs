//! Worlds that are made from one before them, under the same settings and under others.

use std::sync::Arc;

use super::support::plain;
use crate::posture::{Edition, Posture};
use crate::review::World;

fn under(known: &World, posture: Posture) -> World {
    World::compile(Some(known), Arc::clone(&known.snapshot), Arc::new(posture))
}

/// All that was compiled, for comparison.
fn compiled(world: &World) -> String {
    let names = world.snapshot.namespaces.keys();
    let all: Vec<_> = names.map(|name| world.perimeters(name)).collect();
    format!("{all:?}")
}

#[test]
fn equal_settings_take_over_what_is_compiled() {
    let known = plain();
    let again = under(&known, (*known.posture).clone());
    for name in known.snapshot.namespaces.keys() {
        let [before, after] = [&known, &again].map(|world| world.perimeters(name).as_ptr());
        assert_eq!(before, after, "{name}");
    }
}

#[test]
fn other_settings_leave_nothing_of_what_was_compiled_under_the_old_ones() {
    let known = plain();
    let [first, ..] = &known.snapshot.namespaces.keys().collect::<Vec<_>>()[..] else {
        panic!("expected a namespace");
    };
    let others = [
        Posture {
            api_port: 8300,
            ..Posture::default()
        },
        Posture {
            health_namespaces: vec!["monitoring".into()],
            ..Posture::default()
        },
        Posture {
            baseline: Edition::Next,
            ..Posture::default()
        },
        Posture {
            operator_namespace: Arc::clone(first),
            ..Posture::default()
        },
    ];
    for posture in others {
        let fresh = World::compile(None, Arc::clone(&known.snapshot), Arc::new(posture.clone()));
        let next = under(&known, posture);
        // Too much to be printed.
        assert!(compiled(&next) == compiled(&fresh), "{:?}", next.posture);
        assert!(compiled(&next) != compiled(&known), "{:?}", next.posture);
    }
}
