//! The first bytes of a body, for a review that is answered without reading it completely.
//!
//! The API server writes uid, name, operation and user before the objects, so a few kilobytes are enough to
//! answer with the right uid. The usual parser is used. It ends with the bytes or at the first unexpected
//! type. A text that is cut off counts as absent.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::envelope::Text;
use crate::audit::Operation;

/// The parts of a request that were found. Other parts are empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Peek {
    /// UID, which the response has to repeat.
    pub(crate) uid: String,
    /// Namespace.
    pub(crate) namespace: String,
    /// Name.
    pub(crate) name: String,
    /// Operation.
    pub(crate) operation: Operation,
    /// Username.
    pub(crate) user: String,
}

/// Reads the first bytes of a body, or a complete one.
pub(crate) fn peek(body: &[u8]) -> Peek {
    let mut seen = Peek {
        uid: String::new(),
        namespace: String::new(),
        name: String::new(),
        operation: Operation::Other,
        user: String::new(),
    };
    let fields = Fields {
        seen: &mut seen,
        level: Level::Review,
    };
    let mut json = serde_json::Deserializer::from_slice(body);
    // An early end is expected. The parts before it were recorded.
    let _end = fields.deserialize(&mut json);
    seen
}

#[derive(Clone, Copy)]
enum Level {
    Review,
    Request,
    User,
}

struct Fields<'a> {
    seen: &'a mut Peek,
    level: Level,
}

impl<'de> DeserializeSeed<'de> for Fields<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { seen, level } = self;
        while let Some(key) = map.next_key::<Text<'de>>()? {
            let text = match (level, &*key) {
                (Level::Review, "request") => {
                    let level = Level::Request;
                    map.next_value_seed(Fields { seen, level })?;
                    continue;
                }
                (Level::Request, "userInfo") => {
                    let level = Level::User;
                    map.next_value_seed(Fields { seen, level })?;
                    continue;
                }
                (Level::Request, "operation") => {
                    seen.operation = Operation::from_api(&map.next_value::<Text<'de>>()?);
                    continue;
                }
                (Level::Request, "uid") => &mut seen.uid,
                (Level::Request, "namespace") => &mut seen.namespace,
                (Level::Request, "name") => &mut seen.name,
                (Level::User, "username") => &mut seen.user,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *text = map.next_value::<Text<'de>>()?.to_string();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{
        "uid":"\u0037","kind":{"kind":"NetworkPolicy"},"namespace":"bao","operation":"CREATE",
        "userInfo":{"username":"alice","groups":["a","b"]},"object":{"uid":"other"}}}"#;

    #[test]
    fn a_body_that_is_cut_has_whole_fields_or_none() {
        for end in 0..=BODY.len() {
            let seen = peek(&BODY.as_bytes()[..end]);
            for (found, whole) in [
                (&seen.uid, "7"),
                (&seen.namespace, "bao"),
                (&seen.user, "alice"),
            ] {
                assert!(found.is_empty() || found == whole, "{end}: {seen:?}");
            }
        }
        let whole = peek(BODY.as_bytes());
        assert_eq!((whole.uid.as_str(), whole.user.as_str()), ("7", "alice"));
        assert_eq!(whole.operation, Operation::Create);
    }

    #[test]
    fn only_the_uid_of_the_request_is_one() {
        for body in [
            r#"{"uid":"1","request":{"object":{"uid":"2"}}}"#,
            r#"{"other":"\"request\":{\"uid\":\"3\"}","request":{"#,
            r#"{"request":{"uid":4}}"#,
            r#"["request",{"uid":"5"}]"#,
            "\"uid\":\"6\"",
            "",
        ] {
            assert_eq!(peek(body.as_bytes()).uid, "", "{body}");
        }
    }

    #[test]
    fn what_follows_the_uid_may_be_anything() {
        let deep = format!(r#"{{"request":{{"uid":"7","object":{}"#, "[".repeat(50_000));
        assert_eq!(peek(deep.as_bytes()).uid, "7");
        let mut garbage = br#"{"request":{"uid":"7","name":"#.to_vec();
        garbage.extend([0xff, 0xfe, b'"']);
        assert_eq!(peek(&garbage).uid, "7");
    }
}
