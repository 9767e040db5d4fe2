//! The handler of one AdmissionReview: a synchronous function from request bytes to response bytes.
//!
//! [`envelope`] reads the request without its objects, [`decode`] converts the object into a
//! [`review::Request`], the review decides, [`respond`] and [`patch`] write the response. This module uses
//! no HTTP and no clock, and does not know the source of the facts.

mod answer;
mod basis;
pub mod decode;
pub mod envelope;
pub(crate) mod maintenance_request;
pub mod patch;
pub(crate) mod peek;
mod rejection;
pub mod respond;
mod small_budget;
mod strict;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::{ArcSwap, ArcSwapOption};

use crate::audit::{Denial, Operation, Record, Resolution};
use crate::config::{Baseline, EnforcementMode, ReviewConfig};
use crate::inventory::{Freshness, Kind, ObjectRef};
use crate::review::{self, CompiledSnapshot};
pub use crate::review::{NeedsLiveRead, WebhookKind};
pub(crate) use answer::UnsureAnswer;
pub use answer::{Answer, Evidence, Protocol};
use basis::Basis;
use decode::Decoded;
use envelope::{Broken, Envelope};
pub use maintenance_request::{MaintenanceRequest, User};
pub use rejection::Rejection;

/// Freshness of the facts, asked at each review. The implementation has the clock.
pub trait FactsFreshness: fmt::Debug + Send + Sync {
    /// Returns true if the facts are recent enough.
    fn is_current(&self) -> bool;

    /// Freshness in detail: some facts may be too old.
    fn freshness(&self) -> Freshness {
        if self.is_current() {
            Freshness::Current
        } else {
            Freshness::Stale
        }
    }

    /// The kinds that were never listed. Without them there are no facts.
    fn missing(&self) -> Vec<Kind> {
        Vec::new()
    }
}

/// Answers reviews with the facts that were published last.
#[derive(Debug, Default)]
pub struct Admission {
    /// Configuration while there are no facts. Facts contain their own.
    config: ArcSwap<ReviewConfig>,
    compiled: ArcSwapOption<CompiledSnapshot>,
    /// The same facts with a small budget, see [`Self::answer_with_small_budget`].
    small_budget: ArcSwapOption<CompiledSnapshot>,
    /// True if there are newer facts that could not be compiled.
    outdated: AtomicBool,
    freshness: Option<Arc<dyn FactsFreshness>>,
}

impl Admission {
    /// An admission handler without facts. Until [`publish`](Self::publish) every write under review is
    /// denied with OBP403, except for users whom the configuration exempts.
    pub fn new(config: Arc<ReviewConfig>) -> Self {
        Self {
            config: ArcSwap::new(config),
            ..Self::default()
        }
    }

    /// Denies with OBP403 also while the facts are not recent.
    #[must_use]
    pub fn while_current(mut self, freshness: Arc<dyn FactsFreshness>) -> Self {
        self.freshness = Some(freshness);
        self
    }

    /// Replaces the facts. Running reviews finish with the old ones.
    pub fn publish(&self, compiled: CompiledSnapshot) {
        let small = compiled.with_proof_budget(small_budget::STEPS);
        self.compiled.store(Some(Arc::new(compiled)));
        self.small_budget.store(Some(Arc::new(small)));
        self.outdated.store(false, Ordering::Release);
    }

    /// Marks the facts as outdated: there are newer ones that could not be compiled. Nothing is proved until
    /// others are [published](Self::publish).
    pub(crate) fn outdate(&self) {
        self.outdated.store(true, Ordering::Release);
    }

    /// Sets the configuration to use while there are no facts. Later, facts with another configuration
    /// [replace](Self::publish) the old ones.
    pub(crate) fn decide(&self, config: Arc<ReviewConfig>) {
        self.config.store(config);
    }

    /// The configuration in force.
    pub(crate) fn config(&self) -> Arc<ReviewConfig> {
        let compiled = self.compiled.load();
        let decided = compiled.as_ref().map(|known| Arc::clone(&known.config));
        decided.unwrap_or_else(|| self.config.load_full())
    }

    /// The facts, if there are any.
    pub fn compiled(&self) -> Option<Arc<CompiledSnapshot>> {
        self.compiled.load_full()
    }

    /// The kinds that were not listed yet, if known.
    pub(crate) fn missing(&self) -> Vec<Kind> {
        let freshness = self.freshness.as_ref();
        freshness
            .map(|freshness| freshness.missing())
            .unwrap_or_default()
    }

    /// Returns true if facts were published.
    pub(crate) fn is_ready(&self) -> bool {
        self.compiled.load().is_some()
    }

    /// Answers one body. Every body has an answer.
    pub fn answer(&self, webhook: WebhookKind, body: &[u8]) -> Answer {
        let compiled = self.compiled.load();
        let basis = self.basis(compiled.as_deref());
        self.answer_by(basis, webhook, body, BTreeSet::new())
    }

    /// Answers one body with these facts instead of the published ones.
    pub(crate) fn answer_in(
        &self,
        compiled: &CompiledSnapshot,
        webhook: WebhookKind,
        body: &[u8],
    ) -> Answer {
        self.answer_by(Basis::Facts(compiled), webhook, body, BTreeSet::new())
    }

    /// Answers one body that [needs a live read](NeedsLiveRead) which failed.
    pub(crate) fn answer_without_live_read(&self, webhook: WebhookKind, body: &[u8]) -> Answer {
        self.answer_by(Basis::Unread, webhook, body, BTreeSet::new())
    }

    /// Answers one body whose user may maintain these OpenBaoClusters, with these facts or the published
    /// ones.
    pub(crate) fn answer_granted(
        &self,
        settled: Option<&CompiledSnapshot>,
        webhook: WebhookKind,
        body: &[u8],
        grants: BTreeSet<ObjectRef>,
    ) -> Answer {
        let compiled = self.compiled.load();
        let basis = settled.map_or_else(|| self.basis(compiled.as_deref()), Basis::Facts);
        self.answer_by(basis, webhook, body, grants)
    }

    fn basis<'a>(&self, compiled: Option<&'a CompiledSnapshot>) -> Basis<'a> {
        let Some(compiled) = compiled.filter(|_| !self.outdated.load(Ordering::Acquire)) else {
            return Basis::None;
        };
        let freshness = self.freshness.as_ref();
        let freshness = freshness.map_or(Freshness::Current, |freshness| freshness.freshness());
        match freshness {
            Freshness::Current => Basis::Facts(compiled),
            Freshness::StaleClusters => Basis::StaleClusters(compiled),
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
            Err(Broken::Malformed { uid, problem }) => {
                let namespace = peek::peek(body).namespace;
                let cap = self.cap(basis, &namespace);
                malformed(webhook, &uid, &problem, cap)
            }
            Err(Broken::NotAReview(problem)) => Answer {
                protocol: Protocol::NotAReview,
                body: format!("{problem}\n").into_bytes(),
                record: Record::of(webhook, Resolution::Malformed),
                evidence: None,
                maintenance: None,
                ran_out: false,
            },
        }
    }

    /// The strictest answer in a namespace, by the configuration of the facts that decide.
    fn cap(&self, basis: Basis<'_>, namespace: &str) -> EnforcementMode {
        match basis.compiled() {
            Some(compiled) => compiled.config.enforcement_in(namespace),
            None => self.config().enforcement_in(namespace),
        }
    }

    fn answer_envelope(
        &self,
        basis: Basis<'_>,
        webhook: WebhookKind,
        envelope: &Envelope<'_>,
        grants: BTreeSet<ObjectRef>,
    ) -> Answer {
        let cap = self.cap(basis, &envelope.namespace);
        let noted = |kind: Option<Kind>, namespace: &str, name: &str| Record {
            uid: envelope.uid.to_string(),
            enforcement: cap,
            kind,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            operation: Operation::from_api(&envelope.operation),
            user: envelope.user.name.to_string(),
            dry_run: envelope.dry_run,
            ..Record::of(webhook, Resolution::Untouched)
        };
        let mut request = match decode::decode(envelope) {
            Decoded::Reviewed(request) => request,
            Decoded::Untouched => {
                let noted = noted(None, &envelope.namespace, &envelope.name);
                return reviewed(respond::untouched(&envelope.uid), noted);
            }
            Decoded::Malformed(problem) => {
                return malformed(webhook, &envelope.uid, &problem, cap);
            }
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
            Basis::Facts(compiled) => review::review(compiled, request),
            Basis::StaleClusters(_) | Basis::None => review::not_ready(&self.config(), request),
            Basis::Unread => review::not_read(&self.config(), request),
        };
        let compiled = basis.compiled();
        let baseline = compiled.map(|compiled| compiled.config.baseline);
        let body = respond::reviewed(
            &envelope.uid,
            &verdict,
            baseline.map(Baseline::as_str),
            noted.enforcement,
        );
        let record = Record {
            resolution: Resolution::of(verdict.outcome()),
            findings: verdict
                .findings
                .iter()
                .map(|finding| (finding.code, finding.level))
                .collect(),
            waived: verdict.waived(),
            denial: Denial::of(&verdict),
            unreplayed: verdict.unreplayed,
            maintained: verdict.maintained,
            ..noted
        };
        let object = request.object().clone();
        let unsure = |compiled: &CompiledSnapshot| {
            let live_read = review::live_read(compiled, request, &verdict)?;
            let known = review::namespaces(compiled, request).into_iter();
            let known =
                known.map(|name| (name.clone(), compiled.snapshot.namespace(&name).cloned()));
            let known = known.collect();
            Some(UnsureAnswer { live_read, known })
        };
        let maintenance = MaintenanceRequest::of(envelope, verdict.missing_permission.as_ref());
        let evidence = Evidence {
            live_read: compiled.and_then(unsure),
            baseline,
            object,
            verdict,
        };
        Answer {
            maintenance,
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
    let compiled = basis.compiled();
    let repairs = compiled
        .map(|compiled| review::repair(compiled, request))
        .unwrap_or_default();
    let patch = patch::patch(&repairs, request, envelope.object);
    let resolution = match (patch.is_some(), repairs.warnings.is_empty()) {
        (true, _) => Resolution::Repair,
        (false, true) => Resolution::Allow,
        (false, false) => Resolution::Warn,
    };
    let (uid, warnings, cap) = (&envelope.uid, &repairs.warnings, noted.enforcement);
    let body = match (&patch, cap) {
        (patch, EnforcementMode::Deny) => respond::repaired(uid, patch.as_ref(), warnings),
        (Some(_), cap) => respond::would_repair(uid, warnings, cap),
        (None, EnforcementMode::Warn) => respond::repaired(uid, None, warnings),
        (None, EnforcementMode::Audit) => respond::repaired(uid, None, &[]),
    };
    let record = Record {
        resolution,
        ..noted
    };
    Answer {
        maintenance: MaintenanceRequest::of(envelope, repairs.missing_permission.as_ref()),
        ran_out: repairs.ran_out,
        ..reviewed(body, record)
    }
}

/// Denies a malformed review. Only its uid is recorded.
fn malformed(webhook: WebhookKind, uid: &str, problem: &str, cap: EnforcementMode) -> Answer {
    let noted = Record {
        uid: uid.to_owned(),
        enforcement: cap,
        ..Record::of(webhook, Resolution::Malformed)
    };
    reviewed(respond::malformed(uid, problem, cap), noted)
}

const fn reviewed(body: Vec<u8>, record: Record) -> Answer {
    Answer {
        protocol: Protocol::Review,
        body,
        record,
        evidence: None,
        maintenance: None,
        ran_out: false,
    }
}
