//! Objects gathered from files and builds, with everything that was left out or could not be read.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};
use serde_json::Value;

use super::build::{self, BuildOutput};
use super::documents::{self, Document as Written};
use super::find::{self, File};
use super::object::{self, Document};
use super::place::Source;
use super::syntax::Broken;
use super::text::{self, Content};
use super::texts::Texts;
use super::{
    BuildRecipe, LoadError, Located, Manifests, Origin, Read, ReadOptions, RepeatedKey, Skipped,
    document_of,
};

/// The field of objects that the API server names.
const GENERATE_NAME: &str = "generateName";

/// Gathers objects.
pub(super) struct Collector<'o> {
    options: &'o ReadOptions,
    manifests: Manifests,
    texts: Texts,
    builds: Vec<BuildRecipe>,
    unreadable: Vec<LoadError>,
    /// Number of the last object with a generated name. It is at most the number of times that the texts so far have
    /// the field.
    generated: usize,
}

/// The text that is read.
#[derive(Clone, Copy)]
struct At<'a> {
    file: &'a Path,
    /// True for a file that the caller named.
    is_named: bool,
    output: Option<(usize, &'a BuildOutput)>,
}

impl<'o> Collector<'o> {
    pub(super) fn new(options: &'o ReadOptions) -> Self {
        Self {
            options,
            manifests: Manifests::default(),
            texts: Texts::default(),
            builds: Vec::new(),
            unreadable: Vec::new(),
            generated: 0,
        }
    }

    /// Reads everything in these paths; false if they have no file.
    pub(super) fn paths(&mut self, paths: &[PathBuf]) -> bool {
        let mut found = find::find(paths, &self.options.exclude, self.options.has_builds);
        self.manifests.skipped.append(&mut found.skipped);
        self.unreadable.append(&mut found.unreadable);
        let built = build::build(&mut found, paths, &self.options.values);
        self.manifests.skipped.extend(built.skipped);
        self.unreadable.extend(built.unreadable);
        self.files(&found.files);
        for (build, output) in built.outputs {
            let number = self.builds.len();
            let file = PathBuf::from(&build.command);
            self.builds.push(build);
            let at = At {
                file: &file,
                is_named: true,
                output: Some((number, &output)),
            };
            self.text(at, &output.text);
            self.texts.insert(file, output.text);
        }
        !found.files.is_empty()
    }

    pub(super) fn finish(mut self) -> Read {
        self.manifests.texts = Arc::new(self.texts);
        self.manifests.builds = Arc::new(self.builds);
        Read {
            manifests: self.manifests,
            unreadable: self.unreadable,
        }
    }

    /// Reads the files one after another, and parses them on all processors.
    fn files(&mut self, files: &[File]) {
        let mut before = self.generated;
        let contents = files.iter().map(|file| {
            let content = text::read(&file.path);
            let first = before;
            if let Ok(Content::Text(text)) = &content {
                before += text.matches(GENERATE_NAME).count();
            }
            (file, content, first)
        });
        let contents: Vec<_> = contents.collect();
        let options = self.options;
        let parsed = contents.into_par_iter().map(|(file, content, generated)| {
            let mut collector = Self {
                generated,
                ..Self::new(options)
            };
            collector.content(file, content);
            collector
        });
        let parsed: Vec<Self> = parsed.collect();
        let objects = parsed.iter().map(|part| part.manifests.objects.len());
        self.manifests.objects.reserve_exact(objects.sum());
        for part in parsed {
            self.append(part);
        }
        self.generated = before;
    }

    /// Adds everything that another collector gathered, except builds.
    fn append(&mut self, other: Self) {
        let (all, part) = (&mut self.manifests, other.manifests);
        all.objects.extend(part.objects);
        for (kind, count) in part.others {
            *all.others.entry(kind).or_default() += count;
        }
        all.no_objects.extend(part.no_objects);
        all.defaulted.extend(part.defaulted);
        all.skipped.extend(part.skipped);
        all.repeated.extend(part.repeated);
        all.misnamed.extend(part.misnamed);
        self.texts.extend(other.texts);
        self.unreadable.extend(other.unreadable);
    }

    fn content(&mut self, file: &File, content: Result<Content, LoadError>) {
        let path = &file.path;
        match content {
            Ok(Content::Text(text)) => {
                let at = At {
                    file: path,
                    is_named: file.is_named,
                    output: None,
                };
                self.text(at, &text);
                self.texts.insert_file(path, text);
            }
            Ok(Content::Binary) if file.is_named => self.unreadable.push(LoadError::Encoding {
                path: path.clone(),
                found: "it is not a text file".to_owned(),
            }),
            Ok(Content::Binary) => self.manifests.skipped.push(Skipped {
                path: path.clone(),
                line: None,
                reason: "no text".to_owned(),
            }),
            Err(error) => self.unreadable.push(error),
        }
    }

    fn text(&mut self, at: At<'_>, text: &str) {
        let is_json = at
            .file
            .extension()
            .is_some_and(|extension| extension == "json");
        documents::each(text, is_json, |document| match document {
            Ok(document) => self.document(at, text, document),
            Err(broken) => self.broken(at, broken),
        });
    }

    fn broken(&mut self, at: At<'_>, broken: Broken) {
        if broken.is_template && !at.is_named {
            self.manifests.skipped.push(Skipped {
                path: at.file.to_owned(),
                line: Some(broken.line),
                reason: "a template outside a chart; render it first".to_owned(),
            });
        } else {
            self.unreadable.push(LoadError::Syntax {
                path: at.file.to_owned(),
                line: broken.line,
                column: broken.column,
                found: broken.found,
            });
        }
    }

    fn document(&mut self, at: At<'_>, text: &str, document: Written) {
        let origin = Origin {
            file: at.file.to_owned(),
            line: document.line,
        };
        let known = self.manifests.objects.len();
        let named = document.source.as_deref();
        for (item, mut written) in documents::items(document.value) {
            let source = at
                .output
                .and_then(|(_, output)| output.source(named, &mut written));
            let namespace = self.options.namespace.as_deref();
            let read = object::read(&mut written, namespace, &origin, &mut self.generated);
            let ours = match read {
                Ok(Document::Known(ours)) => ours,
                Ok(Document::Other(kind, version)) => {
                    *self.manifests.others.entry((kind, version)).or_default() += 1;
                    continue;
                }
                Ok(Document::NoObject) => {
                    self.manifests.no_objects.push(origin.clone());
                    continue;
                }
                Err(error) => {
                    self.unreadable.push(error);
                    continue;
                }
            };
            if ours.object.is_beside() {
                let field = |name: &str| written[name].as_str().unwrap_or_default().to_owned();
                let known = (field("kind"), field("apiVersion"));
                *self.manifests.others.entry(known).or_default() += 1;
            }
            let misnamed = ours.misnamed.iter().map(LoadError::to_string);
            self.manifests.misnamed.extend(misnamed);
            if ours.is_defaulted {
                self.manifests.defaulted.push(ours.object.reference());
            }
            self.manifests.objects.push(Located {
                origin: origin.clone(),
                item,
                is_decoded: object::is_decoded(&ours.object, &written),
                spec: fingerprint(written.get("spec")),
                build: at.output.map(|(number, _)| number),
                source,
                document: document_of(&ours.object, written),
                object: ours.object,
            });
        }
        if !document.repeated.is_empty() {
            let is_known = self.manifests.objects.len() > known;
            self.repeated(text, &origin, document.repeated, is_known);
        }
    }

    fn repeated(&mut self, text: &str, origin: &Origin, keys: Vec<String>, is_known: bool) {
        let places = Source::new(text).places(origin.line, &keys);
        for (key, place) in keys.into_iter().zip(places) {
            self.manifests.repeated.push(RepeatedKey {
                path: origin.file.clone(),
                line: place.map_or(origin.line, |place| place.line),
                column: place.map_or(1, |place| place.column),
                key,
                is_known,
            });
        }
    }
}

impl Manifests {
    /// The same with another text of a file that has the same objects; `None` if it has others.
    pub(crate) fn with_text(
        &self,
        file: &Path,
        text: String,
        options: &ReadOptions,
    ) -> Option<Self> {
        let mut own = self.objects.iter().filter(|old| old.origin.file == file);
        let first = own.find_map(|old| object::generated_number(&old.object.reference().name));
        let mut collector = Collector {
            generated: first.map_or(0, |first| first - 1),
            ..Collector::new(options)
        };
        let at = At {
            file,
            is_named: true,
            output: None,
        };
        collector.text(at, &text);
        let read = collector.finish();
        let mut new = read.manifests.objects.into_iter();
        let mut manifests = self.clone();
        let mut old = manifests.objects.iter_mut();
        let is_alike = old.all(|old| {
            if old.origin.file != file {
                return true;
            }
            let new = new.next().filter(|new| {
                new.item == old.item && new.object.reference() == old.object.reference()
            });
            new.map(|new| *old = new).is_some()
        });
        let is_whole = read.unreadable.is_empty() && is_alike && new.next().is_none();
        let texts = Arc::make_mut(&mut manifests.texts);
        texts.insert(file.to_owned(), text);
        is_whole.then_some(manifests)
    }
}

fn fingerprint(spec: Option<&Value>) -> u64 {
    let mut hasher = DefaultHasher::new();
    spec.hash(&mut hasher);
    hasher.finish()
}
