//! Values with the keys that stand in them twice. The last of several equal keys counts, as for kubectl and the API
//! server, while a person reads the first.

use std::cell::RefCell;
use std::fmt;

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
        let state = State::default();
        let value = At(&state).deserialize(deserializer)?;
        Ok(Self {
            value,
            repeated: state.repeated.into_inner(),
        })
    }
}

/// The path of the value that is read, and the repeated keys so far.
#[derive(Default)]
struct State {
    path: RefCell<Vec<Step>>,
    repeated: RefCell<Vec<String>>,
}

/// One step of a path.
enum Step {
    Key(String),
    Index(usize),
}

/// A value at the present path.
#[derive(Clone, Copy)]
struct At<'a>(&'a State);

impl At<'_> {
    /// Reads a value one step further down the path.
    fn below<T>(self, step: Step, read: impl FnOnce() -> T) -> T {
        self.0.path.borrow_mut().push(step);
        let result = read();
        self.0.path.borrow_mut().pop();
        result
    }

    /// Notes that the last key of the path stands there again.
    fn note(self, last: &str) {
        let mut text = String::new();
        for step in self.0.path.borrow().iter() {
            match step {
                Step::Key(key) => {
                    text.push('.');
                    text.push_str(key);
                }
                Step::Index(at) => {
                    text.push('[');
                    text.push_str(&at.to_string());
                    text.push(']');
                }
            }
        }
        let text = format!("{text}.{last}");
        let text = text.trim_start_matches('.').to_owned();
        self.0.repeated.borrow_mut().push(text);
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
        let mut next = |at: usize| self.below(Step::Index(at), || list.next_element_seed(self));
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
                self.note(there.key());
            }
            let step = Step::Key(entry.key().clone());
            let value = self.below(step, || map.next_value_seed(self))?;
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
