//! The handler of one AdmissionReview: bytes in, bytes out, synchronous.
//!
//! [`envelope`] reads the outside and keeps the uid, [`decode`] turns a judged object into a
//! [`review::Request`], the review judges it, [`respond`] and [`patch`] write the answer. Nothing
//! here knows HTTP, the clock or where the facts come from.

pub mod appeal;
pub mod decode;
pub mod envelope;
pub mod glimpse;
pub mod patch;
pub mod respond;
mod unjudged;

use std::collections::BTreeSet;
use std::sync::Arc;

use arc_swap::ArcSwapOption;

use crate::audit::{Operation, Record, Resolution};
use crate::inventory::ObjectRef;
use crate::posture::{Edition, Posture};
pub use crate::review::Point;
use crate::review::{self, World, maintenance};
pub use appeal::{Appeal, User};
use decode::Decoded;
use envelope::{Broken, Envelope};
pub use unjudged::Unjudged;

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
    /// What may be asked outside, and the answer given again with, before this one is sent.
    pub appeal: Option<Appeal>,
}

/// Answers reviews from the facts that were published last.
#[derive(Debug, Default)]
pub struct Admission {
    posture: Arc<Posture>,
    world: ArcSwapOption<World>,
}

impl Admission {
    /// Without facts: until [`publish`](Self::publish) every judged write is refused with OBP403,
    /// but for writers whom `posture` says no verdict stops.
    pub fn new(posture: Arc<Posture>) -> Self {
        Self {
            posture,
            world: ArcSwapOption::empty(),
        }
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
        self.answer_granted(point, body, BTreeSet::new())
    }

    /// Answers one body whose writer may maintain these OpenBaoClusters.
    pub fn answer_granted(&self, point: Point, body: &[u8], grants: BTreeSet<ObjectRef>) -> Answer {
        match envelope::open(body) {
            Ok(envelope) => self.answer_envelope(point, &envelope, grants),
            Err(Broken::Malformed { uid, problem }) => Answer {
                protocol: Protocol::Review,
                body: respond::malformed(&uid, &problem),
                record: Record {
                    uid,
                    ..Record::of(point, Resolution::Malformed)
                },
                appeal: None,
            },
            Err(Broken::NotAReview(problem)) => Answer {
                protocol: Protocol::NotAReview,
                body: format!("{problem}\n").into_bytes(),
                record: Record::of(point, Resolution::Malformed),
                appeal: None,
            },
        }
    }

    fn answer_envelope(
        &self,
        point: Point,
        envelope: &Envelope<'_>,
        grants: BTreeSet<ObjectRef>,
    ) -> Answer {
        let noted = Record {
            uid: envelope.uid.to_string(),
            namespace: envelope.namespace.to_string(),
            name: envelope.name.to_string(),
            operation: Operation::from_api(&envelope.operation),
            user: envelope.user.name.to_string(),
            dry_run: envelope.dry_run,
            ..Record::of(point, Resolution::Untouched)
        };
        let Decoded::Judged(mut request) = decode::decode(envelope) else {
            return reviewed(respond::untouched(&envelope.uid), noted);
        };
        request.writer.grants = grants;
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
        let (verdict, baseline) = match world.as_deref() {
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
            maintained: verdict.maintained,
            ..noted
        };
        let clusters = world
            .as_deref()
            .and_then(|world| maintenance::appeal(world, request, &verdict));
        Answer {
            appeal: appeal(envelope, clusters),
            ..reviewed(body, record)
        }
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
        let body = respond::repaired(&envelope.uid, patch.as_ref(), &repairs.warnings);
        let record = Record {
            resolution,
            ..noted
        };
        let clusters = world
            .as_deref()
            .and_then(|world| maintenance::appeal_repairs(world, request, &repairs));
        Answer {
            appeal: appeal(envelope, clusters),
            ..reviewed(body, record)
        }
    }
}

fn appeal(envelope: &Envelope<'_>, clusters: Option<BTreeSet<ObjectRef>>) -> Option<Appeal> {
    clusters.map(|clusters| Appeal {
        user: User::from(&envelope.user),
        clusters,
    })
}

const fn reviewed(body: Vec<u8>, record: Record) -> Answer {
    Answer {
        protocol: Protocol::Review,
        body,
        record,
        appeal: None,
    }
}
