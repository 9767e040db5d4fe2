//! Whatever a repository holds: files of all kinds, the flags that choose among them, and a project's file.

mod builds;
mod cluster;
mod commands;
mod fix;
mod fix_ordered;
mod fix_other_pods;
mod flags;
mod project;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::folder;

/// A tree of files.
struct Tree(PathBuf);

/// Result of a run: exit status, standard output and standard error, each in one line where lines were broken.
struct Ended {
    status: Option<i32>,
    out: String,
    err: String,
}

impl Tree {
    fn new(name: &str) -> Self {
        Self(folder(&format!("inputs-{name}")))
    }

    fn write(&self, path: &str, text: impl AsRef<[u8]>) -> &Self {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// Runs a command in the tree, with the tools that tests have.
    fn run(&self, args: &[&str]) -> Ended {
        self.run_with(args, "", &tools())
    }

    fn check(&self, args: &[&str]) -> Ended {
        self.run(&[&["check", "--inventory", &inventory()], args].concat())
    }

    fn run_with(&self, args: &[&str], input: &str, path: &str) -> Ended {
        let mut command = Command::new(env!("CARGO_BIN_EXE_openbao-perimeter"));
        command.env_clear().env("PATH", path).env("NO_COLOR", "1");
        command.current_dir(&self.0).args(args);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap().replace("\n  ", " ");
        Ended {
            status: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}

impl Ended {
    #[track_caller]
    fn ends_with(&self, status: i32) -> &Self {
        assert_eq!(self.status, Some(status), "{}{}", self.out, self.err);
        self
    }

    #[track_caller]
    fn says(&self, words: &str) -> &Self {
        assert!(
            self.out.contains(words),
            "no {words:?} in:\n{}{}",
            self.out,
            self.err
        );
        self
    }

    #[track_caller]
    fn says_nothing_of(&self, words: &str) -> &Self {
        assert!(
            !self.out.contains(words),
            "{words:?} in:\n{}{}",
            self.out,
            self.err
        );
        self
    }

    #[track_caller]
    fn complains(&self, words: &str) -> &Self {
        assert!(
            self.err.contains(words),
            "no {words:?} in:\n{}{}",
            self.err,
            self.out
        );
        self
    }
}

/// The PATH with helm and kustomize, as far as they were built.
fn tools() -> String {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/builders");
    format!(
        "{}:{}",
        built.display(),
        std::env::var("PATH").unwrap_or_default()
    )
}

/// The example cluster in `bao`.
fn inventory() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/examples/inventory");
    path.display().to_string()
}

/// A policy that selects other pods.
fn fine(name: &str) -> String {
    policy(
        name,
        "podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress]",
    )
}

/// A policy that opens the OpenBao pods, which is denied.
fn open(name: &str) -> String {
    policy(name, "podSelector: {}, ingress: [{}]")
}

fn policy(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {name}, namespace: bao}}\nspec: {{{spec}}}\n"
    )
}

fn json(name: &str) -> String {
    format!(
        r#"{{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{{"name":"{name}","namespace":"bao"}},"spec":{{"podSelector":{{}},"ingress":[{{}}]}}}}"#
    )
}

#[test]
fn a_run_goes_on_after_a_bad_file() {
    let tree = Tree::new("bad");
    let utf16: Vec<u8> = open("wide")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    tree.write("a/good.yaml", open("found"))
        .write("a/values.yaml", "replicas: 3\n")
        .write("a/image.yaml", b"GIF\0\xff\xfe\0\0")
        .write("a/template.yaml", open("{{ .Release.Name }}"))
        .write("a/README.md", "not: [a manifest");
    std::os::unix::fs::symlink("nowhere.yaml", tree.0.join("a/link.yaml")).unwrap();
    // What is skipped leaves the exit status.
    tree.check(&["a"])
        .ends_with(1)
        .says("NetworkPolicy bao/found: 1 denied")
        .says("note: skipped a/link.yaml: a broken symlink\n")
        .says("note: skipped a/image.yaml: no text\n")
        .says("note: skipped a/template.yaml:3: a template outside a chart; render it first\n")
        .says("note: 1 document without `apiVersion` and `kind`, the first at a/values.yaml:1\n");
    // What is unreadable ends with 2, which is more than 1, and everything else is printed.
    tree.write(
        "a/broken.yaml",
        format!("{}---\na: [1\n---\n{}", open("before"), open("after")),
    )
    .write("a/broken.json", "{\"a\": 1,\n \"b\"}")
    .write("a/wide.yaml", &utf16)
    .write("a/wrong.yaml", policy("wrong", "ingress: 7"))
    .write(
        "a/list.yaml",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {template: {metadata: {labels: [a]}}}\n",
    )
    .write(
        "a/number.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: web, labels: {openbao.org/cluster: bao, a: 1}}\n",
    );
    for strict in [&["a"][..], &["--strict", "a"]] {
        let ended = tree.check(strict);
        ended.ends_with(2);
        for name in ["found", "before", "after", "wrong"] {
            ended.says(&format!("NetworkPolicy bao/{name}: 1 denied"));
        }
        ended
            .complains("error: failed to parse a/broken.yaml:")
            .complains("error: failed to parse a/broken.json:2:5: not valid JSON\n")
            .complains("error: failed to read `a/wide.yaml`: it is in UTF-16; save it as UTF-8\n")
            .complains(
                "error: a/wrong.yaml:1: NetworkPolicy bao/wrong does not decode: spec.ingress: ",
            )
            .complains("error: expected spec.template.metadata.labels of the Deployment at a/list.yaml:1 to be an object, found `[\"a\"]`\n")
            .complains("error: expected metadata.labels of the Pod at a/number.yaml:1 to be an object of texts, found ");
    }
    // What the command line names is never skipped.
    for (named, words) in [
        (
            "a/image.yaml",
            "error: failed to read `a/image.yaml`: it is not a text file\n",
        ),
        (
            "a/link.yaml",
            "error: failed to read `a/link.yaml`: No such file",
        ),
        (
            "a/template.yaml",
            "error: failed to parse a/template.yaml:3:",
        ),
    ] {
        tree.check(&[named]).ends_with(2).complains(words);
        tree.check(&[named, "a/good.yaml"])
            .ends_with(2)
            .complains(words)
            .says("bao/found: 1 denied");
    }
}

#[test]
fn files_are_read_as_kubectl_reads_them() {
    let tree = Tree::new("kubectl");
    let list = format!("apiVersion: v1\nkind: List\nitems:\n- {}\n", json("list"));
    let anchors = policy(
        "anchors",
        "podSelector: &none {}, ingress: [{from: [{namespaceSelector: *none}]}]",
    );
    let twice = policy(
        "twice",
        "podSelector: {matchLabels: {app: web}}, podSelector: {}, ingress: [{}]",
    );
    tree.write(
        "comments.yaml",
        format!(
            "{}{}",
            "# a line\n".repeat(400),
            open("comments").replace("spec:", &format!("{}spec:", "# c\n".repeat(400)))
        ),
    )
    .write("anchors.yaml", anchors)
    .write(
        "crlf.yaml",
        format!("{}---\n{}", open("crlf"), open("crlf-2")).replace('\n', "\r\n"),
    )
    .write(
        "bom.yaml",
        format!(
            "\u{feff}{}\u{feff}---\n\u{feff}{}",
            open("bom"),
            open("bom-2")
        ),
    )
    .write("bom.json", format!("\u{feff}{}", json("bom-3")))
    .write(
        "many.json",
        format!("{}\n{}{}", json("one"), json("two"), json("three")),
    )
    .write(
        "array.json",
        format!("[{},\n{}]", json("first"), json("second")),
    )
    .write("capital.json", json("Capital_1"))
    .write("array.yaml", format!("- {}\n", json("third")))
    .write("list.yaml", list)
    .write(
        "generated.json",
        json("x").replace("\"name\":\"x\"", "\"generateName\":\"made-\""),
    )
    .write(
        "null.yaml",
        policy(
            "nil",
            "podSelector: {matchLabels: {app: }}, policyTypes: [Ingress]",
        ),
    )
    .write("twice.yaml", twice)
    .write(
        "twice.json",
        json("twice-2").replace("\"ingress\"", "\"ingress\":[],\"ingress\""),
    );
    let ended = tree.check(&["."]);
    ended.ends_with(1);
    for name in [
        "comments",
        "anchors",
        "crlf",
        "crlf-2",
        "bom",
        "bom-2",
        "bom-3",
        "one",
        "two",
        "three",
        "Capital_1",
        "first",
        "second",
        "third",
        "list",
        "made-*",
        "twice",
        "twice-2",
    ] {
        ended.says(&format!("NetworkPolicy bao/{name}: 1 denied"));
    }
    ended
        .says_nothing_of("bao/nil")
        .says("note: ./twice.yaml:4:48: duplicate key `spec.podSelector`; the last one counts\n")
        .says("duplicate key `spec.ingress`; the last one counts\n")
        .says("--> ./comments.yaml:804:")
        .says("--> ./array.json:2:");
    // The same on standard input.
    let many = format!("{}\n{}", json("one"), json("two"));
    let args = ["check", "--inventory", &inventory(), "-"];
    tree.run_with(&args, &many, "")
        .ends_with(1)
        .says("checked 2: 2 denied");
    tree.run_with(&args, &format!("[{many}]").replace('\n', ","), "")
        .ends_with(1)
        .says("checked 2: 2 denied");
}

#[test]
fn errors_of_syntax_are_in_plain_words() {
    let tree = Tree::new("syntax");
    for (text, words) in [
        (
            "a: 1\n\tb: 2\n",
            "a tab in the indentation; YAML takes spaces only",
        ),
        ("a: 'b\n", "a quote that is not closed"),
        ("a: [b\n", "a bracket that is not closed"),
        ("a: *b\n", "an alias without its anchor"),
        ("a: b: c\n", "`: ` in a value; put the value in quotes"),
        (
            "<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> main\n",
            "an unresolved merge conflict",
        ),
        ("{\"a\": [1, 2\n", "the JSON ends too early"),
        (
            "{\"a\": 1,}\n",
            "not valid JSON: a comma before a closing bracket",
        ),
    ] {
        let name = if text.contains("{\"") {
            "x.json"
        } else {
            "x.yaml"
        };
        tree.write(name, text);
        let ended = tree.check(&[name]);
        ended
            .ends_with(2)
            .complains(&format!("error: failed to parse {name}:"))
            .complains(words);
        assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
    }
}
