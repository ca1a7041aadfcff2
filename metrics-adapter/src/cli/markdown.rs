//! docs/flags.md, written by the program that has the flags.

use std::fmt::Write as _;

use clap::{Arg, Command};

use super::difference::DIFFERENCES;
use super::inert::{self, Effect};
use super::{config, flags};

const HEAD: &str = "# Flags of metrics-adapter

Written by the program (`make docs`); a test compares.

Flags have prometheus-adapter 0.12's names, defaults and grammar: `--flag=value` or `--flag value`, booleans as `--flag` or
`--flag=false`, durations as `1h30m`, the last one counts where a flag is given twice, lists are comma-separated and add up.
Arguments that are no flags are ignored, and the log says so. A flag that cannot be honoured is refused with exit code 64.
A file that cannot be used ends the start with exit code 1. Both messages name the flag.
";

/// The page, one table per group of flags.
pub fn markdown() -> String {
    let command = flags::command();
    let mut page = HEAD.to_owned();
    for heading in headings(&command) {
        let _ = writeln!(
            page,
            "\n## {heading}\n\n| flag | default | meaning | of prometheus-adapter |\n| --- | --- | --- | --- |"
        );
        for arg in command
            .get_arguments()
            .filter(|arg| arg.get_help_heading() == Some(heading))
        {
            row(&mut page, arg);
        }
    }
    page.push_str("\n## Other defaults than prometheus-adapter's\n\n");
    page.push_str("| flag | prometheus-adapter | metrics-adapter | reason |\n");
    page.push_str("| --- | --- | --- | --- |\n");
    for difference in DIFFERENCES {
        let _ = writeln!(
            page,
            "| `--{}` | `{}` | `{}` | {} |",
            difference.flag, difference.theirs, difference.ours, difference.reason
        );
    }
    page.push_str("\n## Refused where prometheus-adapter is silent\n\n");
    for line in config::STRICTER {
        let _ = writeln!(page, "- {line}");
    }
    page
}

fn headings(command: &Command) -> Vec<&str> {
    let mut headings = Vec::new();
    for heading in command.get_arguments().filter_map(Arg::get_help_heading) {
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    headings
}

fn row(page: &mut String, arg: &Arg) {
    let name = arg.get_long().unwrap_or_default();
    let short = arg
        .get_short()
        .map(|short| format!("`-{short}`, "))
        .unwrap_or_default();
    let value = arg.get_value_names().unwrap_or_default().join(" ");
    let defaults: Vec<_> = arg
        .get_default_values()
        .iter()
        .filter(|value| !value.is_empty())
        .map(|value| format!("`{}`", value.to_string_lossy()))
        .collect();
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let help = help.trim_end_matches('.').replace('|', "\\|");
    let _ = writeln!(
        page,
        "| {short}`--{name}={value}` | {} | {help} | {} |",
        defaults.join(" "),
        fate(name)
    );
}

/// What becomes of a flag of prometheus-adapter.
fn fate(name: &str) -> &'static str {
    if config::OURS.contains(&name) {
        return "new";
    }
    match inert::TABLE.iter().find(|inert| inert.name == name) {
        None => "honoured",
        Some(inert) => match inert.effect {
            Effect::Nothing(_) => "accepted; the log says why",
            Effect::Refused(_) => "refused unless empty",
        },
    }
}
