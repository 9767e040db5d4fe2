//! Flags that choose what is read, and objects that are read twice.

use std::fs;
use std::path::Path;

use super::{Tree, fine, inventory, open};

#[test]
fn flags_choose_what_is_read() {
    let tree = Tree::new("flags");
    tree.write("a/one.yaml", open("one"))
        .write("a/deep/two.yaml", open("two"))
        .write("b.yaml", open("three"))
        .write("nowhere.yaml", open("four").replace(", namespace: bao", ""));
    for args in [
        &["-f", "a", "-f", "b.yaml"][..],
        &["--filename", "a", "b.yaml"],
        &["-R", "-f", "a", "-f", "b.yaml"],
        &["--recursive", "a", "b.yaml"],
        &["a", "b.yaml"],
    ] {
        tree.check(args).ends_with(1).says("checked 3: 3 denied");
    }
    for (globs, judged) in [
        (&["--exclude", "two.yaml"][..], 1),
        (&["--exclude", "deep"], 1),
        (&["--exclude", "a/deep/"], 1),
        (&["--exclude", "*.yaml"], 0),
        (&["--exclude", "one.*", "--exclude", "t*.yaml"], 0),
        (&["--exclude", "a/*.yaml"], 1),
        (&["--exclude", "other"], 2),
    ] {
        let ended = tree.check(&[globs, &["a"]].concat());
        if judged == 0 {
            ended
                .ends_with(2)
                .complains("expected a Kubernetes object in `a`, found ");
        } else {
            ended
                .ends_with(1)
                .says(&format!("checked {judged}: {judged} denied"));
        }
    }
    tree.check(&["--exclude", "[", "a"])
        .ends_with(2)
        .complains("cannot use the pattern `[`");
    tree.check(&["-n", "bao", "nowhere.yaml", "b.yaml"])
        .says("NetworkPolicy bao/four: 1 denied")
        .says("checked 2: 2");
    tree.check(&[])
        .ends_with(2)
        .complains("error: nothing to read: name a file or folder");
    // Render and show take them as well.
    let cluster = fs::read_to_string(Path::new(&inventory()).join("openbaocluster.yaml")).unwrap();
    tree.write("c/cluster.yaml", &cluster)
        .write("c/broken.yaml", "a: [\n");
    let address = ["--api-server-address", "10.43.0.1"];
    let render = |args: &[&str]| tree.run(&[&["render"], &address[..], args].concat());
    render(&["-f", "c", "--exclude", "broken.*"])
        .ends_with(0)
        .says("kind: NetworkPolicy");
    render(&["-f", "c"])
        .ends_with(2)
        .complains("failed to parse c/broken.yaml");
    let show = |args: &[&str]| tree.run(&[&["show"], args].concat());
    show(&["-f", "c/cluster.yaml"]).ends_with(0).says("bao/bao");
    show(&["-f", "c", "--exclude", "broken.*", "-o", "json"])
        .ends_with(0)
        .says("\"bao\"");
    show(&["--inventory", "c/cluster.yaml"])
        .ends_with(0)
        .says("bao/bao");
}

#[test]
fn an_object_that_stands_twice_counts_once_or_is_judged_in_each_version() {
    let tree = Tree::new("twice");
    tree.write("a.yaml", open("same"))
        .write("b.yaml", format!("# a copy\n{}", open("same")));
    tree.check(&["."])
        .ends_with(1)
        .says("checked 1: 1 denied")
        .says_nothing_of("differently");
    tree.write("b.yaml", fine("same"));
    let note = "note: NetworkPolicy bao/same is written differently at ./a.yaml:1 and ./b.yaml:1; each is checked against the rest\n";
    tree.check(&["."])
        .ends_with(1)
        .says(note)
        .says("checked 2: 1 denied");
    // The order does not matter.
    tree.write("a.yaml", fine("same"))
        .write("b.yaml", open("same"));
    tree.check(&["."])
        .ends_with(1)
        .says(note)
        .says("checked 2: 1 denied")
        .says("--> ./b.yaml:");
    // Versions have one name, which is said once.
    tree.write("c.yaml", fine("same").replace("bao", "nowhere"))
        .write("d.yaml", open("same").replace("bao", "nowhere"));
    tree.check(&["c.yaml", "d.yaml"])
        .says("note: NetworkPolicy nowhere/same was not checked:");
    // Each version is judged against the others' policies.
    let cluster = fs::read_to_string(Path::new(&inventory()).join("openbaocluster.yaml")).unwrap();
    tree.write("c.yaml", &cluster).write(
        "d.yaml",
        cluster.replacen("namespace: bao", "namespace: bao\n  labels: {a: b}", 1),
    );
    tree.run(&["check", "."])
        .ends_with(1)
        .says("OpenBaoCluster bao/bao is written differently");
}

#[test]
fn a_service_alone_is_counted_once() {
    let tree = Tree::new("service-alone");
    tree.write(
        "service.yaml",
        "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: web}\nspec: {ports: [{port: 80}]}\n",
    );
    tree.check(&["service.yaml"])
        .ends_with(0)
        .says("BaselineAdminNetworkPolicy: 1 Service (v1)\n")
        .says("1 of other kinds skipped");
}

#[test]
fn labels_of_openbao_pods_are_reported_at_the_level_of_the_identity_guard() {
    let tree = Tree::new("identity-level");
    tree.write(
        "pod.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: bao, labels: {openbao.org/cluster: bao}}\nspec: {}\n",
    );
    let levels = [
        ("deny", 1, "denied[OBP501]"),
        ("warn", 0, "warning[OBP501]"),
    ];
    for (level, status, said) in levels {
        tree.write("settings.yaml", format!("identity: {{level: {level}}}\n"));
        tree.check(&["--config", "settings.yaml", "pod.yaml"])
            .ends_with(status)
            .says(said);
    }
    tree.write("settings.yaml", "identity: {level: off}\n");
    tree.check(&["--config", "settings.yaml", "pod.yaml"])
        .ends_with(0)
        .says_nothing_of("OBP501");
}
