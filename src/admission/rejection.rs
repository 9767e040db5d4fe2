//! Answers without a verdict: the server's limits were reached before there was one.
//!
//! A writer whom rules can deny is denied here too, in a proper review. A body that is too large gets an HTTP
//! error, and so do writers whom no verdict stops: the registration decides, and the entry that they are
//! sent through fails open. The mutating webhook lets pass unrepaired; what is wrong is refused right after by
//! the validating one.

use super::peek::{Peek, peek};
use super::{Admission, Answer, Protocol, WebhookKind, respond};
use crate::audit::metrics::TOO_LATE;
use crate::audit::{Record, Resolution};
use crate::review::{Writer, WriterClass};

/// Reason that there is no verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// Too many reviews, or too many bytes of them, are in work.
    Overloaded,
    /// The body is larger than the limit, in bytes.
    TooLarge(usize),
    /// The time that the caller gave is used up.
    TooLate,
    /// The body did not come in time.
    TooSlow,
    /// A bug of ours.
    Panicked,
}

impl Rejection {
    /// All, with limits of zero.
    pub const ALL: [Self; 5] = [
        Self::Overloaded,
        Self::TooLarge(0),
        Self::TooLate,
        Self::TooSlow,
        Self::Panicked,
    ];

    /// The word in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Overloaded => "overloaded",
            Self::TooLarge(_) => "too-large",
            Self::TooLate => TOO_LATE,
            Self::TooSlow => "too-slow",
            Self::Panicked => "panicked",
        }
    }

    /// The HTTP status, inside a review or as the status of the response.
    pub const fn code(self) -> u16 {
        match self {
            Self::Overloaded => 429,
            Self::TooLarge(_) => 413,
            Self::TooLate | Self::TooSlow => 504,
            Self::Panicked => 500,
        }
    }

    /// The reason of a Kubernetes status.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Overloaded => "TooManyRequests",
            Self::TooLarge(_) => "RequestEntityTooLarge",
            Self::TooLate | Self::TooSlow => "Timeout",
            Self::Panicked => "InternalError",
        }
    }

    /// Seconds after which to try again. Clients of Kubernetes do so by themselves; only what costs
    /// us nothing is worth that.
    pub const fn retry_after(self) -> Option<i32> {
        match self {
            Self::Overloaded => Some(1),
            _ => None,
        }
    }
}

impl std::fmt::Display for Rejection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Overloaded => f.write_str("too many reviews at once, try again"),
            Self::TooLarge(limit) => {
                write!(f, "expected a review of at most {limit} bytes, found more")
            }
            Self::TooLate => {
                f.write_str("the time for the review ended before there was a verdict")
            }
            Self::TooSlow => f.write_str("the review did not arrive in time"),
            Self::Panicked => f.write_str("internal error"),
        }
    }
}

impl Admission {
    /// Answers without a verdict a body of which at least the beginning is there. The protocol of
    /// the answer is [`Protocol::NotAReview`] for a body that is too large, where no uid was seen, and for the
    /// operator and the system: then `why` is to become the HTTP status.
    pub fn rejected(&self, webhook: WebhookKind, beginning: &[u8], why: Rejection) -> Answer {
        let seen = peek(beginning);
        let is_too_large = matches!(why, Rejection::TooLarge(_));
        let is_review = !seen.uid.is_empty() && !is_too_large && self.may_deny(&seen.user);
        let (protocol, body) = match webhook {
            _ if !is_review => (Protocol::NotAReview, why.to_string().into_bytes()),
            WebhookKind::Validate => (Protocol::Review, respond::rejected(&seen.uid, why)),
            WebhookKind::Mutate => {
                let warning = format!("not repaired, to be judged as written: {why}");
                (
                    Protocol::Review,
                    respond::repaired(&seen.uid, None, &[warning]),
                )
            }
        };
        Answer {
            protocol,
            body,
            record: noted(webhook, seen),
            appeal: None,
            evidence: None,
            ran_out: false,
        }
    }

    fn may_deny(&self, user: &str) -> bool {
        let writer = Writer {
            name: user.to_owned(),
            ..Writer::default()
        };
        WriterClass::of(&writer, &self.config()) == WriterClass::Everyone
    }
}

fn noted(webhook: WebhookKind, seen: Peek) -> Record {
    Record {
        uid: seen.uid,
        namespace: seen.namespace,
        name: seen.name,
        operation: seen.operation,
        user: seen.user,
        ..Record::of(webhook, Resolution::NotJudged)
    }
}
