//! Reads of a cluster: flags, and errors at once.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Tree, fine, inventory, open};

/// A server that answers as an API server does, and the paths that it was asked for.
struct Server {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers each path as `answer` says: status and body.
    fn start(answer: impl Fn(&str) -> (u16, Value) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                serve(stream.unwrap(), &answer, &noted);
            }
        });
        Self { url, asked }
    }

    /// Writes a kubeconfig with two contexts, of which `here` leads to this server and the other nowhere.
    fn kubeconfig(&self, tree: &Tree) {
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "nowhere",
            "clusters": [
                {"name": "here", "cluster": {"server": self.url}},
                {"name": "nowhere", "cluster": {"server": "http://127.0.0.1:9"}},
            ],
            "users": [{"name": "me", "user": {"token": "t"}}],
            "contexts": [
                {"name": "here", "context": {"cluster": "here", "user": "me"}},
                {"name": "nowhere", "context": {"cluster": "nowhere", "user": "me"}},
            ],
        });
        tree.write("kubeconfig", config.to_string());
    }
}

fn serve(
    mut stream: TcpStream,
    answer: &impl Fn(&str) -> (u16, Value),
    asked: &Mutex<Vec<String>>,
) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let Some(Ok(first)) = lines.next() else {
        return;
    };
    while lines
        .next()
        .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
    {}
    let path = first.split(' ').nth(1).unwrap().to_owned();
    let (status, body) = answer(path.split('?').next().unwrap());
    asked.lock().unwrap().push(path);
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let _gone = stream.write_all(format!("{head}{body}").as_bytes());
}

fn status(code: u16, message: &str) -> (u16, Value) {
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": "X", "code": code,
    });
    (code, body)
}

/// Answers with the example cluster, and an open policy in `bao`.
fn example(path: &str) -> (u16, Value) {
    let read = |file: &str| -> Value {
        let text = std::fs::read_to_string(format!("{}/{file}", inventory())).unwrap();
        serde_saphyr::from_str(&text).unwrap()
    };
    let resource = |name: &str| json!({"groupVersion": "x", "resources": [{"name": name, "namespaced": true, "kind": "X", "verbs": []}]});
    match path {
        "/apis/openbao.org/v1alpha1" => (200, resource("openbaoclusters")),
        path if path.ends_with("/openbaoclusters") => (
            200,
            json!({"metadata": {}, "items": [read("openbaocluster.yaml")]}),
        ),
        path if path.ends_with("/networkpolicies") => {
            let open: Value = serde_saphyr::from_str(&open("planted")).unwrap();
            let managed = read("bao-network-policy.yaml");
            (200, json!({"metadata": {}, "items": [managed, open]}))
        }
        "/api/v1/namespaces" => (200, json!({"metadata": {}, "items": []})),
        path if path.ends_with("/pods") => {
            let labels = json!({"openbao.org/cluster": "bao"});
            let pod = json!({"metadata": {"name": "stray", "namespace": "bao", "labels": labels}});
            (200, json!({"metadata": {}, "items": [pod]}))
        }
        _ => status(404, "not found"),
    }
}

const FLAGS: [&str; 4] = ["--kubeconfig", "kubeconfig", "--context", "here"];

#[test]
fn a_cluster_is_read_and_judged() {
    let tree = Tree::new("live");
    let server = Server::start(example);
    server.kubeconfig(&tree);
    let run = |args: &[&str]| tree.run(&[args, &FLAGS].concat());
    run(&["check", "--live"])
        .ends_with(1)
        .says("NetworkPolicy bao/planted: 1 denied")
        .says_nothing_of("-->");
    let asked = server.asked.lock().unwrap().drain(..).collect::<Vec<_>>();
    assert!(
        asked
            .iter()
            .any(|path| path == "/apis/networking.k8s.io/v1/networkpolicies?limit=500"),
        "{asked:?}"
    );
    // One namespace.
    run(&["check", "--live", "-n", "bao"])
        .ends_with(1)
        .says("bao/planted: 1 denied");
    let asked = server.asked.lock().unwrap().drain(..).collect::<Vec<_>>();
    assert!(
        asked
            .iter()
            .any(|path| path
                .starts_with("/apis/networking.k8s.io/v1/namespaces/bao/networkpolicies")),
        "{asked:?}"
    );
    assert!(
        !asked
            .iter()
            .any(|path| path.starts_with("/apis/networking.k8s.io/v1/networkpolicies")),
        "{asked:?}"
    );
    run(&["show", "--live"]).ends_with(0).says("bao/bao");
    run(&["show"])
        .ends_with(0)
        .says("bao/bao")
        .says("Pod stray: the stored pod counts as");
    // Files beside the cluster.
    tree.write("m/a.yaml", open("mine"))
        .write("m/b.yaml", fine("other"));
    let ended = run(&["check", "--inventory", "live", "m"]);
    ended
        .ends_with(1)
        .says("NetworkPolicy bao/mine: 1 denied")
        .says("checked 2: 1 denied");
    run(&["show", "--inventory", "live"])
        .ends_with(0)
        .says("bao/bao");
    run(&["render", "--live", "--api-server-address", "10.43.0.1"])
        .ends_with(0)
        .says("kind: NetworkPolicy");
    // Files and a cluster are not read at once.
    run(&["check", "--live", "m"])
        .ends_with(2)
        .complains("cannot be used with");
}

#[test]
fn pods_that_may_not_be_listed_are_unknown_and_not_none() {
    let tree = Tree::new("live-pods");
    let server = Server::start(|path| match path {
        path if path.ends_with("/pods") => status(403, "pods is forbidden: no"),
        path => example(path),
    });
    server.kubeconfig(&tree);
    let note = "note: pods are not checked (OBP503): pods is forbidden: no";
    let run = |args: &[&str]| tree.run(&[args, &FLAGS].concat());
    run(&["check", "--live"]).ends_with(1).complains(note);
    let shown = run(&["show", "-o", "json"]);
    shown
        .ends_with(0)
        .complains(note)
        .says_nothing_of("foreign_pods");
}

#[test]
fn a_cluster_that_cannot_be_read_is_told_at_once_and_in_one_line() {
    let tree = Tree::new("live-errors");
    let denied = Server::start(|_| status(401, "Unauthorized"));
    let forbidden = Server::start(|path| match path {
        path if path.ends_with("/networkpolicies") => {
            status(403, "networkpolicies is forbidden: no")
        }
        path => example(path),
    });
    for (server, flags, words) in [
        (
            &denied,
            &FLAGS[..],
            "rejects the credentials of the kubeconfig: Unauthorized",
        ),
        (
            &forbidden,
            &FLAGS,
            "cannot list networkpolicies in all namespaces: networkpolicies is forbidden: no",
        ),
        (
            &denied,
            &FLAGS[..2],
            "cannot connect to the API server http://127.0.0.1:9/: ",
        ),
        (
            &denied,
            &["--kubeconfig", "none"],
            "cannot use the kubeconfig: ",
        ),
        (
            &denied,
            &["--kubeconfig", "kubeconfig", "--context", "x"],
            "cannot use the kubeconfig: ",
        ),
    ] {
        server.kubeconfig(&tree);
        for command in [&["check", "--live"][..], &["show"]] {
            let begun = Instant::now();
            let ended = tree.run(&[command, flags].concat());
            ended.ends_with(2).complains("error: ").complains(words);
            assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
            assert!(
                begun.elapsed() < Duration::from_secs(10),
                "{:?}",
                begun.elapsed()
            );
        }
    }
}
