//! The text of a file: UTF-8, without marks of the byte order.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::LoadError;
use super::find::STDIN;

/// Longest file in bytes. A dump of the largest clusters is a tenth of it.
const MAX_BYTES: u64 = 1024 * 1024 * 1024;
/// Mark of the byte order, which editors write at the beginning of a file.
pub(crate) const MARK: char = '\u{feff}';

/// Content of a file.
pub(super) enum Content {
    /// Text.
    Text(String),
    /// Bytes of something else, such as an image.
    Binary,
}

/// The content of a file or of standard input.
///
/// # Errors
/// It cannot be read, is too long, or is text in another encoding.
pub(super) fn read(path: &Path) -> Result<Content, LoadError> {
    let bytes = if path.as_os_str() == STDIN {
        bounded(io::stdin().lock())
    } else {
        File::open(path).and_then(bounded)
    };
    let bytes = bytes.map_err(|error| LoadError::Read {
        path: path.to_owned(),
        error,
    })?;
    let not_utf8 = |found: String| LoadError::Encoding {
        path: path.to_owned(),
        found,
    };
    if is_utf16(&bytes) {
        return Err(not_utf8("it is in UTF-16; save it as UTF-8".to_owned()));
    }
    if bytes.contains(&0) {
        return Ok(Content::Binary);
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Content::Text(without_marks(text))),
        Err(error) => {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = valid.split(|byte| *byte == b'\n').count();
            Err(not_utf8(format!(
                "line {line} is not UTF-8; save it as UTF-8"
            )))
        }
    }
}

fn bounded(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_BYTES) {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "it is longer than 1 GiB",
        ));
    }
    Ok(bytes)
}

/// True for UTF-16 with its mark, and for Latin letters in UTF-16 without.
fn is_utf16(bytes: &[u8]) -> bool {
    match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => true,
        [a, b, c, d, ..] => {
            let is_letter = |byte: u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
            let is_little = is_letter(*a) && *b == 0 && is_letter(*c) && *d == 0;
            is_little || *a == 0 && is_letter(*b) && *c == 0 && is_letter(*d)
        }
        _ => false,
    }
}

/// The text without the marks at the beginnings of lines, which files have that were put together from others.
pub(crate) fn without_marks(text: String) -> String {
    if !text.contains(MARK) {
        return text;
    }
    let lines = text.split_inclusive('\n');
    lines.map(|line| line.trim_start_matches(MARK)).collect()
}
