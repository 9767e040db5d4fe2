//! Splits JSON into objects as it arrives: items of a list, lines of a watch.
//!
//! An API server may send all objects of a kind in one response, whatever limit was requested, and tenants
//! decide how large they are. So a response is never held as a whole, only the current object.

use std::mem;

/// Maximum size of one object in bytes. The API server stores up to 1.5 MB, which can be nine times as much
/// JSON.
const MAX_LENGTH: usize = 32 * 1024 * 1024;
/// Maximum size of a list without its items, in bytes.
const MAX_FRAME_LENGTH: usize = 64 * 1024;
/// Capacity that a buffer keeps for the next object, in bytes.
const KEPT: usize = 64 * 1024;

/// Error for bytes that cannot be split into objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum CutError {
    /// An object is longer than any that an API server stores.
    #[error("expected objects of at most {MAX_LENGTH} bytes, found a longer one")]
    TooLong,
    /// The text is not a list.
    #[error("expected a list of objects, found something else")]
    NoList,
}

/// The bytes of an incomplete object.
#[derive(Debug, Default)]
struct Buffer(Vec<u8>);

impl Buffer {
    fn extend(&mut self, bytes: &[u8]) -> Result<(), CutError> {
        if self.0.len() + bytes.len() > MAX_LENGTH {
            return Err(CutError::TooLong);
        }
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    /// Starts the next object. The memory of a large one is released.
    fn clear(&mut self) {
        if self.0.capacity() > KEPT {
            self.0 = Vec::new();
        } else {
            self.0.clear();
        }
    }
}

/// Position of the next byte in a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Outside of `items`.
    #[default]
    Frame,
    /// In `items`, before or after an item.
    Between,
    /// In an item.
    Item,
}

/// The items of a list, one after another.
#[derive(Debug, Default)]
pub(super) struct Items {
    /// The list without its items and without whitespace.
    frame: Vec<u8>,
    item: Buffer,
    is_whole: bool,
    place: Place,
    depth: usize,
    in_text: bool,
    is_escaped: bool,
}

impl Items {
    /// Takes bytes from the front of `rest`, up to the end of an item, which is returned, or all of them.
    pub(super) fn next(&mut self, rest: &mut &[u8]) -> Result<Option<&[u8]>, CutError> {
        if mem::take(&mut self.is_whole) {
            self.item.clear();
        }
        let bytes = *rest;
        let mut begin = 0;
        for (at, byte) in bytes.iter().copied().enumerate() {
            let was_in_text = self.in_text;
            self.step(byte)?;
            let is_blank = !was_in_text && byte.is_ascii_whitespace();
            match self.place {
                Place::Frame if is_blank => {}
                Place::Frame => {
                    let opens = byte == b'[' && self.depth == 2 && begins_items(&self.frame);
                    self.frame.push(byte);
                    if self.frame.len() > MAX_FRAME_LENGTH {
                        return Err(CutError::NoList);
                    }
                    if opens {
                        self.place = Place::Between;
                    }
                }
                Place::Between if is_blank || byte == b',' => {}
                Place::Between if byte == b'{' => {
                    self.place = Place::Item;
                    begin = at;
                }
                Place::Between if byte == b']' => {
                    self.place = Place::Frame;
                    self.frame.push(byte);
                }
                Place::Between => return Err(CutError::NoList),
                Place::Item if self.depth > 2 => {}
                Place::Item => {
                    self.item.extend(&bytes[begin..=at])?;
                    self.place = Place::Between;
                    self.is_whole = true;
                    *rest = &bytes[at + 1..];
                    return Ok(Some(&self.item.0));
                }
            }
        }
        if self.place == Place::Item {
            self.item.extend(&bytes[begin..])?;
        }
        *rest = &[];
        Ok(None)
    }

    /// Number of bytes of the incomplete item.
    pub(super) fn begun(&self) -> usize {
        if self.is_whole { 0 } else { self.item.0.len() }
    }

    /// The list without its items, after all of it has arrived.
    pub(super) fn frame(&self) -> &[u8] {
        &self.frame
    }

    fn step(&mut self, byte: u8) -> Result<(), CutError> {
        match byte {
            _ if self.is_escaped => self.is_escaped = false,
            b'\\' if self.in_text => self.is_escaped = true,
            b'"' => self.in_text = !self.in_text,
            _ if self.in_text => {}
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.checked_sub(1).ok_or(CutError::NoList)?,
            _ => {}
        }
        Ok(())
    }
}

/// Returns true if the frame so far ends in the key `items` of the list itself. A quotation mark inside a
/// string has a backslash before it.
fn begins_items(frame: &[u8]) -> bool {
    let before = frame.strip_suffix(br#""items":"#);
    before.is_some_and(|before| before.ends_with(b"{") || before.ends_with(b","))
}

/// The lines of a watch.
#[derive(Debug, Default)]
pub(super) struct Lines {
    line: Buffer,
    is_whole: bool,
}

impl Lines {
    /// Takes bytes from the front of `rest`, up to the end of a line, which is returned, or all of them.
    pub(super) fn next(&mut self, rest: &mut &[u8]) -> Result<Option<&[u8]>, CutError> {
        if mem::take(&mut self.is_whole) {
            self.line.clear();
        }
        let bytes = *rest;
        let Some(at) = bytes.iter().position(|byte| *byte == b'\n') else {
            *rest = &[];
            self.line.extend(bytes)?;
            return Ok(None);
        };
        *rest = &bytes[at + 1..];
        self.line.extend(&bytes[..at])?;
        self.is_whole = true;
        Ok(Some(&self.line.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The items of a list that arrives in pieces of this size, and its frame.
    fn cut(list: &str, size: usize) -> Result<(Vec<String>, String), CutError> {
        let mut items = Items::default();
        let mut found = Vec::new();
        for piece in list.as_bytes().chunks(size) {
            let mut rest = piece;
            while let Some(item) = items.next(&mut rest)? {
                found.push(String::from_utf8(item.to_vec()).unwrap());
            }
            assert!(rest.is_empty());
        }
        Ok((found, String::from_utf8(items.frame().to_vec()).unwrap()))
    }

    #[test]
    fn a_list_is_cut_into_its_items_wherever_it_is_torn() {
        let list = r#" {"kind" : "XList", "metadata":{"items":[1,{}],"note":"a,\"items\":[ b"},
            "items" : [ {"a":[{"b":"}]\\"}]} ,{}, {"items":[{"c":"\""}]}
            ], "tail": [2, "items"] } "#;
        let items = [r#"{"a":[{"b":"}]\\"}]}"#, "{}", r#"{"items":[{"c":"\""}]}"#];
        let frame = r#"{"kind":"XList","metadata":{"items":[1,{}],"note":"a,\"items\":[ b"},"items":[],"tail":[2,"items"]}"#;
        for size in 1..=list.len() {
            let (found, outside) = cut(list, size).unwrap();
            assert_eq!(
                (&found[..], &*outside),
                (&items.map(String::from)[..], frame)
            );
        }
    }

    #[test]
    fn a_list_without_items_has_none() {
        for list in [r#"{"items":null}"#, r#"{"items":[]}"#, r#"{"metadata":{}}"#] {
            assert_eq!(cut(list, 3).unwrap(), (Vec::new(), list.to_owned()));
        }
    }

    #[test]
    fn what_is_no_list_of_objects_is_an_error_and_not_an_empty_list() {
        let long = format!("\"{}\"", "x".repeat(MAX_FRAME_LENGTH));
        for list in [r#"{"items":[1]}"#, r#"{"items":["a"]}"#, "}", &long] {
            assert_eq!(cut(list, 7), Err(CutError::NoList), "{list:.20}");
        }
    }

    #[test]
    fn an_object_that_no_api_server_stores_ends_the_list() {
        let mut items = Items::default();
        let mut begun: &[u8] = br#"{"items":[{"a":""#;
        assert_eq!(items.next(&mut begun), Ok(None));
        let piece = vec![b'x'; 1024 * 1024];
        let mut pieces = 0;
        let error = loop {
            match items.next(&mut &piece[..]) {
                Ok(None) => pieces += 1,
                other => break other,
            }
        };
        assert_eq!((error, pieces), (Err(CutError::TooLong), 31));
    }

    #[test]
    fn lines_are_cut_wherever_they_are_torn() {
        let text = "{\"a\":1}\n\n{\"b\":2}\nrest";
        for size in 1..=text.len() {
            let mut lines = Lines::default();
            let mut found = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                let mut rest = piece;
                while let Some(line) = lines.next(&mut rest).unwrap() {
                    found.push(String::from_utf8(line.to_vec()).unwrap());
                }
            }
            assert_eq!(found, ["{\"a\":1}", "", "{\"b\":2}"]);
        }
    }

    #[test]
    fn the_memory_of_a_large_object_is_given_back() {
        let mut lines = Lines::default();
        let large = [vec![b'x'; 1024 * 1024], vec![b'\n']].concat();
        assert!(lines.next(&mut &large[..]).unwrap().is_some());
        assert_eq!(lines.next(&mut &b"x"[..]), Ok(None));
        assert!(lines.line.0.capacity() <= KEPT);
    }
}
