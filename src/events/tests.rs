use std::collections::VecDeque;
use std::sync::Mutex;

use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::*;
use crate::audit::EventQueue;
use crate::audit::event_queue::Action;
use crate::inventory::Kind;

/// An API server with every object but `gone`. It answers the next writes of Events with these status codes,
/// then with 201. A code of 0 is no answer. Each write is sent to the channel.
fn api_server(codes: &[u16]) -> (Client, mpsc::UnboundedReceiver<Value>) {
    let codes = Arc::new(Mutex::new(VecDeque::from(codes.to_vec())));
    let (sender, written) = mpsc::unbounded_channel();
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let (codes, sender) = (Arc::clone(&codes), sender.clone());
        async move {
            let (parts, body) = request.into_parts();
            let (code, answer) = if parts.method == http::Method::GET {
                let code = if parts.uri.path().ends_with("/gone") {
                    404
                } else {
                    200
                };
                (
                    code,
                    json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
                    "metadata": {"name": "p", "namespace": "bao", "uid": "u"}}),
                )
            } else {
                let body = body.collect_bytes().await.unwrap();
                let event: Value = serde_json::from_slice(&body).expect("an Event");
                sender.send(event.clone()).expect("a listener");
                let code = codes.lock().unwrap().pop_front().unwrap_or(201);
                (code, event)
            };
            if code == 0 {
                std::future::pending::<()>().await;
            }
            let reason = if code == 404 {
                "NotFound"
            } else {
                "InternalError"
            };
            let answer = match code {
                200 | 201 => answer,
                _ => json!({"kind": "Status", "apiVersion": "v1", "status": "Failure",
                    "message": "no", "reason": reason, "code": code}),
            };
            let answer = Body::from(answer.to_string().into_bytes());
            let response = http::Response::builder().status(code).body(answer);
            Ok::<_, std::convert::Infallible>(response.expect("a response"))
        }
    });
    (Client::new(service, "default"), written)
}

fn event(name: &str) -> Event {
    Event {
        regarding: Regarding::Object(ObjectRef {
            kind: Kind::NetworkPolicy,
            namespace: "bao".into(),
            name: name.into(),
        }),
        related: None,
        action: Action::Audit,
        reason: "OBP201".to_owned(),
        note: format!("{}é", "a".repeat(NOTE - 1)),
    }
}

/// Records these Events. Returns the writes and the outcome of each.
async fn recorded(events: Vec<Event>, codes: &[u16]) -> (Vec<Value>, String) {
    let (client, mut written) = api_server(codes);
    let metrics = Arc::new(Metrics::new());
    let (queue, receiver) = EventQueue::new(Arc::clone(&metrics));
    for event in events {
        queue.send(event);
    }
    drop(queue);
    record(client, "a".to_owned(), Arc::clone(&metrics), receiver).await;
    let mut all = Vec::new();
    while let Ok(event) = written.try_recv() {
        all.push(event);
    }
    let text = metrics.text().expect("text");
    let mut counts: Vec<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("openbao_perimeter_events_total{outcome=\""))
        .filter(|line| !line.ends_with(" 0"))
        .map(|line| line.replace("\"}", ""))
        .collect();
    counts.sort_unstable();
    (all, counts.join(", "))
}

#[tokio::test(start_paused = true)]
async fn an_event_names_its_object_by_uid_and_its_note_is_cut_between_characters() {
    let (written, counts) = recorded(vec![event("p")], &[]).await;
    assert_eq!(counts, "written 1");
    let event = &written[0];
    assert_eq!(event["regarding"]["name"], "p");
    assert_eq!(event["regarding"]["namespace"], "bao");
    assert_eq!(event["regarding"]["uid"], "u");
    assert_eq!(event["action"], "Audit");
    assert_eq!(event["reason"], "OBP201");
    assert_eq!(event["reportingController"], CONTROLLER);
    assert_eq!(event["note"], "a".repeat(NOTE - 1));
}

#[tokio::test(start_paused = true)]
async fn a_repetition_is_counted_in_the_series_and_objects_that_are_gone_have_no_event() {
    let events = vec![event("p"), event("p"), event("gone")];
    let (written, counts) = recorded(events, &[]).await;
    assert_eq!(counts, "gone 1, written 2");
    assert_eq!(written[1]["series"]["count"], 2);
    assert_eq!(
        written[0]["metadata"]["name"],
        written[1]["metadata"]["name"]
    );
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_fails_or_stays_silent_holds_up_no_later_event() {
    let events = vec![event("a"), event("b"), event("c")];
    let (written, counts) = recorded(events, &[503, 0]).await;
    assert_eq!(written.len(), 3);
    assert_eq!(counts, "failed 2, written 1");
}
