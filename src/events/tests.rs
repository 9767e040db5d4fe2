use std::collections::VecDeque;
use std::sync::Mutex;

use kube::client::Body;
use serde_json::Value;
use tokio::sync::mpsc;

use super::*;
use crate::audit::Outbox;
use crate::inventory::Kind;

fn notice(path: &str) -> Notice {
    Notice {
        regarding: Regarding::Configuration {
            kind: "ValidatingWebhookConfiguration",
            name: "a".to_owned(),
        },
        related: None,
        occasion: Occasion::Found,
        reason: "OBP201".to_owned(),
        path: path.to_owned(),
        note: String::new(),
    }
}

#[test]
fn the_name_depends_on_the_object_and_the_place_and_on_nothing_else() {
    let name = event_name("bao", "uid", &notice("spec"));
    assert_eq!(name, event_name("bao", "uid", &notice("spec")));
    // Written out: another build has to find the same.
    assert_eq!(name, "bao.bce62be61ff2693a");
    assert_ne!(name, event_name("bao", "other", &notice("spec")));
    assert_ne!(name, event_name("bao", "uid", &notice("spec.ingress")));
}

#[test]
fn a_long_name_still_makes_a_name_and_a_long_note_is_cut_between_characters() {
    let long = format!("{}.{}", "a".repeat(199), "b".repeat(53));
    let name = event_name(&long, "uid", &notice(""));
    assert!(
        name.starts_with(&format!("{}.", "a".repeat(199))) && name.len() < 253,
        "{name}"
    );
    assert_eq!(cut("aé", 2), "a");
}

/// An API server that has every object and answers the next creations of Events with these codes,
/// then with 201; each creation is handed out, by the name of the object.
fn api_server(codes: &[u16]) -> (Client, mpsc::UnboundedReceiver<String>) {
    let codes = Arc::new(Mutex::new(VecDeque::from(codes.to_vec())));
    let (sender, created) = mpsc::unbounded_channel();
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let (codes, sender) = (Arc::clone(&codes), sender.clone());
        async move {
            let (parts, body) = request.into_parts();
            let is_creation = parts.method == http::Method::POST;
            let known = json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
                "metadata": {"name": "p", "namespace": "bao", "uid": "u"}});
            let (code, answer) = if is_creation {
                let event: Value =
                    serde_json::from_slice(&body.collect_bytes().await.unwrap()).expect("an Event");
                let code = codes.lock().unwrap().pop_front().unwrap_or(201);
                let name = event["regarding"]["name"].as_str().expect("a name");
                sender.send(name.to_owned()).expect("somebody listens");
                match code {
                    201 => (code, event),
                    _ => (
                        code,
                        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure",
                        "message": "no", "reason": "None", "code": code}),
                    ),
                }
            } else {
                (200, known)
            };
            let answer = Body::from(answer.to_string().into_bytes());
            let response = http::Response::builder().status(code).body(answer);
            Ok::<_, std::convert::Infallible>(response.expect("a response"))
        }
    });
    (Client::new(service, "default"), created)
}

fn about(name: &str, occasion: Occasion) -> Notice {
    Notice {
        regarding: Regarding::Object(ObjectRef {
            kind: Kind::NetworkPolicy,
            namespace: "bao".into(),
            name: name.into(),
        }),
        occasion,
        ..notice("spec")
    }
}

/// Writes notices while the API server answers so, until there were so many creations: the objects
/// in their order, and what became of the Events.
async fn written(notices: Vec<Notice>, codes: &[u16], creations: usize) -> (Vec<String>, String) {
    let (client, mut created) = api_server(codes);
    let metrics = Arc::new(Metrics::new());
    let (outbox, inbox) = Outbox::new(Arc::clone(&metrics));
    let writing = tokio::spawn(write(client, "a".to_owned(), Arc::clone(&metrics), inbox));
    for notice in notices {
        outbox.post(notice);
    }
    let mut order = Vec::new();
    while order.len() < creations {
        order.push(created.recv().await.expect("a creation"));
    }
    // No more of them in an hour.
    let more = timeout(Duration::from_hours(1), created.recv()).await;
    assert!(more.is_err(), "{more:?} after {order:?}");
    drop(outbox);
    writing.await.expect("no panic");
    let text = metrics.text().expect("text");
    let counts = text
        .lines()
        .filter_map(|line| line.strip_prefix("openbao_perimeter_events_total{outcome=\""))
        .filter(|line| !line.ends_with(" 0"));
    let counts: Vec<String> = counts.map(|line| line.replace("\"}", "")).collect();
    let mut counts = counts;
    counts.sort_unstable();
    (order, counts.join(", "))
}

#[tokio::test(start_paused = true)]
async fn what_stands_is_told_once_the_api_server_takes_it_and_keeps_nobody_waiting() {
    let notices = vec![
        about("found", Occasion::Found),
        about("next", Occasion::Refused),
    ];
    let (order, counts) = written(notices, &[503, 201, 500], 4).await;
    assert_eq!(order, ["found", "next", "found", "found"]);
    assert_eq!(counts, "retried 2, written 2");
}

#[tokio::test(start_paused = true)]
async fn after_some_tries_it_is_given_up() {
    let tries = usize::try_from(later::TRIES).expect("few") + 1;
    let notices = vec![about("found", Occasion::Drifted)];
    let (order, counts) = written(notices, &[503; 20], tries).await;
    assert_eq!(order.len(), tries);
    assert_eq!(counts, "failed 1, retried 4");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_and_what_may_not_be_written_are_not_tried_again() {
    for (occasion, code) in [
        (Occasion::Refused, 503),
        (Occasion::Found, 403),
        (Occasion::Found, 422),
    ] {
        let (_, counts) = written(vec![about("a", occasion)], &[code; 20], 1).await;
        assert_eq!(counts, "failed 1", "{occasion:?} {code}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_bounded_and_comes_out_by_its_time() {
    let mut later = Later::default();
    later.put(notice("late"), 2).expect("room");
    later.put(notice("soon"), 1).expect("room");
    for path in ["soon", "late"] {
        assert_eq!(later.due().await.0.path, path);
    }
    let kept = (0..1_000).filter_map(|_| later.put(notice("a"), 1));
    assert_eq!(kept.count(), 64);
}
