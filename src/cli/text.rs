//! Text for people: styles, lines that fit, and pages.
//!
//! Styles are always written; the stream that prints them takes them out where it is no terminal.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::OnceLock;

use anstyle::{AnsiColor, Style};
use textwrap::{Options, WordSplitter};

use crate::printable;

/// Characters of a line where standard output is no terminal.
const WIDTH: usize = 100;
/// Fewest and most characters of a line of a terminal.
pub(super) const NARROWEST: usize = 72;
const WIDEST: usize = 160;

/// Most characters of a line of text: the width of the terminal.
pub(super) fn width() -> usize {
    static KNOWN: OnceLock<usize> = OnceLock::new();
    *KNOWN.get_or_init(|| {
        let terminal = terminal_size::terminal_size_of(io::stdout());
        terminal.map_or(WIDTH, |(width, _)| {
            usize::from(width.0).clamp(NARROWEST, WIDEST)
        })
    })
}

/// Style of headings and names.
pub(super) const STRONG: Style = Style::new().bold();
/// Style of denials and of what is broken.
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
/// Style of warnings.
pub(super) const DOUBTFUL: Style = AnsiColor::Yellow.on_default().bold();
/// Style of what is in order.
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
/// Style of marks around other text.
pub(super) const MARK: Style = AnsiColor::Blue.on_default().bold();
/// Style of secondary text.
pub(super) const FAINT: Style = Style::new().dimmed();

/// Prints a text, with its styles where standard output is a terminal that shows them. A reader that
/// has seen enough, such as `head`, is no failure.
pub(super) fn print(text: &str) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Prints a patch: as it is, but for a terminal with deceptive characters escaped.
pub(super) fn print_patch(patch: &str) -> io::Result<()> {
    if io::stdout().is_terminal() {
        return print(&printable::lines(patch));
    }
    io::stdout().write_all(patch.as_bytes())
}

/// A text in which a GitHub workflow finds no command: a name may begin a line.
pub(super) fn without_commands(text: &str) -> String {
    let lines = text.split_inclusive('\n').map(|line| {
        let rest = line.trim_start().strip_prefix("::");
        if rest.is_some_and(|rest| rest.contains("::")) {
            line.replacen(':', "\\u{3a}", 1)
        } else {
            line.to_owned()
        }
    });
    let text: String = lines.collect();
    text.replace("##[", "#\\u{23}[")
}

/// A text in a style.
pub(super) fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// A text in lines of at most [`width`], the first after `first`, the others after `rest`. Words are
/// never cut. Deceptive characters are escaped. So the text itself has no styles, which would also count.
pub(super) fn wrapped(text: &str, first: &str, rest: &str) -> String {
    let options = Options::new(width())
        .initial_indent(first)
        .subsequent_indent(rest)
        .word_splitter(WordSplitter::NoHyphenation)
        .break_words(false);
    textwrap::fill(&printable::lines(text), options)
}

/// A page of the documentation, in Markdown, as text: headings in style, code set in, links without
/// their targets, paragraphs in lines that fit.
pub(super) fn page(markdown: &str) -> String {
    let mut page = Page::default();
    for line in markdown.lines() {
        page.line(line);
    }
    page.flush();
    page.text
}

/// A page as far as it was read.
#[derive(Default)]
struct Page {
    text: String,
    /// The paragraph or list item that goes on, and what stands before its first line.
    open: Option<(String, &'static str)>,
    in_code: bool,
}

impl Page {
    fn line(&mut self, line: &str) {
        if line.starts_with("```") {
            self.flush();
            self.in_code = !self.in_code;
        } else if self.in_code {
            self.push(&format!("    {line}"));
        } else if line.trim().is_empty() {
            self.flush();
            self.push("");
        } else if line.starts_with('#') {
            self.flush();
            self.push(&styled(STRONG, line.trim_start_matches('#').trim()));
        } else if line.starts_with('|') {
            self.flush();
            self.push(&plain(line));
        } else if let Some(item) = line.strip_prefix("* ").or(line.strip_prefix("- ")) {
            self.flush();
            self.open = Some((plain(item), "* "));
        } else if let Some((text, _)) = &mut self.open {
            text.push(' ');
            text.push_str(&plain(line.trim()));
        } else {
            self.open = Some((plain(line), ""));
        }
    }

    fn push(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn flush(&mut self) {
        if let Some((text, first)) = self.open.take() {
            let rest = if first.is_empty() { "" } else { "  " };
            self.push(&wrapped(&text, first, rest));
        }
    }
}

/// A line without emphasis and the targets of links.
fn plain(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some((before, link)) = rest.split_once('[') {
        let parts = link.split_once("](").and_then(|(words, after)| {
            let (_target, after) = after.split_once(')')?;
            Some((words, after))
        });
        text.push_str(before);
        if let Some((words, after)) = parts.filter(|(words, _)| !words.contains(['[', ']'])) {
            text.push_str(words);
            rest = after;
        } else {
            text.push('[');
            rest = link;
        }
    }
    text.push_str(rest);
    text.replace("**", "")
}
