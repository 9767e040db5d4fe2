//! The Dockerfile, compared with the files that it has to agree with.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use k8s_openapi::api::apps::v1::Deployment;

use super::object;
use super::overlays::{INSTALLS, pod, rendered};

fn dockerfile() -> String {
    fs::read_to_string("Dockerfile").unwrap()
}

/// The text after a word at the start of a line.
fn after<'a>(text: &'a str, word: &str) -> Vec<&'a str> {
    text.lines()
        .filter_map(|line| line.strip_prefix(word)?.strip_prefix(' '))
        .collect()
}

#[test]
fn the_image_is_built_by_the_toolchain_that_is_pinned() {
    let pinned = fs::read_to_string("rust-toolchain.toml").unwrap();
    let channel = pinned.lines().find_map(|line| {
        line.strip_prefix("channel = \"")?
            .strip_suffix('"')
            .map(str::to_owned)
    });
    let image = format!("rust:{}-slim-bookworm", channel.unwrap());
    let text = dockerfile();
    let [build, last] = after(&text, "FROM")[..] else {
        panic!("two stages");
    };
    // Renovate adds a digest.
    let name = build
        .strip_suffix(" AS build")
        .and_then(|from| from.split('@').next());
    assert_eq!(name, Some(image.as_str()));
    assert_eq!(last, "scratch");
}

#[test]
fn the_image_runs_as_the_user_and_on_the_ports_of_the_deployment() {
    let deployment: Deployment = object("base/deployment.yaml");
    let mut pod = deployment.spec.unwrap().template.spec.unwrap();
    let user = pod.security_context.unwrap();
    let user = format!(
        "{}:{}",
        user.run_as_user.unwrap(),
        user.run_as_group.unwrap()
    );
    let text = dockerfile();
    assert_eq!(after(&text, "USER"), [user.as_str()]);
    let exposed = after(&text, "EXPOSE");
    let exposed: BTreeSet<i32> = exposed[0].split(' ').map(|p| p.parse().unwrap()).collect();
    let ports = pod.containers.remove(0).ports.unwrap();
    let ports: BTreeSet<i32> = ports.iter().map(|port| port.container_port).collect();
    assert_eq!(exposed, ports);
}

#[test]
fn every_way_to_install_runs_the_image_of_this_version() {
    let image = concat!("openbao-perimeter:", env!("CARGO_PKG_VERSION"));
    for install in INSTALLS {
        let found = pod(&rendered(install)).containers.remove(0).image;
        assert_eq!(found.as_deref(), Some(image), "{install}");
    }
    let makefile = fs::read_to_string("Makefile").unwrap();
    assert!(makefile.contains(&format!("docker build --tag {image} .")));
}

/// CI has no container runtime and starts no release build. `make static` is used by both, so `make
/// image-check` checks the contents of the image.
#[test]
fn the_image_holds_the_binary_that_make_static_builds() {
    let makefile = fs::read_to_string("Makefile").unwrap();
    let recipe = makefile.split("\nstatic: ").nth(1).unwrap();
    let recipe = recipe.split("\n\n").next().unwrap();
    let binary = recipe.split_whitespace().next_back().unwrap();
    let flags = "RUSTFLAGS='-C target-feature=+crt-static ";
    assert!(recipe.contains(flags), "{recipe}");
    assert!(recipe.contains("--release --locked"), "{recipe}");
    let text = dockerfile();
    let build = format!("make static && mv {binary} /openbao-perimeter");
    assert_eq!(after(&text, "RUN").last(), Some(&build.as_str()));
    assert!(after(&text, "COPY").contains(&"--from=build /openbao-perimeter /openbao-perimeter"));
    assert_eq!(after(&text, "ENTRYPOINT"), [r#"["/openbao-perimeter"]"#]);
    let check = makefile.split("\nimage-check: ").nth(1).unwrap();
    assert!(check.starts_with("static "), "{check}");
    assert!(check.contains(&format!("\n\ttests/image/check.sh {binary}\n")));
}

/// Every file below a folder.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// A path without `..`, which Docker's patterns do not support.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        if part == Component::ParentDir {
            plain.pop();
        } else {
            plain.push(part);
        }
    }
    plain
}

#[test]
fn everything_that_the_sources_include_is_sent_to_the_build() {
    let ignore = fs::read_to_string(".dockerignore").unwrap();
    let sent: Vec<&str> = ignore.lines().filter_map(|l| l.strip_prefix('!')).collect();
    let mut sources = Vec::new();
    files(Path::new("src"), &mut sources);
    let mut included = 0;
    for source in &sources {
        let text = fs::read_to_string(source).unwrap();
        for part in text.split("include_str!(").skip(1) {
            let argument = part.split(')').next().unwrap();
            // Some paths are built by a macro. Their beginning contains the folder.
            let path = argument.split('"').nth(1).unwrap();
            let path = plain(&source.parent().unwrap().join(path));
            let is_sent = sent.iter().any(|sent| path.starts_with(sent));
            assert!(is_sent, "{}: {}", source.display(), path.display());
            included += 1;
        }
    }
    assert!(included > 0, "the rules include their pages");
    for needed in [
        "Cargo.toml",
        "Cargo.lock",
        "Makefile",
        "build.rs",
        "crates",
        "rust-toolchain.toml",
    ] {
        assert!(sent.contains(&needed), "{needed}");
    }
}
