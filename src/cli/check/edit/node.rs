//! The nodes of a YAML or JSON document, with their places.

use granit_parser::{Event, Marker, Parser, Span, StrInput};

use super::{Position, Step, Unfit};

/// A node of a document with its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) start: Position,
    pub(super) end: Position,
    pub(super) is_flow: bool,
    pub(super) content: Content,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    Scalar,
    Map(Vec<(String, Node)>),
    List(Vec<Node>),
}

impl Node {
    /// The root of a document.
    pub(super) fn root(document: &str) -> Result<Self, Unfit> {
        let mut events = Parser::new_from_str(document);
        let lines: Vec<&str> = document.lines().collect();
        loop {
            match next(&mut events)? {
                (Event::StreamStart | Event::DocumentStart(..), _) => {}
                (event, span) => return node(&mut events, &lines, &event, span),
            }
        }
    }

    /// The node below this one.
    pub(super) fn at(&self, steps: &[Step]) -> Option<&Self> {
        steps.iter().try_fold(self, |node, step| node.child(step))
    }

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
}

type Events<'a> = Parser<'a, StrInput<'a>>;

fn next<'a>(events: &mut Events<'a>) -> Result<(Event<'a>, Span), Unfit> {
    loop {
        match events.next() {
            Some(Ok((Event::Comment(..), _))) => {}
            Some(Ok(next)) => return Ok(next),
            _ => return Err(Unfit::Unsure),
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
) -> Result<Node, Unfit> {
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
                    Event::Alias(..) => return Err(Unfit::Alias),
                    _ => return Err(Unfit::Unsure),
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
        Event::Alias(..) => return Err(Unfit::Alias),
        _ => return Err(Unfit::Unsure),
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
    Ok(Node {
        start,
        end,
        is_flow,
        content,
    })
}
