//! The handler of one AdmissionReview: bytes in, bytes out, synchronous.
//!
//! [`envelope`] reads the outside and keeps the uid, [`decode`] turns a judged object into a
//! [`review::Request`], the review judges it, [`respond`] and [`patch`] write the answer. Nothing
//! here knows HTTP, the clock or where the facts come from.

pub mod appeal;
mod basis;
mod brief;
pub mod decode;
pub mod envelope;
pub mod patch;
pub mod peek;
mod rejection;
pub mod respond;
mod strict;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::{ArcSwap, ArcSwapOption};

use crate::audit::{Denial, Operation, Record, Resolution};
use crate::config::{Baseline, ReviewConfig};
use crate::inventory::{Freshness, Kind, NamespaceFacts, ObjectRef};
use crate::review::maintenance::Lacking;
use crate::review::{self, CompiledSnapshot, Verdict};
pub use crate::review::{NeedsLiveRead, WebhookKind};
pub use appeal::{MaintenanceRequest, User};
use basis::Basis;
use decode::Decoded;
use envelope::{Broken, Envelope};
pub use rejection::Rejection;

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
    pub appeal: Option<MaintenanceRequest>,
    /// What was found, where the object was judged.
    pub evidence: Option<Evidence>,
    /// Whether a proof used all of its budget, so that a larger one may change the answer.
    pub ran_out: bool,
}

impl Answer {
    /// The same to a writer of whom it is known that it may not maintain this OpenBaoCluster.
    #[must_use]
    pub fn lacking(self, cluster: ObjectRef) -> Self {
        let Some(mut evidence) = self.evidence else {
            return self;
        };
        evidence.verdict.lacking = Some(Lacking::Verb([cluster].into()));
        let baseline = evidence.baseline.map(Baseline::as_str);
        Self {
            body: respond::judged(&self.record.uid, &evidence.verdict, baseline),
            evidence: Some(evidence),
            ..self
        }
    }
}

/// What was found about an object that was judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The object.
    pub object: ObjectRef,
    /// All that was found.
    pub verdict: Verdict,
    /// Whether another answer could come of newer facts.
    pub live_read: Option<UnsureAnswer>,
    /// The edition of the allowlist, where one was at hand.
    baseline: Option<Baseline>,
}

/// A doubt, and the facts that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsureAnswer {
    /// The doubt.
    pub live_read: NeedsLiveRead,
    /// What was known of each [namespace](review::namespaces) that the answer rests on.
    pub known: BTreeMap<Arc<str>, Option<Arc<NamespaceFacts>>>,
}

/// Whether the facts are recent enough to be judged by: asked at each review, answered by whoever
/// has a clock.
pub trait FactsFreshness: fmt::Debug + Send + Sync {
    /// Whether they are.
    fn is_current(&self) -> bool;

    /// The same, where only some of them may be too old.
    fn freshness(&self) -> Freshness {
        if self.is_current() {
            Freshness::Current
        } else {
            Freshness::Stale
        }
    }

    /// The kinds of which there was no word at all yet, so that there are no facts.
    fn missing(&self) -> Vec<Kind> {
        Vec::new()
    }
}

/// Answers reviews from the facts that were published last.
#[derive(Debug, Default)]
pub struct Admission {
    /// What is decided while there are no facts; those bring their own.
    config: ArcSwap<ReviewConfig>,
    world: ArcSwapOption<CompiledSnapshot>,
    /// The same facts, for [`Self::answer_briefly`].
    brief: ArcSwapOption<CompiledSnapshot>,
    /// There are newer facts, and no world of them.
    outdated: AtomicBool,
    freshness: Option<Arc<dyn FactsFreshness>>,
}

impl Admission {
    /// Without facts: until [`publish`](Self::publish) every judged write is refused with OBP403,
    /// but for writers whom `posture` says no verdict stops.
    pub fn new(config: Arc<ReviewConfig>) -> Self {
        Self {
            config: ArcSwap::new(config),
            ..Self::default()
        }
    }

    /// The same, refusing with OBP403 as well while the facts are not current.
    #[must_use]
    pub fn while_current(mut self, freshness: Arc<dyn FactsFreshness>) -> Self {
        self.freshness = Some(freshness);
        self
    }

    /// Replaces the facts; reviews that have begun finish with those they began with.
    pub fn publish(&self, world: CompiledSnapshot) {
        let brief = world.with_proof_budget(brief::STEPS);
        self.world.store(Some(Arc::new(world)));
        self.brief.store(Some(Arc::new(brief)));
        self.outdated.store(false, Ordering::Release);
    }

    /// There are newer facts that cannot be judged by: until others are [published](Self::publish),
    /// those that were prove nothing.
    pub fn outdate(&self) {
        self.outdated.store(true, Ordering::Release);
    }

    /// Decides otherwise while there are no facts. Once there are, a world with another posture
    /// [replaces](Self::publish) them.
    pub fn decide(&self, config: Arc<ReviewConfig>) {
        self.config.store(config);
    }

    /// What is decided now.
    pub fn config(&self) -> Arc<ReviewConfig> {
        let world = self.world.load();
        let decided = world.as_ref().map(|world| Arc::clone(&world.config));
        decided.unwrap_or_else(|| self.config.load_full())
    }

    /// The facts, once there are any.
    pub fn world(&self) -> Option<Arc<CompiledSnapshot>> {
        self.world.load_full()
    }

    /// The kinds that facts are still waited for, as far as that is known.
    pub fn missing(&self) -> Vec<Kind> {
        let freshness = self.freshness.as_ref();
        freshness
            .map(|freshness| freshness.missing())
            .unwrap_or_default()
    }

    /// Whether facts were published.
    pub fn is_ready(&self) -> bool {
        self.world.load().is_some()
    }

    /// Answers one body. Total: every body has an answer.
    pub fn answer(&self, webhook: WebhookKind, body: &[u8]) -> Answer {
        let world = self.world.load();
        self.answer_by(self.basis(world.as_deref()), webhook, body, BTreeSet::new())
    }

    /// Answers one body by these facts, whatever was published.
    pub fn answer_in(&self, world: &CompiledSnapshot, webhook: WebhookKind, body: &[u8]) -> Answer {
        self.answer_by(Basis::Facts(world), webhook, body, BTreeSet::new())
    }

    /// Answers one body whose answer was in [doubt](NeedsLiveRead) that could not be settled.
    pub fn answer_unread(&self, webhook: WebhookKind, body: &[u8]) -> Answer {
        self.answer_by(Basis::Unread, webhook, body, BTreeSet::new())
    }

    /// Answers one body whose writer may maintain these OpenBaoClusters, by these facts or by those
    /// that were published.
    pub fn answer_granted(
        &self,
        settled: Option<&CompiledSnapshot>,
        webhook: WebhookKind,
        body: &[u8],
        grants: BTreeSet<ObjectRef>,
    ) -> Answer {
        let world = self.world.load();
        let basis = settled.map_or_else(|| self.basis(world.as_deref()), Basis::Facts);
        self.answer_by(basis, webhook, body, grants)
    }

    fn basis<'a>(&self, world: Option<&'a CompiledSnapshot>) -> Basis<'a> {
        let Some(world) = world.filter(|_| !self.outdated.load(Ordering::Acquire)) else {
            return Basis::None;
        };
        let freshness = self.freshness.as_ref();
        let freshness = freshness.map_or(Freshness::Current, |freshness| freshness.freshness());
        match freshness {
            Freshness::Current => Basis::Facts(world),
            Freshness::StaleClusters => Basis::StaleClusters(world),
            Freshness::Stale => Basis::None,
        }
    }

    fn answer_by(
        &self,
        basis: Basis<'_>,
        webhook: WebhookKind,
        body: &[u8],
        grants: BTreeSet<ObjectRef>,
    ) -> Answer {
        match envelope::open(body) {
            Ok(envelope) => self.answer_envelope(basis, webhook, &envelope, grants),
            Err(Broken::Malformed { uid, problem }) => malformed(webhook, &uid, &problem),
            Err(Broken::NotAReview(problem)) => Answer {
                protocol: Protocol::NotAReview,
                body: format!("{problem}\n").into_bytes(),
                record: Record::of(webhook, Resolution::Malformed),
                evidence: None,
                appeal: None,
                ran_out: false,
            },
        }
    }

    fn answer_envelope(
        &self,
        basis: Basis<'_>,
        webhook: WebhookKind,
        envelope: &Envelope<'_>,
        grants: BTreeSet<ObjectRef>,
    ) -> Answer {
        let noted = |kind: Option<Kind>, namespace: &str, name: &str| Record {
            uid: envelope.uid.to_string(),
            kind,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            operation: Operation::from_api(&envelope.operation),
            user: envelope.user.name.to_string(),
            dry_run: envelope.dry_run,
            ..Record::of(webhook, Resolution::Untouched)
        };
        let mut request = match decode::decode(envelope) {
            Decoded::Judged(request) => request,
            Decoded::Untouched => {
                let noted = noted(None, &envelope.namespace, &envelope.name);
                return reviewed(respond::untouched(&envelope.uid), noted);
            }
            Decoded::Malformed(problem) => return malformed(webhook, &envelope.uid, &problem),
        };
        request.writer.grants = grants;
        let object = request.object();
        let basis = basis.of_namespace(&object.namespace);
        let noted = noted(Some(object.kind), &object.namespace, &object.name);
        match webhook {
            WebhookKind::Validate => self.validate(basis, envelope, &request, noted),
            WebhookKind::Mutate => mutate(basis, envelope, &request, noted),
        }
    }

    fn validate(
        &self,
        basis: Basis<'_>,
        envelope: &Envelope<'_>,
        request: &review::Request,
        noted: Record,
    ) -> Answer {
        let verdict = match basis {
            Basis::Facts(world) => review::review(world, request),
            Basis::StaleClusters(_) | Basis::None => review::not_ready(&self.config(), request),
            Basis::Unread => review::not_read(&self.config(), request),
        };
        let world = basis.world();
        let baseline = world.map(|world| world.config.baseline);
        let body = respond::judged(&envelope.uid, &verdict, baseline.map(Baseline::as_str));
        let record = Record {
            resolution: Resolution::of(verdict.outcome()),
            findings: verdict
                .findings
                .iter()
                .map(|finding| (finding.code, finding.level))
                .collect(),
            denial: Denial::of(&verdict),
            unreplayed: verdict.unreplayed,
            maintained: verdict.maintained,
            ..noted
        };
        let object = request.object().clone();
        let unsure = |world: &CompiledSnapshot| {
            let live_read = review::live_read(world, request, &verdict)?;
            let known = review::namespaces(world, request).into_iter();
            let known = known.map(|name| (name.clone(), world.snapshot.namespace(&name).cloned()));
            let known = known.collect();
            Some(UnsureAnswer { live_read, known })
        };
        let appeal = MaintenanceRequest::of(envelope, verdict.lacking.as_ref());
        let evidence = Evidence {
            live_read: world.and_then(unsure),
            baseline,
            object,
            verdict,
        };
        Answer {
            appeal,
            ran_out: evidence.verdict.ran_out,
            evidence: Some(evidence),
            ..reviewed(body, record)
        }
    }
}

fn mutate(
    basis: Basis<'_>,
    envelope: &Envelope<'_>,
    request: &review::Request,
    noted: Record,
) -> Answer {
    let world = basis.world();
    let repairs = world
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
    Answer {
        appeal: MaintenanceRequest::of(envelope, repairs.lacking.as_ref()),
        ran_out: repairs.ran_out,
        ..reviewed(body, record)
    }
}

/// Refuses what makes no sense. Nothing that it says of itself is noted but the uid.
fn malformed(webhook: WebhookKind, uid: &str, problem: &str) -> Answer {
    let noted = Record {
        uid: uid.to_owned(),
        ..Record::of(webhook, Resolution::Malformed)
    };
    reviewed(respond::malformed(uid, problem), noted)
}

const fn reviewed(body: Vec<u8>, record: Record) -> Answer {
    Answer {
        protocol: Protocol::Review,
        body,
        record,
        evidence: None,
        appeal: None,
        ran_out: false,
    }
}
