//! Sizes in bytes as Kubernetes writes them. Fields of settings use this module by `#[serde(with = "crate::size")]`.

use serde::{Deserialize, Deserializer, Serializer};
use serde_json::Value;

/// Error of a text that is not a size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a size such as `16Ki` or `7Mi`, found `{0}`")]
pub(crate) struct NotASize(String);

const UNITS: [(&str, u32); 4] = [("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10), ("", 1)];

/// Parses a size such as `16Ki`, `7Mi`, or a number of bytes, above zero and below 4Gi.
///
/// # Errors
/// The text is none.
pub(crate) fn parse(text: &str) -> Result<usize, NotASize> {
    let suffixes = UNITS.into_iter();
    let mut parsed = suffixes.filter_map(|(suffix, unit)| {
        let number = text.strip_suffix(suffix)?;
        let is_plain = number.bytes().all(|byte| byte.is_ascii_digit());
        let number: u32 = number.parse().ok().filter(|_| is_plain)?;
        usize::try_from(number.checked_mul(unit)?).ok()
    });
    let size = parsed.next().filter(|size| *size > 0);
    size.ok_or_else(|| NotASize(text.to_owned()))
}

/// Text of a size in the largest unit in which it is whole: `7Mi`.
pub(crate) fn text(bytes: usize) -> String {
    let units = UNITS
        .into_iter()
        .filter_map(|(suffix, unit)| Some((suffix, usize::try_from(unit).ok()?)));
    let whole = units
        .into_iter()
        .find(|(_, unit)| bytes.is_multiple_of(*unit));
    let (suffix, unit) = whole.unwrap_or(("", 1));
    format!("{}{suffix}", bytes / unit)
}

/// Serializes a size as text.
#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
pub(crate) fn serialize<S: Serializer>(bytes: &usize, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text(*bytes))
}

/// Deserializes a size from text, or from a number of bytes.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let text = match Value::deserialize(deserializer)? {
        Value::String(text) => text,
        other => other.to_string(),
    };
    parse(&text).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_written_in_its_largest_whole_unit() {
        for (text, bytes, written) in [
            ("7Mi", 7_340_032, "7Mi"),
            ("16Ki", 16_384, "16Ki"),
            ("1024Ki", 1_048_576, "1Mi"),
            ("1000", 1_000, "1000"),
            ("3Gi", 3_221_225_472, "3Gi"),
        ] {
            let size = parse(text).unwrap();
            assert_eq!((size, super::text(size).as_str()), (bytes, written));
        }
        for text in [
            "", "0", "0Mi", "-1", "+1", "7M", "7 Mi", "Mi", "4Gi", "1.5Mi",
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(&format!("found `{text}`")), "{error}");
        }
    }
}
