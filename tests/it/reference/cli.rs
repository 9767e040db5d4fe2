//! `docs/reference/cli.md`: the help texts.

use std::fmt::Write as _;

use clap::{Args as _, Command, CommandFactory as _};
use openbao_perimeter::cli::Cli;
use openbao_perimeter::settings::Settings;

use super::{assert_fresh, page};

/// The help of a command, without what this process has in its environment. The settings, which most
/// commands share, have a page of their own.
fn help(command: Command) -> String {
    let settings = Settings::augment_args(Command::new("settings"));
    let is_serve = command.get_name() == "serve";
    let is_setting = |id: &clap::Id| {
        settings
            .get_arguments()
            .any(|setting| setting.get_id() == id)
    };
    let mut command = command
        .mut_args(|arg| {
            let hidden = !is_serve && is_setting(arg.get_id());
            arg.hide(hidden).hide_env_values(true)
        })
        .term_width(100);
    let text = command.render_long_help().to_string();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n")
}

#[test]
fn the_page_about_the_command_line_is_fresh() {
    let about = "Exit status: 0 nothing was refused, 1 something was, 2 the command could not run. The flags \
                 of `serve` are [settings](settings.md), and those of most commands too.";
    let mut text = page("Command line", "`src/cli.rs`", about);
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
