//! The parts of a document's text that an edit replaces.

use serde_json::{Map, Value, json};

use super::node::{Content, Node};
use super::{Document, Position, Step, TextEdit, found};
use crate::rules::paste::{compact, flow};
use crate::rules::remedy::Verb;

impl Document<'_> {
    /// The edits of a change, the last one in the text first; `None` for a change that is not known.
    pub(super) fn edit(
        self,
        root: &Node,
        steps: &[Step],
        verb: Verb,
        value: &Value,
        old: &Value,
    ) -> Option<Vec<TextEdit>> {
        let edit = match verb {
            Verb::Replace => self.replaced(root.at(steps)?, value),
            Verb::Remove => {
                let (Step::Index(at), above) = steps.split_last()? else {
                    return None;
                };
                self.without(root.at(above)?, *at)?
            }
            Verb::Set => {
                let node = root.at(steps)?;
                let mut entries = value.as_object()?.iter();
                let (key, value) = entries.next().filter(|_| entries.len() == 0)?;
                match node.at(&[Step::Key(key.clone())]) {
                    None => self.with_key(node, key, value)?,
                    Some(entry) => {
                        let old = found(old, steps)?.get(key)?;
                        if let Some(edits) = self.shortened(entry, old, value) {
                            return Some(edits);
                        }
                        self.replaced(entry, value)
                    }
                }
            }
            Verb::Insert => {
                let (Step::Index(at), above) = steps.split_last()? else {
                    return None;
                };
                self.with_items(root.at(above)?, *at, value)?
            }
            Verb::Add => {
                if let Some(items) = root.at(steps) {
                    self.with_items(items, 0, value)?
                } else {
                    let (Step::Key(key), above) = steps.split_last()? else {
                        return None;
                    };
                    self.with_key(root.at(above)?, key, value)?
                }
            }
        };
        Some(vec![edit])
    }

    fn flow(self, value: &Value) -> String {
        if self.is_json {
            value.to_string()
        } else {
            flow(value)
        }
    }

    /// The text of a line.
    fn line(&self, line: usize) -> Option<&str> {
        self.text.lines().nth(line.checked_sub(1)?)
    }

    fn replaced(self, node: &Node, value: &Value) -> TextEdit {
        let is_block = !node.is_flow && !matches!(node.content, Content::Scalar);
        let text = if is_block && !is_empty(value) {
            indented(&compact(value), node.start.1)
        } else if is_block {
            return self.emptied(node, value);
        } else if node.start == node.end {
            format!(" {}", self.flow(value))
        } else {
            self.flow(value)
        };
        TextEdit {
            start: node.start,
            end: node.end,
            text,
        }
    }

    /// An empty list or object in place of a block: behind its key, unless a comment stands there.
    fn emptied(self, node: &Node, value: &Value) -> TextEdit {
        let above = node.start.0 - 1;
        let key = self.line(above).map(str::trim_end);
        let key = key.filter(|key| key.ends_with(':') && !key.contains(" #"));
        let (start, space) = match key {
            Some(key) => ((above, key.chars().count() + 1), " "),
            None => (node.start, ""),
        };
        TextEdit {
            start,
            end: node.end,
            text: format!("{space}{value}"),
        }
    }

    /// The node with one more key, before its others.
    fn with_key(self, node: &Node, key: &str, value: &Value) -> Option<TextEdit> {
        let Content::Map(entries) = &node.content else {
            return None;
        };
        let entry = json!({key: value});
        if node.is_flow {
            let entry = self.flow(&entry);
            let inside = entry.strip_prefix('{')?.strip_suffix('}')?;
            return Some(inserted_in_flow(node, inside, entries.is_empty()));
        }
        Some(inserted(node.start, &compact(&entry)))
    }

    /// A list with more elements, before one of its own.
    fn with_items(self, list: &Node, at: usize, value: &Value) -> Option<TextEdit> {
        let Content::List(items) = &list.content else {
            return None;
        };
        if !list.is_flow {
            return Some(inserted(self.dash(items.get(at)?)?, &compact(value)));
        }
        let added = value.as_array()?.iter();
        let added: Vec<String> = added.map(|item| self.flow(item)).collect();
        let added = added.join(", ");
        Some(match items.get(at) {
            Some(next) => TextEdit {
                start: next.start,
                end: next.start,
                text: format!("{added}, "),
            },
            None => inserted_in_flow(list, &added, items.is_empty()),
        })
    }

    /// A list without one of its elements.
    fn without(self, list: &Node, at: usize) -> Option<TextEdit> {
        let Content::List(items) = &list.content else {
            return None;
        };
        let item = items.get(at)?;
        if items.len() == 1 {
            return Some(self.replaced(list, &json!([])));
        }
        let (start, end) = if list.is_flow {
            match items.get(at + 1) {
                Some(next) => (item.start, next.start),
                None => (items.get(at.checked_sub(1)?)?.end, item.end),
            }
        } else {
            self.lines_of(item)?
        };
        Some(TextEdit {
            start,
            end,
            text: String::new(),
        })
    }

    /// A block list of which some elements stay as they are: the others are removed. `None` for other changes.
    fn shortened(self, list: &Node, old: &Value, new: &Value) -> Option<Vec<TextEdit>> {
        let (old, new) = (old.as_array()?, new.as_array()?);
        let mut left = new.iter().peekable();
        let gone = old.iter().enumerate().filter_map(|(at, item)| {
            let is_kept = left.next_if_eq(&item).is_some();
            (!is_kept).then_some(at)
        });
        let gone: Vec<usize> = gone.collect();
        if left.next().is_some() || list.is_flow || new.is_empty() {
            return None;
        }
        let gone = gone.into_iter().rev();
        gone.map(|at| self.without(list, at)).collect()
    }

    /// The whole lines of an item of a block list. Comments above it stay.
    fn lines_of(self, item: &Node) -> Option<(Position, Position)> {
        let (first, column) = self.dash(item)?;
        let margin: String = self.line(first)?.chars().take(column - 1).collect();
        let (last, end) = item.end;
        let last = if end == 1 { last - 1 } else { last };
        let rest: String = self.line(last)?.chars().skip(item.end.1 - 1).collect();
        let rest = rest.trim_start();
        let is_alone = margin.trim().is_empty() && (rest.is_empty() || rest.starts_with('#'));
        is_alone.then_some(((first, 1), (last + 1, 1)))
    }

    /// The place of the dash before an item of a block list.
    fn dash(self, item: &Node) -> Option<Position> {
        let (line, column) = item.start;
        let before: Vec<char> = self.line(line)?.chars().take(column - 1).collect();
        let at = before.iter().rposition(|c| *c == '-')?;
        let is_dash = before[at + 1..].iter().all(|c| *c == ' ');
        is_dash.then_some((line, at + 1))
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(Map::is_empty)
}

/// Lines of which all but the first are indented to a column.
fn indented(lines: &str, column: usize) -> String {
    lines.replace('\n', &format!("\n{}", " ".repeat(column - 1)))
}

/// Lines before a place of a block.
fn inserted(place: Position, lines: &str) -> TextEdit {
    TextEdit {
        start: place,
        end: place,
        text: indented(&format!("{lines}\n"), place.1),
    }
}

/// Text behind the bracket that opens a flow.
fn inserted_in_flow(node: &Node, text: &str, is_empty: bool) -> TextEdit {
    let (line, column) = node.start;
    let comma = if is_empty { "" } else { ", " };
    TextEdit {
        start: (line, column + 1),
        end: (line, column + 1),
        text: format!("{text}{comma}"),
    }
}
