//! Position of a field in the text of a document.
//!
//! The document is parsed again into events with positions, and only when a position is needed. Facts do not
//! contain positions.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use granit_parser::{Event, Options, Parser, Span, StrInput};

/// A part of one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column of its first character, from 1.
    pub column: usize,
    /// Number of characters.
    pub length: usize,
}

/// Text of a file, split into lines.
#[derive(Clone, Debug)]
pub struct Source<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Source<'a> {
    /// A text.
    pub fn new(text: &'a str) -> Self {
        let breaks = text.bytes().enumerate();
        let breaks = breaks.filter_map(|(at, byte)| (byte == b'\n').then_some(at + 1));
        Self {
            text,
            starts: std::iter::once(0).chain(breaks).collect(),
        }
    }

    /// A line, counted from 1, without its line break.
    pub fn line(&self, line: usize) -> Option<&'a str> {
        self.rest(line)?.lines().next()
    }

    fn rest(&self, line: usize) -> Option<&'a str> {
        self.text.get(*self.starts.get(line.checked_sub(1)?)?..)
    }

    /// The positions of fields in the document that starts at `line`. If a path does not exist, the position
    /// is that of its longest existing prefix.
    pub fn places(&self, line: usize, paths: &[String]) -> Vec<Option<Place>> {
        let Some(rest) = self.rest(line) else {
            return vec![None; paths.len()];
        };
        // The parser keeps only so many comments in a row.
        let mut options = Options::default();
        options.emit_comments = false;
        let mut walk = Walk {
            source: self,
            first: line,
            events: Parser::new_from_str_with_options(rest, options),
            found: vec![None; paths.len()],
        };
        let wanted = paths.iter().map(String::as_str).enumerate().collect();
        // The document was parsed before, so an error cannot be new. Positions found so far are correct.
        let _end = walk.document(wanted);
        walk.found
    }
}

/// The path of a field of element `item` of a list of objects. `item` is empty for a single object.
pub fn path_in(item: &[usize], field: &str) -> String {
    let mut path = String::new();
    for at in item {
        let _ = write!(path, "items[{at}].");
    }
    path.push_str(field);
    path
}

/// Paths to find, each with its index.
type Wanted<'a> = Vec<(usize, &'a str)>;

struct Walk<'a, 's> {
    source: &'s Source<'a>,
    /// First line of the document.
    first: usize,
    events: Parser<'a, StrInput<'a>>,
    found: Vec<Option<Place>>,
}

impl<'a> Walk<'a, '_> {
    /// The next event of a node; `None` at the end of the text and after an error.
    fn next(&mut self) -> Option<(Event<'a>, Span)> {
        loop {
            match self.events.next()?.ok()? {
                (Event::Comment(..), _) => {}
                next => return Some(next),
            }
        }
    }

    fn document(&mut self, wanted: Wanted<'_>) -> Option<()> {
        loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentStart(..), _) => {}
                (node, _) => return self.visit(&node, wanted),
            }
        }
    }

    /// Searches for the paths below a node whose first event was read.
    fn visit(&mut self, node: &Event<'a>, wanted: Wanted<'_>) -> Option<()> {
        match node {
            Event::MappingStart(..) => self.mapping(&wanted),
            Event::SequenceStart(..) => self.sequence(wanted),
            _ => Some(()),
        }
    }

    fn mapping(&mut self, wanted: &[(usize, &str)]) -> Option<()> {
        loop {
            let (key, at) = self.next()?;
            let name = match &key {
                Event::MappingEnd => return Some(()),
                Event::Scalar(name, ..) => name.as_ref(),
                _ => {
                    self.skip(&key)?;
                    let (value, _) = self.next()?;
                    self.skip(&value)?;
                    continue;
                }
            };
            let inside: Wanted<'_> = wanted
                .iter()
                .filter_map(|(number, path)| Some((*number, below(path, name)?)))
                .collect();
            let (value, value_at) = self.next()?;
            if inside.is_empty() {
                self.skip(&value)?;
                continue;
            }
            let is_short =
                matches!(value, Event::Scalar(..)) && value_at.end.line() == at.start.line();
            let whole = Span::new(at.start, if is_short { value_at.end } else { at.end });
            self.step(&value, self.place(whole), inside)?;
        }
    }

    fn sequence(&mut self, wanted: Wanted<'_>) -> Option<()> {
        let mut by_index: BTreeMap<usize, Wanted<'_>> = BTreeMap::new();
        for (number, path) in wanted {
            if let Some((at, rest)) = element(path) {
                by_index.entry(at).or_default().push((number, rest));
            }
        }
        let mut index = 0;
        loop {
            let (node, at) = self.next()?;
            if matches!(node, Event::SequenceEnd) {
                return Some(());
            }
            match by_index.remove(&index) {
                None => self.skip(&node)?,
                Some(inside) if matches!(node, Event::Scalar(..)) => {
                    self.step(&node, self.place(at), inside)?;
                }
                Some(inside) => self.step(&node, self.to_line_end(at), inside)?,
            }
            index += 1;
        }
    }

    /// Records the position of a node for all paths through it, and continues below it.
    fn step(&mut self, node: &Event<'a>, place: Option<Place>, inside: Wanted<'_>) -> Option<()> {
        for (number, _) in &inside {
            self.found[*number] = place;
        }
        let deeper: Wanted<'_> = inside
            .into_iter()
            .filter(|(_, rest)| !rest.is_empty())
            .collect();
        if deeper.is_empty() {
            self.skip(node)
        } else {
            self.visit(node, deeper)
        }
    }

    /// Skips the rest of a node whose first event was read.
    fn skip(&mut self, node: &Event<'a>) -> Option<()> {
        let depth = |event: &Event<'_>| match event {
            Event::MappingStart(..) | Event::SequenceStart(..) => 1,
            Event::MappingEnd | Event::SequenceEnd => -1,
            _ => 0,
        };
        let mut open = depth(node);
        while open > 0 {
            open += depth(&self.next()?.0);
        }
        Some(())
    }

    fn place(&self, span: Span) -> Option<Place> {
        let (start, end) = (span.start, span.end);
        let whole = self.to_line_end(span)?;
        let length = if end.line() == start.line() {
            end.col().saturating_sub(start.col())
        } else {
            whole.length
        };
        Some(Place {
            length: length.clamp(1, whole.length.max(1)),
            ..whole
        })
    }

    fn to_line_end(&self, span: Span) -> Option<Place> {
        let line = self.first + span.start.line().checked_sub(1)?;
        let text = self.source.line(line)?.trim_end();
        let length = text.chars().count().saturating_sub(span.start.col());
        Some(Place {
            line,
            column: span.start.col() + 1,
            length: length.max(1),
        })
    }
}

/// The rest of a path below the key `name`, written `.name` or `[name]`.
fn below<'p>(path: &'p str, name: &str) -> Option<&'p str> {
    let bare = path.strip_prefix(name);
    if let Some(rest) = bare.filter(|rest| rest.is_empty() || rest.starts_with(['.', '['])) {
        return Some(rest.strip_prefix('.').unwrap_or(rest));
    }
    let rest = path.strip_prefix('[')?.strip_prefix(name)?;
    let rest = rest.strip_prefix(']')?;
    Some(rest.strip_prefix('.').unwrap_or(rest))
}

/// The index at the start of a path, and the rest of the path.
fn element(path: &str) -> Option<(usize, &str)> {
    let (index, rest) = path.strip_prefix('[')?.split_once(']')?;
    Some((index.parse().ok()?, rest.strip_prefix('.').unwrap_or(rest)))
}
