//! Answers without a verdict, after a limit of the server was reached.
//!
//! The write is denied in an AdmissionReview, unless its user is exempt from denials. A body that is too
//! large gets an HTTP error, and so do exempt users: the failure policy decides, and the webhook entry for
//! them fails open. The mutating webhook allows the write without repair. The validating webhook denies it
//! right after that if necessary.

use super::peek::{Peek, peek};
use super::{Admission, Answer, Protocol, WebhookKind, respond};
use crate::audit::metrics::TOO_LATE;
use crate::audit::{Record, Resolution};
use crate::config::{EnforcementMode, ReviewConfig};
use crate::review::{Writer, WriterClass};

/// Reason for which there is no verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// Too many reviews, or too many bytes, are in progress.
    Overloaded,
    /// The body is larger than the limit, in bytes.
    TooLarge(usize),
    /// The caller's timeout has passed.
    TooLate,
    /// The body did not arrive in time.
    TooSlow,
    /// The review panicked. This is a bug.
    Panicked,
}

impl Rejection {
    /// All reasons, with limits of zero.
    pub(crate) const ALL: [Self; 5] = [
        Self::Overloaded,
        Self::TooLarge(0),
        Self::TooLate,
        Self::TooSlow,
        Self::Panicked,
    ];

    /// The name in metrics and logs.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Overloaded => "overloaded",
            Self::TooLarge(_) => "too-large",
            Self::TooLate => TOO_LATE,
            Self::TooSlow => "too-slow",
            Self::Panicked => "panicked",
        }
    }

    /// The HTTP status code, in a review or of the response.
    pub(crate) const fn code(self) -> u16 {
        match self {
            Self::Overloaded => 429,
            Self::TooLarge(_) => 413,
            Self::TooLate | Self::TooSlow => 504,
            Self::Panicked => 500,
        }
    }

    /// The reason of the Kubernetes status.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::Overloaded => "TooManyRequests",
            Self::TooLarge(_) => "RequestEntityTooLarge",
            Self::TooLate | Self::TooSlow => "Timeout",
            Self::Panicked => "InternalError",
        }
    }

    /// Seconds after which to retry, if retries are cheap for the server. Kubernetes clients retry by
    /// themselves.
    pub(crate) const fn retry_after(self) -> Option<i32> {
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
            Self::TooLate => f.write_str("the review timed out before a verdict"),
            Self::TooSlow => f.write_str("the review did not arrive in time"),
            Self::Panicked => f.write_str("internal error"),
        }
    }
}

impl Admission {
    /// Answers a body without a verdict. At least its first bytes must be given. The form of the answer is
    /// [`Protocol::NotAReview`] for a body that is too large, without a uid, or from an exempt user. Then
    /// `why` gives the HTTP status.
    pub fn rejected(&self, webhook: WebhookKind, beginning: &[u8], why: Rejection) -> Answer {
        let seen = peek(beginning);
        let config = self.config();
        let cap = config.enforcement_in(&seen.namespace);
        let is_too_large = matches!(why, Rejection::TooLarge(_));
        let is_review = !seen.uid.is_empty() && !is_too_large && may_deny(&seen.user, &config);
        let (protocol, body) = match webhook {
            // The failure policy decides, which is no answer that a cap could change.
            _ if !is_review => (Protocol::NotAReview, why.to_string().into_bytes()),
            WebhookKind::Validate => (Protocol::Review, respond::rejected(&seen.uid, why, cap)),
            WebhookKind::Mutate => {
                let warning = format!("not repaired, will be reviewed as written: {why}");
                let warnings = if cap == EnforcementMode::Audit {
                    Vec::new()
                } else {
                    vec![warning]
                };
                let body = respond::repaired(&seen.uid, None, &warnings);
                (Protocol::Review, body)
            }
        };
        let enforcement = match protocol {
            Protocol::Review => cap,
            Protocol::NotAReview => EnforcementMode::Deny,
        };
        Answer {
            protocol,
            body,
            record: Record {
                enforcement,
                ..noted(webhook, seen)
            },
            maintenance: None,
            evidence: None,
            ran_out: false,
        }
    }
}

fn may_deny(user: &str, config: &ReviewConfig) -> bool {
    let writer = Writer {
        name: user.to_owned(),
        ..Writer::default()
    };
    WriterClass::of(&writer, config) == WriterClass::Everyone
}

fn noted(webhook: WebhookKind, seen: Peek) -> Record {
    Record {
        uid: seen.uid,
        namespace: seen.namespace,
        name: seen.name,
        operation: seen.operation,
        user: seen.user,
        ..Record::of(webhook, Resolution::Unreviewed)
    }
}
