//! The texts that were read. That of a file is read again where it is needed, since a dump of a large cluster takes as much
//! memory as everything that is read from it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use super::text::{self, Content};

/// Texts by file, or by the command of a build.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Texts(BTreeMap<PathBuf, Text>);

#[derive(Clone, Debug, PartialEq)]
enum Text {
    /// Text that is in no file, or in one that can be read once only.
    Held(String),
    /// Text of a file. The hash is valid only in this process.
    File { hash: u64, is_blank: bool },
}

impl Texts {
    /// Adds the text of a file.
    pub(super) fn insert_file(&mut self, file: &Path, text: String) {
        let text = if file.is_file() {
            Text::File {
                hash: hash(&text),
                is_blank: text.trim().is_empty(),
            }
        } else {
            Text::Held(text)
        };
        self.0.insert(file.to_owned(), text);
    }

    /// Adds or replaces a text that is in no file.
    pub(super) fn insert(&mut self, name: PathBuf, text: String) {
        self.0.insert(name, Text::Held(text));
    }

    pub(super) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// A text as it was read; `None` if there is none, or its file is another now.
    pub(crate) fn get(&self, file: &Path) -> Option<Cow<'_, str>> {
        match self.0.get(file)? {
            Text::Held(text) => Some(Cow::Borrowed(text)),
            Text::File { hash: known, .. } => match text::read(file) {
                Ok(Content::Text(text)) if hash(&text) == *known => Some(Cow::Owned(text)),
                _ => None,
            },
        }
    }

    /// The names of the texts that are not blank.
    pub(crate) fn not_blank(&self) -> impl Iterator<Item = &Path> {
        let texts = self.0.iter().filter(|(_, text)| match text {
            Text::Held(text) => !text.trim().is_empty(),
            Text::File { is_blank, .. } => !is_blank,
        });
        texts.map(|(file, _)| file.as_path())
    }

    /// The same under other names, which need not be files.
    pub(super) fn renamed(&self, name: impl Fn(&Path) -> PathBuf) -> Self {
        let texts = self.0.keys().filter_map(|file| {
            let text = self.get(file)?.into_owned();
            Some((name(file), Text::Held(text)))
        });
        Self(texts.collect())
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
