//! Number of values in a JSON text, counted before typed parts are allocated.
//!
//! An empty port has three bytes of text and takes sixty bytes of memory, so a body within the size limit
//! could still take hundreds of megabytes. Counting stops at the limit and allocates nothing.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// Maximum number of values (objects, lists, texts, numbers) in one object. An object with as many rules as
/// [`SizeLimits`](crate::config::SizeLimits) allows has fewer.
pub(crate) const VALUES: usize = 150_000;

/// Texts up to this length are not counted: they cannot contain enough values.
pub(super) const SHORT: usize = 64 * 1024;

/// Returns true if the text has at most [`VALUES`] values.
pub(crate) fn is_bounded(json: &[u8]) -> bool {
    json.len() <= SHORT || holds_at_most(VALUES, json)
}

/// Number of values in a text.
pub(crate) fn count(json: &[u8]) -> usize {
    let left = Cell::new(usize::MAX);
    let mut json = serde_json::Deserializer::from_slice(json);
    // Text that is not JSON is counted up to the error.
    let _ended = Count(&left).deserialize(&mut json);
    usize::MAX - left.get()
}

/// Number of values in a value, including itself.
pub(crate) fn of_value(value: &Value) -> usize {
    let inner = match value {
        Value::Array(list) => list.iter().map(of_value).sum(),
        Value::Object(fields) => fields.values().map(of_value).sum(),
        _ => 0,
    };
    inner + 1
}

fn holds_at_most(values: usize, json: &[u8]) -> bool {
    let left = Cell::new(values);
    let mut json = serde_json::Deserializer::from_slice(json);
    // Other errors are reported by the decoder.
    Count(&left).deserialize(&mut json).is_ok() || left.get() > 0
}

#[derive(Clone, Copy)]
struct Count<'a>(&'a Cell<usize>);

impl Count<'_> {
    fn one<E: serde::de::Error>(self) -> Result<(), E> {
        let left = self.0.get().checked_sub(1);
        self.0.set(left.unwrap_or_default());
        left.map(drop)
            .ok_or_else(|| E::custom("more values than the cap"))
    }
}

impl<'de> DeserializeSeed<'de> for Count<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Count<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.one()
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        self.one()
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<(), E> {
        self.one()
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<(), E> {
        self.one()
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        self.one()
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<(), E> {
        self.one()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        self.one::<A::Error>()?;
        while list.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.one::<A::Error>()?;
        while map.next_key::<IgnoredAny>()?.is_some() {
            map.next_value_seed(self)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_counts_once() {
        for (json, values) in [
            ("{}", 1),
            ("[[],[]]", 3),
            (r#"{"a":[1,-1,1.5,true,null,"x\n"],"b":{"c":"d"}}"#, 10),
        ] {
            assert!(holds_at_most(values, json.as_bytes()), "{json}");
            assert!(!holds_at_most(values - 1, json.as_bytes()), "{json}");
        }
    }

    #[test]
    fn a_value_is_counted_as_its_text_is() {
        for (count, expected) in [(VALUES - 2, true), (VALUES - 1, false)] {
            let list = Value::from_iter([("a", Value::from_iter(vec![Value::Null; count]))]);
            assert_eq!(of_value(&list) <= VALUES, expected, "{count}");
            let text = list.to_string();
            assert_eq!(is_bounded(text.as_bytes()), expected, "{count}");
            assert_eq!(super::count(text.as_bytes()), of_value(&list), "{count}");
        }
    }

    #[test]
    fn what_is_no_json_is_not_called_large() {
        for json in ["", "{", &"[".repeat(200), r#"{"a":"#, "garbage"] {
            assert!(holds_at_most(1_000, json.as_bytes()), "{json}");
        }
    }
}
