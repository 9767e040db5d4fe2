//! The flags about input and settings, in each command that has them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use super::{Ended, Tree, tools};

/// Commands that read files.
const COMMANDS: [&str; 4] = ["check", "render", "show", "can"];

fn cluster(name: &str, network: &str) -> String {
    format!(
        "apiVersion: openbao.org/v1alpha1\nkind: OpenBaoCluster\nmetadata: {{name: {name}}}\nspec: {{profile: Development, \
         ingress: {{enabled: true, host: a.example.com}}, network: {{{network}}}}}\n"
    )
}

/// A tree with three clusters in `in`, one of them in a chart, and a fourth in `second.yaml`.
fn tree(name: &str) -> Tree {
    let tree = Tree::new(&format!("commands-{name}"));
    let address = "apiServerCIDR: 10.43.0.1/32";
    tree.write("in/prod.yaml", cluster("prod", address))
        .write("in/extra/extra.yaml", cluster("extra", address))
        .write(
            "in/chart/Chart.yaml",
            "apiVersion: v2\nname: web\nversion: 0.1.0\n",
        )
        .write("second.yaml", cluster("second", address))
        .write("plain", cluster("plain", address))
        .write("valued", cluster("valued", address))
        .write("v.yaml", "{}\n")
        .write(
            "bin/helm",
            "#!/bin/sh\ncase \"$*\" in *v.yaml*) cat valued;; *) cat plain;; esac\n",
        );
    let helm = tree.0.join("bin/helm");
    fs::set_permissions(helm, fs::Permissions::from_mode(0o755)).unwrap();
    tree
}

impl Tree {
    /// Runs a command with the helm of the tree. `can` asks about this cluster.
    fn command(&self, command: &str, cluster: &str, flags: &[&str]) -> Ended {
        let to = format!("{cluster}:8200");
        let question = ["-", &*to];
        let question = if command == "can" { &question[..] } else { &[] };
        let path = format!("{}:{}", self.0.join("bin").display(), tools());
        self.run_with(&[&[command], question, flags].concat(), "", &path)
    }

    /// True if the command knows the cluster.
    fn knows(&self, command: &str, cluster: &str, flags: &[&str]) -> bool {
        let ended = self.command(command, cluster, flags);
        let (namespace, name) = cluster.split_once('/').unwrap();
        match command {
            "can" => ended.status != Some(2),
            "render" => {
                ended.out.contains(&format!("name: {name}-network-policy"))
                    && ended.out.contains(&format!("namespace: {namespace}\n"))
            }
            _ => ended.out.contains(cluster),
        }
    }
}

#[test]
fn each_flag_about_input_works_in_each_command() {
    let tree = tree("input");
    for (flags, cluster, is_known) in [
        (&["-n", "other"][..], "other/prod", true),
        (&["--namespace", "other"], "default/prod", false),
        (&["--exclude", "extra"], "default/extra", false),
        (&["--values", "v.yaml"], "default/valued", true),
        (&["--values", "v.yaml"], "default/plain", false),
        (&["--no-build"], "default/plain", false),
        (&["-f", "second.yaml"], "default/second", true),
        (&["--filename", "second.yaml"], "default/second", true),
    ] {
        for command in COMMANDS {
            let base = ["-f", "in"];
            assert_eq!(
                tree.knows(command, cluster, &base),
                !is_known,
                "{command} {flags:?}"
            );
            let all = [&base, flags].concat();
            assert_eq!(
                tree.knows(command, cluster, &all),
                is_known,
                "{command} {flags:?}"
            );
        }
    }
    for command in COMMANDS {
        for flag in ["-R", "--recursive"] {
            assert!(
                tree.knows(command, "default/extra", &[flag, "-f", "in"]),
                "{command}"
            );
        }
    }
}

#[test]
fn each_flag_about_the_cluster_works_in_each_command() {
    let tree = tree("cluster");
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "here",
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
    });
    tree.write("kube.yaml", kubeconfig.to_string());
    for command in COMMANDS {
        let live = |flags: &[&str], words: &str| {
            let all = [&["--live"], flags].concat();
            let ended = tree.command(command, "default/prod", &all);
            ended.ends_with(2).complains(words);
        };
        live(&["--kubeconfig", "nowhere"], "nowhere");
        live(
            &["--kubeconfig", "kube.yaml", "--context", "absent"],
            "absent",
        );
        live(&["--kubeconfig", "kube.yaml"], "127.0.0.1:1");
        // Facts of a folder are enough without the flag.
        let beside = ["--inventory", "in", "--kubeconfig", "nowhere"];
        if ["show", "can"].contains(&command) {
            assert!(tree.knows(command, "default/extra", &beside));
            live(&beside, "nowhere");
        }
    }
}

#[test]
fn each_flag_about_settings_works_in_each_command() {
    let tree = tree("settings");
    tree.write("classic.yaml", "baseline: classic\n")
        .write("bare.yaml", cluster("bare", ""))
        .write("in/open.yaml", "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: all}\n\
                spec: {podSelector: {matchLabels: {openbao.org/cluster: prod}}, policyTypes: [Ingress], \
                ingress: [{ports: [{port: 8200}]}]}\n");
    for command in COMMANDS {
        let run = |flags: &[&str]| {
            let base = ["--no-build", "--exclude", "extra", "-f", "in"];
            let ended = tree.command(command, "default/prod", &[&base, flags].concat());
            let lines = ended.out.lines().chain(ended.err.lines());
            // The reason for the baseline names its source.
            let lines = lines.filter(|line| !line.contains("baseline classic: set by"));
            lines.collect::<Vec<_>>().join("\n")
        };
        let plain = run(&[]);
        let classic = run(&["--baseline", "classic"]);
        assert_ne!(classic, plain, "{command}");
        assert_eq!(run(&["--config", "classic.yaml"]), classic, "{command}");
    }
    for command in ["check", "render", "show"] {
        let address = ["-f", "bare.yaml", "--api-server-address", "10.9.9.9"];
        let [with, without] = [&address[..], &address[..2]].map(|flags| {
            let ended = tree.command(command, "", flags);
            ended.out + &ended.err
        });
        assert_ne!(with, without, "{command}");
    }
    let address = ["-f", "bare.yaml", "--api-server-address", "10.9.9.9"];
    for (flags, status) in [(&address[..2], 1), (&address, 0)] {
        let question = ["can", "default/bare", "10.9.9.9:443"];
        tree.run(&[&question, flags].concat()).ends_with(status);
    }
}

#[test]
fn each_flag_about_settings_works_in_review() {
    let tree = tree("review");
    tree.write(
        "inventory/prod.yaml",
        cluster("prod", "").replace("{name: prod}", "{name: prod, namespace: bao}"),
    )
    .write("next.yaml", "operatorNamespace: elsewhere\n");
    let review = |spec: serde_json::Value, flags: &[&str]| {
        let mut review = crate::support::review();
        let object = &mut review["request"];
        object["namespace"] = "bao".into();
        object["object"]["metadata"]["namespace"] = "bao".into();
        object["object"]["spec"] = spec;
        let args = [&["review"], flags].concat();
        let ended = tree.run_with(&args, &review.to_string(), &tools());
        let answer: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
        answer["response"]["allowed"].as_bool().unwrap()
    };
    let pods = json!({"matchLabels": {"openbao.org/cluster": "prod"}, "matchExpressions": [
        {"key": "openbao.org/component", "operator": "NotIn", "values": ["backup", "restore", "upgrade-snapshot"]},
    ]});
    let operator = json!({"podSelector": pods, "policyTypes": ["Ingress"], "ingress": [{
        "from": [{
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "elsewhere"}},
            "podSelector": {"matchLabels": {
                "app.kubernetes.io/name": "openbao-operator", "app.kubernetes.io/component": "controller",
            }},
        }],
        "ports": [{"port": 8200}],
    }]});
    let everyone = json!({"podSelector": pods, "policyTypes": ["Ingress"], "ingress": [{"ports": [{"port": 8200}]}]});
    let api_server = json!({"podSelector": pods, "policyTypes": ["Egress"], "egress": [{
        "to": [{"ipBlock": {"cidr": "10.9.9.9/32"}}], "ports": [{"port": 443}],
    }]});
    let inventory = ["--inventory", "inventory"];
    for (spec, flags) in [
        (&operator, ["--operator-namespace", "elsewhere"]),
        (&operator, ["--config", "next.yaml"]),
        (&everyone, ["--baseline", "classic"]),
        (&api_server, ["--api-server-address", "10.9.9.9"]),
    ] {
        // Without facts nothing is known of the cluster.
        assert!(review(spec.clone(), &[]), "{flags:?}");
        assert!(!review(spec.clone(), &inventory), "{flags:?}");
        assert!(
            review(spec.clone(), &[&inventory[..], &flags].concat()),
            "{flags:?}"
        );
    }
}
