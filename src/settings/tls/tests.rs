use std::path::Path;

use super::*;

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
    let tls = yaml("tls: self-managed").server().unwrap().tls;
    let Tls::SelfManaged { secret, terms } = tls else {
        panic!("{tls:?}");
    };
    let expected = "openbao-perimeter-system/openbao-perimeter-self-managed";
    assert_eq!(secret.to_string(), expected);
    assert!(terms.names().contains(SERVICE_NAMES[0]));
}

#[test]
fn lifetimes_that_do_not_fit_together_are_refused() {
    for (text, expected) in [
        ("lifetime: 200d", "three times as long as a leaf"),
        ("settle: 80d", "as a new bundle takes"),
    ] {
        let settings = yaml(&format!("tls: self-managed\nselfManaged: {{{text}}}"));
        let problem = problem(&settings);
        assert!(problem.contains(expected), "{problem}");
    }
}

#[test]
fn client_ca_and_subject_come_together() {
    for (text, found) in [("ca: ca.crt", "`ca`"), ("subjects: [a]", "`subjects`")] {
        let problem = problem(&yaml(&format!("tls: ephemeral\nclients: {{{text}}}")));
        assert!(problem.contains(found), "{problem}");
    }
}

#[test]
fn a_secret_is_named_with_its_namespace() {
    for text in ["name", "a/b/c", "/b", "a/"] {
        assert!(text.parse::<SecretRef>().is_err(), "{text}");
    }
}
