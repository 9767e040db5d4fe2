//! Manifests in files.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use netpol::rule::PortRange;
use openbao_perimeter::inventory::{Fact, Kind, Object};
use openbao_perimeter::sources::files::{self, LoadError};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use crate::volume::Volume;

/// A folder that is removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let at = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("openbao-perimeter-sources-{}-{at}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).expect("removed");
    }
}

fn policy(name: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: {name}\n  \
         namespace: bao\nspec:\n  podSelector: {{}}\n"
    )
}

fn names(path: &Path) -> Vec<String> {
    let snapshot = files::load(path).expect("loadable");
    let references = snapshot.references(Kind::NetworkPolicy);
    references
        .iter()
        .map(|reference| format!("{}/{}", reference.namespace, reference.name))
        .collect()
}

#[test]
fn every_object_of_a_folder_is_found_once_with_its_line() {
    let folder = Folder::new();
    let two = format!(
        "# two documents\n---\n{}---\n{}---\n",
        policy("a"),
        policy("b")
    );
    folder.write("1.yaml", &two);
    folder.write(
        "deep/2.yml",
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: networking.k8s.io/v1\n  kind: NetworkPolicy\n  metadata: {name: c}\n- apiVersion: v1\n  kind: ConfigMap\n",
    );
    folder.write(
        "3.json",
        "\n\n{\"apiVersion\": \"networking.k8s.io/v1\", \"kind\": \"NetworkPolicyList\",\n \"items\": [{\"metadata\": {\"name\": \"d\"}}]}",
    );
    folder.write("README.md", "not: [a manifest");
    folder.write(".hidden/x.yaml", "not: [a manifest");
    symlink(folder.path("1.yaml"), folder.path("again.yaml")).expect("a link");
    symlink(&folder.0, folder.path("deep/loop")).expect("a link");

    let found = files::objects([&folder.0]).expect("loadable");
    let places: Vec<_> = found
        .objects
        .iter()
        .map(|located| {
            let file = located.origin.file.strip_prefix(&folder.0).expect("inside");
            (file.display().to_string(), located.origin.line)
        })
        .collect();
    let place = |file: &str, line| (file.to_owned(), line);
    assert_eq!(
        places,
        [
            place("1.yaml", 3),
            place("1.yaml", 11),
            place("3.json", 3),
            place("deep/2.yml", 1)
        ]
    );
    assert_eq!(found.skipped(), 1);
    assert_eq!(
        names(&folder.0),
        ["bao/a", "bao/b", "default/c", "default/d"]
    );
    assert_eq!(
        names(&folder.path("1.yaml")),
        ["bao/a", "bao/b"],
        "a file alone"
    );
}

#[test]
fn quotes_decide_whether_a_port_is_a_number() {
    let folder = Folder::new();
    let ports = |port: &str| {
        format!(
            "{}  ingress: [{{ports: [{{port: {port}}}]}}]\n",
            policy("a")
        )
    };
    folder.write("a.yaml", &ports("8200"));
    let snapshot = files::load(&folder.0).expect("loadable");
    let number = snapshot
        .policy("bao", "a")
        .and_then(Fact::read)
        .expect("readable");
    assert_eq!(
        number.ingress[0].ports[0].ports,
        PortRange::Numbers(8200, 8200)
    );
    folder.write("a.yaml", &ports("\"8200\""));
    let snapshot = files::load(&folder.0).expect("loadable");
    assert!(matches!(
        snapshot.policy("bao", "a"),
        Some(Fact::Unreadable(_))
    ));
}

#[test]
fn a_malformed_object_is_kept_and_a_malformed_file_is_rejected() {
    let folder = Folder::new();
    folder.write(
        "a.yaml",
        &format!("{}  egress: [{{to: [{{}}]}}]\n", policy("a")),
    );
    let found = files::objects([&folder.0]).expect("loadable");
    assert!(matches!(
        &found.objects[0].object,
        Object::Policy(Fact::Unreadable(_))
    ));

    let table = [
        ("b.yaml", "a: 1\nb: [1\nc: 2\n"),
        ("b.yaml", "a: 1\na: 2\n"),
        ("b.json", "{\"a\": 1,\n \"b\"}"),
    ];
    for (name, text) in table {
        folder.write(name, text);
        let error = files::load(&folder.0).expect_err(text);
        let (line, column, found) = syntax(&error, &folder.path(name));
        assert!(line >= 1 && column >= 1 && !found.is_empty(), "{error}");
        assert!(
            !found.contains(" line "),
            "the position is printed once: {error}"
        );
        fs::remove_file(folder.path(name)).expect("removed");
    }
}

/// Line, column and text of the syntax error in a file.
fn syntax<'a>(error: &'a LoadError, file: &Path) -> (usize, usize, &'a str) {
    let LoadError::Syntax {
        path,
        line,
        column,
        found,
    } = error
    else {
        panic!("{error} is no syntax error");
    };
    assert_eq!(path, file);
    (*line, *column, found)
}

#[test]
fn a_duplicate_key_is_rejected_with_its_location() {
    let folder = Folder::new();
    let twice = policy("a").replace("podSelector: {}", "podSelector: {}\n  podSelector: {}");
    let list = r#"{"kind": "List", "items": [{"kind": "ConfigMap"}, {"spec": {"podSelector": {},
 "ingress": [{"ports": [{"port": 1,
   "port": 2}]}]}}]}"#;
    for (name, text, at, key) in [
        ("a.yaml", twice.as_str(), (8, 3), "podSelector"),
        (
            "a.json",
            list,
            (3, 4),
            "`items[1].spec.ingress[0].ports[0].port`",
        ),
    ] {
        folder.write(name, text);
        let error = files::load(&folder.0).expect_err("twice");
        let (line, column, found) = syntax(&error, &folder.path(name));
        assert_eq!((line, column), at, "{error}");
        assert!(found.contains(key), "{error}");
        fs::remove_file(folder.path(name)).expect("removed");
    }
    // The same key in two objects is no duplicate.
    let once = r#"{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "a",
        "namespace": "bao"}, "spec": {"podSelector": {}, "ingress": [{"ports": [{"port": 1}, {"port": -2.5}]}]},
        "other": [null, true, "a\n"]}"#;
    folder.write("a.json", once);
    let documents = files::objects([&folder.0]).expect("loadable");
    assert_eq!(documents.objects.len(), 1);
}

#[test]
fn the_same_object_twice_names_both_places() {
    let folder = Folder::new();
    folder.write("a.yaml", &policy("a"));
    folder.write("b.yaml", &format!("---\n{}", policy("a")));
    let error = files::load(&folder.0).expect_err("twice");
    let text = error
        .to_string()
        .replace(&folder.0.display().to_string(), "");
    assert_eq!(
        text,
        "expected NetworkPolicy bao/a once, found it at /a.yaml:1 and at /b.yaml:2"
    );
}

#[test]
fn an_object_without_a_name_and_a_missing_file_are_rejected() {
    let folder = Folder::new();
    folder.write(
        "a.yaml",
        "apiVersion: v1\nkind: Namespace\nmetadata: {generateName: a-}\n",
    );
    let error = files::load(&folder.0).expect_err("nameless");
    assert!(
        matches!(
            error,
            LoadError::Nameless {
                kind: "Namespace",
                ..
            }
        ),
        "{error}"
    );
    let error = files::load(&folder.path("none")).expect_err("missing");
    assert!(matches!(error, LoadError::Read { .. }), "{error}");
}

/// The next version of a ConfigMap volume.
fn publish(folder: &Folder, version: &str, text: &str) {
    let volume = Volume(&folder.0);
    volume.swap(&format!("..{version}"), &[("a.yaml", text)]);
    volume.link("a.yaml");
}

#[tokio::test]
async fn a_folder_is_read_again_when_it_changes_and_keeps_its_facts_when_it_breaks() {
    let folder = Folder::new();
    publish(&folder, "v1", &policy("a"));
    let (sender, mut updates) = watch::channel(None);
    let (stop, stopped) = oneshot::channel::<()>();
    let watching = tokio::spawn(files::watch(folder.0.clone(), sender, async {
        let _ = stopped.await;
    }));
    let patience = Duration::from_secs(30);
    let mut next = async |name: &str| {
        let known = updates.wait_for(|snapshot| {
            snapshot
                .as_ref()
                .is_some_and(|snapshot| snapshot.policy("bao", name).is_some())
        });
        let known = timeout(patience, known)
            .await
            .expect("in time")
            .expect("open");
        known.clone().expect("facts")
    };
    let first = next("a").await;
    publish(
        &folder,
        "v2",
        &format!("{}---\n{}", policy("a"), policy("b")),
    );
    let second = next("b").await;
    assert_eq!(
        (
            first.count(Kind::NetworkPolicy),
            second.count(Kind::NetworkPolicy)
        ),
        (1, 2)
    );
    publish(&folder, "v3", "broken: [");
    folder.write("other.yaml", "broken: [");
    publish(&folder, "v4", &policy("c"));
    folder.write("other.yaml", &policy("d"));
    let third = next("c").await;
    let fourth = next("d").await;
    assert!(third.policy("bao", "b").is_none());
    assert_eq!(fourth.count(Kind::NetworkPolicy), 2);
    stop.send(()).expect("still watching");
    timeout(patience, watching)
        .await
        .expect("in time")
        .expect("no panic")
        .expect("no error");
}

#[tokio::test]
async fn a_folder_that_is_broken_from_the_start_is_an_error() {
    let folder = Folder::new();
    folder.write("a.yaml", "broken: [");
    let (sender, updates) = watch::channel(None);
    let result = files::watch(folder.0.clone(), sender, std::future::pending()).await;
    assert!(matches!(result, Err(LoadError::Syntax { .. })));
    assert_eq!(*updates.borrow(), None);
}
