//! A policy, or the edit of one, judged against a fixed world.

use arbitrary::{Result, Unstructured};
use openbao_perimeter::admission::patch;
use openbao_perimeter::inventory::{Fact, Kind, ObjectRef, Policy, read, render};
use openbao_perimeter::perimeter::{Connection, Reading};
use openbao_perimeter::review::{
    self, Edit, Operation, Outcome, Request, Subject, Verdict, Writer, render as words,
};
use openbao_perimeter::rules::{Code, Finding, Level};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::world::{NAMESPACE, world};
use super::{naive, shape};

const NAMES: &[&str] = &[
    "fuzzed",
    "bao-network-policy",
    "bao-jobs-network-policy",
    "vault-network-policy",
    "default-deny",
    "odd",
];
const WRITERS: &[&str] = &[
    "somebody",
    "system:serviceaccount:openbao-operator-system:openbao-operator-controller",
    "system:kube-controller-manager",
];

/// A NetworkPolicy as JSON where the input begins with `{`: created, written over each stored
/// policy. Else an edit made of the bytes.
pub fn policy_review(data: &[u8]) {
    if data.starts_with(b"{") {
        for name in NAMES {
            let after = read::policy(data, &named(name));
            // Admission takes an object that is not the one which the request names for unreadable.
            if after.meta().namespace == NAMESPACE.into() && *after.meta().name == **name {
                judge_all(name, stored(name), Some(after.clone()));
                judge_all(name, None, Some(after));
            }
        }
    } else {
        let _too_short = structured(&mut Unstructured::new(data));
    }
}

fn structured(u: &mut Unstructured<'_>) -> Result<()> {
    let name = *u.choose(NAMES)?;
    let before = match u.int_in_range(0..=3)? {
        0 => None,
        1 => Some(policy(name, &shape::spec(u)?)),
        _ => stored(name),
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
    judge_all(name, before, after.map(|spec| policy(name, &spec)));
    Ok(())
}

fn named(name: &str) -> ObjectRef {
    ObjectRef {
        kind: Kind::NetworkPolicy,
        namespace: NAMESPACE.into(),
        name: name.into(),
    }
}

fn policy(name: &str, spec: &Value) -> Fact<Policy> {
    let object = json!({"metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec});
    read::policy(object.to_string().as_bytes(), &named(name))
}

fn stored(name: &str) -> Option<Fact<Policy>> {
    world().snapshot.policy(NAMESPACE, name).cloned()
}

/// The write by each class of writer.
fn judge_all(name: &str, before: Option<Fact<Policy>>, after: Option<Fact<Policy>>) {
    let operation = match (&before, &after) {
        (None, None) => return,
        (None, Some(_)) => Operation::Create,
        (Some(_), Some(_)) => Operation::Update,
        (Some(_), None) => Operation::Delete,
    };
    let edit = Edit {
        object: named(name),
        spec_changed: before != after,
        before,
        after,
    };
    for writer in WRITERS {
        let request = Request {
            operation,
            writer: Writer {
                name: (*writer).to_owned(),
                groups: Vec::new(),
            },
            subject: Subject::Policy(edit.clone()),
        };
        let verdict = judge(&request, &edit);
        assert!(
            *writer == WRITERS[0] || verdict.outcome() != Outcome::Deny || *writer == WRITERS[2],
            "the operator is refused: {request:#?}"
        );
    }
}

fn judge(request: &Request, edit: &Edit<Policy>) -> Verdict {
    let verdict = review::review(world(), request);
    assert_eq!(
        verdict,
        review::review(world(), request),
        "not the same twice"
    );
    let refused = verdict.outcome() == Outcome::Deny;
    assert_eq!(refused, !words::message(&verdict).is_empty());
    for finding in &verdict.findings {
        readable(finding);
        proved(finding, edit);
    }
    repaired(request, edit);
    verdict
}

/// Every finding can be shown.
fn readable(finding: &Finding) {
    assert!(words::long(finding).contains(finding.code.as_str()));
    assert!(
        !finding.reason.is_empty() && !finding.help.is_empty(),
        "{finding:?}"
    );
    let warning = words::warning(finding);
    assert!(warning.chars().count() <= 256, "{warning}");
    assert!(!warning.contains(char::is_control), "{warning}");
}

/// The connection of a finding is one that the policy lets through, or no longer does.
fn proved(finding: &Finding, edit: &Edit<Policy>) {
    let needs_witness = matches!(
        finding.code,
        Code::Obp101 | Code::Obp102 | Code::Obp201 | Code::Obp202
    );
    let Some(witness) = &finding.witness else {
        assert!(!needs_witness, "no connection: {finding:?}");
        return;
    };
    let passes = |fact: &Option<Fact<Policy>>, reading| {
        let policy = fact.as_ref().and_then(Fact::read);
        policy.is_some_and(|policy| naive::lets_through(policy, witness, reading))
    };
    match finding.code {
        Code::Obp201 | Code::Obp202 => assert!(
            passes(&edit.after, Reading::May),
            "does not pass: {finding:?}"
        ),
        Code::Obp101 => {
            assert!(!passes(&edit.after, Reading::Must), "not cut: {finding:?}");
        }
        Code::Obp102 => assert!(
            finding.level == Level::Warn || !isolated(edit.after.as_ref(), witness),
            "still isolated: {finding:?}"
        ),
        _ => {}
    }
}

fn isolated(fact: Option<&Fact<Policy>>, connection: &Connection) -> bool {
    let subject = connection.subject.iter().cloned().collect();
    let policy = fact.and_then(Fact::read);
    policy.is_some_and(|policy| {
        naive::selects(&policy.pods, &subject) && policy.isolates(connection.direction)
    })
}

/// What is repaired needs no repair.
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
