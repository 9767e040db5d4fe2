//! The remedies that a denial shows, applied as they are printed: YAML to manifests and settings, which the router
//! then judges.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use openbao_perimeter::code::Level;
use openbao_perimeter::inventory::{Change as Fact, ObjectRef};
use openbao_perimeter::review::render;
use openbao_perimeter::rules::Finding;
use openbao_perimeter::rules::remedy::{Change, Remedy, Verb, rule_path};
use openbao_perimeter::settings::ServerConfig;
use openbao_perimeter::sources::files;
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::format::{Case, Facts, Operation, all, scenes};
use super::play;
use crate::support;

/// Width and height of a terminal in which a denial has to fit.
const WIDTH: usize = 120;
const LINES: usize = 14;

fn denied(case: &Case) -> Vec<Finding> {
    if case.header.facts == Facts::Missing {
        return Vec::new();
    }
    let findings = play::offline(case).edit.findings.into_iter();
    findings
        .filter(|finding| finding.level == Level::Deny)
        .collect()
}

fn every_case() -> impl Iterator<Item = Case> {
    all().into_iter().chain(scenes())
}

#[test]
fn every_denial_fits_a_terminal() {
    for case in every_case() {
        let verdict = play::offline(&case).edit;
        let message = render::message(&verdict);
        if message.is_empty() {
            continue;
        }
        let printed = format!(
            "Error from server (Forbidden): error when creating \"{}.yaml\": admission webhook \
             \"tenants.perimeter.openbao.org\" denied the request: {message}",
            case.name
        );
        let height = |line: &str| line.chars().count().div_ceil(WIDTH).max(1);
        let lines: usize = printed.lines().map(height).sum();
        assert!(lines <= LINES, "{}: {lines} lines\n{printed}", case.name);
    }
}

#[test]
fn no_remedy_opens_anything_to_everybody() {
    for case in every_case() {
        for remedy in denied(&case).iter().flat_map(|finding| &finding.remedies) {
            let yaml = remedy.yaml();
            let is_wide = ["0.0.0.0/0", "::/0"].iter().any(|all| yaml.contains(all));
            let is_empty = yaml.lines().any(|line| line.trim() == "- {}");
            assert!(!is_wide && !is_empty, "{}: {yaml}", case.name);
        }
    }
}

#[test]
fn no_remedy_ends_the_fallback_that_backups_use() {
    let mut cases = every_case();
    let case = cases.find(|case| case.name == "OBP202-jobs-beside-a-fallback-for-backups");
    let denied = denied(&case.unwrap());
    let mut remedies = denied.iter().flat_map(|finding| &finding.remedies);
    assert!(remedies.clone().next().is_some());
    assert!(remedies.all(|remedy| !matches!(remedy.change, Change::Cluster(..))));
}

#[test]
fn every_remedy_makes_the_write_pass() {
    let mut tried = BTreeMap::new();
    for case in every_case() {
        let denied = denied(&case);
        let plans: Vec<Vec<&Remedy>> = match &denied[..] {
            [] => continue,
            [only] => only.remedies.iter().map(|remedy| vec![remedy]).collect(),
            several => {
                let best = several.iter().map(|finding| finding.remedies.first());
                best.collect::<Option<_>>().into_iter().collect()
            }
        };
        for (at, plan) in plans.iter().enumerate() {
            let edited = Edited::of(&case, plan, at);
            edited.assert_allowed(&case, plan);
            for remedy in plan {
                *tried.entry(remedy.rank).or_insert(0) += 1;
            }
        }
    }
    assert!(
        tried.len() > 8 && tried.values().sum::<i32>() > 100,
        "{tried:?}"
    );
}

/// The files of a case after a plan.
struct Edited {
    request: Value,
    /// Each other object that changes: before and after.
    others: Vec<(Value, Value)>,
    inventory: PathBuf,
    settings: ServerConfig,
}

impl Edited {
    fn of(case: &Case, plan: &[&Remedy], at: usize) -> Self {
        let mut request = document(&case.request);
        let mut inventory = documents(&case.inventory);
        let mut settings = case.header.settings.clone().unwrap_or(json!({}));
        let mut changed = BTreeMap::new();
        let mut removed = Vec::new();
        let mut inserted = Vec::new();
        for remedy in plan {
            let (path, verb, _) = remedy.lines();
            let value: Value = serde_saphyr::from_str(&remedy.yaml()).unwrap_or_default();
            match &remedy.change {
                Change::Setting(_) => edit(&mut settings, &path, verb, value),
                Change::Policy(object, _)
                | Change::Cluster(object, _)
                | Change::Ordered(object, _) => {
                    if names(object, &request) {
                        if verb == Verb::Remove {
                            removed.push(path);
                        } else if verb == Verb::Insert {
                            inserted.push((path, value.to_string()));
                        } else {
                            edit(&mut request, &path, verb, value);
                        }
                    } else {
                        let mut there = inventory.iter_mut();
                        let there = there.find(|there| names(object, there));
                        let there = there.unwrap_or_else(|| panic!("{}: {object}", case.name));
                        let before = changed
                            .entry(object)
                            .or_insert_with(|| (there.clone(), Value::Null));
                        edit(there, &path, verb, value);
                        before.1 = there.clone();
                    }
                }
            }
            removed.extend(
                remedy
                    .leaves_out
                    .map(|(direction, at)| rule_path(direction, at)),
            );
        }
        // The last one first, so that numbers stay.
        inserted.sort();
        inserted.dedup();
        for (path, value) in inserted.into_iter().rev() {
            let value = serde_json::from_str(&value).unwrap();
            edit(&mut request, &path, Verb::Insert, value);
        }
        removed.sort();
        removed.dedup();
        for path in removed.iter().rev() {
            edit(&mut request, path, Verb::Remove, Value::Null);
        }
        let folder = support::folder(&format!("remedy-{}-{at}", case.name));
        for (number, object) in inventory.iter().enumerate() {
            fs::write(folder.join(format!("{number}.yaml")), object.to_string()).unwrap();
        }
        Self {
            request,
            others: changed.into_values().collect(),
            inventory: folder,
            settings: ServerConfig::deserialize(settings).unwrap(),
        }
    }

    fn assert_allowed(&self, case: &Case, plan: &[&Remedy]) {
        let config = self.settings.review_config().unwrap().on(play::TODAY);
        let old = case.before.as_deref().map(document);
        for (before, after) in &self.others {
            let there = files::load(&case.inventory).unwrap();
            let review = play::review_of(Operation::Update, after, Some(before), case);
            let answer = play::answer(config.clone(), there, "/validate", &review);
            let allowed = &answer["response"]["allowed"];
            assert_eq!(allowed, true, "{}: {plan:#?}\n{answer:#}", case.name);
        }
        let before = case.before.as_deref().into_iter();
        let before = before.flat_map(|path| files::objects([path]).unwrap().objects);
        let there = files::load(&self.inventory).unwrap();
        let there = there.apply(before.map(|located| Fact::Set(located.object)));
        let review = play::review_of(case.operation(), &self.request, old.as_ref(), case);
        let answer = play::answer(config, there, "/validate", &review);
        let allowed = &answer["response"]["allowed"];
        assert_eq!(allowed, true, "{}: {plan:#?}\n{answer:#}", case.name);
    }
}

fn document(path: &Path) -> Value {
    serde_saphyr::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The objects of a file, or of all files of a folder.
fn documents(path: &Path) -> Vec<Value> {
    let files: Vec<PathBuf> = if path.is_dir() {
        let entries = fs::read_dir(path).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    } else {
        vec![path.to_owned()]
    };
    let texts = files.iter().map(|file| fs::read_to_string(file).unwrap());
    let documents = texts.flat_map(|text| {
        let parts = text.split("\n---").map(str::to_owned);
        parts.collect::<Vec<_>>()
    });
    documents
        .filter_map(|text| serde_saphyr::from_str(&text).ok())
        .filter(Value::is_object)
        .collect()
}

fn names(object: &ObjectRef, document: &Value) -> bool {
    let metadata = &document["metadata"];
    document["kind"] == object.kind.as_str()
        && metadata["name"] == *object.name
        && metadata["namespace"].as_str().unwrap_or_default() == &*object.namespace
}

/// Does with a value at a field path what a remedy says.
fn edit(document: &mut Value, path: &str, verb: Verb, value: Value) {
    let steps = steps(path);
    if !is_there(document, &steps) {
        // Another remedy of the same plan took the whole list away.
        return;
    }
    let (last, parents) = steps.split_last().unwrap();
    if verb == Verb::Remove {
        let parent = parents.iter().fold(document, |at, step| child(at, step));
        match (parent, last.parse::<usize>()) {
            (Value::Array(elements), Ok(at)) => drop(elements.remove(at)),
            (parent, _) => drop(parent.as_object_mut().unwrap().remove(last)),
        }
        return;
    }
    if let (Verb::Insert, Value::Array(more), Ok(at)) = (verb, &value, last.parse::<usize>()) {
        let parent = parents.iter().fold(document, |at, step| child(at, step));
        let elements = parent.as_array_mut().unwrap();
        elements.splice(at..at, more.iter().cloned());
        return;
    }
    let place = steps.iter().fold(document, |at, step| child(at, step));
    match (verb, value) {
        (Verb::Add, Value::Array(more)) => {
            if place.is_null() {
                *place = json!([]);
            }
            place.as_array_mut().unwrap().extend(more);
        }
        (Verb::Set, Value::Object(fields)) => {
            if place.is_null() {
                *place = json!({});
            }
            place.as_object_mut().unwrap().extend(fields);
        }
        (_, value) => *place = value,
    }
}

fn is_there(document: &Value, steps: &[String]) -> bool {
    let mut at = document;
    for step in steps {
        at = match (at, step.parse::<usize>()) {
            (Value::Array(elements), Ok(number)) if number >= elements.len() => return false,
            (Value::Array(elements), Ok(number)) => &elements[number],
            (parent, _) => &parent[step],
        };
    }
    true
}

fn child<'a>(parent: &'a mut Value, step: &str) -> &'a mut Value {
    match (parent.is_array(), step.parse::<usize>()) {
        (true, Ok(at)) => &mut parent[at],
        _ => &mut parent[step],
    }
}

/// `a.b[0].c[x.y]` as its steps.
fn steps(path: &str) -> Vec<String> {
    let mut steps = Vec::new();
    for (number, part) in path.split('[').enumerate() {
        let (inside, outside) = match part.split_once(']') {
            Some((inside, outside)) if number > 0 => (Some(inside), outside),
            _ => (None, part),
        };
        steps.extend(inside.map(str::to_owned));
        let names = outside.split('.').filter(|name| !name.is_empty());
        steps.extend(names.map(str::to_owned));
    }
    steps
}
