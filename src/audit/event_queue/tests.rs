use super::*;
use crate::inventory::Kind;
use crate::rules::Code;

fn verdict(namespace: &str, level: Level) -> Verdict {
    let object = ObjectRef {
        kind: Kind::NetworkPolicy,
        namespace: namespace.into(),
        name: "p".into(),
    };
    Verdict::new(vec![Finding::new(Code::Obp201, level, &object, "spec")])
}

fn counted(metrics: &Metrics, outcome: &str) -> Option<usize> {
    let text = metrics.text().expect("text");
    let line = format!("openbao_perimeter_events_total{{outcome=\"{outcome}\"}} ");
    text.lines()
        .find_map(|found| found.strip_prefix(&line)?.parse().ok())
}

const BURST: usize = OF_NAMESPACE.0 as usize;

#[test]
fn one_namespace_that_floods_leaves_the_others_alone() {
    let metrics = Arc::new(Metrics::new());
    let (queue, events) = EventQueue::new(Arc::clone(&metrics));
    for _ in 0..1_000 {
        queue.denied(&verdict("loud", Level::Deny), true);
    }
    queue.denied(&verdict("quiet", Level::Deny), true);
    assert_eq!(events.len(), BURST + 1);
    assert_eq!(counted(&metrics, "limited"), Some(1_000 - BURST));
}

#[test]
fn a_flood_of_denials_does_not_hide_what_the_audit_found_there() {
    let (queue, mut events) = EventQueue::new(Arc::new(Metrics::new()));
    for _ in 0..=BURST {
        queue.denied(&verdict("bao", Level::Deny), true);
    }
    queue.found(&verdict("bao", Level::Deny).findings[0]);
    let mut last = None;
    while let Ok(event) = events.try_recv() {
        last = Some(event.action);
    }
    assert_eq!(last, Some(Action::Audit));
}

#[test]
fn a_flood_from_many_namespaces_is_limited_and_leaves_room_for_the_audit() {
    let metrics = Arc::new(Metrics::new());
    let (queue, events) = EventQueue::new(Arc::clone(&metrics));
    for at in 0..2 * NAMESPACES {
        queue.denied(&verdict(&format!("n{at}"), Level::Deny), true);
    }
    assert_eq!(events.len(), CAPACITY - RESERVED);
    assert!(queue.0.denials.of_namespace.len() <= NAMESPACES);
    let lost = counted(&metrics, "limited").zip(counted(&metrics, "dropped"));
    let (limited, dropped) = lost.expect("both are counted");
    assert!(limited >= NAMESPACES && dropped > 0, "{limited} {dropped}");
    assert_eq!(limited + dropped + events.len(), 2 * NAMESPACES);
    for at in 0..RESERVED {
        queue.found(&verdict(&format!("n{at}"), Level::Deny).findings[0]);
    }
    assert_eq!(events.len(), CAPACITY);
}

#[test]
fn a_disabled_queue_accepts_and_counts_nothing_until_it_is_enabled_again() {
    let metrics = Arc::new(Metrics::new());
    let (queue, events) = EventQueue::new(Arc::clone(&metrics));
    let other = queue.clone();
    queue.enable(false);
    for _ in 0..=BURST {
        other.denied(&verdict("bao", Level::Deny), true);
        other.found(&verdict("bao", Level::Deny).findings[0]);
    }
    assert_eq!(events.len(), 0);
    assert_eq!(counted(&metrics, "limited").unwrap_or(0), 0);
    queue.enable(true);
    other.denied(&verdict("bao", Level::Deny), true);
    assert_eq!(events.len(), 1);
}

#[test]
fn findings_that_are_only_audited_or_did_not_deny_have_no_event() {
    let (queue, events) = EventQueue::new(Arc::new(Metrics::new()));
    queue.denied(&verdict("bao", Level::Warn), true);
    queue.found(&verdict("bao", Level::Audit).findings[0]);
    assert_eq!(events.len(), 0);
    queue.found(&verdict("bao", Level::Warn).findings[0]);
    assert_eq!(events.len(), 1);
}
