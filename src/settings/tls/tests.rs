use std::path::Path;

use clap::Parser;

use super::*;

#[derive(Parser)]
struct Typed {
    #[command(flatten)]
    settings: Settings,
}

fn flags(args: &[&str]) -> Settings {
    let args = ["serve"].iter().chain(args);
    Typed::try_parse_from(args).unwrap().settings
}

fn yaml(text: &str) -> Settings {
    Settings::from_yaml(Path::new("settings.yaml"), text).unwrap()
}

fn problem(settings: &Settings) -> String {
    let error = settings.server().unwrap_err();
    let causes = std::iter::successors(Some(&error as &dyn std::error::Error), |e| e.source());
    let causes: Vec<String> = causes.map(ToString::to_string).collect();
    causes.join(": ")
}

#[test]
fn self_managed_needs_no_further_setting() {
    let tls = flags(&["--tls", "self-managed"]).server().unwrap().tls;
    let Tls::SelfManaged { secret, terms } = tls else {
        panic!("{tls:?}");
    };
    let expected = "openbao-perimeter-system/openbao-perimeter-self-managed";
    assert_eq!(secret.to_string(), expected);
    assert!(terms.names().contains(SERVICE_NAMES[0]));
}

#[test]
fn flags_and_the_file_say_the_same() {
    let typed = flags(&[
        "--tls=self-managed",
        "--self-managed-secret=a/b",
        "--self-managed-name=x,y",
        "--self-managed-ca-lifetime=30d",
        "--self-managed-lifetime=240h",
        "--self-managed-settle=1m",
        "--client-ca=ca.crt",
        "--client-subject=kube-apiserver",
    ]);
    let written = yaml(
        "tls: self-managed\n\
         selfManaged:\n  secret: a/b\n  names: [x, y]\n  caLifetime: 30d\n  lifetime: 10d\n  settle: 60s\n\
         clients: {ca: ca.crt, subjects: [kube-apiserver]}\n",
    );
    assert_eq!(typed, written);
    assert_eq!(typed.server().unwrap(), written.server().unwrap());
}

#[test]
fn lifetimes_that_do_not_fit_together_are_refused() {
    let base = ["--tls=self-managed"];
    for (args, expected) in [
        (
            ["--self-managed-lifetime=200d"],
            "three times as long as a leaf",
        ),
        (["--self-managed-settle=80d"], "as a new bundle takes"),
    ] {
        let problem = problem(&flags(&[&base[..], &args[..]].concat()));
        assert!(problem.contains(expected), "{problem}");
    }
}

#[test]
fn client_ca_and_subject_come_together() {
    for (arg, found) in [
        ("--client-ca=ca.crt", "`ca`"),
        ("--client-subject=a", "`subjects`"),
    ] {
        let problem = problem(&flags(&["--tls=ephemeral", arg]));
        assert!(problem.contains(found), "{problem}");
    }
}

#[test]
fn a_secret_is_named_with_its_namespace() {
    for text in ["name", "a/b/c", "/b", "a/"] {
        assert!(text.parse::<SecretRef>().is_err(), "{text}");
    }
}
