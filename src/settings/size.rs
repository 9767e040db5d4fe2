//! Sizes as Kubernetes writes them: `7Mi`.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::de::{Deserializer, Visitor};
use serde::{Deserialize, Serialize};

/// Size in bytes, above zero and below 4Gi: `16Ki`, `7Mi`, or a number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[schemars(with = "String")]
#[serde(into = "String")]
pub struct Size(NonZeroU32);

/// A text that is no [`Size`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a size such as `16Ki` or `7Mi`, found `{0}`")]
pub struct NotASize(String);

const UNITS: [(&str, u32); 4] = [("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10), ("", 1)];

impl Size {
    /// A size of so many bytes; `None` for zero and from 4Gi.
    pub fn new(bytes: usize) -> Option<Self> {
        let bytes = u32::try_from(bytes).ok()?;
        NonZeroU32::new(bytes).map(Self)
    }

    /// Number of bytes.
    pub fn bytes(self) -> usize {
        usize::try_from(self.0.get()).unwrap_or(usize::MAX)
    }
}

impl FromStr for Size {
    type Err = NotASize;

    fn from_str(text: &str) -> Result<Self, NotASize> {
        let suffixes = UNITS.into_iter();
        let mut parsed = suffixes.filter_map(|(suffix, unit)| {
            let number = text.strip_suffix(suffix)?;
            let is_plain = number.bytes().all(|byte| byte.is_ascii_digit());
            let number: u32 = number.parse().ok().filter(|_| is_plain)?;
            NonZeroU32::new(number.checked_mul(unit)?)
        });
        parsed
            .next()
            .map(Self)
            .ok_or_else(|| NotASize(text.to_owned()))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0.get();
        let mut units = UNITS.into_iter();
        let whole = units.find(|(_, unit)| bytes.is_multiple_of(*unit));
        let (suffix, unit) = whole.unwrap_or(("", 1));
        write!(f, "{}{suffix}", bytes / unit)
    }
}

impl From<Size> for String {
    fn from(size: Size) -> Self {
        size.to_string()
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Bytes)
    }
}

/// Visitor of a text, or of a number of bytes.
struct Bytes;

impl Visitor<'_> for Bytes {
    type Value = Size;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size such as `16Ki` or `7Mi`")
    }

    fn visit_u64<E: serde::de::Error>(self, bytes: u64) -> Result<Size, E> {
        self.visit_str(&bytes.to_string())
    }

    fn visit_i64<E: serde::de::Error>(self, bytes: i64) -> Result<Size, E> {
        self.visit_str(&bytes.to_string())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Size, E> {
        text.parse().map_err(E::custom)
    }
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
            let size: Size = text.parse().unwrap();
            assert_eq!((size.bytes(), size.to_string().as_str()), (bytes, written));
        }
        for text in [
            "", "0", "0Mi", "-1", "+1", "7M", "7 Mi", "Mi", "4Gi", "1.5Mi",
        ] {
            let error = text.parse::<Size>().unwrap_err().to_string();
            assert!(error.contains(&format!("found `{text}`")), "{error}");
        }
    }
}
