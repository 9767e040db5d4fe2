//! Running a case without a cluster.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use axum::http::StatusCode;
use k8s_openapi::jiff::civil::{Date, date};
use openbao_perimeter::admission::{Admission, respond};
use openbao_perimeter::audit::Metrics;
use openbao_perimeter::config::{EnforcementMode, ReviewConfig};
use openbao_perimeter::inventory::{Change, Object, ObjectRef, Snapshot};
use openbao_perimeter::review::offline::{self, Missing, Objects, ReviewedObject};
use openbao_perimeter::review::{CompiledSnapshot, Outcome, Verdict, Writer, render};
use openbao_perimeter::server::listener::Limits;
use openbao_perimeter::server::router::router;
use openbao_perimeter::server::state::WebhookState;
use openbao_perimeter::sources::files;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::format::{Case, Expect, ExpectedFinding, Facts, Operation};
use crate::support::{UID, post, text};

/// A file of a case: one object, read and as written.
struct CaseFile {
    objects: Objects,
    json: Value,
}

fn written(path: &Path) -> CaseFile {
    let manifests = files::objects([path]).unwrap();
    let [located] = &manifests.objects[..] else {
        panic!("expected one object in {}", path.display());
    };
    CaseFile {
        objects: [(located.object.reference(), located.object.clone())].into(),
        json: serde_saphyr::from_str(&fs::read_to_string(path).unwrap()).unwrap(),
    }
}

/// The day of all cases.
pub(super) const TODAY: Date = date(2026, 12, 1);

fn config(case: &Case) -> Arc<ReviewConfig> {
    let config = case.settings().review_config();
    let config = config.unwrap_or_else(|error| panic!("{}: {error}", case.name));
    Arc::new(config.on(TODAY))
}

/// Everything that exists before the write.
fn stored(case: &Case) -> Snapshot {
    let before = case.before.as_deref().map(written);
    let deleted = (case.operation() == Operation::Delete).then(|| written(&case.request));
    let there = before.into_iter().chain(deleted);
    let objects = there.flat_map(|written| written.objects.into_values());
    files::load(&case.inventory)
        .unwrap()
        .apply(objects.map(Change::Set))
}

fn compiled(config: &Arc<ReviewConfig>, snapshot: Snapshot) -> CompiledSnapshot {
    CompiledSnapshot::compile(None, Arc::new(snapshot), Arc::clone(config))
}

/// Verdicts of the function behind `check` on the object that a case writes.
pub(super) struct Offline {
    /// Verdict on the edit.
    pub(super) edit: Verdict,
    /// Verdict on the state after the edit, if it can be checked. It includes findings that are not about a
    /// write.
    pub(super) state: Verdict,
}

/// The rule about a state, whichever user wrote it.
const OF_A_STATE: &str = "OBP105";

/// The verdicts on the object that a case writes.
pub(super) fn offline(case: &Case) -> Offline {
    let config = config(case);
    let writer = Writer {
        name: case.user().to_owned(),
        groups: case.header.groups.clone(),
        ..Writer::default()
    };
    let request = written(&case.request).objects;
    let before = match (&case.before, case.operation()) {
        (Some(before), _) => written(before).objects,
        (None, Operation::Delete) => request.clone(),
        (None, _) => Objects::new(),
    };
    let after = match case.operation() {
        Operation::Delete => Objects::new(),
        Operation::Create | Operation::Update => request,
    };
    let set = |objects: &Objects| {
        objects
            .values()
            .cloned()
            .map(Change::Set)
            .collect::<Vec<_>>()
    };
    let gone = before.keys().cloned().map(Change::Remove);
    let there = stored(case).apply(gone);
    let final_state = compiled(&config, there.apply(set(&after)));
    let edit = only(
        case,
        offline::edit_between(&final_state, &writer, &before, &after, &respecified(case)),
    );
    let is_managed = |object: &Object| {
        let name = object.reference();
        let mut clusters = final_state.perimeters(&name.namespace).iter();
        clusters.any(|cluster| cluster.managed(&name.name).is_some())
    };
    if case.header.dump {
        let states = [&after, &Objects::new()];
        let [all, beside] =
            states.map(|objects| compiled(&config, there.apply(set(objects))).as_stored());
        let reviewed = offline::final_state(&all, &beside, &writer, &after, Missing::Absent);
        let state = only(case, reviewed);
        return Offline { edit, state };
    }
    // A managed policy of a final state is compared with the operator's.
    if case.operation() == Operation::Create && !after.values().any(is_managed) {
        let is_policy = |object: &Object| matches!(object, Object::Policy(_));
        let others = after
            .clone()
            .into_iter()
            .filter(|(_, object)| !is_policy(object));
        let beside = compiled(&config, there.apply(set(&others.collect())));
        let state = only(
            case,
            offline::final_state(&final_state, &beside, &writer, &after, Missing::Rendered),
        );
        let of_writes = state.findings.iter();
        let of_writes = of_writes.filter(|finding| finding.code.as_str() != OF_A_STATE);
        // The work of proofs is not compared.
        let of_writes = Verdict {
            work: edit.work,
            ran_out: edit.ran_out,
            ..Verdict::new(of_writes.cloned().collect())
        };
        assert_eq!(of_writes, edit, "{}: final state and edit", case.name);
        return Offline { edit, state };
    }
    let state = edit.clone();
    Offline { edit, state }
}

/// The object of a case, if its spec differs from the old one.
fn respecified(case: &Case) -> BTreeSet<ObjectRef> {
    let Some(before) = &case.before else {
        return BTreeSet::new();
    };
    let (before, request) = (written(before), written(&case.request));
    let differs = before.json.get("spec") != request.json.get("spec");
    let names = request.objects.into_keys();
    names.filter(|_| differs).collect()
}

/// The only verdict. An empty one if nothing was checked.
fn only(case: &Case, reviewed: Vec<ReviewedObject>) -> Verdict {
    assert!(reviewed.len() < 2, "{}: {reviewed:?}", case.name);
    reviewed
        .into_iter()
        .next()
        .map(|reviewed| reviewed.verdict)
        .unwrap_or_default()
}

/// The AdmissionReview of an API server.
fn review(case: &Case) -> Value {
    let request = written(&case.request).json;
    let before = case.before.as_deref().map(|path| written(path).json);
    review_of(case.operation(), &request, before.as_ref(), case)
}

/// The same for another object, by the writer of a case.
pub(super) fn review_of(
    operation: Operation,
    request: &Value,
    before: Option<&Value>,
    case: &Case,
) -> Value {
    let (object, old) = match operation {
        Operation::Create => (request.clone(), Value::Null),
        Operation::Update => (request.clone(), before.expect("a before.yaml").clone()),
        Operation::Delete => (Value::Null, request.clone()),
    };
    let kind = request["kind"].as_str().unwrap();
    let version = request["apiVersion"].as_str().unwrap();
    let (group, version) = version.split_once('/').unwrap();
    let plural = match kind {
        kind if kind.ends_with("NetworkPolicy") => {
            format!("{}ies", kind.trim_end_matches('y').to_lowercase())
        }
        kind => format!("{}s", kind.to_lowercase()),
    };
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": UID,
            "kind": {"group": group, "version": version, "kind": kind},
            "resource": {"group": group, "version": version, "resource": plural},
            "name": request["metadata"]["name"],
            "namespace": request["metadata"]["namespace"],
            "operation": operation.as_str(),
            "userInfo": {"username": case.user(), "groups": case.header.groups},
            "object": object,
            "oldObject": old,
            "dryRun": false,
        },
    })
}

/// The answer of a router in memory.
fn ask(case: &Case, path: &str, review: &Value) -> Value {
    let snapshot = (case.header.facts == Facts::Complete).then(|| stored(case));
    asked(&config(case), snapshot, path, review)
}

/// The answer where these facts are known.
pub(super) fn answer(
    config: ReviewConfig,
    snapshot: Snapshot,
    path: &str,
    review: &Value,
) -> Value {
    asked(&Arc::new(config), Some(snapshot), path, review)
}

fn asked(
    config: &Arc<ReviewConfig>,
    snapshot: Option<Snapshot>,
    path: &str,
    review: &Value,
) -> Value {
    let admission = Admission::new(Arc::clone(config));
    if let Some(snapshot) = snapshot {
        admission.publish(compiled(config, snapshot));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let request = post(path, review.to_string());
    let (status, body) = runtime.unwrap().block_on(async {
        let metrics = Arc::new(Metrics::new());
        let state = WebhookState::new(admission.into(), metrics, Limits::default());
        text(router(state).oneshot(request).await.unwrap()).await
    });
    assert_eq!(status, StatusCode::OK, "{body}");
    serde_json::from_str(&body).unwrap()
}

/// Checks that the router answers with the verdict of `check`, word for word.
pub(super) fn in_memory(case: &Case, verdict: &Verdict) -> Result<(), String> {
    let answer = ask(case, "/validate", &review(case));
    let baseline = config(case).baseline;
    let expected = match case.header.facts {
        Facts::Complete => {
            respond::reviewed(UID, verdict, Some(baseline.as_str()), EnforcementMode::Deny)
        }
        Facts::Missing => respond::reviewed(UID, &without_facts(case), None, EnforcementMode::Deny),
    };
    let expected: Value = serde_json::from_slice(&expected).unwrap();
    if answer == expected {
        Ok(())
    } else {
        Err(format!(
            "check says {expected:#}\nthe router answers {answer:#}"
        ))
    }
}

/// The verdict without facts, read from the router's answer, since `check` always has facts.
fn without_facts(case: &Case) -> Verdict {
    use openbao_perimeter::admission::decode::{Decoded, decode};
    use openbao_perimeter::admission::envelope;
    let review = review(case).to_string();
    let envelope = envelope::open(review.as_bytes()).unwrap_or_else(|_| panic!("{review}"));
    match decode(&envelope) {
        Decoded::Reviewed(request) => openbao_perimeter::review::not_ready(&config(case), &request),
        Decoded::Untouched => Verdict::default(),
        Decoded::Malformed(problem) => panic!("{problem}"),
    }
}

/// The findings in the format of a case.
pub(super) fn expectation(case: &Case, offline: &Verdict) -> Expect {
    let verdict = match case.header.facts {
        Facts::Complete => offline.clone(),
        Facts::Missing => without_facts(case),
    };
    let findings = verdict.findings.iter().map(|finding| ExpectedFinding {
        code: finding.code.as_str().to_owned(),
        level: finding.level.as_str().to_owned(),
        path: finding.path.clone(),
        connection: finding.witness.as_ref().map(render::connection),
    });
    Expect {
        outcome: match verdict.outcome() {
            Outcome::Allow => "allow",
            Outcome::Warn => "warn",
            Outcome::Deny => "deny",
        }
        .to_owned(),
        findings: findings.collect(),
        repairs: repairs(case),
    }
}

/// The repairs of `/mutate`. The repaired object must not be denied.
fn repairs(case: &Case) -> Vec<String> {
    let mut review = review(case);
    let answer = ask(case, "/mutate", &review);
    let Some(patch) = answer["response"]["patch"].as_str() else {
        return Vec::new();
    };
    let quoted = serde_json::to_string(patch).unwrap();
    let bytes: k8s_openapi::ByteString = serde_json::from_str(&quoted).unwrap();
    let patch: json_patch::Patch = serde_json::from_slice(&bytes.0).unwrap();
    json_patch::patch(&mut review["request"]["object"], &patch).unwrap();
    let again = ask(case, "/validate", &review);
    assert_eq!(
        again["response"]["allowed"], true,
        "{}: {again:#}",
        case.name
    );
    let changes = serde_json::to_value(&patch).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let changes = changes.as_array().unwrap().iter();
    changes
        .map(|change| format!("{} {}", text(&change["op"]), text(&change["path"])))
        .collect()
}
