//! Sets a cfg for each program that some tests run, and one for the CRDs of other projects, so that a test which lacks
//! them is reported as ignored, with the reason. The product does not read them.

use std::env;
use std::path::Path;

/// Folder of the programs that `make builders` builds.
const BUILDERS: &str = "target/builders";
/// Folder of what `make control-plane` builds and fetches, unless this variable names another.
const CONTROL_PLANE: &str = "target/control-plane";
const CONTROL_PLANE_VARIABLE: &str = "KUBEBUILDER_ASSETS";
/// Folders of CRDs in it.
const CRDS: [&str; 4] = [
    "cert-manager",
    "network-policy-api",
    "network-policy-api-v1alpha1",
    "openreports",
];

/// Each cfg, with the names that its program may have.
const PROGRAMS: [(&str, &[&str]); 5] = [
    ("has_actionlint", &["actionlint"]),
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
    if Path::new(BUILDERS).is_dir() {
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
    println!("cargo::rerun-if-env-changed={CONTROL_PLANE_VARIABLE}");
    println!("cargo::rustc-check-cfg=cfg(has_published_crds)");
    let given = env::var_os(CONTROL_PLANE_VARIABLE).unwrap_or_default();
    let has = |folder: &str| {
        let mut places = [Path::new(&given), Path::new(CONTROL_PLANE)].into_iter();
        places.any(|place| place.join(folder).is_dir())
    };
    if CRDS.into_iter().all(has) {
        println!("cargo::rustc-cfg=has_published_crds");
    }
}
