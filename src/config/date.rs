//! Dates in settings, as `2027-03-31`. Fields use this module by `#[serde(with = "…")]`.

use k8s_openapi::jiff::civil::Date;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

/// Length of a date as text.
const LENGTH: usize = "2027-03-31".len();

/// Error of a text that is not a date.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a date such as `2027-03-31`, found `{0}`")]
pub(crate) struct NotADate(String);

/// Parses a date.
///
/// # Errors
/// The text is not one.
pub(crate) fn parse(text: &str) -> Result<Date, NotADate> {
    // The parser also reads a date with a time.
    let date = text.parse().ok().filter(|_| text.len() == LENGTH);
    date.ok_or_else(|| NotADate(text.to_owned()))
}

/// A date that has to be there.
pub(super) mod required {
    use super::{Date, Deserialize, Deserializer, Error, Serializer, parse};

    #[allow(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde passes a reference"
    )]
    pub(in crate::config) fn serialize<S: Serializer>(
        date: &Date,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(date)
    }

    pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Date, D::Error> {
        parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// An optional date.
pub(super) mod optional {
    use super::{Date, Deserialize, Deserializer, Error, Serializer, parse};

    #[allow(
        clippy::ref_option,
        clippy::trivially_copy_pass_by_ref,
        reason = "serde passes a reference"
    )]
    pub(in crate::config) fn serialize<S: Serializer>(
        date: &Option<Date>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match date {
            Some(date) => serializer.collect_str(date),
            None => serializer.serialize_none(),
        }
    }

    pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Date>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| parse(&text).map_err(D::Error::custom))
            .transpose()
    }
}
