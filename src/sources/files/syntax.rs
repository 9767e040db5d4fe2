//! Errors of YAML and JSON in plain words. The parsers' own texts are for programmers.

use serde_json::error::Category;

/// A part of a text that is neither YAML nor JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    /// Line, from 1.
    pub(super) line: usize,
    /// Column, from 1; 0 if unknown.
    pub(super) column: usize,
    /// The problem.
    pub(super) found: String,
    /// True if the text is a template that was not rendered.
    pub(super) is_template: bool,
}

impl Broken {
    /// The same in a text with more lines before.
    pub(super) fn moved(self, lines: usize) -> Self {
        Self {
            line: self.line + lines,
            ..self
        }
    }
}

/// The error of a text that is no JSON.
pub(super) fn json(error: &serde_json::Error) -> Broken {
    let text = error.to_string();
    let found = match error.classify() {
        Category::Eof => "the JSON ends too early; a bracket or a quote is not closed",
        _ if text.starts_with("recursion limit") => "the JSON is nested too deeply",
        _ if text.starts_with("trailing comma") => {
            "not valid JSON: a comma before a closing bracket"
        }
        _ if text.starts_with("key must be a string") => {
            "not valid JSON: a key needs double quotes"
        }
        _ => "not valid JSON",
    };
    Broken {
        line: error.line().max(1),
        column: error.column(),
        found: found.to_owned(),
        is_template: false,
    }
}

/// True for a text that its author takes for JSON: its first key is quoted.
pub(super) fn is_json(text: &str) -> bool {
    let inside = text.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '{' | '['));
    !text.starts_with("{{") && inside.starts_with('"')
}

/// The error of a text that is no YAML.
pub(super) fn yaml(text: &str, error: &serde_saphyr::Error) -> Broken {
    let place = error.location();
    let line = place.map_or(1, |place| number(place.line())).max(1);
    let row = text.lines().nth(line - 1).unwrap_or_default();
    // Values may have braces, too, so only the line of the error and lines of control count.
    let is_template =
        row.contains("{{") || text.lines().any(|line| line.trim_start().starts_with("{{"));
    let after = text.lines().nth(line).unwrap_or_default();
    let mut found = cause(text, [row, after], error).to_owned();
    if is_template {
        found.push_str("; render the template first");
    }
    Broken {
        line,
        column: place.map_or(0, |place| number(place.column())),
        found,
        is_template,
    }
}

/// The cause of too many values by aliases. The parser also reports it within another error.
const ALIASES: &str = "its aliases (`*name`) expand to too much; write the values out";

/// The cause in plain words, by the line and by the kind of the error.
fn cause(text: &str, rows: [&str; 2], error: &serde_saphyr::Error) -> &'static str {
    use serde_saphyr::Error as Cause;
    let has_tab = |row: &str| row[..row.len() - row.trim_start().len()].contains('\t');
    if text
        .lines()
        .any(|line| line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> "))
    {
        return "an unresolved merge conflict";
    }
    if rows.into_iter().any(has_tab) {
        return "a tab in the indentation; YAML takes spaces only";
    }
    match error.without_snippet() {
        Cause::Budget { .. } => "too large or nested too deeply",
        Cause::AliasReplayLimitExceeded { .. }
        | Cause::AliasExpansionLimitExceeded { .. }
        | Cause::AliasReplayCounterOverflow { .. }
        | Cause::AliasReplayStackDepthExceeded { .. } => ALIASES,
        Cause::UnknownAnchor { .. } => "an alias without its anchor",
        Cause::RecursiveReferencesRequireWeakTypes { .. } => "an alias that contains itself",
        Cause::MergeValueNotMapOrSeqOfMaps { .. } => "`<<` merges something that is no mapping",
        Cause::NonFiniteFloat { .. } => "a number that JSON does not have",
        _ => by_message(&error.without_snippet().to_string()),
    }
}

/// The cause by words in the parser's message.
fn by_message(message: &str) -> &'static str {
    const KNOWN: [(&str, &str); 10] = [
        ("alias replay limit", ALIASES),
        ("unknown anchor", "an alias without its anchor"),
        (
            "quoted scalar",
            "not valid YAML: a quote that is not closed",
        ),
        (
            "bracket",
            "not valid YAML: a bracket that is not closed, or closed by another one",
        ),
        (
            "mapping values",
            "not valid YAML: `: ` in a value; put the value in quotes",
        ),
        (
            "flow",
            "not valid YAML: a bracket that is not closed, or a comma that is missing",
        ),
        (
            "indent",
            "not valid YAML: the indentation is not that of the lines before",
        ),
        ("tab", "not valid YAML: a tab where YAML takes spaces only"),
        (
            "block",
            "not valid YAML: the indentation is not that of the lines before",
        ),
        ("key", "not valid YAML: a key without `:`"),
    ];
    let message = message.to_ascii_lowercase();
    let known = KNOWN.iter().find(|(word, _)| message.contains(word));
    known.map_or("not valid YAML", |(_, cause)| cause)
}

/// A line or column.
pub(super) fn number(number: u64) -> usize {
    usize::try_from(number).unwrap_or_default()
}
