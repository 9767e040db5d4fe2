//! One log event per review, always with the same fields.
//!
//! Texts from clients are logged as `str`, which text logs quote. Logged as `Display`, such a text could end
//! its field and start another one.

use std::borrow::Cow;
use std::error::Error;
use std::time::Duration;

use super::{Record, Resolution};
use crate::printable::is_deceptive;

/// Logs a review. A denial is logged at level info, since a tenant can cause any number of them.
pub(crate) fn reviewed(record: &Record, duration: Duration) {
    if record.unreplayed > 0 {
        tracing::error!(
            uid = &*visible(&record.uid),
            findings = record.unreplayed,
            "second evaluator did not confirm example connections; this is a bug"
        );
    }
    if record.resolution == Resolution::Malformed {
        tracing::warn!(
            uid = &*visible(&record.uid),
            point = record.webhook.as_str(),
            outcome = record.resolution.as_str(),
            enforcement = record.enforcement.as_str(),
            duration_us = microseconds(duration),
            "answered a malformed AdmissionReview"
        );
        return;
    }
    let denial = record.denial.as_ref();
    let connection = denial.and_then(|denial| denial.connection.as_deref());
    let connection = connection.map(|connection| cut(connection, REASON));
    tracing::info!(
        uid = &*visible(&record.uid),
        point = record.webhook.as_str(),
        operation = record.operation.as_str(),
        kind = record.kind(),
        namespace = &*visible(&record.namespace),
        name = &*visible(&record.name),
        user = &*visible(&record.user),
        dry_run = record.dry_run,
        outcome = record.outcome(),
        enforcement = record.enforcement.as_str(),
        codes = record.codes(),
        field = denial.map(|denial| visible(&denial.field)).as_deref(),
        reason = denial.map(|denial| reason(&denial.reason)).as_deref(),
        connection = connection.as_deref(),
        maintenance = record.maintained,
        duration_us = microseconds(duration),
        "Reviewed"
    );
}

/// Logs a request that got no verdict.
pub(crate) fn rejected_request(record: &Record, why: &'static str) {
    tracing::warn!(
        uid = &*visible(&record.uid),
        point = record.webhook.as_str(),
        operation = record.operation.as_str(),
        namespace = &*visible(&record.namespace),
        name = &*visible(&record.name),
        user = &*visible(&record.user),
        enforcement = record.enforcement.as_str(),
        why,
        "answered without a verdict"
    );
}

/// Logs a failed check of maintenance permission. The error quotes the username.
pub(crate) fn maintenance_unchecked(error: &(dyn Error + 'static)) {
    let causes = std::iter::successors(Some(error), |error: &&(dyn Error + 'static)| {
        (*error).source()
    });
    let causes: Vec<String> = causes
        .map(|cause| visible(&cause.to_string()).into_owned())
        .collect();
    let error = causes.join(": ");
    tracing::warn!(
        error,
        "cannot check maintenance permission, denying the write"
    );
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Maximum length of a text in characters. Names in Kubernetes have at most 253.
const SHOWN: usize = 256;

/// Maximum length of the reason of a denial, and of its connection.
const REASON: usize = 1024;

/// A reason, shortened, with deceptive characters escaped.
pub(super) fn reason(text: &str) -> Cow<'_, str> {
    cut(text, REASON)
}

/// A name from a client, shortened, with deceptive characters escaped.
fn visible(text: &str) -> Cow<'_, str> {
    cut(text, SHOWN)
}

/// The same with at most `most` characters.
fn cut(text: &str, most: usize) -> Cow<'_, str> {
    // Names in Kubernetes are all of this kind.
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~');
    if text.len() <= most && (text.bytes().all(is_plain) || !text.contains(is_deceptive)) {
        return Cow::Borrowed(text);
    }
    let shown = text.chars().take(most);
    shown
        .map(|c| if is_deceptive(c) { '?' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::audit::Denial;
    use crate::review::WebhookKind;

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

    /// The text that is logged.
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
            denial: Some(Denial {
                field: forged.into(),
                reason: forged.into(),
                connection: Some(forged.into()),
            }),
            ..Record::of(WebhookKind::Validate, resolution)
        }
    }

    #[derive(Debug, thiserror::Error)]
    #[error("cannot ask about `x outcome=\"allow\"`")]
    struct Unknown;

    #[test]
    fn text_of_a_stranger_forges_no_field() {
        let denied = || reviewed(&forged(Resolution::Deny), Duration::ZERO);
        let malformed = || reviewed(&forged(Resolution::Malformed), Duration::ZERO);
        let away = || rejected_request(&forged(Resolution::Unreviewed), "overloaded");
        let maintenance_unchecked = || maintenance_unchecked(&Unknown);
        for line in [
            logged(denied),
            logged(malformed),
            logged(away),
            logged(maintenance_unchecked),
        ] {
            assert_eq!(line.lines().count(), 1, "{line}");
            assert!(line.contains(r#"outcome=\"allow\""#), "{line}");
            assert!(!line.contains(r#"outcome="allow""#), "{line}");
        }
    }

    #[test]
    fn a_denial_is_logged_with_its_field_its_reason_and_an_example() {
        let denied = Record {
            denial: Some(Denial {
                field: "spec.ingress[0]".into(),
                reason: "opens\nport 8200".into(),
                connection: Some("x".repeat(10_000)),
            }),
            ..Record::of(WebhookKind::Validate, Resolution::Deny)
        };
        let line = logged(|| reviewed(&denied, Duration::ZERO));
        for field in [r#"field="spec.ingress[0]""#, r#"reason="opens?port 8200""#] {
            assert!(line.contains(field), "{field}: {line}");
        }
        assert_eq!(line.matches('x').count(), REASON);
        let allowed = Record::of(WebhookKind::Validate, Resolution::Allow);
        let line = logged(|| reviewed(&allowed, Duration::ZERO));
        for field in ["field=", "reason=", "connection="] {
            assert!(!line.contains(field), "{field}: {line}");
        }
    }
}
