//! Remedies as edits of the text of a file. Only edits that are sure are made: the edited document is parsed again
//! and compared with the change.
//!
//! No crate does this: `yaml-edit` makes the program 0.6 MB larger and drops comments, and `yamlpatch` brings a parser
//! in C, a second YAML reader and a newer Rust.

mod node;
mod splice;

use serde_json::Value;

use crate::rules::remedy::Verb;
use node::Node;

/// Line and column, from 1.
pub(super) type Position = (usize, usize);

/// A part of a file, and the text that replaces it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TextEdit {
    pub(super) start: Position,
    pub(super) end: Position,
    pub(super) text: String,
}

/// Reason for which a text is not edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// An alias stands for more than one place.
    Alias,
    /// No edit is known to change this value, and only this one.
    Unsure,
}

/// A step of a field path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

/// The edits that make a change in the document that begins at `line` of a text, the last one in the text first.
pub(super) fn edits(
    text: &str,
    line: usize,
    (path, verb, value): (&str, Verb, &Value),
) -> Result<Vec<TextEdit>, Unfit> {
    let (text, is_json) = document(text, line).ok_or(Unfit::Unsure)?;
    let root = Node::root(text)?;
    let document = Document { text, is_json };
    document.edits(&root, &steps(path), verb, value, line)
}

/// A text with an edit. An edit outside it gives `None`.
pub(super) fn applied(text: &str, edit: &TextEdit) -> Option<String> {
    let offset = |(line, column): Position| {
        let lines = text.split_inclusive('\n');
        let before: usize = lines.take(line.checked_sub(1)?).map(str::len).sum();
        let line = text.get(before..)?.split_inclusive('\n').next();
        let line = line.unwrap_or_default();
        let mut starts = line.char_indices().map(|(byte, _)| byte);
        Some(before + starts.nth(column.checked_sub(1)?).unwrap_or(line.len()))
    };
    let (start, end) = (offset(edit.start)?, offset(edit.end)?);
    let (before, after) = (text.get(..start)?, text.get(end..)?);
    Some([before, &edit.text, after].concat())
}

/// The text of the document that begins at `line`, and whether it is JSON.
fn document(text: &str, line: usize) -> Option<(&str, bool)> {
    let before = text.split_inclusive('\n').take(line.checked_sub(1)?);
    let text = text.get(before.map(str::len).sum()..)?;
    let mut lines = text.split_inclusive('\n');
    let first = lines.next()?.len();
    let rest = lines.take_while(|line| !line.starts_with("---"));
    let text = text.get(..first + rest.map(str::len).sum::<usize>())?;
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    match values.next() {
        // Another value may follow.
        Some(Ok(_)) => Some((text.get(..values.byte_offset())?, true)),
        _ => Some((text, false)),
    }
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

/// A document as text.
#[derive(Clone, Copy)]
struct Document<'a> {
    text: &'a str,
    is_json: bool,
}

impl Document<'_> {
    fn edits(
        self,
        root: &Node,
        steps: &[Step],
        verb: Verb,
        value: &Value,
        line: usize,
    ) -> Result<Vec<TextEdit>, Unfit> {
        let old = self.value(self.text)?;
        let value = as_written(&old, steps, verb, value);
        let edits = self.edit(root, steps, verb, &value, &old);
        let mut edits = edits.ok_or(Unfit::Unsure)?;
        // The ends of lines stay as they are.
        if self.text.contains("\r\n") {
            for edit in &mut edits {
                edit.text = edit.text.replace('\n', "\r\n");
            }
        }
        let mut expected = old;
        change(&mut expected, steps, verb, &value).ok_or(Unfit::Unsure)?;
        let apply = |text: String, edit: &TextEdit| applied(&text, edit);
        let edited = edits.iter().try_fold(self.text.to_owned(), apply);
        if self.value(&edited.ok_or(Unfit::Unsure)?)? != expected {
            return Err(Unfit::Unsure);
        }
        for edit in &mut edits {
            edit.start.0 += line - 1;
            edit.end.0 += line - 1;
        }
        Ok(edits)
    }

    fn value(self, text: &str) -> Result<Value, Unfit> {
        let value = if self.is_json {
            serde_json::from_str(text).ok()
        } else {
            serde_saphyr::from_str(text).ok()
        };
        value.ok_or(Unfit::Unsure)
    }
}

/// The value, with the elements of a list as they are written already.
fn as_written(old: &Value, steps: &[Step], verb: Verb, value: &Value) -> Value {
    let mut value = value.clone();
    if verb == Verb::Set
        && let Some((key, Value::Array(new))) = value
            .as_object_mut()
            .and_then(|fields| fields.iter_mut().next())
        && let Some(Value::Array(old)) = found(old, steps).and_then(|above| above.get(key))
    {
        for element in new {
            if let Some(same) = old.iter().find(|old| is_same(old, element)) {
                element.clone_from(same);
            }
        }
    }
    value
}

/// True for equal values, and for ports of which one leaves out that it is TCP.
fn is_same(written: &Value, wanted: &Value) -> bool {
    if written == wanted {
        return true;
    }
    let mut written = written.clone();
    if let Some(fields) = written.as_object_mut()
        && fields.contains_key("port")
    {
        let protocol = fields.entry("protocol");
        protocol.or_insert_with(|| "TCP".into());
    }
    written == *wanted
}

/// The value at a path.
fn found<'v>(root: &'v Value, steps: &[Step]) -> Option<&'v Value> {
    steps.iter().try_fold(root, |value, step| match step {
        Step::Key(key) => value.get(key),
        Step::Index(at) => value.get(*at),
    })
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
        (Verb::Insert, Step::Index(at)) => {
            let items = parent.as_array_mut()?;
            let added = value.as_array()?.iter().cloned();
            (*at < items.len()).then(|| items.splice(*at..*at, added))?;
        }
        (Verb::Add, Step::Index(_)) | (Verb::Insert, Step::Key(_)) => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests;
