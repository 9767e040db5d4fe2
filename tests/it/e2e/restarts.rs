//! Restarts of etcd and the API server under two replicas.

mod impatient;

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::replicas::ask;
use super::replicas::stage::Stage;
use crate::control_plane::wait_until;
use crate::example;
use crate::support::review_with;
use impatient::Impatient;

/// Longer than the minimum of `staleAfter`.
const LIMIT: Duration = Duration::from_mins(4);
/// The minimum. `OBP_LONG_OUTAGES=1` waits until the replicas deny because of it.
const AGE: &str = "cluster: {staleAfter: 2m}\n";
/// Number of requests for each verdict to each replica during an outage.
const ROUNDS: usize = 5;

#[derive(Clone, Copy, Debug)]
enum Part {
    Etcd,
    ApiServer,
}

impl Part {
    fn stop(self, stage: &Stage) {
        match self {
            Self::Etcd => stage.plane.stop_etcd(),
            Self::ApiServer => stage.plane.stop_api_server(),
        }
    }

    fn start(self, stage: &Stage) {
        match self {
            Self::Etcd => stage.plane.start_etcd(),
            Self::ApiServer => stage.plane.start_api_server(),
        }
    }
}

#[test]
fn both_replicas_outlive_etcd_and_the_api_server_and_answer_by_what_they_know() {
    let stage = Stage::set_up(AGE);
    stage.wait_for("both are ready", || stage.are_ready());
    stage.register();
    let bundle = stage.bundle().expect("a bundle");
    let impatient = Impatient::follow(&stage.plane);
    let web = review("allowed-policy-for-web-pods", "bao");
    impatient.wait_for(&web, None);
    for part in [Part::Etcd, Part::ApiServer] {
        part.stop(&stage);
        let begun = Instant::now();
        let right = answers_by_what_is_known(&stage, &bundle);
        if let Part::ApiServer = part {
            stale_facts_deny(&stage, &bundle, &impatient, &web);
        }
        let gone = begun.elapsed();
        part.start(&stage);
        let begun = Instant::now();
        comes_back(&stage);
        impatient.wait_for(&web, None);
        println!(
            "{part:?} gone for {gone:.0?}: {right} of {right} answers right; all is well again \
             {:.0?} after its start",
            begun.elapsed()
        );
    }
}

/// Only without an API server. Without etcd the API server still answers watches from its cache and accepts
/// no writes, so facts do not become stale.
fn stale_facts_deny(stage: &Stage, bundle: &str, impatient: &Impatient, web: &Value) {
    impatient.wait_for(web, Some("OBP403"));
    if std::env::var_os("OBP_LONG_OUTAGES").is_none() {
        return;
    }
    wait_until("both refuse by age", LIMIT, || {
        let answers = each(stage, bundle, std::slice::from_ref(web));
        let mut answers = answers.iter().flatten();
        let denied = |answer: &Value| answer.to_string().contains("OBP403");
        answers.all(denied).then_some(())
    });
}

/// The review of a tenant's write of a scene's policy.
fn review(scene: &str, namespace: &str) -> Value {
    let policy: Value = serde_saphyr::from_str(&example::scene(scene, namespace)).expect("YAML");
    let mut review = review_with("namespace", json!(namespace));
    review["request"]["name"] = policy["metadata"]["name"].clone();
    review["request"]["object"] = policy;
    review
}

/// The answers of each replica to each review, sent concurrently.
fn each(stage: &Stage, bundle: &str, reviews: &[Value]) -> Vec<Vec<Value>> {
    let replicas = stage.replicas.read().unwrap().clone();
    thread::scope(|scope| {
        let ask = |review| {
            let ask = |address| scope.spawn(move || ask::review(address, bundle, review));
            let asked = replicas.iter().map(|replica| ask(replica.reviews));
            asked.collect::<Vec<_>>()
        };
        let asked: Vec<_> = reviews.iter().map(ask).collect();
        let answers = asked.into_iter().map(|asked| {
            let answers = asked.into_iter();
            answers
                .map(|answer| answer.join().expect("an answer"))
                .collect()
        });
        answers.collect()
    })
}

/// Checks the table of docs/architecture.md for the time before the facts are stale. Returns the number of
/// answers, all of them correct.
fn answers_by_what_is_known(stage: &Stage, bundle: &str) -> usize {
    let open = "refused-OBP201-open-api-by-four-labels";
    let expected = [
        (review("allowed-policy-for-web-pods", "bao"), None),
        // A live read is tried once, and the denial stays.
        (review(open, "bao"), Some("OBP201")),
        // No cluster is known there, and it is unknown whether one was created since.
        (review(open, "elsewhere"), Some("OBP403")),
    ];
    let (reviews, codes): (Vec<_>, Vec<_>) = expected.into_iter().unzip();
    let mut right = 0;
    for _ in 0..ROUNDS {
        for (answers, code) in each(stage, bundle, &reviews).iter().zip(&codes) {
            for answer in answers {
                assert_eq!(answer["allowed"], code.is_none(), "{answer:#}");
                let named = code.is_none_or(|code| answer.to_string().contains(code));
                assert!(named, "{code:?}: {answer:#}");
                right += 1;
            }
        }
        stage.wait_for("both are ready and alive", || stage.are_ready());
    }
    right
}

/// Checks that the API server calls the webhooks again, and that new objects reach both replicas.
fn comes_back(stage: &Stage) {
    stage.wait_for("the control plane is ready", || stage.plane.is_ready());
    stage.wait_for("the API server asks the webhooks", || stage.is_asked());
    let open = example::scene("refused-OBP201-open-api-by-four-labels", "bao");
    let written = example::as_operator(&stage.plane, &open).run();
    assert!(written.status_ok, "{written:?}");
    stage.wait_for("both audits find it", || {
        found(stage).iter().all(|all| *all > 0)
    });
    let delete = "delete networkpolicy open-api -n bao";
    stage.plane.kubectl(delete.split(' ')).run_ok();
    stage.wait_for("both audits find it no more", || {
        found(stage).iter().all(|all| *all == 0)
    });
}

/// Number of OBP201 findings of each replica's audit.
fn found(stage: &Stage) -> Vec<usize> {
    let replicas = stage.replicas.read().unwrap().clone();
    let name = |level: &str| {
        format!("openbao_perimeter_audit_findings{{code=\"OBP201\",level=\"{level}\"}}")
    };
    let names = ["deny", "warn"].map(name);
    let all = replicas.iter().map(|replica| {
        let counts = names.iter().map(|name| replica.metric(name));
        counts.sum()
    });
    all.collect()
}
