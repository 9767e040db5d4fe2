//! The handler of one AdmissionReview: bytes in, bytes out, synchronous.
//!
//! [`envelope`] reads the outside and keeps the uid, [`decode`] turns a judged object into a
//! [`review::Request`], the review judges it, [`respond`] and [`patch`] write the answer. Nothing
//! here knows HTTP, the clock or where the facts come from.

pub mod decode;
pub mod envelope;
pub mod patch;
pub mod respond;

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;

use crate::audit::{Operation, Record, Resolution};
use crate::posture::{Edition, Posture};
pub use crate::review::Point;
use crate::review::{self, World};
use decode::Decoded;
use envelope::{Broken, Envelope};

/// Whether a body could be answered in the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// The answer is an AdmissionReview with the uid of the request.
    Review,
    /// No uid could be read, so the answer is plain text that says why.
    NotAReview,
}

/// An answer and what to note of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What `body` is.
    pub protocol: Protocol,
    /// The response: JSON of an AdmissionReview, or text.
    pub body: Vec<u8>,
    /// What is logged and counted.
    pub record: Record,
}

/// Whether the facts are recent enough to be judged by: asked at each review, answered by whoever
/// has a clock.
pub trait Currency: fmt::Debug + Send + Sync {
    /// Whether they are.
    fn is_current(&self) -> bool;
}

/// Answers reviews from the facts that were published last.
#[derive(Debug, Default)]
pub struct Admission {
    posture: Arc<Posture>,
    world: ArcSwapOption<World>,
    currency: Option<Arc<dyn Currency>>,
}

impl Admission {
    /// Without facts: until [`publish`](Self::publish) every judged write is refused with OBP403,
    /// but for writers whom `posture` says no verdict stops.
    pub fn new(posture: Arc<Posture>) -> Self {
        Self {
            posture,
            world: ArcSwapOption::empty(),
            currency: None,
        }
    }

    /// The same, refusing with OBP403 as well while the facts are not current.
    #[must_use]
    pub fn while_current(mut self, currency: Arc<dyn Currency>) -> Self {
        self.currency = Some(currency);
        self
    }

    /// Replaces the facts; reviews that have begun finish with those they began with.
    pub fn publish(&self, world: World) {
        self.world.store(Some(Arc::new(world)));
    }

    /// The facts, once there are any.
    pub fn world(&self) -> Option<Arc<World>> {
        self.world.load_full()
    }

    /// Whether facts were published.
    pub fn is_ready(&self) -> bool {
        self.world.load().is_some()
    }

    /// Answers one body. Total: every body has an answer.
    pub fn answer(&self, point: Point, body: &[u8]) -> Answer {
        match envelope::open(body) {
            Ok(envelope) => self.answer_envelope(point, &envelope),
            Err(Broken::Malformed { uid, problem }) => Answer {
                protocol: Protocol::Review,
                body: respond::malformed(&uid, &problem),
                record: Record {
                    uid,
                    ..Record::of(point, Resolution::Malformed)
                },
            },
            Err(Broken::NotAReview(problem)) => Answer {
                protocol: Protocol::NotAReview,
                body: format!("{problem}\n").into_bytes(),
                record: Record::of(point, Resolution::Malformed),
            },
        }
    }

    fn answer_envelope(&self, point: Point, envelope: &Envelope<'_>) -> Answer {
        let noted = Record {
            uid: envelope.uid.to_string(),
            namespace: envelope.namespace.to_string(),
            name: envelope.name.to_string(),
            operation: Operation::from_api(&envelope.operation),
            user: envelope.user.name.to_string(),
            dry_run: envelope.dry_run,
            ..Record::of(point, Resolution::Untouched)
        };
        let Decoded::Judged(request) = decode::decode(envelope) else {
            return reviewed(respond::untouched(&envelope.uid), noted);
        };
        let object = decode::object(&request);
        let noted = Record {
            kind: Some(object.kind),
            namespace: object.namespace.to_string(),
            name: object.name.to_string(),
            ..noted
        };
        match point {
            Point::Validate => self.validate(envelope, &request, noted),
            Point::Mutate => self.mutate(envelope, &request, noted),
        }
    }

    fn validate(
        &self,
        envelope: &Envelope<'_>,
        request: &review::Request,
        noted: Record,
    ) -> Answer {
        let world = self.world.load();
        let is_current = self
            .currency
            .as_ref()
            .is_none_or(|currency| currency.is_current());
        let (verdict, baseline) = match world.as_deref().filter(|_| is_current) {
            Some(world) => (review::review(world, request), Some(world.posture.baseline)),
            None => (review::not_ready(&self.posture, request), None),
        };
        let body = respond::judged(&envelope.uid, &verdict, baseline.map(Edition::as_str));
        let record = Record {
            resolution: Resolution::of(verdict.outcome()),
            findings: verdict
                .findings
                .iter()
                .map(|finding| (finding.code, finding.level))
                .collect(),
            unreplayed: verdict.unreplayed,
            ..noted
        };
        reviewed(body, record)
    }

    fn mutate(&self, envelope: &Envelope<'_>, request: &review::Request, noted: Record) -> Answer {
        let world = self.world.load();
        let repairs = world
            .as_deref()
            .map(|world| review::repair(world, request))
            .unwrap_or_default();
        let patch = patch::patch(&repairs, request, envelope.object);
        let resolution = match (patch.is_some(), repairs.warnings.is_empty()) {
            (true, _) => Resolution::Repair,
            (false, true) => Resolution::Allow,
            (false, false) => Resolution::Warn,
        };
        reviewed(
            respond::repaired(&envelope.uid, patch.as_ref(), &repairs.warnings),
            Record {
                resolution,
                ..noted
            },
        )
    }
}

const fn reviewed(body: Vec<u8>, record: Record) -> Answer {
    Answer {
        protocol: Protocol::Review,
        body,
        record,
    }
}
