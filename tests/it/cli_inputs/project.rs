//! The file `.openbao-perimeter.yaml`.

use super::{Tree, inventory, open};

const NAME: &str = ".openbao-perimeter.yaml";

/// A repository with a folder `deep`, and this file at its root.
fn repository(name: &str, text: &str) -> Tree {
    let tree = Tree::new(name);
    tree.write(".git/HEAD", "").write(NAME, text);
    tree.write("m/one.yaml", open("one"))
        .write("m/two.yaml", open("two"));
    tree
}

#[test]
fn a_project_names_paths_and_what_is_left_out() {
    let tree = repository("paths", "paths: [m]\nexclude: ['two.*']\n");
    tree.check(&[])
        .ends_with(1)
        .says("--> m/one.yaml:")
        .says("checked 1: 1 denied");
    // A flag beats it.
    tree.check(&["m/two.yaml"])
        .says("bao/two: 1 denied")
        .says("checked 1: 1 denied");
    tree.check(&["--exclude", "one.*"])
        .says("bao/two: 1 denied")
        .says("checked 1: 1 denied");
    // It is found from a folder below, up to the root of the repository.
    let below = Tree(tree.0.join("deep/er"));
    below.write("x.txt", "");
    below
        .check(&[])
        .ends_with(1)
        .says("--> ../../m/one.yaml:")
        .says("checked 1: 1 denied");
    let other = Tree(tree.0.join("other"));
    other.write(".git/HEAD", "");
    other.check(&[]).ends_with(2).complains("nothing to read");
}

#[test]
fn a_project_beats_the_settings_file_and_a_flag_beats_it() {
    let tree = repository(
        "settings",
        "paths: [m]\nbaseline: next\nconfig: settings.yaml\nlevels: {OBP201: warn}\n",
    );
    tree.write(
        "settings.yaml",
        "baseline: classic\noperatorNamespace: elsewhere\n",
    );
    tree.write("other.yaml", "operatorNamespace: there\n");
    tree.check(&["--print-config"])
        .ends_with(0)
        .says("baseline: v0.4  # file .openbao-perimeter.yaml")
        .says("operatorNamespace: elsewhere  # file settings.yaml");
    tree.check(&[
        "--print-config",
        "--baseline",
        "v0.1",
        "--config",
        "other.yaml",
    ])
    .says("baseline: v0.1  # flag --baseline")
    .says("operatorNamespace: there  # file other.yaml");
    // Its level counts: the policies are only warned of.
    tree.check(&[])
        .ends_with(0)
        .says("checked 2: 0 denied, 2 with warnings")
        .says("baseline v0.4: set by file .openbao-perimeter.yaml");
    let inventory = inventory();
    let show = ["show", "--inventory", &inventory, "-o", "json"];
    tree.run(&show).ends_with(0).says("v0.4");
}

#[test]
fn a_key_that_is_not_known_is_an_error_with_the_nearest_one() {
    let tree = repository("typo", "path: [m]\n");
    tree.check(&["m"])
        .ends_with(2)
        .complains(NAME)
        .complains("the known key nearest to `path` is `paths`");
    let tree = repository("level", "levels: {OBP201: wrn}\n");
    tree.check(&["m"]).ends_with(2).complains(NAME);
}
