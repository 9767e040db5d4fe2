//! Values with the keys that stand in them twice. The last of several equal keys counts, as for kubectl and the API
//! server, while a person reads the first.

use std::cell::RefCell;
use std::fmt::{self, Display};

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

/// A value, and the paths of keys that stand twice in it.
pub(super) struct Noted {
    pub(super) value: Value,
    pub(super) repeated: Vec<String>,
}

impl<'de> Deserialize<'de> for Noted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let repeated = RefCell::default();
        let value = At(&repeated).deserialize(deserializer)?;
        Ok(Self {
            value,
            repeated: repeated.into_inner(),
        })
    }
}

/// A value, and the paths of repeated keys so far, from the innermost value that is being read.
#[derive(Clone, Copy)]
struct At<'a>(&'a RefCell<Vec<String>>);

impl At<'_> {
    /// Reads an inner value, whose paths begin with `step`.
    fn below<T>(self, step: impl Display, read: impl FnOnce() -> T) -> T {
        let known = self.0.borrow().len();
        let result = read();
        for path in self.0.borrow_mut().iter_mut().skip(known) {
            let dot = if path.starts_with('[') { "" } else { "." };
            *path = format!("{step}{dot}{path}");
        }
        result
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

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
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
        let mut next =
            |at: usize| self.below(format_args!("[{at}]"), || list.next_element_seed(self));
        while let Some(value) = next(values.len())? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let entry = fields.entry(key);
            if let Entry::Occupied(there) = &entry {
                self.0.borrow_mut().push(there.key().clone());
            }
            let value = self.below(entry.key(), || map.next_value_seed(self))?;
            match entry {
                Entry::Occupied(mut there) => {
                    there.insert(value);
                }
                Entry::Vacant(place) => {
                    place.insert(value);
                }
            }
        }
        Ok(Value::Object(fields))
    }
}
