//! Texts of strangers that are printed: in messages, warnings, logs and reports.

use std::borrow::Cow;

/// Returns true if a character breaks a line, controls a terminal, is invisible, or changes the text direction.
pub(crate) fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

/// A text with its deceptive characters escaped, such as `\u{202e}`.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    escaped(text, is_deceptive)
}

/// The same for a text of several lines.
pub(crate) fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c != '\n' && is_deceptive(c))
}

fn escaped(text: &str, is_escaped: impl Fn(char) -> bool) -> Cow<'_, str> {
    // Nearly all texts are of this kind.
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~');
    if text.bytes().all(is_plain) || !text.contains(&is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_escaped(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deceptive_characters_are_escaped_and_others_stay() {
        for (text, shown) in [
            ("web", "web"),
            ("ålice-日本", "ålice-日本"),
            ("a\u{1b}[31mb", "a\\u{1b}[31mb"),
            (
                "a\u{202e}b\u{2066}\u{200b}",
                "a\\u{202e}b\\u{2066}\\u{200b}",
            ),
            ("a\u{9b}31m\u{7f}", "a\\u{9b}31m\\u{7f}"),
            ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ] {
            assert_eq!(line(text), shown);
        }
        assert_eq!(lines("a\nb\rc"), "a\nb\\rc");
    }
}
