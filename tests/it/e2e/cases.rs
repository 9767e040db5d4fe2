//! The cases of `tests/cases` that are denied or repaired, on a real API server. Each has its own namespace.
//! Those with other settings run with another server.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::stage::{LIMIT, Outage, Scene, guard_during, plane};
use crate::cases::{Case, all};
use crate::control_plane::{Output, wait_until};
use crate::example;

/// Number of concurrent cases.
const AT_ONCE: usize = 6;

/// The cases that a real API server can deny or repair.
fn denied() -> impl Iterator<Item = Case> {
    all().into_iter().filter(|case| {
        let denies = case
            .expect
            .as_ref()
            .is_some_and(|expect| expect.outcome == "deny");
        denies && case.header.not_on_the_api_server.is_none()
    })
}

#[test]
fn every_denied_case_is_denied_by_a_real_api_server() {
    let cases: Vec<Case> = denied()
        .filter(|case| case.header.settings.is_none())
        .collect();
    assert!(cases.len() > 25, "{} cases", cases.len());
    std::thread::scope(|scope| {
        for part in 0..AT_ONCE {
            let mine = cases.iter().skip(part).step_by(AT_ONCE);
            scope.spawn(move || {
                for case in mine {
                    play(case, &Scene::empty(namespace(case)));
                }
            });
        }
    });
}

#[test]
fn every_case_with_settings_is_denied_by_a_guard_that_has_them() {
    let mut groups: BTreeMap<String, Vec<Case>> = BTreeMap::new();
    for case in denied() {
        if let Some(settings) = &case.header.settings {
            groups.entry(settings.to_string()).or_default().push(case);
        }
    }
    assert!(groups.len() > 2, "{:?}", groups.keys());
    let outage = Outage::begin();
    for (settings, cases) in &groups {
        let _guard = guard_during(&outage, settings);
        for case in cases {
            play(case, &Scene::unguarded(namespace(case), &outage));
        }
    }
}

/// The case's own namespace, or the operator's for cases about it.
fn namespace(case: &Case) -> &'static str {
    let request = &objects(&case.request)[0];
    match request["metadata"]["namespace"]
        .as_str()
        .expect("a namespace")
    {
        "bao" => {
            let name = case.name.to_lowercase();
            let short = name.get(..60).unwrap_or(&name).trim_end_matches('-');
            Box::leak(short.to_owned().into_boxed_str())
        }
        own => Box::leak(own.to_owned().into_boxed_str()),
    }
}

/// The objects of a file or folder as written.
fn objects(path: &Path) -> Vec<Value> {
    let files = if path.is_dir() {
        let entries = fs::read_dir(path).expect("a folder");
        let mut files: Vec<PathBuf> = entries
            .map(|entry| entry.expect("an entry").path())
            .collect();
        files.sort();
        files
    } else {
        vec![path.to_owned()]
    };
    let documents = files.iter().flat_map(|file| {
        let text = fs::read_to_string(file).expect("a file");
        serde_saphyr::from_multiple::<Value>(&text).expect("manifests")
    });
    documents.collect()
}

/// An object in the namespace of the case, owned by the cluster there.
fn moved(object: &Value, scene: &Scene) -> String {
    let mut object = object.clone();
    object["metadata"]["namespace"] = scene.namespace.into();
    let uid = scene.stored("openbaocluster", "bao");
    let uid = uid.and_then(|cluster| Some(cluster["metadata"]["uid"].as_str()?.to_owned()));
    let text = object.to_string();
    match uid {
        Some(uid) => text.replace(example::UID, &uid),
        None => text,
    }
}

/// Writes the existing objects as the operator, which is never denied. Clusters are first, as owners of the
/// rest.
fn set(case: &Case, scene: &Scene) {
    let mut there = objects(&case.inventory);
    there.extend(case.before.as_deref().map(objects).unwrap_or_default());
    if case.operation().as_str() == "DELETE" {
        there.extend(objects(&case.request));
    }
    there.sort_by_key(|object| object["kind"] != "OpenBaoCluster");
    for object in there.iter().filter(|object| object["kind"] != "Namespace") {
        let written = example::as_operator(plane(), &moved(object, scene)).run();
        assert!(written.status_ok, "{}: {written:?}", case.name);
    }
}

/// Checks that a tenant's write ends as the case expects.
fn play(case: &Case, scene: &Scene) {
    set(case, scene);
    let args: &[&str] = match case.operation().as_str() {
        "CREATE" => &["create", "-f", "-"],
        "UPDATE" => &["replace", "-f", "-"],
        _ => &["delete", "-f", "-"],
    };
    let request = moved(&objects(&case.request)[0], scene);
    let expect = case.expect.as_ref().expect("an expectation");
    let repaired = !expect.repairs.is_empty();
    let is_over = |answer: &Output| {
        if repaired {
            answer.status_ok && answer.stderr.contains("restores")
        } else {
            missing(case, scene, answer).is_empty()
        }
    };
    // The server's facts follow the API server's.
    let dry: Vec<&str> = args.iter().copied().chain(["--dry-run=server"]).collect();
    let mut last = None;
    wait_until(&case.name, LIMIT, || {
        let answer = scene.tenant(&dry).stdin(&request).run();
        let is_over = is_over(&answer);
        if !is_over && last.as_ref() != Some(&answer.stderr) {
            eprintln!(
                "{}: {:?}\n{}",
                case.name,
                missing(case, scene, &answer),
                answer.stderr
            );
            last = Some(answer.stderr);
        }
        is_over.then_some(())
    });
    let answer = scene.write(args, &request);
    assert!(is_over(&answer), "{}: {answer:?}", case.name);
}

/// Parts missing in a denial: its source, and each finding with its field and connection.
fn missing(case: &Case, scene: &Scene, answer: &Output) -> Vec<String> {
    let mut parts = vec![
        "Error from server (Forbidden)".to_owned(),
        r#"admission webhook "tenants.perimeter.openbao.org" denied the request: OBP"#.to_owned(),
        "to do: ".to_owned(),
    ];
    let findings = case.expect.iter().flat_map(|expect| &expect.findings);
    // A message has 14 lines: of several findings the last ones are only counted.
    for finding in findings.filter(|finding| finding.level == "deny").take(1) {
        let own = format!("namespace `{}`", scene.namespace);
        let connection = finding.connection.iter();
        parts.push(finding.code.clone());
        parts.push(finding.path.clone());
        parts.extend(connection.map(|shown| shown.replace("namespace `bao`", &own)));
    }
    parts.retain(|part| !answer.stderr.contains(part.as_str()));
    if answer.status_ok {
        parts.push("a refusal".to_owned());
    }
    parts
}
