//! Every flag of every command is in a test.

use std::fs;
use std::path::Path;

use crate::cli_views::{INVENTORY, inventory};
use crate::support::{folder, run_with};

use clap::{Command, CommandFactory as _};
use openbao_perimeter::cli::Cli;

fn texts(folder: &Path, found: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            texts(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

/// The flags of a command and of those below it that no test has as a word.
fn untested(command: &Command, tests: &str, found: &mut Vec<String>) {
    for flag in command.get_arguments().filter_map(|arg| arg.get_long()) {
        let is_known = ["help", "version"].contains(&flag);
        let forms = [
            format!("\"--{flag}\""),
            format!("\"--{flag}="),
            format!("--{flag} "),
        ];
        if !is_known && !forms.iter().any(|form| tests.contains(form)) {
            found.push(format!("{} --{flag}", command.get_name()));
        }
    }
    for command in command.get_subcommands() {
        untested(command, tests, found);
    }
}

#[test]
fn each_flag_of_each_command_is_in_a_test() {
    let mut tests = String::new();
    texts(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it"),
        &mut tests,
    );
    let mut found = Vec::new();
    untested(&Cli::command(), &tests, &mut found);
    assert_eq!(found, [""; 0]);
}

#[test]
fn the_namespace_of_the_operator_is_a_flag_of_each_command_that_judges() {
    let elsewhere = ["--operator-namespace", "elsewhere"];
    let (status, out) = run(&[&["show", "--inventory", INVENTORY], &elsewhere[..]]);
    assert!(
        status == Some(0) && out.contains("The operator's own pods, namespace elsewhere"),
        "{out}"
    );
    let cluster = format!("{INVENTORY}/openbaocluster.yaml");
    let (_, out) = run(&[&["render", &cluster], &elsewhere[..]]);
    assert!(
        out.contains("kubernetes.io/metadata.name: elsewhere"),
        "{out}"
    );
    let from =
        "elsewhere/app.kubernetes.io/name=openbao-operator,app.kubernetes.io/component=controller";
    let (status, out) = run(&[
        &[
            "can",
            from,
            "lab/prod:8200",
            "--inventory",
            &lab("operator"),
        ],
        &elsewhere[..],
    ]);
    assert_eq!(status, Some(0), "{out}");
    let (status, _) = run(&[&[
        "can",
        from,
        "lab/prod:8200",
        "--inventory",
        &lab("operator"),
    ]]);
    assert_eq!(status, Some(1));
    // The stored policy permits the other namespace.
    let policy = format!("{INVENTORY}/bao-network-policy.yaml");
    let (status, out) = run(&[&["check", &cluster, &policy], &elsewhere[..]]);
    assert!(status == Some(1) && out.contains("OBP"), "{out}");
}

#[test]
fn files_of_certificates_and_the_own_namespace_are_flags_of_serve() {
    let flags = [
        "--cert",
        "/a.pem",
        "--key",
        "/k.pem",
        "--own-namespace",
        "home",
        "--operator-namespace",
        "elsewhere",
        "--api-server-address",
        "10.9.9.9",
    ];
    let (status, out) = run(&[&["serve", "--print-config"], &flags]);
    assert_eq!(status, Some(0), "{out}");
    for line in [
        "cert: /a.pem  # flag --cert\n",
        "key: /k.pem  # flag --key\n",
        "ownNamespace: home  # flag --own-namespace\n",
        "operatorNamespace: elsewhere  # flag --operator-namespace\n",
        "# flag --api-server-address\n",
    ] {
        assert!(out.contains(line), "no {line} in {out}");
    }
}

#[test]
fn the_lifetime_of_a_new_ca_is_a_flag() {
    let folder = folder("flags-ca");
    let path = folder.to_str().unwrap();
    let (status, _, err) = run_with(
        &[],
        &[
            "certs",
            "make",
            "--out",
            path,
            "--ca-lifetime",
            "10d",
            "--lifetime",
            "20d",
        ],
    );
    assert_eq!(status, Some(0), "{err}");
    // The certificate ends with its CA.
    let file = folder.join("tls.crt");
    let inspect = [
        "certs",
        "inspect",
        file.to_str().unwrap(),
        "--expires-within",
        "11d",
    ];
    let (status, out, _) = run_with(&[], &inspect);
    assert_eq!(status, Some(1), "{out}");
}

#[test]
fn files_and_folders_are_flags_too() {
    let cluster = format!("{INVENTORY}/openbaocluster.yaml");
    let (_, plain) = run(&[&["check", &cluster]]);
    let (_, flagged) = run(&[&["check", "--recursive", "--filename", &cluster]]);
    assert_eq!(plain, flagged);
    assert!(plain.contains("checked 1:"), "{plain}");
}

/// An inventory with one cluster.
fn lab(name: &str) -> String {
    inventory(
        &format!("flags-{name}"),
        "
apiVersion: openbao.org/v1alpha1
kind: OpenBaoCluster
metadata: {name: prod, namespace: lab}
spec: {network: {apiServerCIDR: 10.43.0.1/32}}
",
    )
}

#[test]
fn members_of_a_group_may_do_maintenance_in_check() {
    let folder = folder("flags-group");
    let marked = fs::read_to_string(format!("{INVENTORY}/bao-network-policy.yaml"))
        .unwrap()
        .replace(
            "  namespace: bao\n",
            "  namespace: bao\n  annotations: {openbao.org/maintenance: 'true'}\n",
        );
    let (before, after) = (folder.join("before"), folder.join("after"));
    fs::create_dir(&before).unwrap();
    fs::create_dir(&after).unwrap();
    let cluster = fs::read_to_string(format!("{INVENTORY}/openbaocluster.yaml")).unwrap();
    for path in [&before, &after] {
        fs::write(path.join("cluster.yaml"), &cluster).unwrap();
    }
    fs::write(before.join("policy.yaml"), &marked).unwrap();
    fs::write(
        after.join("policy.yaml"),
        marked.replacen("port: 8201", "port: 8202", 1),
    )
    .unwrap();
    let [from, to] = [&before, &after].map(|path| path.to_str().unwrap());
    let args = ["check", "--before", from, to, "--as", "alice"];
    let (status, out) = run(&[&args]);
    assert_eq!(status, Some(1), "{out}");
    let (_, as_group) = run(&[&args, &["--as-group", "system:masters"]]);
    assert_ne!(out, as_group);
}

fn run(args: &[&[&str]]) -> (Option<i32>, String) {
    let (status, out, err) = run_with(&[], &args.concat());
    assert_eq!(err, "", "{args:?}");
    (status, out)
}
