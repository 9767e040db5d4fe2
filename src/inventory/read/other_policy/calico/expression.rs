//! Selector expressions of Calico: `app == 'web' && !(tier in {'a', 'b'} || has(x))`.

use super::super::{FEW, Key, Requirements};
use netpol::label::Values;

/// Maximum length of an expression in bytes.
const MAX_LENGTH: usize = 1024;
/// Maximum depth of parentheses and negations.
const MAX_DEPTH: usize = 64;

/// An expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expression {
    All(Vec<Expression>),
    Any(Vec<Expression>),
    Not(Box<Expression>),
    /// A label with one of these values.
    Label(Key, Values),
    /// A label whose value is compared in a way that sets of values do not express.
    Compared(Key),
}

impl Expression {
    /// Reads an expression, with the meaning of each key. An empty one selects everything. `None` if it cannot be
    /// read.
    pub(super) fn read(text: &str, meaning: fn(&str) -> Key) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() {
            return Some(Self::All(Vec::new()));
        }
        if text.len() > MAX_LENGTH {
            return None;
        }
        let mut parser = Parser {
            rest: text,
            meaning,
            depth: 0,
        };
        let read = parser.any()?;
        parser.rest.is_empty().then_some(read)
    }

    /// Both.
    pub(super) fn and(self, other: Self) -> Self {
        Self::All(vec![self, other])
    }

    /// The expression as alternatives; `None` if there are too many.
    pub(super) fn parts(&self) -> Option<Vec<Requirements>> {
        self.alternatives(true)
    }

    /// The alternatives of the expression, or of its negation.
    fn alternatives(&self, is_true: bool) -> Option<Vec<Requirements>> {
        match self {
            Self::Not(inner) => inner.alternatives(!is_true),
            Self::Label(key, values) => {
                let values = if is_true {
                    values.clone()
                } else {
                    Values::any().minus(values)
                };
                let is_possible = !values.is_empty();
                let alone = Requirements {
                    keys: vec![(key.clone(), values)],
                    is_certain: true,
                };
                Some(is_possible.then_some(alone).into_iter().collect())
            }
            Self::Compared(key) => {
                let values = if is_true {
                    Values::present()
                } else {
                    Values::any()
                };
                Some(vec![Requirements {
                    keys: vec![(key.clone(), values)],
                    is_certain: false,
                }])
            }
            Self::All(inner) if is_true => all(inner, is_true),
            Self::Any(inner) if !is_true => all(inner, is_true),
            Self::All(inner) | Self::Any(inner) => {
                let mut alternatives = Vec::new();
                for one in inner {
                    alternatives.extend(one.alternatives(is_true)?);
                    if alternatives.len() > FEW {
                        return None;
                    }
                }
                Some(alternatives)
            }
        }
    }
}

/// The alternatives in which all of these hold.
fn all(inner: &[Expression], is_true: bool) -> Option<Vec<Requirements>> {
    let mut alternatives = vec![Requirements {
        keys: Vec::new(),
        is_certain: true,
    }];
    for one in inner {
        let more = one.alternatives(is_true)?;
        if alternatives.len() * more.len() > FEW {
            return None;
        }
        let both = alternatives.iter().flat_map(|known| {
            let more = more.iter().cloned();
            more.map(|more| known.clone().and(more))
        });
        alternatives = both.collect();
    }
    Some(alternatives)
}

/// Parser of an expression.
struct Parser<'a> {
    /// Text that is left, without blanks in front.
    rest: &'a str,
    meaning: fn(&str) -> Key,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn any(&mut self) -> Option<Expression> {
        let mut inner = vec![self.all()?];
        while self.skip("||") {
            inner.push(self.all()?);
        }
        Some(Expression::Any(inner))
    }

    fn all(&mut self) -> Option<Expression> {
        let mut inner = vec![self.one()?];
        while self.skip("&&") {
            inner.push(self.one()?);
        }
        Some(Expression::All(inner))
    }

    fn one(&mut self) -> Option<Expression> {
        if self.depth > MAX_DEPTH {
            return None;
        }
        if self.skip("!") {
            self.depth += 1;
            let inner = self.one()?;
            self.depth -= 1;
            return Some(Expression::Not(inner.into()));
        }
        if self.skip("(") {
            self.depth += 1;
            let inner = self.any()?;
            self.depth -= 1;
            return self.skip(")").then_some(inner);
        }
        let key = self.key()?;
        if self.skip("(") {
            return self.call(key);
        }
        let key = (self.meaning)(key);
        self.comparison(key)
    }

    /// The rest of `has(…)`, `all()` or `global()`, after the parenthesis.
    fn call(&mut self, function: &str) -> Option<Expression> {
        let read = match function {
            "has" => {
                let key = (self.meaning)(self.key()?);
                Expression::Label(key, Values::present())
            }
            "all" => Expression::All(Vec::new()),
            // Objects without a namespace, which pods are not.
            "global" => Expression::Any(Vec::new()),
            _ => return None,
        };
        self.skip(")").then_some(read)
    }

    fn comparison(&mut self, key: Key) -> Option<Expression> {
        if self.skip("==") {
            return Some(Expression::Label(key, Values::one_of([self.text()?])));
        }
        if self.skip("!=") {
            let values = Values::none_of_or_absent([self.text()?]);
            return Some(Expression::Label(key, values));
        }
        if self.words(&["not", "in"]) || self.words(&["notin"]) {
            return Some(Expression::Label(
                key,
                Values::none_of_or_absent(self.set()?),
            ));
        }
        if self.words(&["in"]) {
            return Some(Expression::Label(key, Values::one_of(self.set()?)));
        }
        if self.words(&["contains"])
            || self.words(&["starts", "with"])
            || self.words(&["startswith"])
            || self.words(&["ends", "with"])
            || self.words(&["endswith"])
        {
            self.text()?;
            return Some(Expression::Compared(key));
        }
        None
    }

    /// `{'a', 'b'}`.
    fn set(&mut self) -> Option<Vec<&'a str>> {
        if !self.skip("{") {
            return None;
        }
        let mut values = Vec::new();
        if self.skip("}") {
            return Some(values);
        }
        loop {
            values.push(self.text()?);
            if self.skip("}") {
                return Some(values);
            }
            if !self.skip(",") {
                return None;
            }
        }
    }

    /// A text between quotes.
    fn text(&mut self) -> Option<&'a str> {
        let quote = self
            .rest
            .chars()
            .next()
            .filter(|c| matches!(c, '\'' | '"'))?;
        let (text, rest) = self.rest[1..].split_once(quote)?;
        self.rest = rest.trim_start();
        Some(text)
    }

    /// A key, or the name of a function.
    fn key(&mut self) -> Option<&'a str> {
        let is_of_key = |c: char| c.is_ascii_alphanumeric() || "_./-".contains(c);
        let end = self.rest.find(|c| !is_of_key(c));
        let (key, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest.trim_start();
        (!key.is_empty()).then_some(key)
    }

    /// Skips a sign if it is next.
    fn skip(&mut self, sign: &str) -> bool {
        let rest = self.rest.strip_prefix(sign);
        self.rest = rest.unwrap_or(self.rest).trim_start();
        rest.is_some()
    }

    /// Skips these words if they are next.
    fn words(&mut self, words: &[&str]) -> bool {
        let before = self.rest;
        for word in words {
            if self.key() != Some(word) {
                self.rest = before;
                return false;
            }
        }
        true
    }
}
