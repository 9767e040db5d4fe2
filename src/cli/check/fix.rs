//! Remedies as edits of the text of a file, for SARIF. Only edits that are sure are made: the edited document is
//! parsed again and compared with the change.

use granit_parser::{Event, Marker, Parser, Span, StrInput};
use serde_json::Value;

use crate::rules::remedy::Verb;

/// Line and column, from 1.
pub(super) type Position = (usize, usize);

/// A part of a file, and the text that replaces it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TextEdit {
    pub(super) start: Position,
    pub(super) end: Position,
    pub(super) text: String,
}

/// A step of a field path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

/// A node of a document with its place.
#[derive(Clone, Debug)]
struct Node {
    start: Position,
    end: Position,
    is_flow: bool,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    Scalar,
    Map(Vec<(String, Node)>),
    List(Vec<Node>),
}

/// The edit that makes a change in the document that begins at `line` of a text; `None` where it is not sure.
pub(super) fn edit(
    text: &str,
    line: usize,
    (path, verb, value): (&str, Verb, &Value),
) -> Option<TextEdit> {
    let document = document(text, line)?;
    let steps = steps(path);
    let mut events = Parser::new_from_str(&document);
    let lines: Vec<&str> = document.lines().collect();
    let root = loop {
        match next(&mut events)? {
            (Event::StreamStart | Event::DocumentStart(..), _) => {}
            (event, span) => break node(&mut events, &lines, &event, span)?,
        }
    };
    let edit = root.edit(&steps, verb, value, &document)?;
    let edited = applied(&document, &edit)?;
    let mut expected: Value = serde_saphyr::from_str(&document).ok()?;
    change(&mut expected, &steps, verb, value)?;
    let found: Value = serde_saphyr::from_str(&edited).ok()?;
    let moved = |(at, column): Position| (at + line - 1, column);
    (found == expected).then(|| TextEdit {
        start: moved(edit.start),
        end: moved(edit.end),
        text: edit.text,
    })
}

/// The text of the document that begins at `line`.
fn document(text: &str, line: usize) -> Option<String> {
    let mut lines = text.split_inclusive('\n').skip(line.checked_sub(1)?);
    let first = lines.next()?;
    let rest = lines.take_while(|line| !line.starts_with("---"));
    Some(std::iter::once(first).chain(rest).collect())
}

fn steps(path: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some((inside, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'))
        {
            let index = inside.parse().map(Step::Index);
            steps.push(index.unwrap_or_else(|_| Step::Key(inside.to_owned())));
            rest = after.strip_prefix('.').unwrap_or(after);
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            steps.push(Step::Key(rest[..end].to_owned()));
            rest = rest[end..].strip_prefix('.').unwrap_or(&rest[end..]);
        }
    }
    steps
}

type Events<'a> = Parser<'a, StrInput<'a>>;

fn next<'a>(events: &mut Events<'a>) -> Option<(Event<'a>, Span)> {
    loop {
        match events.next()?.ok()? {
            (Event::Comment(..), _) => {}
            next => return Some(next),
        }
    }
}

fn position(marker: Marker) -> Position {
    (marker.line(), marker.col() + 1)
}

/// The node whose first event was read. A block ends with its last scalar.
fn node<'a>(
    events: &mut Events<'a>,
    lines: &[&str],
    event: &Event<'a>,
    span: Span,
) -> Option<Node> {
    let start = position(span.start);
    let begin = lines
        .get(start.0 - 1)
        .and_then(|line| line.chars().nth(start.1 - 1));
    let is_flow = matches!(begin, Some('{' | '['));
    let (content, closed) = match event {
        Event::Scalar(..) => (Content::Scalar, position(span.end)),
        Event::MappingStart(..) => {
            let mut entries = Vec::new();
            loop {
                let (key, at) = next(events)?;
                let name = match &key {
                    Event::MappingEnd => break (Content::Map(entries), position(at.end)),
                    Event::Scalar(name, ..) => name.to_string(),
                    _ => return None,
                };
                let (value, at) = next(events)?;
                entries.push((name, node(events, lines, &value, at)?));
            }
        }
        Event::SequenceStart(..) => {
            let mut items = Vec::new();
            loop {
                let (item, at) = next(events)?;
                if matches!(item, Event::SequenceEnd) {
                    break (Content::List(items), position(at.end));
                }
                items.push(node(events, lines, &item, at)?);
            }
        }
        // Anchors mean more than one place.
        _ => return None,
    };
    let last = match &content {
        Content::Scalar => None,
        Content::Map(entries) => entries.last().map(|(_, node)| node.end),
        Content::List(items) => items.last().map(|node| node.end),
    };
    let end = if is_flow {
        closed
    } else {
        last.unwrap_or(closed)
    };
    Some(Node {
        start,
        end,
        is_flow,
        content,
    })
}

impl Node {
    fn child(&self, step: &Step) -> Option<&Self> {
        match (&self.content, step) {
            (Content::Map(entries), Step::Key(key)) => {
                let entry = entries.iter().find(|(name, _)| name == key);
                entry.map(|(_, node)| node)
            }
            (Content::List(items), Step::Index(at)) => items.get(*at),
            _ => None,
        }
    }

    fn at(&self, steps: &[Step]) -> Option<&Self> {
        steps.iter().try_fold(self, |node, step| node.child(step))
    }

    fn edit(&self, steps: &[Step], verb: Verb, value: &Value, text: &str) -> Option<TextEdit> {
        match verb {
            Verb::Replace => Some(self.at(steps)?.replaced(value)),
            Verb::Remove => {
                let (last, above) = steps.split_last()?;
                self.at(above)?.without(last, text)
            }
            Verb::Set => self.at(steps)?.with_key(value),
            Verb::Add => {
                if let Some(items) = self.at(steps) {
                    return items.with_items(value, text);
                }
                let (Step::Key(key), above) = steps.split_last()? else {
                    return None;
                };
                let mut entry = serde_json::Map::new();
                entry.insert(key.clone(), value.clone());
                self.at(above)?.with_key(&Value::Object(entry))
            }
        }
    }

    fn replaced(&self, value: &Value) -> TextEdit {
        TextEdit {
            start: self.start,
            end: self.end,
            text: value.to_string(),
        }
    }

    /// The only key of an object is set.
    fn with_key(&self, value: &Value) -> Option<TextEdit> {
        let Content::Map(entries) = &self.content else {
            return None;
        };
        let mut keys = value.as_object()?.iter();
        let (key, value) = keys.next().filter(|_| keys.len() == 0)?;
        if let Some((_, node)) = entries.iter().find(|(name, _)| name == key) {
            return Some(node.replaced(value));
        }
        let entry = format!("{key}: {value}");
        Some(self.inserted(&entry, entries.is_empty()))
    }

    fn with_items(&self, value: &Value, text: &str) -> Option<TextEdit> {
        let Content::List(items) = &self.content else {
            return None;
        };
        let added = value.as_array()?.iter();
        if self.is_flow {
            let added: Vec<String> = added.map(ToString::to_string).collect();
            return Some(self.inserted(&added.join(", "), items.is_empty()));
        }
        let (line, column) = dash(items.first()?, text)?;
        let indent = " ".repeat(column - 1);
        let added = added.map(|item| format!("- {item}\n{indent}"));
        Some(TextEdit {
            start: (line, column),
            end: (line, column),
            text: added.collect(),
        })
    }

    /// Text before the first entry.
    fn inserted(&self, entry: &str, is_empty: bool) -> TextEdit {
        let (line, column) = self.start;
        let (at, text) = if self.is_flow {
            let comma = if is_empty { "" } else { ", " };
            ((line, column + 1), format!("{entry}{comma}"))
        } else {
            let indent = " ".repeat(column - 1);
            ((line, column), format!("{entry}\n{indent}"))
        };
        TextEdit {
            start: at,
            end: at,
            text,
        }
    }

    fn without(&self, step: &Step, text: &str) -> Option<TextEdit> {
        let (Content::List(items), Step::Index(at)) = (&self.content, step) else {
            return None;
        };
        let item = items.get(*at)?;
        if items.len() == 1 {
            return Some(TextEdit {
                text: "[]".to_owned(),
                ..self.replaced(&Value::Null)
            });
        }
        if self.is_flow {
            return None;
        }
        let (start, end) = match items.get(at + 1) {
            Some(next) => (dash(item, text)?, dash(next, text)?),
            None => (items.get(at.checked_sub(1)?)?.end, item.end),
        };
        Some(TextEdit {
            start,
            end,
            text: String::new(),
        })
    }
}

/// The place of the dash before an item of a block list.
fn dash(item: &Node, text: &str) -> Option<Position> {
    let (line, column) = item.start;
    let before: Vec<char> = text
        .lines()
        .nth(line - 1)?
        .chars()
        .take(column - 1)
        .collect();
    let at = before.iter().rposition(|c| *c == '-')?;
    let is_dash = before[at + 1..].iter().all(|c| *c == ' ');
    is_dash.then_some((line, at + 1))
}

fn applied(text: &str, edit: &TextEdit) -> Option<String> {
    let offset = |(line, column): Position| {
        let before: usize = text
            .split_inclusive('\n')
            .take(line - 1)
            .map(str::len)
            .sum();
        let line = text
            .get(before..)?
            .split_inclusive('\n')
            .next()
            .unwrap_or_default();
        let mut starts = line.char_indices().map(|(byte, _)| byte);
        Some(before + starts.nth(column - 1).unwrap_or(line.len()))
    };
    let (start, end) = (offset(edit.start)?, offset(edit.end)?);
    Some(format!(
        "{}{}{}",
        text.get(..start)?,
        edit.text,
        text.get(end..)?
    ))
}

/// Makes the change in a value.
fn change(root: &mut Value, steps: &[Step], verb: Verb, value: &Value) -> Option<()> {
    let (last, above) = steps.split_last()?;
    let mut parent = root;
    for step in above {
        parent = match step {
            Step::Key(key) => parent.get_mut(key)?,
            Step::Index(at) => parent.get_mut(*at)?,
        };
    }
    match (verb, last) {
        (Verb::Remove, Step::Index(at)) => {
            let items = parent.as_array_mut()?;
            (*at < items.len()).then(|| items.remove(*at))?;
        }
        (Verb::Remove, Step::Key(key)) => {
            parent.as_object_mut()?.remove(key)?;
        }
        (Verb::Replace, Step::Key(key)) => *parent.get_mut(key)? = value.clone(),
        (Verb::Replace, Step::Index(at)) => *parent.get_mut(*at)? = value.clone(),
        (Verb::Set, step) => {
            let target = match step {
                Step::Key(key) => parent.get_mut(key)?,
                Step::Index(at) => parent.get_mut(*at)?,
            };
            let fields = value.as_object()?.clone();
            target.as_object_mut()?.extend(fields);
        }
        (Verb::Add, Step::Key(key)) => {
            let entry = parent.as_object_mut()?.entry(key.clone());
            let items = entry.or_insert_with(|| Value::Array(Vec::new()));
            let added = value.as_array()?.iter().cloned();
            items.as_array_mut()?.splice(0..0, added);
        }
        (Verb::Add, Step::Index(_)) => return None,
    }
    Some(())
}
