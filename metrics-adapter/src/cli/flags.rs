//! What the user typed: every flag, in groups, with pflag's grammar.

mod access;
mod cluster;
mod limit;
mod logging;
mod prometheus;
mod rules;
mod serving;

use std::ffi::OsString;

use clap::{Arg, ArgAction, Command, CommandFactory as _, FromArgMatches as _, Parser};

pub(super) use access::{AuthenticationFlags, AuthorizationFlags};
pub(super) use cluster::ClusterFlags;
pub(super) use limit::LimitFlags;
pub(super) use logging::LoggingFlags;
pub(super) use prometheus::PrometheusFlags;
pub(super) use rules::RulesFlags;
pub(super) use serving::ServingFlags;

use super::inert;

/// Marks a flag that needs no value.
const BOOL: &str = "BOOL";

/// Serves Prometheus metrics to the stock HorizontalPodAutoscaler and to kubectl top, as
/// custom.metrics.k8s.io, external.metrics.k8s.io and metrics.k8s.io.
#[derive(Debug, Parser)]
#[command(name = "metrics-adapter", version, max_term_width = 100)]
#[command(
    after_help = "metrics-adapter check --help: what a rules file makes of a Prometheus' series.\n\
                  metrics-adapter explain --help: why a metric or an HPA is as it is.\n\
                  metrics-adapter simulate --help: replay history through an HPA's algorithm."
)]
pub(super) struct Flags {
    #[command(flatten)]
    pub(super) rules: RulesFlags,
    #[command(flatten)]
    pub(super) prometheus: PrometheusFlags,
    #[command(flatten)]
    pub(super) serving: ServingFlags,
    #[command(flatten)]
    pub(super) authentication: AuthenticationFlags,
    #[command(flatten)]
    pub(super) authorization: AuthorizationFlags,
    #[command(flatten)]
    pub(super) cluster: ClusterFlags,
    #[command(flatten)]
    pub(super) logging: LoggingFlags,
    #[cfg(feature = "otel")]
    #[command(flatten)]
    pub(super) trace: telemetry::trace::Args,
    #[command(flatten)]
    pub(super) limits: LimitFlags,

    /// Arguments that are no flags; prometheus-adapter ignores them, and so do we.
    #[arg(hide = true, value_name = "IGNORED")]
    pub(super) positional: Vec<String>,
}

/// What was typed, and what was typed in vain.
#[derive(Debug)]
pub(super) struct Typed {
    pub(super) flags: Flags,
    /// One line for the log about each flag that has no effect any more.
    pub(super) notices: Vec<String>,
}

/// Reads the command line, the program's name first.
pub(super) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Typed, clap::Error> {
    let matches = command().try_get_matches_from(arguments)?;
    let flags = Flags::from_arg_matches(&matches)?;
    let notices = inert::notices(&matches).map_err(|error| error.refuse())?;
    Ok(Typed { flags, notices })
}

/// All flags, those without effect included.
pub(super) fn command() -> Command {
    Flags::command()
        .args_override_self(true)
        .args(inert::args())
        .mut_args(pflag)
}

/// The grammar of one flag: a boolean takes a value only after `=`; whatever follows any other
/// flag is its value, even if it begins with `-`.
pub(super) fn pflag(arg: Arg) -> Arg {
    if arg.is_positional() || !matches!(arg.get_action(), ArgAction::Set | ArgAction::Append) {
        return arg;
    }
    let names = arg.get_value_names().unwrap_or_default();
    let is_boolean = names.iter().any(|name| name == BOOL);
    let is_empty = arg
        .get_default_values()
        .iter()
        .all(|value| value.is_empty());
    let arg = arg.hide_default_value(is_empty);
    if is_boolean {
        arg.num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
    } else {
        arg.allow_hyphen_values(true)
    }
}
