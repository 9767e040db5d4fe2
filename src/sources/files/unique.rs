//! JSON objects with unique keys. `serde_json` and Go use the last of several equal keys, while a person
//! reads the first. The YAML parser rejects duplicates itself.

use std::cell::RefCell;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

/// A value without duplicate keys.
pub(super) struct Unique(pub(super) Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let path = RefCell::default();
        At(&path).deserialize(deserializer).map(Self)
    }
}

/// A value, with the path of keys and indexes to it.
#[derive(Clone, Copy)]
struct At<'a>(&'a RefCell<Vec<String>>);

impl At<'_> {
    /// Reads a value one step further down the path.
    fn below<T>(self, step: String, read: impl FnOnce() -> T) -> T {
        self.0.borrow_mut().push(step);
        let result = read();
        self.0.borrow_mut().pop();
        result
    }

    fn path(self, last: &str) -> String {
        let path = self.0.borrow().concat();
        let path = format!("{path}.{last}");
        path.trim_start_matches('.').to_owned()
    }
}

impl<'de> DeserializeSeed<'de> for At<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for At<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, is: bool) -> Result<Value, E> {
        Ok(Value::Bool(is))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        Ok(Number::from_f64(number).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        let mut next = |at: usize| self.below(format!("[{at}]"), || list.next_element_seed(self));
        while let Some(value) = next(values.len())? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            match fields.entry(key) {
                Entry::Occupied(there) => {
                    let path = self.path(there.key());
                    return Err(A::Error::custom(format!(
                        "expected the key `{path}` once, found it again"
                    )));
                }
                Entry::Vacant(place) => {
                    let step = format!(".{}", place.key());
                    let value = self.below(step, || map.next_value_seed(self))?;
                    place.insert(value);
                }
            }
        }
        Ok(Value::Object(fields))
    }
}
