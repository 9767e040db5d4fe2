//! The picture as SVG, laid out by hand: columns of boxes, and level arrows with the ports above.
//!
//! There are two layouts. The wide one has incoming peers on the left and reached peers on the right;
//! the narrow one, for phones, has all of them in one column.

use maud::{Markup, html};

use super::picture::{Arrow, Band, FRAMES, Mark, Way, bands};
use super::view::ClusterView;

/// Room for a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Three columns.
    Wide,
    /// Two columns.
    Narrow,
}

/// A column of boxes.
#[derive(Clone, Copy)]
struct Column {
    x: usize,
    width: usize,
}

impl Layout {
    const fn width(self) -> usize {
        match self {
            Self::Wide => 980,
            Self::Narrow => 362,
        }
    }

    const fn protected(self) -> Column {
        match self {
            Self::Wide => Column { x: 361, width: 258 },
            Self::Narrow => Column { x: 1, width: 104 },
        }
    }

    /// Column of the other end of an arrow.
    const fn others(self, way: Way) -> Column {
        match (self, way) {
            (Self::Wide, Way::In) => Column { x: 1, width: 258 },
            (Self::Wide, _) => Column { x: 721, width: 258 },
            (Self::Narrow, _) => Column { x: 187, width: 174 },
        }
    }

    const fn class(self) -> &'static str {
        match self {
            Self::Wide => "wide",
            Self::Narrow => "narrow",
        }
    }
}

/// Height of a line of text, and room around the text of a box.
const LINE: usize = 16;
const PADDING: usize = 10;
/// Room between boxes, and between bands.
const GAP: usize = 12;
const BAND_GAP: usize = 30;

/// The arrow heads that all pictures of a page use.
pub(super) fn heads() -> Markup {
    html! {
        svg.heads width="0" height="0" aria-hidden="true" focusable="false" {
            defs {
                @for mark in Mark::ALL {
                    marker id={ "head-" (mark.class()) } viewBox="0 0 10 10" refX="9" refY="5"
                        markerWidth="7" markerHeight="7" orient="auto-start-reverse" {
                        path class={ "head " (mark.class()) } d="M0 0L10 5L0 10z" {}
                    }
                }
            }
        }
    }
}

/// The picture of a cluster.
pub(super) fn picture(cluster: &ClusterView, layout: Layout) -> Markup {
    let mut body = Vec::new();
    let mut y = 1;
    for (number, band) in bands(cluster).iter().enumerate() {
        y += if number == 0 { 0 } else { BAND_GAP };
        y = draw(&mut body, band, layout, y);
    }
    let (width, height) = (layout.width(), y + 2);
    let (namespace, name) = (&cluster.namespace, &cluster.name);
    html! {
        svg class={ "picture " (layout.class()) } viewBox={ "0 0 " (width) " " (height) } width=(width)
            height=(height) role="img"
            aria-label={ "Allowed connections of the pods of " (namespace) "/" (name) } {
            @for part in &body { (part) }
        }
    }
}

/// Draws a band from `top` on, and returns its end.
fn draw(out: &mut Vec<Markup>, band: &Band, layout: Layout, top: usize) -> usize {
    let own = layout.protected();
    let texts = lines(band.title, &band.notes, own.width);
    let (mut left, mut right) = (top, top);
    for arrow in &band.arrows {
        let y = if layout == Layout::Wide && arrow.way == Way::In {
            &mut left
        } else {
            &mut right
        };
        *y = other(out, arrow, layout, *y) + GAP;
    }
    let [before, after] =
        [(FRAMES[0].1, &band.before), (FRAMES[1].1, &band.after)].map(|(title, names)| {
            if names.is_empty() {
                Vec::new()
            } else {
                lines(title, names, own.width)
            }
        });
    let height = |texts: &[Text]| match texts.len() {
        0 => 0,
        count => count * LINE + 2 * PADDING,
    };
    let least = top + height(&before) + height(&texts) + height(&after);
    let end = left.max(right).saturating_sub(GAP).max(least);
    frame(out, &before, own, top);
    frame(out, &after, own, end - height(&after));
    let (top, bottom) = (top + height(&before), end - height(&after));
    rect(out, "protected", own, top, bottom - top);
    // A narrow box is as long as the screen: its words stand where people begin to read.
    let first = match layout {
        Layout::Wide => top + (bottom - top - texts.len() * LINE) / 2,
        Layout::Narrow => top + PADDING,
    };
    write_lines(out, &texts, own, first);
    end
}

/// A frame with ordered policies, above or below the pods that they select.
fn frame(out: &mut Vec<Markup>, texts: &[Text], own: Column, top: usize) {
    if !texts.is_empty() {
        rect(out, "tier", own, top, texts.len() * LINE + 2 * PADDING);
        write_lines(out, texts, own, top + PADDING);
    }
}

/// Draws the other end of an arrow and the arrow, from `top` on, and returns their end.
fn other(out: &mut Vec<Markup>, arrow: &Arrow, layout: Layout, top: usize) -> usize {
    let column = layout.others(arrow.way);
    let texts = lines(arrow.title, &arrow.lines, column.width);
    let own = layout.protected();
    let (from, to) = if column.x < own.x {
        (column.x + column.width, own.x)
    } else {
        (own.x + own.width, column.x)
    };
    let labels: Vec<String> = arrow
        .labels
        .iter()
        .flat_map(|label| wrap(&unbroken(label), (to - from) / 7))
        .collect();
    // The labels stand above the middle, so half of the height is theirs.
    let height = (texts.len() * LINE + 2 * PADDING).max(2 * (labels.len() * 14 + 8));
    let class = arrow.mark.class();
    rect(out, class, column, top, height);
    write_lines(out, &texts, column, top + (height - texts.len() * LINE) / 2);
    let y = top + height / 2;
    let (start, end) = if column.x > own.x && arrow.way == Way::In {
        (to, from)
    } else {
        (from, to)
    };
    let head = format!("url(#head-{class})");
    let tail = (arrow.way == Way::Both).then_some(&head);
    out.push(html! {
        line class={ "link " (class) } x1=(start) y1=(y) x2=(end) y2=(y) marker-end=(head) marker-start=[tail] {}
    });
    let first = y.saturating_sub(7 + 14 * labels.len().saturating_sub(1));
    for (at, label) in labels.iter().enumerate() {
        out.push(text(
            "port",
            usize::midpoint(from, to),
            first + at * 14,
            label,
        ));
    }
    top + height
}

fn rect(out: &mut Vec<Markup>, class: &str, column: Column, y: usize, height: usize) {
    let Column { x, width } = column;
    out.push(html! {
        rect class={ "box " (class) } x=(x) y=(y) width=(width) height=(height) rx="7" {}
    });
}

/// A line of text around `x`.
fn text(class: &str, x: usize, y: usize, words: &str) -> Markup {
    html! {
        text class=(class) x=(x) y=(y) text-anchor="middle" { (words) }
    }
}

/// A line of a box: the title is set in bold.
struct Text {
    words: String,
    class: &'static str,
}

/// The lines of a box of this width.
fn lines(title: &str, more: &[String], width: usize) -> Vec<Text> {
    let room = width - 2 * PADDING;
    let text = |class| move |words| Text { words, class };
    let title = wrap(title, room / 8).into_iter().map(text("title"));
    let more = more.iter().filter(|line| !line.is_empty());
    let more = more.flat_map(|line| wrap(line, room / 7)).map(text("line"));
    title.chain(more).collect()
}

/// Ports with each number kept beside its protocol.
fn unbroken(ports: &str) -> String {
    let each = ports.split(", ");
    let each: Vec<String> = each.map(|port| port.replace(' ', "\u{a0}")).collect();
    each.join(", ")
}

/// Words in lines of at most so many characters; what is longer is cut where it has to be.
fn wrap(text: &str, most: usize) -> Vec<String> {
    let options = textwrap::Options::new(most.max(4))
        .word_splitter(textwrap::WordSplitter::HyphenSplitter)
        .break_words(true);
    let lines = textwrap::wrap(text, options).into_iter();
    lines.map(std::borrow::Cow::into_owned).collect()
}

fn write_lines(out: &mut Vec<Markup>, texts: &[Text], column: Column, top: usize) {
    let x = column.x + column.width / 2;
    for (at, Text { words, class }) in texts.iter().enumerate() {
        out.push(text(class, x, top + (at + 1) * LINE - 4, words));
    }
}
