//! `check --before`: the edit from an earlier state, and the connections that it opens and closes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::{folder, run_with};

const CLUSTER: &str = "apiVersion: openbao.org/v1alpha1\nkind: OpenBaoCluster\nmetadata: {name: bao, namespace: bao}\n\
                       spec: {profile: Development}\n";

fn policy(ingress: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: web, namespace: bao}}\n\
         spec: {{podSelector: {{}}, ingress: [{ingress}]}}\n"
    )
}

const WEB: &str = "{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 8200}]}";

fn git(folder: &Path, args: &[&str]) {
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(["-c", "user.name=t", "-c", "user.email=t@example.com"])
        .args(args)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// A repository whose only commit has a cluster in `bao/`, and `extra` beside it.
fn repository(name: &str, extra: &[(&str, &str)]) -> PathBuf {
    let top = folder(name);
    fs::create_dir(top.join("bao")).unwrap();
    fs::write(top.join("bao/cluster.yaml"), CLUSTER).unwrap();
    for (file, text) in extra {
        fs::write(top.join(file), text).unwrap();
    }
    git(&top, &["init", "--quiet"]);
    git(&top, &["add", "."]);
    git(&top, &["commit", "--quiet", "--message", "first"]);
    top
}

fn check(path: &Path, before: &str, args: &[&str]) -> (Option<i32>, String, String) {
    let path = path.to_str().unwrap();
    let all = [&["check", path, "--before", before][..], args].concat();
    run_with(&[], &all)
}

fn connectivity(path: &Path, before: &str) -> Value {
    let (_, out, err) = check(path, before, &["-o", "json"]);
    let mut report: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}"));
    report["connectivity"].take()
}

#[test]
fn a_revision_is_compared_with_the_work_tree() {
    let top = repository("before-revision", &[]);
    let bao = top.join("bao");
    fs::write(bao.join("web.yaml"), policy(WEB)).unwrap();
    let (code, out, err) = check(&bao, "HEAD", &[]);
    assert_eq!(code, Some(1), "{out}{err}");
    assert!(out.contains("denied[OBP201]"), "{out}");
    assert!(out.contains("+ opened ingress to the "), "{out}");
    assert!(
        out.contains("allowed by NetworkPolicy bao/web, spec.ingress[0]"),
        "{out}"
    );
    let found = connectivity(&bao, "HEAD");
    assert_eq!(found["changes"].as_array().unwrap().len(), 1, "{found}");
    assert_eq!(found["changes"][0]["effect"], "opened", "{found}");
    assert_eq!(
        found["changes"][0]["policy"], "NetworkPolicy bao/web",
        "{found}"
    );

    let (_, out, _) = check(&bao, "HEAD", &["-o", "markdown"]);
    assert!(out.contains("#### Connectivity"), "{out}");
    assert!(out.contains("| opened | ingress to "), "{out}");

    // What is committed now opens nothing new; taken out again, it closes.
    git(&top, &["add", "."]);
    git(&top, &["commit", "--quiet", "--message", "second"]);
    assert_eq!(connectivity(&bao, "HEAD")["changes"], serde_json::json!([]));
    let (code, out, _) = check(&bao, "HEAD", &[]);
    assert_eq!(code, Some(0), "{out}");
    assert!(!out.contains("connectivity"), "{out}");
    fs::remove_file(bao.join("web.yaml")).unwrap();
    assert_eq!(connectivity(&bao, "HEAD")["changes"][0]["effect"], "closed");
    // The index and the work tree are as before.
    let status = Command::new("git")
        .arg("-C")
        .arg(&top)
        .args(["status", "--porcelain"])
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8(status.stdout).unwrap(),
        " D bao/web.yaml\n"
    );
}

#[test]
fn an_object_of_the_revision_is_located_there() {
    let web = policy(WEB);
    let top = repository("before-located", &[("bao/web.yaml", web.as_str())]);
    let bao = top.join("bao");
    fs::write(
        bao.join("cluster.yaml"),
        CLUSTER.replace("Development", "Hardened"),
    )
    .unwrap();
    let (_, out, err) = check(&bao, "HEAD", &["-o", "json"]);
    assert!(!format!("{out}{err}").contains("/.tmp"), "{out}{err}");
}

#[test]
fn an_existing_path_wins_over_a_revision() {
    let top = repository("before-path", &[]);
    let bao = top.join("bao");
    let old = top.join("main");
    fs::create_dir(&old).unwrap();
    fs::write(
        old.join("all.yaml"),
        format!("{CLUSTER}---\n{}", policy(WEB)),
    )
    .unwrap();
    let found = connectivity(&bao, old.to_str().unwrap());
    assert_eq!(found["changes"][0]["effect"], "closed", "{found}");
}

#[test]
fn a_path_that_the_revision_does_not_have_is_new_and_named() {
    let top = repository("before-new", &[]);
    let new = top.join("new");
    fs::create_dir(&new).unwrap();
    fs::write(
        new.join("all.yaml"),
        CLUSTER.replace("name: bao", "name: two"),
    )
    .unwrap();
    let (code, out, err) = check(&new, "HEAD", &[]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("HEAD has no `"), "{out}");
    assert!(out.contains("+ opened"), "{out}");
}

#[test]
fn what_cannot_be_read_at_the_revision_is_a_note_and_new() {
    let top = repository("before-broken", &[("bao/web.yaml", "a: [\n")]);
    let bao = top.join("bao");
    fs::write(bao.join("web.yaml"), policy(WEB)).unwrap();
    let (code, out, err) = check(&bao, "HEAD", &[]);
    assert_eq!((code, err.as_str()), (Some(1), ""), "{out}");
    assert!(
        out.contains("note: at HEAD, failed to parse HEAD:bao/web.yaml:1"),
        "{out}"
    );
    assert!(out.contains("+ opened ingress"), "{out}");
}

#[test]
fn what_is_no_path_and_no_revision_is_an_error_in_one_line() {
    let top = repository("before-unknown", &[]);
    for before in ["no-such-revision", "--upload-pack=touch /tmp/x"] {
        let before = format!("--before={before}");
        let args = ["check", top.to_str().unwrap(), &before];
        let (code, out, err) = run_with(&[], &args);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{err}");
        assert_eq!(err.lines().count(), 1, "{err}");
        assert!(err.contains("neither a path nor a git revision"), "{err}");
        assert!(err.contains("fetch it first"), "{err}");
    }
    let (code, _, err) = run_with(&[], &["check", "-", "--before", "HEAD"]);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("standard input is in no repository"), "{err}");
}

#[test]
fn a_cluster_that_only_the_state_before_has_is_named() {
    let path = repository("deleted", &[("bao/policy.yaml", &policy(WEB))]);
    fs::remove_file(path.join("bao/cluster.yaml")).unwrap();
    let (_, out, err) = check(&path, "HEAD", &[]);
    let note = "OpenBaoCluster bao/bao is in --before and not in PATH: it counts as deleted";
    assert!(out.contains(note) || err.contains(note), "{out}{err}");
}

#[test]
fn versions_of_an_object_that_stay_are_no_change_and_what_changes_is_told_once() {
    let narrow =
        policy("{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 9000}]}");
    let top = repository("before-versions", &[]);
    fs::write(top.join("bao/first.yaml"), &narrow).unwrap();
    fs::write(top.join("bao/second.yaml"), policy(WEB)).unwrap();
    git(&top, &["add", "."]);
    git(&top, &["commit", "--quiet", "--message", "two versions"]);
    let bao = top.join("bao");
    let (code, out, err) = check(&bao, "HEAD", &[]);
    assert_eq!(code, Some(0), "{out}{err}");

    let other = policy(WEB).replace("name: web", "name: other");
    fs::write(bao.join("other.yaml"), other).unwrap();
    let (code, out, err) = check(&bao, "HEAD", &[]);
    assert_eq!(code, Some(1), "{out}{err}");
    assert!(!out.contains("NetworkPolicy bao/web: "), "{out}");
    assert_eq!(out.matches("denied[").count(), 1, "{out}");
    let allowed = "allowed by NetworkPolicy bao/other, spec.ingress[0]";
    assert_eq!(out.matches(allowed).count(), 1, "{out}");
}
