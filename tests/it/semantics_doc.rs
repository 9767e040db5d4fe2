//! `docs/semantics.md`, compared with the engine. Every example in it is a file that is reviewed here, and
//! the verdict below the example is compared word for word.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use openbao_perimeter::code::EnforcementPoint;
use openbao_perimeter::config::ReviewConfig;
use openbao_perimeter::inventory::{Change, Object, Snapshot};
use openbao_perimeter::review::{
    CompiledSnapshot, Edit, Operation, Outcome, Request, Subject, Verdict, Writer, render, review,
};
use openbao_perimeter::rules::Level;
use openbao_perimeter::sources::files;

const DOC: &str = "docs/semantics.md";
const EXAMPLES: &str = "manifests/examples/semantics";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn doc() -> String {
    std::fs::read_to_string(root().join(DOC)).unwrap()
}

/// The example files, by name.
fn examples() -> BTreeMap<String, PathBuf> {
    let entries = std::fs::read_dir(root().join(EXAMPLES)).unwrap();
    entries
        .map(|entry| {
            let path = entry.unwrap().path();
            (
                path.file_name().unwrap().to_string_lossy().into_owned(),
                path,
            )
        })
        .collect()
}

/// One fenced block: the word after the fence, and its content.
#[derive(Debug)]
struct Block {
    language: String,
    text: String,
}

fn blocks(doc: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for line in doc.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(language), None) => {
                open = Some(Block {
                    language: language.to_owned(),
                    text: String::new(),
                });
            }
            (None, Some(block)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a fence that is not closed");
    blocks
}

/// Reviews the last object of the file as a tenant's write. The example inventory and the file's other
/// objects exist already.
fn judge(path: &Path) -> Verdict {
    let inventory = files::load(&root().join("manifests/examples/inventory")).unwrap();
    let mut objects: Vec<Object> = files::objects([path])
        .unwrap()
        .objects
        .into_iter()
        .map(|located| located.object)
        .collect();
    let written = objects.pop().unwrap();
    let snapshot = inventory.apply(objects.into_iter().map(Change::Set));
    let request = request(&snapshot, written);
    let compiled =
        CompiledSnapshot::compile(None, Arc::new(snapshot), Arc::new(ReviewConfig::default()));
    review(&compiled, &request)
}

fn request(snapshot: &Snapshot, written: Object) -> Request {
    let object = written.reference();
    let (namespace, name) = (&object.namespace, &object.name);
    let (operation, subject) = match written {
        Object::Policy(after) => {
            let before = snapshot.policy(namespace, name).cloned();
            let edit = Edit {
                before,
                after: Some(after),
                spec_changed: true,
                object,
            };
            (operation(&edit), Subject::Policy(edit))
        }
        Object::Cluster(after) => {
            let before = snapshot.cluster(namespace, name).cloned();
            let edit = Edit {
                before,
                after: Some(after),
                spec_changed: true,
                object,
            };
            (operation(&edit), Subject::Cluster(edit))
        }
        _ => panic!("expected a judged kind"),
    };
    Request {
        operation,
        writer: Writer {
            name: "tenant".into(),
            ..Writer::default()
        },
        point: EnforcementPoint::Webhook,
        subject,
    }
}

const fn operation<T>(edit: &Edit<T>) -> Operation {
    match edit.before {
        None => Operation::Create,
        Some(_) => Operation::Update,
    }
}

/// A verdict in the format of the document.
fn words(verdict: &Verdict) -> String {
    let mut text = match verdict.outcome() {
        Outcome::Allow => "allowed\n".to_owned(),
        Outcome::Warn => "allowed, with a warning\n".to_owned(),
        Outcome::Deny => "denied\n".to_owned(),
    };
    for finding in &verdict.findings {
        let level = match finding.level {
            Level::Deny => "",
            Level::Warn => " (warning)",
            Level::Audit | Level::Off => " (note)",
        };
        let (code, name, path) = (finding.code, finding.code.name(), &finding.path);
        writeln!(text, "{code} {name}{level}: {path}").unwrap();
        if let Some(witness) = &finding.witness {
            writeln!(text, "  {}", render::connection(witness)).unwrap();
        }
    }
    text
}

#[test]
fn every_example_in_the_document_is_a_file_and_gets_the_verdict_below_it() {
    let files: BTreeMap<String, String> = examples()
        .into_iter()
        .map(|(name, path)| (std::fs::read_to_string(path).unwrap(), name))
        .collect();
    let doc = doc();
    let mut blocks = blocks(&doc).into_iter();
    let mut shown = BTreeSet::new();
    let mut wrong = String::new();
    while let Some(block) = blocks.next() {
        if block.language != "yaml" {
            assert_ne!(block.language, "text", "a verdict without an example");
            continue;
        }
        let name = files.get(&block.text);
        let name =
            name.unwrap_or_else(|| panic!("expected a file with this text:\n{}", block.text));
        assert!(shown.insert(name.clone()), "{name} is shown twice");
        let stated = blocks.next().filter(|block| block.language == "text");
        let stated = stated.unwrap_or_else(|| panic!("expected a verdict below {name}"));
        let found = words(&judge(&root().join(EXAMPLES).join(name)));
        if stated.text != found {
            writeln!(wrong, "{name}:\n{found}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "{DOC} has to say of\n{wrong}");
    let all: BTreeSet<String> = files.into_values().collect();
    assert_eq!(shown, all, "files of {EXAMPLES} that {DOC} does not show");
}

#[test]
fn every_example_is_named_in_the_document() {
    let doc = doc();
    for name in examples().keys() {
        assert!(doc.contains(&format!("`{name}`")), "{name}");
    }
}
