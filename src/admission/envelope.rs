//! The AdmissionReview without its objects, read so that the uid is known whatever else is malformed.
//!
//! If the uid of a response is not that of the request, the API server applies the failure policy. So a body
//! with wrong types is still answered with its uid. Objects stay raw: kind and operation decide whether
//! they are read.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use crate::inventory::read::maps_only;

/// The supported version.
pub(crate) const API_VERSION: &str = "admission.k8s.io/v1";
/// The kind of requests and responses.
pub(crate) const KIND: &str = "AdmissionReview";

/// A string, borrowed if it has no escapes. Absent or `null` is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Text<'a>(Cow<'a, str>);

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }

            fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
                Ok(Text::default())
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// Group, version and kind of the object.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct GroupVersionKind<'a> {
    /// API group; empty for the core group.
    #[serde(borrow)]
    pub(crate) group: Text<'a>,
    /// Version.
    #[serde(borrow)]
    pub(crate) version: Text<'a>,
    /// Kind.
    #[serde(borrow)]
    pub(crate) kind: Text<'a>,
}

/// Group, version and resource of the object.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct GroupVersionResource<'a> {
    /// API group; empty for the core group.
    #[serde(borrow)]
    pub(crate) group: Text<'a>,
    /// Version.
    #[serde(borrow)]
    pub(crate) version: Text<'a>,
    /// Plural name.
    #[serde(borrow)]
    pub(crate) resource: Text<'a>,
}

/// The user. If it is absent, no exemption applies.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct UserInfo<'a> {
    /// Username.
    #[serde(borrow, rename = "username")]
    pub(crate) name: Text<'a>,
    /// UID.
    #[serde(borrow)]
    pub(crate) uid: Text<'a>,
    /// Groups.
    #[serde(borrow, deserialize_with = "bounded")]
    pub(crate) groups: Vec<Text<'a>>,
    /// Extra fields, for authorizers.
    #[serde(borrow, deserialize_with = "bounded_lists")]
    pub(crate) extra: BTreeMap<Text<'a>, Vec<Text<'a>>>,
}

/// The request of an AdmissionReview.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope<'a> {
    /// The uid, which the response has to repeat. Never empty.
    #[serde(borrow)]
    pub(crate) uid: Text<'a>,
    /// Kind of the object, after conversion to the version that the registration names.
    #[serde(borrow)]
    pub(crate) kind: GroupVersionKind<'a>,
    /// Resource; empty if the caller does not set it.
    #[serde(borrow, default, deserialize_with = "null_is_default")]
    pub(crate) resource: GroupVersionResource<'a>,
    /// `status`, `scale` and others; empty for the object itself.
    #[serde(borrow, default)]
    pub(crate) sub_resource: Text<'a>,
    /// Name; empty if the API server generates it, and for the deletion of a collection.
    #[serde(borrow, default)]
    pub(crate) name: Text<'a>,
    /// Namespace.
    #[serde(borrow, default)]
    pub(crate) namespace: Text<'a>,
    /// `CREATE`, `UPDATE`, `DELETE` or `CONNECT`.
    #[serde(borrow)]
    pub(crate) operation: Text<'a>,
    /// The user.
    #[serde(
        borrow,
        default,
        rename = "userInfo",
        deserialize_with = "null_is_default"
    )]
    pub(crate) user: UserInfo<'a>,
    /// The new object as raw JSON.
    #[serde(borrow, default)]
    pub object: Option<&'a RawValue>,
    /// The old object as raw JSON.
    #[serde(borrow, default)]
    pub(crate) old_object: Option<&'a RawValue>,
    /// True if nothing will be stored.
    #[serde(default, deserialize_with = "null_is_default")]
    pub(crate) dry_run: bool,
}

/// Reads `null` as the default. Go's encoder writes `null` for nil slices.
fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Maximum number of groups of one user. The largest directories have hundreds.
const GROUPS: usize = 10_000;

/// Limit on the number of texts: an empty one has three bytes in a body and twenty-four in memory.
struct Texts(usize);

impl<'de> de::DeserializeSeed<'de> for Texts {
    type Value = Vec<Text<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, list: D) -> Result<Self::Value, D::Error> {
        list.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Texts {
    type Value = Vec<Text<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {GROUPS} strings")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = list.next_element()? {
            if texts.len() == self.0 {
                return Err(de::Error::invalid_length(GROUPS + 1, &self));
            }
            texts.push(text);
        }
        Ok(texts)
    }
}

/// A list of at most [`GROUPS`] texts.
fn bounded<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Text<'a>>, D::Error> {
    deserializer.deserialize_any(Texts(GROUPS))
}

/// Lists by key, with at most [`GROUPS`] keys and texts in total.
fn bounded_lists<'de: 'a, 'a, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<Text<'a>, Vec<Text<'a>>>, D::Error> {
    struct Map;
    impl<'de> Visitor<'de> for Map {
        type Value = BTreeMap<Text<'de>, Vec<Text<'de>>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "lists of at most {GROUPS} strings together, by key")
        }

        fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
            Ok(BTreeMap::new())
        }

        fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut lists = BTreeMap::new();
            let mut left = GROUPS;
            while let Some(key) = map.next_key()? {
                left = left
                    .checked_sub(1)
                    .ok_or_else(|| de::Error::invalid_length(GROUPS + 1, &self))?;
                let list = map.next_value_seed(Texts(left))?;
                left -= list.len();
                lists.insert(key, list);
            }
            Ok(lists)
        }
    }
    deserializer.deserialize_any(Map)
}

/// Reason for which a body cannot be reviewed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// It is no AdmissionReview, or has no uid. The text is the error.
    NotAReview(String),
    /// It has a uid and is malformed otherwise.
    Malformed {
        /// The uid for the response.
        uid: String,
        /// The problem: `expected …, found …`.
        problem: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Review<'a> {
    #[serde(borrow, default)]
    api_version: Text<'a>,
    #[serde(borrow, default)]
    kind: Text<'a>,
    #[serde(borrow)]
    request: Envelope<'a>,
}

/// Reads an AdmissionReview without its objects.
///
/// ```
/// use openbao_perimeter::admission::envelope::{Broken, open};
///
/// let body = br#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview",
///     "request":{"uid":"7","kind":"not an object","operation":"CREATE"}}"#;
/// assert!(matches!(open(body), Err(Broken::Malformed { uid, .. }) if uid == "7"));
/// ```
pub fn open(body: &[u8]) -> Result<Envelope<'_>, Broken> {
    let review: Review<'_> = maps_only::from_slice(body).map_err(|error| salvage(body, &error))?;
    let uid = &review.request.uid;
    if uid.is_empty() {
        return Err(Broken::NotAReview(
            "expected a non-empty `request.uid`, found none".into(),
        ));
    }
    if &*review.api_version == API_VERSION && &*review.kind == KIND {
        return Ok(review.request);
    }
    Err(Broken::Malformed {
        problem: format!(
            "expected apiVersion `{API_VERSION}` and kind `{KIND}`, found `{}` and `{}`",
            shortened(&review.api_version),
            shortened(&review.kind)
        ),
        uid: uid.to_string(),
    })
}

/// The uid of a review with wrong types. Other fields are ignored.
fn salvage(body: &[u8], error: &serde_json::Error) -> Broken {
    #[derive(Deserialize)]
    struct Outside<'a> {
        #[serde(borrow)]
        request: &'a RawValue,
    }
    #[derive(Deserialize)]
    struct Uid {
        uid: String,
    }
    if let Err(syntax) = serde_json::from_slice::<IgnoredAny>(body) {
        return Broken::NotAReview(format!("expected a JSON AdmissionReview: {syntax}"));
    }
    let uid = serde_json::from_slice::<Outside<'_>>(body)
        .and_then(|outside| serde_json::from_str::<Uid>(outside.request.get()))
        .map(|request| request.uid);
    match uid {
        Ok(uid) if !uid.is_empty() => Broken::Malformed {
            uid,
            problem: error.to_string(),
        },
        _ => Broken::NotAReview(format!(
            "expected an AdmissionReview with a string `request.uid`: {error}"
        )),
    }
}

/// At most 100 characters of a text from the client.
fn shortened(text: &str) -> String {
    text.chars().take(100).collect()
}
