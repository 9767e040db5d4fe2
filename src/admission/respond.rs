//! Conversion of a verdict into an AdmissionReview response.
//!
//! The types are defined here, because kube's do not have code and reason of a denial and write a patch as a
//! list of numbers.

use std::borrow::Cow;
use std::collections::BTreeMap;

use json_patch::Patch;
use k8s_openapi::ByteString;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Status, StatusCause, StatusDetails};
use serde::Serialize;

use super::Rejection;
use super::envelope::{API_VERSION, KIND};
use crate::config::EnforcementMode;
use crate::printable;
use crate::review::{Outcome, Verdict, render};
use crate::rules::{Code, Finding, Level};

/// Maximum number of warnings in a response. The rest is counted. Clients print each warning as a line, and
/// the API server truncates long lists.
pub(crate) const WARNINGS: usize = 10;

/// Maximum number of causes in a denial, in the order of the message.
pub(crate) const CAUSES: usize = 100;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Review<'a> {
    api_version: &'a str,
    kind: &'a str,
    response: Response<'a>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<ByteString>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    audit_annotations: BTreeMap<&'a str, Cow<'a, str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

impl Response<'_> {
    /// The response under a cap: a denial becomes an allowance that is annotated as one. The warnings are those for
    /// the cap already.
    fn under(mut self, mode: EnforcementMode) -> Self {
        if mode == EnforcementMode::Deny {
            return self;
        }
        let notes = &mut self.audit_annotations;
        notes.insert("enforcement", mode.as_str().into());
        if !self.allowed {
            let decided = notes.insert("verdict", "allow".into());
            notes.insert("would", "deny".into());
            // The reason of an answer without a verdict.
            if let Some(why) = decided.filter(|decided| decided != Outcome::Deny.as_str()) {
                notes.insert("why", why);
            }
            self.allowed = true;
            self.status = None;
        }
        self
    }

    fn into_json(self) -> Vec<u8> {
        let review = Review {
            api_version: API_VERSION,
            kind: KIND,
            response: self,
        };
        // Strings, numbers and maps with string keys: this cannot fail. An empty body would be a failed webhook call,
        // which denies the write.
        serde_json::to_vec(&review).unwrap_or_default()
    }
}

/// Allows a write without a review.
pub(crate) fn untouched(uid: &str) -> Vec<u8> {
    Response {
        uid,
        allowed: true,
        ..Response::default()
    }
    .into_json()
}

/// Denies a malformed review that has a uid.
pub(crate) fn malformed(uid: &str, problem: &str, mode: EnforcementMode) -> Vec<u8> {
    let status = Status {
        status: Some("Failure".into()),
        code: Some(400),
        reason: Some("BadRequest".into()),
        message: Some(printable::lines(problem).into_owned()),
        ..Status::default()
    };
    Response {
        uid,
        status: Some(status),
        warnings: would_deny(mode, problem),
        ..Response::default()
    }
    .under(mode)
    .into_json()
}

/// The warning in place of a denial without findings, if there are warnings.
fn would_deny(mode: EnforcementMode, why: &str) -> Vec<String> {
    let warns = mode == EnforcementMode::Warn;
    let line = warns.then(|| render::shorten(&format!("{}{why}", render::WOULD_DENY)));
    line.into_iter().collect()
}

/// Denies a write without a verdict.
pub(crate) fn rejected(uid: &str, why: Rejection, mode: EnforcementMode) -> Vec<u8> {
    let details = why.retry_after().map(|seconds| StatusDetails {
        retry_after_seconds: Some(seconds),
        ..StatusDetails::default()
    });
    let status = Status {
        status: Some("Failure".into()),
        code: Some(why.code().into()),
        reason: Some(why.reason().into()),
        message: Some(why.to_string()),
        details,
        ..Status::default()
    };
    Response {
        uid,
        status: Some(status),
        audit_annotations: BTreeMap::from([("verdict", why.as_str().into())]),
        warnings: would_deny(mode, &why.to_string()),
        ..Response::default()
    }
    .under(mode)
    .into_json()
}

/// Responds with a verdict under a cap. `baseline` is the baseline, if there were facts.
pub fn reviewed(
    uid: &str,
    verdict: &Verdict,
    baseline: Option<&str>,
    mode: EnforcementMode,
) -> Vec<u8> {
    let is_denied = verdict.outcome() == Outcome::Deny;
    Response {
        uid,
        allowed: !is_denied,
        status: is_denied.then(|| denial_status(verdict)),
        audit_annotations: annotations(verdict, baseline),
        warnings: warnings(verdict, mode),
        ..Response::default()
    }
    .under(mode)
    .into_json()
}

/// Allows a write without the patch that the cap leaves out.
pub(crate) fn would_repair(uid: &str, warnings: &[String], mode: EnforcementMode) -> Vec<u8> {
    let warnings = match mode {
        EnforcementMode::Warn => warnings,
        EnforcementMode::Deny | EnforcementMode::Audit => &[],
    };
    let lines = warnings.iter();
    let lines = lines.map(|line| render::shorten(&format!("would be repaired: {line}")));
    Response {
        uid,
        allowed: true,
        audit_annotations: BTreeMap::from([
            ("verdict", "allow".into()),
            ("would", "repair".into()),
        ]),
        warnings: shortened(lines.collect()),
        ..Response::default()
    }
    .under(mode)
    .into_json()
}

/// Allows a write with a patch.
pub fn repaired(uid: &str, patch: Option<&Patch>, warnings: &[String]) -> Vec<u8> {
    let patch = patch
        .and_then(|patch| serde_json::to_vec(patch).ok())
        .map(ByteString);
    let annotations = patch.iter().map(|_| ("verdict", "repair".into())).collect();
    Response {
        uid,
        allowed: true,
        patch_type: patch.is_some().then_some("JSONPatch"),
        patch,
        audit_annotations: annotations,
        warnings: shortened(warnings.to_vec()),
        ..Response::default()
    }
    .into_json()
}

fn denial_status(verdict: &Verdict) -> Status {
    let cause = |finding: &Finding| StatusCause {
        reason: Some(finding.code.as_str().to_owned()),
        field: Some(finding.path.clone()).filter(|path| !path.is_empty()),
        message: Some(finding.reason.clone()),
    };
    let causes = verdict
        .findings
        .iter()
        .filter(|finding| finding.level == Level::Deny)
        .take(CAUSES)
        .map(cause)
        .collect();
    Status {
        status: Some("Failure".into()),
        // Without a code, clients see a denial as 400 without a reason.
        code: Some(403),
        reason: Some("Forbidden".into()),
        message: Some(render::message(verdict)),
        details: Some(StatusDetails {
            causes: Some(causes),
            ..StatusDetails::default()
        }),
        ..Status::default()
    }
}

/// The warnings of a verdict. A cap of `warn` adds those in place of a denial, and one of `audit` removes all.
fn warnings(verdict: &Verdict, mode: EnforcementMode) -> Vec<String> {
    let warned = |finding: &&Finding| match mode {
        EnforcementMode::Deny => finding.level == Level::Warn,
        EnforcementMode::Warn => finding.level <= Level::Warn,
        EnforcementMode::Audit => false,
    };
    let line = |finding: &Finding| match finding.level {
        Level::Deny => render::would_deny(finding),
        _ => render::warning(finding),
    };
    let count = verdict.findings.iter().filter(warned).count();
    let shown = verdict.findings.iter().filter(warned).take(WARNINGS);
    let mut lines: Vec<String> = shown.map(line).collect();
    note_rest(&mut lines, count);
    lines
}

fn shortened(mut lines: Vec<String>) -> Vec<String> {
    let count = lines.len();
    lines.truncate(WARNINGS);
    note_rest(&mut lines, count);
    lines
}

fn note_rest(lines: &mut Vec<String>, count: usize) {
    if count > WARNINGS {
        lines.push(format!("and {} more", count - WARNINGS));
    }
}

/// Keys have no domain, since the API server adds the webhook's name as a prefix.
fn annotations<'a>(
    verdict: &Verdict,
    baseline: Option<&'a str>,
) -> BTreeMap<&'a str, Cow<'a, str>> {
    let mut notes = BTreeMap::from([("verdict", verdict.outcome().as_str().into())]);
    if let Some(baseline) = baseline {
        notes.insert("baseline", baseline.into());
    }
    if verdict.maintained {
        notes.insert("maintenance", "granted".into());
    } else if verdict.missing_permission.is_some() {
        notes.insert("maintenance", "denied".into());
    }
    let codes: Vec<&str> = verdict.codes().into_iter().map(Code::as_str).collect();
    if !codes.is_empty() {
        notes.insert("codes", codes.join(",").into());
    }
    let witness = verdict
        .findings
        .iter()
        .find_map(|finding| finding.witness.as_ref());
    if let Some(witness) = witness {
        notes.insert("witness", witness.to_string().into());
    }
    notes
}
