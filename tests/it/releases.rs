//! The workflows, and the files of a release that `make dist` makes.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::manifests::chart;
use crate::support::folder;

const PLATFORMS: [&str; 4] = ["linux-amd64", "linux-arm64", "darwin-amd64", "darwin-arm64"];
const VERSION: &str = env!("CARGO_PKG_VERSION");
const REPOSITORY: &str = "git.example/team/openbao-perimeter";
const IMAGE: &str = "registry.example/team/openbao-perimeter";

fn text(file: impl AsRef<Path>) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Name and content of each workflow.
fn workflows() -> Vec<(String, String)> {
    let folder = fs::read_dir(".github/workflows").unwrap();
    let files = folder.map(|entry| entry.unwrap().path().display().to_string());
    let found: Vec<_> = files.map(|file| (file.clone(), text(file))).collect();
    assert!(found.len() >= 2);
    found
}

/// Each step of a workflow, with the name of its job.
fn steps(workflow: &str) -> Vec<(String, Value)> {
    let workflow: Value = serde_saphyr::from_str(workflow).unwrap();
    let jobs = workflow["jobs"].as_object().unwrap().iter();
    jobs.flat_map(|(job, content)| {
        let steps = content["steps"].as_array().cloned().unwrap_or_default();
        steps.into_iter().map(|step| (job.clone(), step))
    })
    .collect()
}

#[test]
#[cfg_attr(not(has_actionlint), ignore = "actionlint is not there: make builders")]
fn actionlint_finds_nothing_in_the_workflows() {
    let built = Path::new("target/builders/actionlint");
    let program = if built.is_file() {
        built
    } else {
        Path::new("actionlint")
    };
    // Other linters would be asked where they are installed.
    let mut lint = Command::new(program);
    let output = lint.args(["-shellcheck=", "-pyflakes="]).output().unwrap();
    let found = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{found}");
}

#[test]
fn every_action_is_pinned_by_a_commit_with_its_version() {
    let mut pinned = 0;
    let action = ("action.yml".to_owned(), text("action.yml"));
    for (file, content) in workflows().into_iter().chain([action]) {
        for line in content.lines() {
            let Some((_, used)) = line.split_once("uses: ") else {
                continue;
            };
            if used.starts_with("./") {
                continue;
            }
            let (commit, version) = used
                .split_once('@')
                .and_then(|(_, pin)| pin.split_once(" # v"))
                .unwrap_or_else(|| panic!("{file}: {line}"));
            let is_commit = commit.len() == 40 && commit.chars().all(|c| c.is_ascii_hexdigit());
            let is_version = version.split('.').count() == 3;
            assert!(is_commit && is_version, "{file}: {line}");
            pinned += 1;
        }
    }
    assert!(pinned > 10, "{pinned}");
}

#[test]
fn a_job_has_only_the_rights_that_it_names() {
    for (file, content) in workflows() {
        let workflow: Value = serde_saphyr::from_str(&content).unwrap();
        let default = &workflow["permissions"];
        let is_reader = *default == serde_json::json!({"contents": "read"});
        assert!(is_reader || *default == serde_json::json!({}), "{file}");
        for (name, job) in workflow["jobs"].as_object().unwrap() {
            let named = job["permissions"].as_object();
            assert!(is_reader || named.is_some(), "{file}: {name}");
            let writes = named
                .into_iter()
                .flatten()
                .filter(|(_, right)| *right == "write");
            // What publishes waits for a review, and runs nothing of the repository but `make dist`.
            let is_building = name == "image";
            let is_guarded = job["environment"] == "release";
            assert!(
                writes.count() == 0 || is_building || is_guarded,
                "{file}: {name}"
            );
        }
        for (job, step) in steps(&content) {
            let uses = step["uses"].as_str().unwrap_or_default();
            if uses.starts_with("actions/checkout@") {
                assert_eq!(step["with"]["persist-credentials"], false, "{file}: {job}");
            }
            let run = step["run"].as_str().unwrap_or_default();
            // Text of others would be run as a script.
            assert!(!run.contains("${{"), "{file}: {job}: {run}");
        }
    }
}

#[test]
fn every_make_target_of_a_workflow_exists() {
    let makefile = text("Makefile");
    let mut found = 0;
    for (file, content) in workflows() {
        for (_, step) in steps(&content) {
            let run = step["run"].as_str().unwrap_or_default();
            let targets = run.lines().filter_map(|line| line.strip_prefix("make "));
            for target in targets.filter_map(|line| line.split(' ').next()) {
                assert!(
                    makefile.contains(&format!("\n{target}: ")),
                    "{file}: {target}"
                );
                found += 1;
            }
        }
    }
    assert!(found > 5, "{found}");
}

#[test]
fn the_hosted_ci_plays_each_control_plane_of_the_tests() {
    let workflow: Value = serde_saphyr::from_str(&text(".github/workflows/ci.yml")).unwrap();
    let matrix = &workflow["jobs"]["test"]["strategy"]["matrix"]["kubernetes"];
    let mut played: Vec<&str> = matrix
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    played.sort_unstable();
    let folders = fs::read_dir("tests/control-plane").unwrap();
    let mut there: Vec<String> = folders
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().join("go.mod").is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    there.push(String::new());
    there.sort_unstable();
    assert_eq!(played, there);
}

/// Runs steps of `make dist` over a binary for each platform. Returns what it printed, and the folder of the files.
fn dist(name: &str, steps: &[&str], variables: &[(&str, &str)]) -> (Output, PathBuf) {
    let work = folder(&format!("releases-{name}"));
    let binaries = work.join("binaries");
    fs::create_dir(&binaries).unwrap();
    for platform in PLATFORMS {
        let binary = binaries.join(format!("openbao-perimeter-{platform}"));
        fs::write(binary, format!("#!/bin/sh\necho {platform}\n")).unwrap();
    }
    let files = work.join("dist");
    let mut script = Command::new("deploy/release/dist.sh");
    script
        .args(steps)
        .env("BINARIES", &binaries)
        .env("DIST", &files)
        .env("SOURCE_DATE_EPOCH", "1700000000")
        .env("REPOSITORY", REPOSITORY)
        .env("IMAGE", IMAGE)
        .envs(variables.iter().copied());
    (script.output().unwrap(), files)
}

fn dist_ok(name: &str, steps: &[&str], variables: &[(&str, &str)]) -> PathBuf {
    let (output, files) = dist(name, steps, variables);
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{problem}");
    files
}

#[test]
fn the_archives_are_the_same_each_time_and_the_krew_manifest_has_their_checksums() {
    let steps = ["archives", "krew", "checksums"];
    let files = dist_ok("archives", &steps, &[]);
    let sums = text(files.join("SHA256SUMS"));
    let again = dist_ok("archives-again", &steps, &[]);
    assert_eq!(sums, text(again.join("SHA256SUMS")));
    assert_eq!(sums.lines().count(), PLATFORMS.len() + 1, "{sums}");

    let manifest: Value =
        serde_saphyr::from_str(&text(files.join("openbao-perimeter.yaml"))).unwrap();
    let platforms = manifest["spec"]["platforms"].as_array().unwrap();
    for (platform, name) in platforms.iter().zip(PLATFORMS) {
        let labels = &platform["selector"]["matchLabels"];
        let (os, arch) = name.split_once('-').unwrap();
        assert_eq!((&labels["os"], &labels["arch"]), (&os.into(), &arch.into()));
        let file = format!("openbao-perimeter-{name}.tar.gz");
        let uri = format!("https://{REPOSITORY}/releases/download/v{VERSION}/{file}");
        assert_eq!(platform["uri"], uri);
        let sum = platform["sha256"].as_str().unwrap();
        assert!(
            sums.lines().any(|line| line == format!("{sum}  {file}")),
            "{sum}"
        );

        let unpacked = folder(&format!("releases-unpacked-{name}"));
        let mut tar = Command::new("tar");
        tar.arg("-xzf")
            .arg(files.join(file))
            .arg("-C")
            .arg(&unpacked);
        assert!(tar.status().unwrap().success());
        assert!(unpacked.join("LICENSE").is_file());
        let output = Command::new(unpacked.join("openbao-perimeter"))
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), name);
    }
    assert_eq!(platforms.len(), PLATFORMS.len());
}

#[test]
fn a_krew_manifest_without_an_archive_is_an_error() {
    let (output, _) = dist("no-archive", &["krew"], &[]);
    assert!(!output.status.success());
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(problem.contains("SHA256-LINUX-AMD64"), "{problem}");
}

#[test]
fn a_tag_of_another_version_is_an_error() {
    let tag = format!("v{VERSION}");
    dist_ok("version", &["version"], &[("TAG", &tag)]);
    for tag in ["v9.9.9", "", VERSION] {
        let (output, _) = dist("other-version", &["version"], &[("TAG", tag)]);
        assert!(!output.status.success(), "{tag}");
    }
}

#[test]
#[cfg_attr(not(has_helm), ignore = "helm is not there: make builders")]
fn the_chart_of_a_release_installs_its_image() {
    let files = dist_ok("chart", &["chart"], &[]);
    let archive = files.join(format!("openbao-perimeter-{VERSION}.tgz"));
    let template = Command::new(chart::program())
        .arg("template")
        .arg(archive)
        .output();
    let objects = String::from_utf8(template.unwrap().stdout).unwrap();
    assert!(
        objects.contains(&format!("image: {IMAGE}:{VERSION}")),
        "{objects}"
    );
}

#[test]
fn the_notes_are_the_changes_of_the_version_and_how_to_verify_it() {
    let variables = [
        ("DIGEST", "sha256:0123"),
        ("CHART", "oci://registry.example/charts/openbao-perimeter"),
    ];
    let files = dist_ok("notes", &["notes"], &variables);
    let notes = text(files.join("notes.md"));
    assert!(!notes.contains("# Changelog"), "{notes}");
    assert!(!notes.contains(&format!("## {VERSION}")), "{notes}");
    let link = format!("](https://{REPOSITORY}/blob/v{VERSION}/docs/reference/rules.md)");
    assert!(notes.contains(&link), "{notes}");
    assert!(!notes.contains("](docs/"), "{notes}");
    assert!(
        notes.contains(&format!("cosign verify {IMAGE}@sha256:0123 ")),
        "{notes}"
    );
    assert!(notes.contains("--repo team/openbao-perimeter\n"), "{notes}");
}

/// Runs the step of the action that downloads a release, with this program as `gh`. Returns its status and what it
/// added to the PATH.
fn download(name: &str, gh: &str) -> (bool, String) {
    let work = folder(&format!("releases-download-{name}"));
    let program = work.join("gh");
    fs::write(&program, gh).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let action: Value = serde_saphyr::from_str(&text("action.yml")).unwrap();
    let step = &action["runs"]["steps"][0];
    assert_eq!(step["if"], "inputs.version != ''");
    let path = format!("{}:{}", work.display(), std::env::var("PATH").unwrap());
    let script = step["run"].as_str().unwrap();
    let mut bash = Command::new("bash");
    bash.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", script])
        .env("PATH", path)
        .env("VERSION", "v0.1.0")
        .env("REPOSITORY", "team/openbao-perimeter")
        .env("RUNNER_OS", "Linux")
        .env("RUNNER_ARCH", "X64")
        .env("RUNNER_TEMP", &work)
        .env("GITHUB_PATH", work.join("path"));
    let status = bash.output().unwrap().status;
    let added = fs::read_to_string(work.join("path")).unwrap_or_default();
    (status.success(), added.trim().to_owned())
}

#[test]
fn the_action_downloads_a_release_and_trusts_only_what_is_attested() {
    let files = dist_ok("download", &["archives"], &[]);
    let archive = files.join("openbao-perimeter-linux-amd64.tar.gz");
    let gh = |attested: &str| {
        let archive = archive.display();
        format!(
            "#!/bin/bash\ncase \"$1\" in\nrelease) [ \"$6 $7\" = '--pattern openbao-perimeter-linux-amd64.tar.gz' ] \
             && mkdir -p \"$9\" && cp {archive} \"$9/\" ;;\nattestation) {attested} ;;\nesac\n"
        )
    };
    let (is_done, added) = download("attested", &gh("true"));
    assert!(is_done);
    let output = Command::new(Path::new(&added).join("openbao-perimeter"))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "linux-amd64\n");
    assert_eq!(download("forged", &gh("false")), (false, String::new()));
}
