//! Hostile bodies and their expected responses.

use netpol::testing::dice::Seeded;
use openbao_perimeter::admission::WebhookKind;
use serde_json::{Value, json};

use super::client::Kind;
use crate::support::{UID, review, review_with};

/// Maximum size of a body.
pub(crate) const LIMIT: usize = 7 * 1024 * 1024;

/// A review with this text as its object. The uid is first, as the API server writes it.
fn with_object(object: &str) -> Vec<u8> {
    format!(
        r#"{{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{{"uid":"{UID}","kind":{{"group":"networking.k8s.io","version":"v1","kind":"NetworkPolicy"}},"name":"web","namespace":"bao","operation":"CREATE","userInfo":{{"username":"alice"}},"object":{object}}}}}"#
    )
    .into_bytes()
}

/// A review whose object contains `element` as often as the limit allows, between two texts.
fn filled(before: &str, element: &str, after: &str) -> Vec<u8> {
    let room = LIMIT - with_object(&format!("{before}{after}")).len();
    let elements = vec![element; room / (element.len() + 1)].join(",");
    with_object(&format!("{before}{elements}{after}"))
}

/// A valid review of exactly this size.
pub(crate) fn of_size(bytes: usize) -> Vec<u8> {
    let (before, after) = (
        r#"{"metadata":{"name":"web","namespace":"bao","annotations":{"a":""#,
        r#""}},"spec":{"podSelector":{"matchLabels":{"app":"web"}}}}"#,
    );
    let room = bytes - with_object(&format!("{before}{after}")).len();
    let body = with_object(&format!("{before}{}{after}", "x".repeat(room)));
    assert_eq!(body.len(), bytes);
    body
}

/// A review whose user has `element` in its extra fields as often as the limit allows.
fn extra(before: &str, element: &str, after: &str) -> Vec<u8> {
    let body = with_object("{}");
    let user = r#""username":"alice""#;
    let room = LIMIT - body.len() - user.len() - before.len() - after.len() - 16;
    let elements = vec![element; room / (element.len() + 1)].join(",");
    let extra = format!(r#"{user},"extra":{before}{elements}{after}"#);
    replaced(&body, user, extra.as_bytes())
}

fn labels(count: usize) -> Vec<u8> {
    let labels: Vec<String> = (0..count).map(|at| format!(r#""l{at}":"v""#)).collect();
    with_object(&format!(
        r#"{{"metadata":{{"name":"web","namespace":"bao","labels":{{{}}}}},"spec":{{"podSelector":{{}}}}}}"#,
        labels.join(",")
    ))
}

fn part(part: &str, value: Value) -> Vec<u8> {
    review_with(part, value).to_string().into_bytes()
}

fn replaced(body: &[u8], from: &str, to: &[u8]) -> Vec<u8> {
    let at = body
        .windows(from.len())
        .position(|window| window == from.as_bytes());
    let at = at.unwrap();
    [&body[..at], to, &body[at + from.len()..]].concat()
}

/// Name, body, expected responses.
pub(crate) fn all() -> Vec<(&'static str, Vec<u8>, &'static [Kind])> {
    use Kind::{Error, Judged, Refused};
    const PROPER: &[Kind] = &[Judged, Refused];
    const REFUSED: &[Kind] = &[Refused];
    const ERROR: &[Kind] = &[Error];
    let spec =
        r#"{"metadata":{"name":"web","namespace":"bao"},"spec":{"podSelector":{},"ingress":["#;
    let ports = r#"{"metadata":{"name":"web","namespace":"bao"},"spec":{"podSelector":{},"ingress":[{"ports":["#;
    let peers = r#"{"metadata":{"name":"web","namespace":"bao"},"spec":{"podSelector":{},"ingress":[{"from":["#;
    let sound = review().to_string().into_bytes();
    vec![
        ("as large as allowed", of_size(LIMIT), PROPER),
        ("one byte more", of_size(LIMIT + 1), ERROR),
        ("much more", of_size(LIMIT + LIMIT / 2), ERROR),
        ("empty rules", filled(spec, "{}", "]}}"), PROPER),
        ("empty ports", filled(ports, "{}", "]}]}}"), PROPER),
        ("empty peers", filled(peers, "{}", "]}]}}"), PROPER),
        (
            "mistakes",
            filled(peers, r#"{"ipBlock":{"cidr":"x"}}"#, "]}]}}"),
            PROPER,
        ),
        ("lists of lists", filled(r#"{"spec":["#, "[]", "]}"), PROPER),
        (
            "objects in depth",
            with_object(&(r#"{"a":"#.repeat(1_000_000) + "1" + &"}".repeat(1_000_000))),
            PROPER,
        ),
        (
            "lists in depth",
            with_object(&("[".repeat(3_000_000) + &"]".repeat(3_000_000))),
            PROPER,
        ),
        (
            "depth without end",
            with_object(&"[".repeat(5_000_000)),
            ERROR,
        ),
        ("depth outside", "[".repeat(5_000_000).into_bytes(), ERROR),
        (
            "a writer's extra fields",
            extra(r#"{"a":["#, r#""""#, "]}"),
            REFUSED,
        ),
        (
            "a writer's extra keys",
            extra("{", r#""":[]"#, "}"),
            REFUSED,
        ),
        ("a hundred thousand labels", labels(100_000), PROPER),
        ("three hundred thousand labels", labels(300_000), PROPER),
        ("uid: number", part("uid", json!(7)), ERROR),
        ("uid: null", part("uid", json!(null)), ERROR),
        ("uid: list", part("uid", json!([UID])), ERROR),
        ("uid: object", part("uid", json!({"uid": UID})), ERROR),
        ("uid: empty", part("uid", json!("")), ERROR),
        (
            "version of the kind",
            part(
                "kind",
                json!({"group": "networking.k8s.io", "version": "v2", "kind": "NetworkPolicy"}),
            ),
            PROPER,
        ),
        (
            "version of the review",
            replaced(&sound, "admission.k8s.io/v1", b"admission.k8s.io/v1beta1"),
            REFUSED,
        ),
        (
            "no UTF-8 in a name",
            replaced(&sound, "alice", b"\xff\xfe\x80"),
            ERROR,
        ),
        (
            "no UTF-8 in the uid",
            replaced(&sound, UID, b"\xc3\x28"),
            ERROR,
        ),
        (
            "no UTF-8 in the object",
            with_object("{\"metadata\":{\"name\":\"\u{1}\"}}")
                .iter()
                .map(|byte| if *byte == 1 { 0xff } else { *byte })
                .collect(),
            PROPER_OR_ERROR,
        ),
        (
            "half a surrogate",
            replaced(&sound, "alice", br"\ud800"),
            PROPER_OR_ERROR,
        ),
        ("nothing", Vec::new(), ERROR),
        ("zeros", vec![0; 1_000_000], ERROR),
        (
            "a long number",
            with_object(&"9".repeat(1_000_000)),
            PROPER_OR_ERROR,
        ),
    ]
}

const PROPER_OR_ERROR: &[Kind] = &[Kind::Judged, Kind::Refused, Kind::Error];

/// Valid reviews with some bytes changed, dropped or repeated. They are the same in each run.
pub(crate) fn mutated(count: usize) -> Vec<Vec<u8>> {
    let mut dice = Seeded::new(0x9e37_79b9_7f4a_7c15);
    let sound = review().to_string().into_bytes();
    let one = |_| {
        let mut body = sound.clone();
        for _ in 0..=dice.roll(8) {
            let at = dice.roll(body.len());
            match dice.roll(3) {
                0 => body[at] = u8::try_from(dice.roll(256)).unwrap(),
                1 => drop(body.remove(at)),
                _ => body.insert(at, b"{}[]\",:0\\"[dice.roll(9)]),
            }
        }
        body
    };
    (0..count).map(one).collect()
}

impl super::Answered {
    /// The kind of this answer at `point`. The mutating webhook denies nothing because of a limit.
    pub(crate) fn kind(&self, point: WebhookKind) -> Kind {
        match self {
            Self::Review { allowed: true, .. } if point == WebhookKind::Mutate => Kind::Refused,
            Self::Review {
                code: None | Some(403),
                ..
            } => Kind::Judged,
            Self::Review { .. } => Kind::Refused,
            Self::Error(_) => Kind::Error,
            Self::Cut => Kind::Nothing,
        }
    }
}
