//! One event per review, with the same fields every time.
//!
//! What strangers wrote is logged as a `str`, which text logs quote: as it is displayed, it could
//! end its field and begin another.

use std::borrow::Cow;
use std::error::Error;
use std::time::Duration;

use super::{Record, Resolution};

/// Logs a review. A refusal is an ordinary event: a tenant can make as many as it likes.
pub fn reviewed(record: &Record, duration: Duration) {
    if record.unreplayed > 0 {
        tracing::error!(
            uid = &*visible(&record.uid),
            findings = record.unreplayed,
            "Found connections that the second evaluator did not confirm; this is a bug"
        );
    }
    if record.resolution == Resolution::Malformed {
        tracing::warn!(
            uid = &*visible(&record.uid),
            audit_id = audit_id(record).as_deref(),
            point = record.point.as_str(),
            outcome = record.resolution.as_str(),
            duration_us = microseconds(duration),
            "Answered a body that is no review of a known shape"
        );
        return;
    }
    tracing::info!(
        uid = &*visible(&record.uid),
        audit_id = audit_id(record).as_deref(),
        point = record.point.as_str(),
        operation = record.operation.as_str(),
        kind = record.kind(),
        namespace = &*visible(&record.namespace),
        name = &*visible(&record.name),
        user = &*visible(&record.user),
        dry_run = record.dry_run,
        outcome = record.resolution.as_str(),
        codes = record.codes(),
        maintenance = record.maintained,
        duration_us = microseconds(duration),
        "Reviewed"
    );
}

/// Logs a request that got no verdict.
pub fn turned_away(record: &Record, why: &'static str) {
    tracing::warn!(
        uid = &*visible(&record.uid),
        audit_id = audit_id(record).as_deref(),
        point = record.point.as_str(),
        operation = record.operation.as_str(),
        namespace = &*visible(&record.namespace),
        name = &*visible(&record.name),
        user = &*visible(&record.user),
        why,
        "Answered without a verdict"
    );
}

/// Logs that nobody knows whether a writer may do maintenance. The error quotes the writer.
pub fn unasked(error: &(dyn Error + 'static)) {
    let causes = std::iter::successors(Some(error), |error: &&(dyn Error + 'static)| {
        (*error).source()
    });
    let causes: Vec<String> = causes
        .map(|cause| visible(&cause.to_string()).into_owned())
        .collect();
    let error = causes.join(": ");
    tracing::warn!(error, "Refusing maintenance, since nobody knows who may");
}

fn audit_id(record: &Record) -> Option<Cow<'_, str>> {
    record.audit_id.as_deref().map(visible)
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Characters shown of a text; Kubernetes' own names are at most 253 long.
const SHOWN: usize = 256;

/// Text of a stranger, of bounded length and without what is not seen as what it is.
fn visible(text: &str) -> Cow<'_, str> {
    // Names of Kubernetes are all of that kind.
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~');
    if text.len() <= SHOWN && (text.bytes().all(is_plain) || !text.contains(is_deceptive)) {
        return Cow::Borrowed(text);
    }
    let shown = text.chars().take(SHOWN);
    shown
        .map(|c| if is_deceptive(c) { '?' } else { c })
        .collect()
}

/// Whether a character ends a line, is not seen, or turns the order of those around it.
fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::review::Point;

    #[test]
    fn a_name_with_a_line_break_stays_on_its_line() {
        assert_eq!(visible("a\nERROR b\u{1b}[31m"), "a?ERROR b?[31m");
        assert_eq!(visible("a\u{2028}b\u{2029}c\u{85}d"), "a?b?c?d");
    }

    #[test]
    fn text_that_turns_or_hides_its_neighbours_is_seen_to() {
        assert_eq!(
            visible("alice\u{202e}ecila\u{2066}\u{200b}"),
            "alice?ecila??"
        );
        assert_eq!(visible("ålice-日本"), "ålice-日本");
    }

    #[test]
    fn a_long_name_is_cut() {
        assert_eq!(visible(&"x".repeat(10_000)).len(), 256);
    }

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged as text.
    fn logged(log: impl FnOnce()) -> String {
        let lines = Lines::default();
        let written = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || written.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, log);
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn forged(resolution: Resolution) -> Record {
        let forged = "x outcome=\"allow\" codes=\"";
        Record {
            uid: forged.into(),
            namespace: forged.into(),
            name: forged.into(),
            user: forged.into(),
            audit_id: Some(forged.into()),
            ..Record::of(Point::Validate, resolution)
        }
    }

    #[derive(Debug, thiserror::Error)]
    #[error("cannot ask about `x outcome=\"allow\"`")]
    struct Unknown;

    #[test]
    fn text_of_a_stranger_forges_no_field() {
        let denied = || reviewed(&forged(Resolution::Deny), Duration::ZERO);
        let malformed = || reviewed(&forged(Resolution::Malformed), Duration::ZERO);
        let away = || turned_away(&forged(Resolution::Unjudged), "overloaded");
        let unasked = || unasked(&Unknown);
        for line in [
            logged(denied),
            logged(malformed),
            logged(away),
            logged(unasked),
        ] {
            assert_eq!(line.lines().count(), 1, "{line}");
            assert!(line.contains(r#"outcome=\"allow\""#), "{line}");
            assert!(!line.contains(r#"outcome="allow""#), "{line}");
        }
    }

    #[test]
    fn a_body_that_is_no_review_is_found_by_the_audit_id_of_its_cause() {
        let record = Record {
            audit_id: Some("a-7".into()),
            ..Record::of(Point::Mutate, Resolution::Malformed)
        };
        let line = logged(|| reviewed(&record, Duration::from_millis(2)));
        for field in [
            r#"audit_id="a-7""#,
            r#"point="mutate""#,
            r#"outcome="malformed""#,
            "duration_us=2000",
        ] {
            assert!(line.contains(field), "{field}: {line}");
        }
    }
}
