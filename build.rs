//! Sets a cfg for each program that some tests run, so that a test whose program is missing is
//! reported as ignored, with the reason. The product does not read them.

use std::env;

/// Folder of the programs that `make builders` builds.
const BUILDERS: &str = "target/builders";

/// Each cfg, with the names that its program may have.
const PROGRAMS: [(&str, &[&str]); 4] = [
    ("has_helm", &["helm"]),
    ("has_kustomize", &["kustomize"]),
    ("has_promtool", &["promtool"]),
    (
        "has_browser",
        &["chromium", "chromium-browser", "google-chrome"],
    ),
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=PATH");
    let path = env::var_os("PATH").unwrap_or_default();
    // A folder that is not there would run this each time; `make builders` touches this file where it makes it.
    if std::path::Path::new(BUILDERS).is_dir() {
        println!("cargo::rerun-if-changed={BUILDERS}");
    }
    let mut folders: Vec<_> = env::split_paths(&path).collect();
    folders.push(BUILDERS.into());
    for (cfg, names) in PROGRAMS {
        println!("cargo::rustc-check-cfg=cfg({cfg})");
        let mut files = folders
            .iter()
            .flat_map(|folder| names.iter().map(|name| folder.join(name)));
        if files.any(|file| file.is_file()) {
            println!("cargo::rustc-cfg={cfg}");
        }
    }
}
