//! Field paths, and problems at them.

use std::fmt;

use serde::Serialize;

use crate::inventory::Malformed;

/// A field path. It is formatted only if there is a problem.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FieldPath<'a> {
    parent: Option<&'a FieldPath<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    Field(&'a str),
    Index(usize),
    Key(&'a str),
}

impl<'a> FieldPath<'a> {
    /// The path `text`, from the object's root.
    pub(crate) const fn root(text: &'a str) -> Self {
        Self {
            parent: None,
            step: Step::Field(text),
        }
    }

    /// The field `name` of this path.
    pub(crate) const fn field(&'a self, name: &'a str) -> Self {
        self.then(Step::Field(name))
    }

    /// Element `at` of the list at this path.
    pub(crate) const fn index(&'a self, at: usize) -> Self {
        self.then(Step::Index(at))
    }

    /// The value of `key` in the map at this path.
    pub(crate) const fn key(&'a self, key: &'a str) -> Self {
        self.then(Step::Key(key))
    }

    const fn then(&'a self, step: Step<'a>) -> Self {
        Self {
            parent: Some(self),
            step,
        }
    }
}

impl fmt::Display for FieldPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.step {
            Step::Field(name) if self.parent.is_some() => write!(f, ".{name}"),
            Step::Field(name) => f.write_str(name),
            Step::Index(at) => write!(f, "[{at}]"),
            Step::Key(key) => write!(f, "[{key}]"),
        }
    }
}

/// Maximum length of a value in messages, in characters.
const SHOWN: usize = 200;

/// A value as compact JSON, shortened.
pub(in crate::inventory) fn shown(value: &impl Serialize) -> String {
    let text = serde_json::to_string(value).unwrap_or_default();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Maximum number of problems listed per object. The rest is counted.
const LISTED: usize = 100;

/// The problems found so far.
#[derive(Debug, Default)]
pub(in crate::inventory) struct Problems {
    listed: Vec<Malformed>,
    further: usize,
}

impl Problems {
    /// Adds a problem with `value` at `path`.
    pub(in crate::inventory) fn add(
        &mut self,
        path: &FieldPath<'_>,
        value: &impl Serialize,
        problem: impl Into<String>,
    ) {
        if self.listed.len() == LISTED {
            self.further += 1;
            return;
        }
        self.listed.push(Malformed {
            path: path.to_string(),
            value: shown(value),
            problem: problem.into(),
        });
    }

    /// All problems. Those beyond the limit are given as a number.
    pub(in crate::inventory) fn into_list(mut self) -> Vec<Malformed> {
        if self.further > 0 {
            self.listed.push(Malformed {
                path: String::new(),
                value: String::new(),
                problem: format!("{} more problems, not listed", self.further),
            });
        }
        self.listed
    }

    /// Returns `value` if there are no problems.
    pub(in crate::inventory) fn or<T>(self, value: T) -> Result<T, Vec<Malformed>> {
        if self.listed.is_empty() {
            Ok(value)
        } else {
            Err(self.into_list())
        }
    }
}
