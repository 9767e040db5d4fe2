//! `docs/reference/cli.md`: the help texts.

use std::fmt::Write as _;

use clap::{Command, CommandFactory as _};
use openbao_perimeter::cli::Cli;

use super::{assert_fresh, page};

/// The help text of a command, without values of environment variables.
fn help(command: Command) -> String {
    let mut command = command
        .mut_args(|arg| arg.hide_env_values(true))
        .term_width(100);
    let text = command.render_long_help().to_string();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n")
}

/// Facts about the commands that are not in their help texts.
const ABOUT: &str = "\
Exit status: 0 if nothing is denied, 1 if something is, 2 if the command could not run or could not read a part of its input: also if the
files contain no object, or one with an invalid name, such as `${NAMESPACE}` of a template. `check --fail-on warn` ends with 1 for warnings
too, `--strict` also for objects that could not be checked, and `--fail-on never` never ends with 1; 2 stays. `can` ends
with 0 for yes, and with 1 for no or if only some of the connections are
allowed. `suggest` ends with 1 if findings are left that nothing it suggests ends. Everything without a flag is set in the file of
`--config`; see [settings](settings.md). Colours are for terminals; `NO_COLOR` turns them off, `CLICOLOR_FORCE=1` keeps them in
a pipe.

`check`, `render` and `show` read what a repository holds. Files are YAML or JSON, as kubectl reads them. A folder is read with its
subfolders, without hidden ones. A folder with a `kustomization.yaml` is built by `kustomize`, or else by `kubectl kustomize`, and one with a
`Chart.yaml` is rendered by `helm template`; nothing is fetched from a network. A base that another kustomization uses
is not checked separately. Builds that share an object or a base, such as two overlays, are checked separately, each
with all plain files. If the
tool is not installed, the folder is skipped, and a note has the command to pipe. `--no-build` reads plain files only.

`check` goes on after what it cannot read. Broken symlinks, binaries, templates outside of a chart and documents without `apiVersion`
and `kind` are skipped, and the exit status stays. Broken YAML or JSON, another encoding, an object that does not decode, a failed build
and a named file that cannot be read are errors, and the exit status is 2. The same object in two plain files counts once if it is written
alike; otherwise each version is checked against the rest.

A file `.openbao-perimeter.yaml` of the working directory, or of a folder above it up to the repository's root (the folder with `.git`),
has these keys. Its paths are below its folder. A flag wins over it, and it wins over the file of `--config`.

| key | meaning |
| --- | --- |
| `paths` | files and folders that `check` and `render` read if the command line names none |
| `exclude` | patterns, as of `--exclude` |
| `values` | values files, as of `--values` |
| `baseline` | baseline of the operator, as of `--baseline` |
| `config` | settings file, as of `--config` |
| `levels` | levels of rules, as `review.levels` of the [settings](settings.md) |

A pattern of `--exclude` matches the end of a path: `vendor`, `*.json` or `charts/*/ci`.

`check` takes manifests or a dump of a cluster. A managed policy that is missing from manifests counts as the operator renders it,
and a note says so. With `--dump` it is missing, which is [OBP105](../rules/OBP105.md). A NetworkPolicy in a namespace without a
known OpenBaoCluster is not checked, and a note says so: give the clusters with `--inventory`. In JSON
([schema](check.schema.json)), `line` is the first line of the object, and `field_line` and `field_column` are the location of the
field. [In pipelines](../ci.md) has the formats.

`render` needs the address of the API server: that of the OpenBaoCluster, or else `--api-server-address`, or else the Service
`default/kubernetes` in the files. Policies of an OpenBaoCluster without `metadata.uid` have no owner.

`check --live` judges a cluster, and `show` reads one unless `--inventory` or `-f` names files. It is the one that kubectl would use, or that
of `--kubeconfig` and `--context`. This needs permission to list OpenBaoClusters, NetworkPolicies and Namespaces, and to get the
Service `default/kubernetes`. The states of a row:

| state | row of | meaning |
| --- | --- | --- |
| held, broken | floor | all of it is allowed; some of it is not, and a connection shows an example |
| open, partly open, closed | ceiling | all, some or none of it is allowed |
| off | both | its condition does not hold here |
| unjudged | both | it depends on something that is not known, such as an address, or the proof needs more than the budget |

A row counts [all layers](../tiers.md): where a ClusterNetworkPolicy, AdminNetworkPolicy or BaselineAdminNetworkPolicy opens or stops a part
of it, it names the rule. The JSON has a [schema](show.schema.json).";

#[test]
fn the_page_about_the_command_line_is_fresh() {
    let mut text = page("Command line", "`src/cli.rs`", ABOUT);
    let mut whole = Cli::command();
    whole.build();
    let name = whole.get_name().to_owned();
    let _ = write!(
        text,
        "\n## `{name}`\n\n```text\n{}\n```\n",
        help(whole.clone())
    );
    for command in whole.get_subcommands() {
        if command.get_name() == "help" {
            continue;
        }
        let title = format!("{name} {}", command.get_name());
        let _ = write!(
            text,
            "\n## `{title}`\n\n```text\n{}\n```\n",
            help(command.clone())
        );
    }
    assert_fresh("docs/reference/cli.md", &text);
}
