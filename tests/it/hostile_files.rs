//! Files that would hang, fill memory or fill the screen.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{folder, run_with};

const INVENTORY: &str = "manifests/examples/inventory";

/// Runs `check` with these arguments on a file with this text.
fn check(name: &str, text: &str, args: &[&str]) -> (Option<i32>, String, String) {
    let path = folder(&format!("hostile-{name}")).join("a.yaml");
    fs::write(&path, text).unwrap();
    let mut all = vec!["check"];
    all.extend(args);
    all.push(path.to_str().unwrap());
    run_with(&[], &all)
}

fn fifo(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

#[test]
fn a_pipe_or_a_socket_in_a_folder_is_named_and_not_read() {
    let pipes = folder("hostile-pipes");
    fifo(&pipes.join("x.yaml"));
    let linked = folder("hostile-linked");
    std::os::unix::fs::symlink(pipes.join("x.yaml"), linked.join("y.yaml")).unwrap();
    let devices = folder("hostile-devices");
    std::os::unix::fs::symlink("/dev/zero", devices.join("z.yaml")).unwrap();
    let sockets = folder("hostile-sockets");
    let _ = fs::remove_file(sockets.join("s.yaml"));
    let _listener = UnixListener::bind(sockets.join("s.yaml")).unwrap();
    for (folder, file, found) in [
        (pipes, "x.yaml", "pipe"),
        (linked, "y.yaml", "pipe"),
        (devices, "z.yaml", "device"),
        (sockets, "s.yaml", "socket"),
    ] {
        let folder = folder.to_str().unwrap();
        for args in [
            &["check", folder][..],
            &["check", "--inventory", folder, INVENTORY],
            &["show", "--inventory", folder],
        ] {
            let (status, _, err) = run_with(&[], args);
            let error = format!("{file}`: expected a regular file, found a {found}");
            assert_eq!(status, Some(2), "{args:?}: {err}");
            assert!(err.contains(&error), "{args:?}: {err}");
        }
    }
}

#[test]
fn a_pipe_that_is_named_itself_is_read() {
    let path = folder("hostile-named").join("x.yaml");
    fifo(&path);
    let binary = env!("CARGO_BIN_EXE_openbao-perimeter");
    let child = Command::new(binary)
        .args(["check", path.to_str().unwrap()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    fs::write(
        &path,
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n",
    )
    .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
}

/// Lists of aliases, each of which stands for ten of the one before.
fn aliases(levels: usize) -> String {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..=levels {
        let inner = vec![format!("*a{}", level - 1); 10].join(", ");
        let _ = writeln!(text, "a{level}: &a{level} [{inner}]");
    }
    text
}

#[test]
fn few_bytes_of_aliases_do_not_stand_for_many_values() {
    let begun = Instant::now();
    for levels in [4, 5, 9] {
        let (status, _, err) = check("aliases", &aliases(levels), &[]);
        assert_eq!(status, Some(2), "{levels}: {err}");
        let said = err.contains("hostile-aliases/a.yaml:")
            && err.contains("aliases (`*name`) expand to too much; write the values out");
        assert!(said, "{levels}: {err}");
    }
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn ordinary_aliases_are_read() {
    let mut text = "x-ports: &ports [{protocol: TCP, port: 8200}]\n---\n".to_owned();
    text.push_str(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: web, namespace: bao}\nspec:\n  \
         podSelector: &pods {matchLabels: {app: web}}\n  ingress:\n",
    );
    for _ in 0..100 {
        text.push_str("  - from: [{podSelector: *pods}]\n");
    }
    let (status, out, err) = check("few-aliases", &text, &["--inventory", INVENTORY]);
    assert_eq!(status, Some(0), "{out}{err}");
}

#[test]
fn an_api_version_that_no_api_server_serves_is_an_error() {
    for (version, kind) in [
        (" networking.k8s.io/v1", "NetworkPolicy"),
        ("networking.k8s.io/v1 ", "NetworkPolicy"),
        ("networking.k8s.io/ v1", "NetworkPolicy"),
        ("networking.k8s.io/v1", "NetworkPolicy "),
        ("networking.k8s.io", "NetworkPolicy"),
        ("networking.k8s.io/", "NetworkPolicy"),
        ("Networking.k8s.io/v1", "NetworkPolicy"),
        ("netwroking.k8s.io/v1", "NetworkPolicy"),
        ("networking.k8s.io/v1/v1", "NetworkPolicy"),
        ("v1", "NetworkPolicy"),
        ("\\topenbao.org/v1alpha1", "OpenBaoCluster"),
        ("openbao.org", "OpenBaoRestore"),
    ] {
        let text = format!(
            "apiVersion: \"{version}\"\nkind: \"{kind}\"\nmetadata: {{name: x, namespace: bao}}\nspec: {{}}\n"
        );
        let (status, _, err) = check("version", &text, &["--inventory", INVENTORY]);
        assert_eq!(status, Some(2), "{version}: {err}");
        assert!(err.contains("hostile-version/a.yaml:1"), "{version}: {err}");
    }
    // A kind of the same name in another API.
    let other = "apiVersion: crd.projectcalico.org/v1\nkind: NetworkPolicy\nmetadata: {name: x}\n";
    let (status, out, _) = check("other-api", other, &[]);
    assert_eq!(status, Some(0), "{out}");
}

#[test]
fn many_findings_about_one_object_are_counted_and_only_some_are_printed() {
    let rules = "  - {}\n".repeat(10_000);
    let text = format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: all, namespace: bao}}\nspec:\n  \
         podSelector: {{}}\n  ingress:\n{rules}"
    );
    let args = ["--inventory", INVENTORY];
    let (status, out, _) = check("many", &text, &args);
    assert_eq!(status, Some(1));
    assert!(out.len() < 40_000, "{} bytes", out.len());
    let more = "more of NetworkPolicy bao/all; `-o json` prints all of them";
    assert!(out.replace("\n  ", " ").contains(more), "{out}");
    let (_, json, _) = check("many", &text, &[&args[..], &["-o", "json"]].concat());
    let report: Value = serde_json::from_str(&json).unwrap();
    let all = report["findings"].as_array().unwrap().len();
    let printed = out.matches("denied[").count() + out.matches("warning[").count();
    assert!(printed <= 20 && printed > 10, "{printed}");
    assert!(all > printed, "{all}");
}

#[test]
fn text_that_controls_a_terminal_is_escaped() {
    let evil = "\\e[31m\\u202Eevil\\u0007\\u009B";
    let policy = format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: web, namespace: bao}}\nspec:\n  \
         podSelector: {{matchLabels: {{\"{evil}\": \"{evil}\"}}}}\n  policyTypes: [\"{evil}\"]\n  \"{evil}\": 1\n"
    );
    let cluster = format!(
        "apiVersion: openbao.org/v1alpha1\nkind: OpenBaoCluster\nmetadata: {{name: vault, namespace: bao}}\nspec:\n  \
         profile: \"{evil}\"\n  network: {{dnsNamespace: \"{evil}\", apiServerCIDR: \"{evil}\"}}\n  unseal: {{type: \
         transit, transit: {{address: \"https://{evil}.example\"}}}}\n"
    );
    let other = format!("apiVersion: v1\nkind: \"{evil}\"\nmetadata: {{name: x}}\n");
    let name = format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: \"{evil}\", namespace: bao}}\n"
    );
    let key = format!("apiVersion: v1\nkind: List\n\"{evil}\": 1\n\"{evil}\": 2\n");
    for (at, text) in [policy, cluster, other, name, key].iter().enumerate() {
        for args in [
            &["--inventory", INVENTORY][..],
            &["--inventory", INVENTORY, "--explain"],
        ] {
            let (_, out, err) = check("evil", text, args);
            assert!(out.contains("evil") || err.contains("evil"), "{at}");
            for text in [out, err] {
                let is_raw = |c: char| c != '\n' && c.is_control() || c == '\u{202e}';
                assert!(!text.contains(is_raw), "{at}: {text:?}");
            }
        }
    }
}
