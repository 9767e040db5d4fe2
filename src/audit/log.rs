//! One event per review, with the same fields every time.

use std::time::Duration;

use tracing::field::{DisplayValue, display};

use super::{Record, Resolution};

/// Logs a review. A refusal is an ordinary event: a tenant can make as many as it likes.
pub fn reviewed(record: &Record, duration: Duration) {
    if record.unreplayed > 0 {
        tracing::error!(
            uid = %Visible(&record.uid),
            findings = record.unreplayed,
            "Found connections that the second evaluator did not confirm; this is a bug"
        );
    }
    if record.resolution == Resolution::Malformed {
        tracing::warn!(
            uid = %Visible(&record.uid),
            point = record.point.as_str(),
            "Answered a body that is no review of a known shape"
        );
        return;
    }
    if !tracing::enabled!(tracing::Level::INFO) {
        return;
    }
    tracing::info!(
        uid = %Visible(&record.uid),
        audit_id = audit_id(record),
        point = record.point.as_str(),
        operation = record.operation.as_str(),
        kind = record.kind(),
        namespace = %Visible(&record.namespace),
        name = %Visible(&record.name),
        user = %Visible(&record.user),
        dry_run = record.dry_run,
        outcome = record.resolution.as_str(),
        codes = record.codes(),
        maintenance = record.maintained,
        duration_us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
        "Reviewed"
    );
}

/// Logs a request that got no verdict.
pub fn turned_away(record: &Record, why: &'static str) {
    tracing::warn!(
        uid = %Visible(&record.uid),
        audit_id = audit_id(record),
        point = record.point.as_str(),
        operation = record.operation.as_str(),
        namespace = %Visible(&record.namespace),
        name = %Visible(&record.name),
        user = %Visible(&record.user),
        why,
        "Answered without a verdict"
    );
}

fn audit_id(record: &Record) -> Option<DisplayValue<Visible<'_>>> {
    record.audit_id.as_deref().map(|id| display(Visible(id)))
}

/// Text of a stranger, of bounded length and without control characters: it cannot forge a line.
struct Visible<'a>(&'a str);

/// Characters shown of a text; Kubernetes' own names are at most 253 long.
const SHOWN: usize = 256;

impl std::fmt::Display for Visible<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.len() <= SHOWN && !self.0.contains(char::is_control) {
            return f.write_str(self.0);
        }
        for character in self.0.chars().take(SHOWN) {
            let visible = if character.is_control() {
                '?'
            } else {
                character
            };
            std::fmt::Write::write_char(f, visible)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Visible;

    #[test]
    fn a_name_with_a_line_break_stays_on_its_line() {
        assert_eq!(
            Visible("a\nERROR b\u{1b}[31m").to_string(),
            "a?ERROR b?[31m"
        );
    }

    #[test]
    fn a_long_name_is_cut() {
        assert_eq!(Visible(&"x".repeat(10_000)).to_string().len(), 256);
    }
}
