//! The command as people and CI run it: arguments, streams and exit statuses of the real binary.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

use axum::http::StatusCode;
use k8s_openapi::ByteString;
use serde_json::{Value, json};

use crate::support::{PATIENCE, UID, folder, review};

mod serving;

pub(crate) use serving::Serving;

const BINARY: &str = env!("CARGO_BIN_EXE_openbao-perimeter");
const INVENTORY: &str = "manifests/examples/inventory";
const REFUSED: &str = "manifests/examples/scenes/refused-OBP201-raft-from-a-namespace.yaml";

/// Runs the command. Returns exit status, standard output and standard error.
fn run(args: &[&str], input: &[u8]) -> (Option<i32>, String, String) {
    let mut command = Command::new(BINARY);
    command.args(args).stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command with invalid arguments ends before it reads its input.
    let _unread = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (output.status.code(), out, err)
}

/// The exit status of `review` with the example inventory, and its response.
fn reviewed(name: &str, point: &str) -> (Option<i32>, Value) {
    let input = fs::read(format!("manifests/examples/reviews/{name}.json")).unwrap();
    let args = ["review", "--point", point, "--inventory", INVENTORY];
    let (status, out, err) = run(&args, &input);
    assert_eq!(err, "");
    let mut answer: Value = serde_json::from_str(&out).unwrap();
    (status, answer["response"].take())
}

#[test]
fn a_review_ends_with_the_verdict_as_its_status() {
    for (name, status, allowed) in [("allowed", 0, true), ("refused", 1, false)] {
        let (ended, response) = reviewed(name, "validate");
        assert_eq!(ended, Some(status), "{name}");
        assert_eq!(response["allowed"], allowed, "{name}: {response}");
    }
}

#[test]
fn a_review_at_the_mutating_point_prints_the_repair_as_a_patch() {
    let (status, response) = reviewed("repaired", "mutate");
    assert_eq!((status, &response["allowed"]), (Some(0), &json!(true)));
    let patch: ByteString = serde_json::from_value(response["patch"].clone()).unwrap();
    let patch: Value = serde_json::from_slice(&patch.0).unwrap();
    let selector = json!({"podSelector": {"matchLabels": {
        "app.kubernetes.io/instance": "bao",
        "app.kubernetes.io/managed-by": "openbao-operator",
        "app.kubernetes.io/name": "openbao",
        "openbao.org/cluster": "bao",
    }}});
    let rule = json!({"from": [selector], "ports": [
        {"port": 8200, "protocol": "TCP"},
        {"port": 8201, "protocol": "TCP"},
    ]});
    let restored = json!([{"op": "add", "path": "/spec/ingress/0", "value": rule}]);
    assert_eq!(patch, restored);
}

#[test]
fn what_is_no_review_could_not_be_run_and_says_why() {
    let (status, out, err) = run(&["review"], b"garbage");
    assert_eq!((status, out.as_str()), (Some(2), ""));
    let begin = "error: cannot answer standard input: expected a JSON AdmissionReview: ";
    assert!(err.starts_with(begin), "{err}");
}

#[test]
fn a_denial_has_the_field_the_problem_and_text_to_paste() {
    let (status, out, err) = run(&["check", "--inventory", INVENTORY, REFUSED], b"");
    assert_eq!((status, err.as_str()), (Some(1), ""));
    for part in [
        "NetworkPolicy bao/open-raft: 1 denied\n\ndenied[OBP201]: ingress-beyond-ceiling: spec.ingress[0]\n",
        &format!("--> {REFUSED}:16:7\n"),
        "\n16 |     - from:\n   |       ^^^^^\n",
        "a pod in namespace `web` -> a pod of OpenBaoCluster `bao`, TCP 8201\n",
        "spec.network.trustedIngressPeers of OpenBaoCluster bao/bao:
       - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: web}}
",
        "\nchecked 1: 1 denied, ",
    ] {
        assert!(out.contains(part), "no {part} in {out}");
    }
}

#[test]
fn the_same_verdict_is_printed_as_json() {
    let args = ["check", "-o", "json", "--inventory", INVENTORY, REFUSED];
    let (status, out, _) = run(&args, b"");
    assert_eq!(status, Some(1));
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["summary"]["denied"], 1);
    assert_eq!(report["findings"].as_array().map(Vec::len), Some(1));
    let fields = ["code", "level", "object", "file", "line"];
    let seen = fields.map(|field| report["findings"][0][field].clone());
    assert_eq!(
        json!(seen),
        json!(["OBP201", "denied", "open-raft", REFUSED, 2])
    );
}

#[test]
fn standard_input_is_checked_as_a_file_is() {
    let (_, of_file, _) = run(&["check", "--inventory", INVENTORY, REFUSED], b"");
    let input = fs::read(REFUSED).unwrap();
    let (status, out, err) = run(&["check", "--inventory", INVENTORY, "-"], &input);
    assert_eq!((status, err.as_str()), (Some(1), ""));
    assert_eq!(out, of_file.replace(REFUSED, "-"));
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let folder = folder("cli-unreadable");
    let broken = folder.join("broken.yaml");
    fs::write(&broken, "kind: NetworkPolicy\nspec: [\n").unwrap();
    let broken = broken.to_str().unwrap();
    for (path, begin) in [
        ("no/such", "error: failed to read `no/such`: ".to_owned()),
        (broken, format!("error: failed to parse {broken}:2:")),
    ] {
        let (status, out, err) = run(&["check", path], b"");
        assert_eq!((status, out.as_str()), (Some(2), ""), "{err}");
        assert!(err.starts_with(&begin), "{err}");
    }
}

/// A copy of the example inventory.
fn copy_of_inventory(to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(INVENTORY).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn an_edit_that_deletes_a_managed_policy_is_denied() {
    let folder = folder("cli-before");
    let (before, after) = (folder.join("before"), folder.join("after"));
    copy_of_inventory(&before);
    copy_of_inventory(&after);
    let [from, to] = [&before, &after].map(|path| path.to_str().unwrap());
    let args = ["check", "--before", from, to];

    let (status, unchanged, _) = run(&args, b"");
    assert_eq!(status, Some(0), "{unchanged}");

    fs::remove_file(after.join("bao-network-policy.yaml")).unwrap();
    let (status, out, _) = run(&args, b"");
    assert_eq!(status, Some(1), "{out}");
    // The file does not exist afterwards, so the location is that of the old file.
    let gone = before.join("bao-network-policy.yaml");
    assert!(
        out.contains("denied[OBP103]: managed-policy-deleted\n"),
        "{out}"
    );
    let place = format!("--> {}:6:3\n", gone.display());
    assert!(out.contains(&place), "{out}");
}

#[test]
fn an_edit_of_a_field_that_no_rule_reads_is_a_change_as_it_is_for_the_webhook() {
    let folder = folder("cli-respecified");
    let declaring = |replicas: u32| {
        format!(
            "apiVersion: openbao.org/v1alpha1
kind: OpenBaoCluster
metadata: {{name: bao, namespace: bao}}
spec:
  replicas: {replicas}
  network:
    apiServerCIDR: 10.43.0.1/32
    ingressRules:
      - ports: [{{protocol: TCP, port: 8200}}]
        from: [{{ipBlock: {{cidr: 0.0.0.0/0}}}}]
"
        )
    };
    let [before, same, scaled] =
        [("before", 3), ("same", 3), ("scaled", 5)].map(|(name, replicas)| {
            let path = folder.join(name).with_extension("yaml");
            fs::write(&path, declaring(replicas)).unwrap();
            path.display().to_string()
        });

    let (status, out, _) = run(&["check", "--before", &before, &same], b"");
    assert!(status == Some(0) && out.contains("checked 0:"), "{out}");
    let (_, out, _) = run(&["check", "--before", &before, &scaled], b"");
    let found = out.contains("checked 1:") && out.contains("[OBP302]");
    assert!(found, "{out}");
}

#[test]
fn managed_policies_in_no_file_count_as_the_operator_renders_them() {
    let [namespace, cluster] =
        ["namespace", "openbaocluster"].map(|name| format!("{INVENTORY}/{name}.yaml"));
    let (status, out, _) = run(&["check", &namespace, &cluster], b"");
    let expected = "\
note: NetworkPolicy bao/bao-network-policy and NetworkPolicy bao/bao-jobs-network-policy are not in
  the files: assuming the rendered policies
OpenBaoCluster bao/bao: APIServerNetworkReady True (APIServerNetworkReady)
baseline v0.4: the newest, since no setting names one
checked 1: 0 denied, 0 with warnings; 0 of other kinds skipped
";
    assert_eq!((status, out.as_str()), (Some(0), expected));
}

#[test]
fn an_accepted_rule_is_explained_by_the_entry_it_lies_in() {
    let scene = "manifests/examples/scenes/allowed-policy-repeats-a-declared-connection.yaml";
    let args = ["check", "--explain", "--inventory", INVENTORY, scene];
    let (status, out, _) = run(&args, b"");
    let expected = "\
NetworkPolicy bao/monitoring-again, spec.ingress[0] is permitted by ingress-rules
  (spec.network.ingressRules[0]) of OpenBaoCluster bao/bao
baseline v0.4: the newest, since no setting names one
checked 1: 0 denied, 0 with warnings; 0 of other kinds skipped
";
    assert_eq!((status, out.as_str()), (Some(0), expected));
}

/// A connection with a read timeout.
fn patient(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

#[tokio::test]
async fn a_request_in_flight_is_answered_before_the_signal_ends_the_process_well() {
    let serving = Serving::start("cli-in-flight", "0s").await;
    let body = review().to_string();
    let mut slow = serving.connect();
    let request = format!(
        "POST /validate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nexpect: 100-continue\r\n\r\n",
        body.len()
    );
    slow.write_all(request.as_bytes()).unwrap();
    // The server asks for the body. From then on the request is in flight.
    let mut asked = [0; 25];
    slow.read_exact(&mut asked).unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    let mut idle = patient(serving.reviews);

    serving.terminate();
    // The drain closes idle connections. When this one ends, it has started. A reset counts as an end.
    let _end = idle.read(&mut [0]);
    slow.write_all(body.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // The end of this connection may have no TLS close notification.
    let _end = slow.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let (_, review) = answer.split_once("\r\n\r\n").unwrap();
    let review: Value = serde_json::from_str(review).unwrap();
    assert_eq!(review["response"]["uid"], UID);
    assert_eq!(review["response"]["allowed"], true);
    assert_eq!(serving.ended(), Some(0));
}

#[tokio::test]
async fn the_first_signal_makes_it_unready_and_the_second_ends_it_at_once() {
    let serving = Serving::start("cli-second-signal", "4m").await;
    serving.terminate();
    serving.answers(StatusCode::SERVICE_UNAVAILABLE).await;
    serving.terminate();
    assert_eq!(serving.ended(), Some(2));
}
