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

fn counted(metrics: &Metrics, outcome: &str) -> Option<u64> {
    let text = metrics.text().expect("text");
    let line = format!("openbao_perimeter_events_total{{outcome=\"{outcome}\"}} ");
    text.lines()
        .find_map(|found| found.strip_prefix(&line)?.parse().ok())
}

#[tokio::test(start_paused = true)]
async fn one_namespace_that_floods_leaves_the_others_alone() {
    let metrics = Arc::new(Metrics::new());
    let (outbox, mut notices) = Outbox::new(Arc::clone(&metrics));
    for _ in 0..1_000 {
        outbox.refused(&verdict("loud", Level::Deny));
    }
    outbox.refused(&verdict("quiet", Level::Deny));
    let burst = usize::try_from(BURST).expect("small");
    assert_eq!(notices.receiver.len(), burst + 1);
    assert_eq!(counted(&metrics, "limited"), Some(1_000 - u64::from(BURST)));
    for _ in 0..=burst {
        notices.recv().await.expect("a notice");
    }
    tokio::time::advance(PERIOD).await;
    outbox.refused(&verdict("loud", Level::Deny));
    assert_eq!(notices.receiver.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_refusals_does_not_hide_what_the_audit_found_there() {
    let (outbox, mut notices) = Outbox::new(Arc::new(Metrics::new()));
    for _ in 0..=BURST {
        outbox.refused(&verdict("bao", Level::Deny));
    }
    outbox.found(&verdict("bao", Level::Deny).findings[0]);
    outbox.close();
    drop(outbox);
    let mut last = None;
    while let Some(notice) = notices.recv().await {
        last = Some(notice.occasion);
    }
    assert_eq!(last, Some(Occasion::Found));
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_is_dropped_and_counted() {
    let metrics = Arc::new(Metrics::new());
    let (outbox, notices) = Outbox::new(Arc::clone(&metrics));
    for at in 0..BACKLOG + 5 {
        outbox.refused(&verdict(&format!("n{at}"), Level::Deny));
    }
    assert_eq!(notices.receiver.len(), BACKLOG);
    assert_eq!(counted(&metrics, "dropped"), Some(5));
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_is_refused_in_a_loop_leaves_room_while_nothing_is_written() {
    let metrics = Arc::new(Metrics::new());
    let (outbox, mut notices) = Outbox::new(Arc::clone(&metrics));
    // As often as its rate allows, for as long as would fill the backlog.
    for _ in 0..2 * BACKLOG {
        outbox.refused(&verdict("loud", Level::Deny));
        tokio::time::advance(PERIOD).await;
    }
    assert_eq!(notices.receiver.len(), SHARE);
    let dropped = 2 * BACKLOG - SHARE;
    assert_eq!(
        counted(&metrics, "dropped"),
        Some(u64::try_from(dropped).expect("small"))
    );
    outbox.found(&verdict("loud", Level::Deny).findings[0]);
    outbox.refused(&verdict("quiet", Level::Deny));
    assert_eq!(notices.receiver.len(), SHARE + 2);
    // What was written makes room again.
    notices.recv().await.expect("a notice");
    outbox.refused(&verdict("loud", Level::Deny));
    assert_eq!(notices.receiver.len(), SHARE + 2);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_remembered_of_what_does_not_wait_any_more() {
    let (outbox, mut notices) = Outbox::new(Arc::new(Metrics::new()));
    for at in 0..BACKLOG + 5 {
        outbox.refused(&verdict(&format!("n{at}"), Level::Deny));
    }
    assert_eq!(outbox.waiting.0.lock().expect("sound").len(), BACKLOG);
    for _ in 0..BACKLOG {
        notices.recv().await.expect("a notice");
    }
    assert!(outbox.waiting.0.lock().expect("sound").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_closed_outbox_takes_and_counts_nothing_until_it_is_open_again() {
    let metrics = Arc::new(Metrics::new());
    let (outbox, notices) = Outbox::new(Arc::clone(&metrics));
    let other = outbox.clone();
    outbox.close();
    for _ in 0..=BURST {
        other.refused(&verdict("bao", Level::Deny));
        other.found(&verdict("bao", Level::Deny).findings[0]);
    }
    assert_eq!(notices.receiver.len(), 0);
    assert_eq!(counted(&metrics, "limited").unwrap_or(0), 0);
    outbox.open();
    other.refused(&verdict("bao", Level::Deny));
    assert_eq!(notices.receiver.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_told_of_what_is_only_audited_or_did_not_refuse() {
    let (outbox, notices) = Outbox::new(Arc::new(Metrics::new()));
    outbox.refused(&verdict("bao", Level::Warn));
    outbox.found(&verdict("bao", Level::Audit).findings[0]);
    assert_eq!(notices.receiver.len(), 0);
    outbox.found(&verdict("bao", Level::Warn).findings[0]);
    assert_eq!(notices.receiver.len(), 1);
}
