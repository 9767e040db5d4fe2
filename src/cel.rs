//! Literals of the Common Expression Language.

use std::fmt::Write as _;

/// A list of texts, one on each line.
pub(crate) fn list(texts: &[impl AsRef<str>]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| quoted(text.as_ref())).collect();
    format!("[\n  {}\n]", texts.join(",\n  "))
}

/// A text literal.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::from("'");
    for letter in text.chars() {
        match letter {
            '\'' | '\\' => quoted.extend(['\\', letter]),
            letter if letter.is_control() => {
                let _never = write!(quoted, "\\u{:04x}", u32::from(letter));
            }
            letter => quoted.push(letter),
        }
    }
    quoted + "'"
}
