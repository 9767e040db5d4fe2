//! Charts and kustomizations, built by helm and kustomize.

use super::{Tree, fine, inventory, open, policy};

/// A base with an open policy, and two overlays of it in one namespace.
fn overlays(name: &str) -> Tree {
    let tree = Tree::new(name);
    let base = open("web").replace(", namespace: bao", "");
    let narrow =
        policy("web", "podSelector: {matchLabels: {app: web}}").replace(", namespace: bao", "");
    tree.write("base/kustomization.yaml", "resources: [policy.yaml]\n")
        .write("base/policy.yaml", base)
        .write(
            "prod/kustomization.yaml",
            "namespace: bao\nresources: [../base]\n",
        )
        .write(
            "test/kustomization.yaml",
            "namespace: bao\nresources: [../base]\npatches: [{path: patch.yaml}]\n",
        )
        .write("test/patch.yaml", narrow);
    tree
}

fn chart(name: &str) -> Tree {
    let tree = Tree::new(name);
    tree.write(
        "charts/web/Chart.yaml",
        "apiVersion: v2\nname: team\nversion: 0.1.0\n",
    )
    .write("charts/web/values.yaml", "name: web\nopen: true\n")
    .write(
        "charts/web/templates/_helpers.tpl",
        "{{- define \"n\" }}{{ .Values.name }}{{ end }}\n",
    )
    .write(
        "charts/web/templates/policy.yaml",
        format!(
            "{{{{- if .Values.open }}}}\n{}{{{{- end }}}}\n",
            open("{{ include \"n\" . }}")
        ),
    );
    tree
}

#[test]
#[cfg_attr(not(has_kustomize), ignore = "kustomize is not there: make builders")]
fn an_overlay_is_built_and_its_base_is_not_judged_by_itself() {
    let tree = overlays("overlay");
    // Each overlay is a world of its own.
    tree.check(&["."])
        .ends_with(1)
        .says(
            "note: each is checked separately: `kustomize build ./prod`, `kustomize build ./test`\n",
        )
        .says("checked 2: 1 denied")
        .says("--> kustomize build ./prod:")
        .says("made from base/policy.yaml");
    tree.check(&["test"])
        .ends_with(0)
        .says("checked 1: 0 denied");
    // A base that nothing here uses is built, and so is a folder whose file is named.
    tree.check(&["-n", "bao", "base"])
        .ends_with(1)
        .says("checked 1: 1 denied");
    tree.check(&["prod/kustomization.yaml"])
        .ends_with(1)
        .says("checked 1: 1 denied");
    // Plain files are read as they are.
    tree.check(&["--no-build", "base", "-n", "bao"])
        .ends_with(1)
        .says("--> base/policy.yaml:");
    // A file that the kustomization does not name is no part of it.
    tree.write("test/stale.yaml", open("stale"));
    tree.check(&["test"])
        .ends_with(0)
        .says("note: skipped test/stale.yaml: the kustomization of its folder does not list it\n");
}

#[test]
#[cfg_attr(not(has_kustomize), ignore = "kustomize is not there: make builders")]
fn overlays_with_plain_files_are_judged_with_them_and_an_edit_by_overlay() {
    let tree = overlays("beside");
    let cluster = std::fs::read_to_string(format!("{}/openbaocluster.yaml", inventory())).unwrap();
    tree.write("cluster.yaml", &cluster);
    let ended = tree.run(&["check", "."]);
    ended
        .ends_with(1)
        .says("NetworkPolicy bao/web: 1 denied")
        .says("checked 3: 1 denied");
    // An edit is one of each overlay.
    let after = overlays("after");
    after.write("cluster.yaml", &cluster);
    after.write(
        "test/patch.yaml",
        open("web").replace(", namespace: bao", ""),
    );
    let before = tree.0.display().to_string();
    after
        .check(&["--before", &before, "."])
        .ends_with(1)
        .says("kustomize build ./test:")
        .says_nothing_of("--> kustomize build ./prod:");
}

#[test]
#[cfg_attr(not(has_kustomize), ignore = "kustomize is not there: make builders")]
fn nothing_remote_is_fetched_and_a_build_that_fails_leaves_the_rest() {
    let tree = overlays("remote");
    tree.write(
        "far/kustomization.yaml",
        "resources: ['https://127.0.0.1:9/x?ref=v1']\n",
    )
    .write("gone/kustomization.yaml", "resources: [gone.yaml]\n")
    .write("odd/kustomization.yaml", "resources: []\nnmespace: x\n")
    .write(
        "part/kustomization.yaml",
        "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n",
    )
    .write(
        "flux/kustomization.yaml",
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: x}\n",
    );
    tree.check(&["."])
        .ends_with(2)
        .says("checked 2: 1 denied")
        .says("note: skipped ./part: a component that no kustomization here uses\n")
        .complains("error: failed to build: kustomize build ./far: `https://127.0.0.1:9/x?ref=v1` is remote, and nothing is fetched\n")
        .complains("error: failed to build: kustomize build ./gone: `gone.yaml` in gone/kustomization.yaml: No such file")
        .complains("error: failed to build: kustomize build ./odd: ");
}

#[test]
#[cfg_attr(not(has_helm), ignore = "helm is not there: make builders")]
fn a_chart_is_rendered() {
    let tree = chart("chart");
    tree.check(&["-n", "bao", "."])
        .ends_with(1)
        .says("NetworkPolicy bao/web: 1 denied")
        .says("--> helm template ./charts/web:")
        .says("made from ./charts/web/templates/policy.yaml");
    tree.write("off.yaml", "open: false\n")
        .write("name.yaml", "name: other\n");
    tree.check(&["--values", "name.yaml", "charts/web"])
        .ends_with(1)
        .says("NetworkPolicy bao/other: 1 denied");
    let nothing = "expected a Kubernetes object in `charts`, found nothing";
    tree.check(&["--values", "off.yaml", "charts"])
        .ends_with(2)
        .complains(nothing);
    tree.check(&["--values", "none.yaml", "charts"])
        .ends_with(2)
        .complains("failed to read `none.yaml`: No such file");
    tree.check(&["charts/web/Chart.yaml"])
        .ends_with(1)
        .says("NetworkPolicy bao/web: 1 denied");
    // Values of the project, which a flag beats.
    tree.write(
        ".openbao-perimeter.yaml",
        "values: [name.yaml]\npaths: [charts]\n",
    );
    tree.check(&[])
        .ends_with(1)
        .says("NetworkPolicy bao/other: 1 denied");
    tree.check(&["--values", "off.yaml"])
        .ends_with(2)
        .complains(nothing);
    // Without a build its files are templates.
    tree.write("plain.yaml", fine("plain"));
    tree.check(&["--no-build", "charts", "."])
        .ends_with(0)
        .says("templates/policy.yaml:")
        .says("a template outside a chart");
    tree.write(
        "charts/lib/Chart.yaml",
        "apiVersion: v2\nname: lib\nversion: 0.1.0\ntype: library\n",
    )
    .write(
        "charts/bad/Chart.yaml",
        "apiVersion: v2\nname: bad\nversion: 0.1.0\n",
    )
    .write("charts/bad/templates/x.yaml", "{{ fail \"no region\" }}\n");
    tree.check(&["."])
        .ends_with(2)
        .says("note: skipped ./charts/lib: a library chart, which renders nothing by itself\n")
        .says("NetworkPolicy bao/other: 1 denied")
        .complains("error: failed to build: helm template ./charts/bad --values name.yaml: ")
        .complains("no region");
}

#[test]
fn a_folder_whose_tool_is_missing_is_skipped_with_the_command_to_pipe() {
    let tree = overlays("no-tool");
    let chart = chart("no-helm");
    let inventory = inventory();
    let check = ["check", "--inventory", &inventory, "."];
    let ended = tree.run_with(&check, "", "/nonexistent");
    ended.ends_with(0).says(
        "note: skipped ./prod: kustomize is not installed; build it with `kustomize build ./prod | openbao-perimeter check -`\n",
    );
    let ended = chart.run_with(&check, "", "/nonexistent");
    ended.ends_with(0).says(
        "note: skipped ./charts/web: helm is not installed; build it with `helm template ./charts/web | openbao-perimeter check -`\n",
    );
    chart
        .run_with(&["check", "--strict", "."], "", "/nonexistent")
        .ends_with(1);
}

/// A program that stands for kubectl, and prints a policy.
#[test]
fn kubectl_builds_where_kustomize_is_missing_and_a_build_sees_no_settings_of_the_user() {
    use std::os::unix::fs::PermissionsExt as _;

    let tree = overlays("kubectl-only");
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = kustomize ] && [ -z \"$NO_COLOR\" ] && cat <<'E'\n{}E\n",
        open("made")
    );
    tree.write("bin/kubectl", script);
    let file = tree.0.join("bin/kubectl");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", file.parent().unwrap().display());
    let inventory = inventory();
    let args = ["check", "--inventory", &inventory, "prod"];
    tree.run_with(&args, "", &path)
        .ends_with(1)
        .says("--> kubectl kustomize prod:")
        .says("bao/made: 1 denied");
}
