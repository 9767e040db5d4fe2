//! Reviews of a policy or a cluster, or of an edit of one, with fixed facts.

use arbitrary::{Result, Unstructured};
use openbao_perimeter::admission::patch;
use openbao_perimeter::code::EnforcementPoint;
use openbao_perimeter::inventory::{Cluster, Fact, Kind, Meta, ObjectRef, Policy, read, render};
use openbao_perimeter::review::{
    self, Edit, Operation, Outcome, Request, Subject, Writer, render as words,
};
use openbao_perimeter::rules::{Code, Finding};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::shape;
use super::world::{NAMESPACE, world};

const POLICIES: &[&str] = &[
    "fuzzed",
    "bao-network-policy",
    "bao-jobs-network-policy",
    "vault-network-policy",
    "default-deny",
    "odd",
];
const CLUSTERS: &[&str] = &["bao", "vault", "fuzzed"];
const OPERATOR: &str = "system:serviceaccount:openbao-operator-system:openbao-operator-controller";
const WRITERS: &[&str] = &["somebody", OPERATOR, "system:kube-controller-manager"];

/// If the input begins with `{`, it is a NetworkPolicy as JSON, which is created and written over each stored
/// policy. Otherwise the bytes define an edit.
pub fn policy_review(data: &[u8]) {
    if data.starts_with(b"{") {
        for name in POLICIES {
            let after = read::policy(data, &named(Kind::NetworkPolicy, name));
            if is_named(after.meta(), name) {
                review_policy(name, stored_policy(name), Some(after.clone()));
                review_policy(name, None, Some(after));
            }
        }
    } else {
        let _too_short = policy_edit(&mut Unstructured::new(data));
    }
}

/// The same for an OpenBaoCluster.
pub fn cluster_review(data: &[u8]) {
    if data.starts_with(b"{") {
        for name in CLUSTERS {
            let after = read::cluster(data, &named(Kind::OpenBaoCluster, name));
            if is_named(after.meta(), name) {
                review_cluster(name, stored_cluster(name), after.clone());
                review_cluster(name, None, after);
            }
        }
    } else {
        let _too_short = cluster_edit(&mut Unstructured::new(data));
    }
}

fn policy_edit(u: &mut Unstructured<'_>) -> Result<()> {
    let name = *u.choose(POLICIES)?;
    let before = match u.int_in_range(0..=3)? {
        0 => None,
        1 => Some(policy(name, &shape::spec(u)?)),
        _ => stored_policy(name),
    };
    let known = before.as_ref().and_then(Fact::read);
    let after = match u.int_in_range(0..=4)? {
        0 => None,
        1 => Some(shape::spec(u)?),
        _ => {
            let mut spec = match known {
                Some(known) => render::policy(known)["spec"].clone(),
                None => shape::spec(u)?,
            };
            shape::edit(u, &mut spec)?;
            Some(spec)
        }
    };
    review_policy(name, before, after.map(|spec| policy(name, &spec)));
    Ok(())
}

fn cluster_edit(u: &mut Unstructured<'_>) -> Result<()> {
    let name = *u.choose(CLUSTERS)?;
    let before = match u.int_in_range(0..=2)? {
        0 => None,
        1 => stored_cluster(name),
        _ => Some(cluster(name, &shape::cluster_spec(u)?)),
    };
    review_cluster(name, before, cluster(name, &shape::cluster_spec(u)?));
    Ok(())
}

fn named(kind: Kind, name: &str) -> ObjectRef {
    ObjectRef {
        kind,
        namespace: NAMESPACE.into(),
        name: name.into(),
    }
}

/// Returns true if the object has the name in the request. Otherwise admission takes it for unreadable.
fn is_named(meta: &Meta, name: &str) -> bool {
    &*meta.namespace == NAMESPACE && &*meta.name == name
}

fn object(name: &str, spec: &Value) -> Vec<u8> {
    let object = json!({"metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec});
    object.to_string().into_bytes()
}

fn policy(name: &str, spec: &Value) -> Fact<Policy> {
    read::policy(&object(name, spec), &named(Kind::NetworkPolicy, name))
}

fn cluster(name: &str, spec: &Value) -> Fact<Cluster> {
    read::cluster(&object(name, spec), &named(Kind::OpenBaoCluster, name))
}

fn stored_policy(name: &str) -> Option<Fact<Policy>> {
    world().snapshot.policy(NAMESPACE, name).cloned()
}

fn stored_cluster(name: &str) -> Option<Fact<Cluster>> {
    world().snapshot.cluster(NAMESPACE, name).cloned()
}

fn review_policy(name: &str, before: Option<Fact<Policy>>, after: Option<Fact<Policy>>) {
    let operation = match (&before, &after) {
        (None, None) => return,
        (None, Some(_)) => Operation::Create,
        (Some(_), Some(_)) => Operation::Update,
        (Some(_), None) => Operation::Delete,
    };
    let edit = Edit {
        object: named(Kind::NetworkPolicy, name),
        spec_changed: before != after,
        before,
        after,
    };
    for request in by_each_writer(operation, &Subject::Policy(edit.clone())) {
        review_with(&request);
        repaired(&request, &edit);
    }
}

fn review_cluster(name: &str, before: Option<Fact<Cluster>>, after: Fact<Cluster>) {
    let operation = match before {
        None => Operation::Create,
        Some(_) => Operation::Update,
    };
    let edit = Edit {
        object: named(Kind::OpenBaoCluster, name),
        spec_changed: before.as_ref() != Some(&after),
        before,
        after: Some(after),
    };
    for request in by_each_writer(operation, &Subject::Cluster(edit)) {
        review_with(&request);
    }
}

fn by_each_writer(operation: Operation, subject: &Subject) -> impl Iterator<Item = Request> {
    WRITERS.iter().map(move |writer| Request {
        operation,
        writer: Writer {
            name: (*writer).to_owned(),
            ..Writer::default()
        },
        point: EnforcementPoint::Webhook,
        subject: subject.clone(),
    })
}

fn review_with(request: &Request) {
    let verdict = review::review(world(), request);
    assert_eq!(
        verdict,
        review::review(world(), request),
        "not the same twice"
    );
    assert_eq!(
        verdict.unreplayed, 0,
        "a connection that does not replay: {request:#?}"
    );
    let denied = verdict.outcome() == Outcome::Deny;
    assert_eq!(denied, !words::message(&verdict).is_empty());
    assert!(
        !denied || request.writer.name != OPERATOR,
        "the operator is refused: {request:#?}"
    );
    for finding in &verdict.findings {
        readable(finding);
    }
}

/// Checks that every finding can be printed, with its connection if it has one.
fn readable(finding: &Finding) {
    assert!(words::long(finding).contains(finding.code.as_str()));
    assert!(
        !finding.reason.is_empty() && !finding.help.is_empty(),
        "{finding:?}"
    );
    let warning = words::warning(finding);
    assert!(warning.chars().count() <= 256, "{warning}");
    assert!(!warning.contains(char::is_control), "{warning}");
    let about_connections = matches!(
        finding.code,
        Code::Obp101
            | Code::Obp201
            | Code::Obp202
            | Code::Obp302
            | Code::Obp303
            | Code::Obp305
            | Code::Obp306
    );
    assert!(
        finding.witness.is_some() || !about_connections,
        "no connection: {finding:?}"
    );
}

/// Checks that a repaired object needs no repair.
fn repaired(request: &Request, edit: &Edit<Policy>) {
    let repairs = review::repair(world(), request);
    assert_eq!(repairs.repairs.is_empty(), repairs.warnings.is_empty());
    let Some(after) = edit.after.as_ref().and_then(Fact::read) else {
        assert!(
            repairs.repairs.is_empty(),
            "nothing to repair: {request:#?}"
        );
        return;
    };
    let mut object = render::policy(after);
    let text = RawValue::from_string(object.to_string()).expect("JSON");
    let Some(patch) = patch::patch(&repairs, request, Some(&text)) else {
        assert!(repairs.repairs.is_empty(), "no patch: {request:#?}");
        return;
    };
    json_patch::patch(&mut object, &patch).expect("the patch applies");
    let fixed = read::policy(object.to_string().as_bytes(), &edit.object);
    assert!(fixed.read().is_some(), "repaired into nonsense: {object}");
    let again = Request {
        subject: Subject::Policy(Edit {
            after: Some(fixed),
            ..edit.clone()
        }),
        ..request.clone()
    };
    let repairs = review::repair(world(), &again);
    assert!(repairs.repairs.is_empty(), "not idempotent: {again:#?}");
}
