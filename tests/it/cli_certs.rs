//! `certs` on the command line.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::folder;

/// Exit status, standard output and standard error.
fn certs(args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_openbao-perimeter"));
    let output = command.arg("certs").args(args).output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (output.status.code(), out, err)
}

fn make(dir: &Path, more: &[&str]) {
    let args = [&["make", "--out", dir.to_str().unwrap()], more].concat();
    let (status, _, err) = certs(&args);
    assert_eq!((status, err.as_str()), (Some(0), ""));
}

fn inspect(file: &Path, more: &[&str]) -> (Option<i32>, Value) {
    let args = [&["inspect", file.to_str().unwrap(), "-o", "json"], more].concat();
    let (status, out, err) = certs(&args);
    assert_eq!(err, "");
    (status, serde_json::from_str(&out).unwrap())
}

#[test]
fn what_is_made_is_good_for_the_service_and_its_keys_are_closed() {
    let dir = folder("certs-make");
    make(&dir, &[]);
    for (name, mode) in [
        ("ca.crt", 0o644),
        ("ca.key", 0o600),
        ("tls.crt", 0o644),
        ("tls.key", 0o600),
    ] {
        let found = fs::metadata(dir.join(name)).unwrap().permissions().mode();
        // The umask of the test run may remove more permissions.
        assert_eq!(found & 0o777 & !mode, 0, "{name}: {found:o}");
    }
    let key = dir.join("tls.key");
    let (status, report) = inspect(&dir.join("tls.crt"), &["--key", key.to_str().unwrap()]);
    assert_eq!(status, Some(0), "{report}");
    let seen = &report["certificates"][0];
    assert_eq!(
        seen["names"][0],
        "openbao-perimeter.openbao-perimeter-system.svc"
    );
    assert_eq!(
        (&seen["isCa"], &report["keyMatches"]),
        (&false.into(), &true.into())
    );
    assert!(
        [89, 90].map(Value::from).contains(&seen["daysLeft"]),
        "{seen}"
    );
    let (_, ca) = inspect(&dir.join("ca.crt"), &[]);
    assert_eq!(seen["issuer"], ca["certificates"][0]["subject"]);
}

#[test]
fn a_folder_with_a_ca_gets_a_new_certificate_of_it() {
    let dir = folder("certs-again");
    make(&dir, &[]);
    let [ca, leaf] = ["ca.crt", "tls.crt"].map(|name| dir.join(name));
    let before = [&ca, &leaf].map(|file| fs::read_to_string(file).unwrap());
    make(&dir, &["--name", "a.svc,10.0.0.1", "--lifetime", "9999d"]);
    let after = [&ca, &leaf].map(|file| fs::read_to_string(file).unwrap());
    assert_eq!(before[0], after[0]);
    assert_ne!(before[1], after[1]);
    let [ca, leaf] = [ca, leaf].map(|file| inspect(&file, &[]).1["certificates"][0].clone());
    assert_eq!(leaf["names"], serde_json::json!(["10.0.0.1", "a.svc"]));
    assert_eq!(leaf["notAfter"], ca["notAfter"], "no longer than its CA");

    fs::remove_file(dir.join("ca.key")).unwrap();
    let (status, _, err) = certs(&["make", "--out", dir.to_str().unwrap()]);
    assert_eq!(status, Some(2));
    assert!(err.contains("or neither, found one"), "{err}");
}

#[test]
fn what_should_be_replaced_ends_with_status_1() {
    let dir = folder("certs-inspect");
    make(&dir, &["--lifetime", "10d"]);
    let leaf = dir.join("tls.crt");
    let key = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    let cases = [
        (vec!["--expires-within", "9d"], 0, ""),
        (vec!["--expires-within", "11d"], 1, "expires soon"),
        (vec!["--key", &key("tls.key")], 0, ""),
        (
            vec!["--key", &key("ca.key")],
            1,
            "not match the certificate",
        ),
    ]
    .map(|(args, status, problem)| {
        (
            args.into_iter().map(str::to_owned).collect::<Vec<_>>(),
            status,
            problem,
        )
    });
    for (args, expected, problem) in cases {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let (status, report) = inspect(&leaf, &args);
        assert_eq!(status, Some(expected), "{args:?}: {report}");
        let problems = report["problems"].to_string();
        assert!(problems.contains(problem), "{args:?}: {problems}");
    }
    let (status, out, _) = certs(&["inspect", leaf.to_str().unwrap(), "--expires-within=11d"]);
    assert_eq!(status, Some(1));
    for line in [
        "  names     openbao-perimeter.openbao-perimeter-system.svc, ",
        "days left)",
        "problem: ",
    ] {
        assert!(out.contains(line), "no {line:?} in {out}");
    }
    let (status, _, err) = certs(&["inspect", &key("tls.key")]);
    assert_eq!(status, Some(2));
    assert!(err.contains("expected a PEM certificate"), "{err}");
}
