//! Request bodies with arbitrary bytes.

use std::sync::OnceLock;

use openbao_perimeter::admission::{Admission, Answer, Protocol, Rejection, WebhookKind};
use serde_json::Value;

use super::world::world;

fn admission() -> &'static Admission {
    static ADMISSION: OnceLock<Admission> = OnceLock::new();
    ADMISSION.get_or_init(|| {
        let admission = Admission::default();
        admission.publish(world().clone());
        admission
    })
}

/// Sends any bytes to both webhooks, with and without facts.
pub fn envelope(data: &[u8]) {
    let value = serde_json::from_slice::<Value>(data).ok();
    let uid = value
        .as_ref()
        .and_then(|value| value.get("request")?.get("uid")?.as_str())
        .filter(|uid| !uid.is_empty());
    for point in WebhookKind::ALL {
        for admission in [admission(), &Admission::default()] {
            let answer = admission.answer(point, data);
            check(&answer);
            let cut = &data[..data.len() / 2];
            check(&admission.rejected(point, cut, Rejection::TooLate));
            assert_eq!(answer, admission.answer(point, data), "not the same twice");
            if let (Some(value), Some(uid)) = (&value, uid) {
                // Serialised again, so that no field occurs twice.
                let answer = admission.answer(point, value.to_string().as_bytes());
                assert_eq!(answer.record.uid, uid);
                check(&answer);
            }
        }
    }
}

/// Checks that the answer is a review with the uid, or a text.
fn check(answer: &Answer) {
    assert_eq!(
        answer.record.unreplayed, 0,
        "a connection that does not replay"
    );
    if answer.protocol == Protocol::NotAReview {
        let text = str::from_utf8(&answer.body).expect("text");
        assert!(!text.trim().is_empty());
        return;
    }
    let body: Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!(body["apiVersion"], "admission.k8s.io/v1");
    assert_eq!(body["kind"], "AdmissionReview");
    let response = &body["response"];
    assert_eq!(response["uid"], answer.record.uid);
    assert!(!answer.record.uid.is_empty());
    if response["allowed"] == false {
        let status = &response["status"];
        assert!(matches!(status["code"].as_i64(), Some(400..=599)), "{body}");
        assert!(
            status["message"]
                .as_str()
                .is_some_and(|text| !text.is_empty()),
            "{body}"
        );
    } else {
        assert_eq!(response["allowed"], true);
    }
    assert_eq!(response["patch"].is_null(), response["patchType"].is_null());
}
