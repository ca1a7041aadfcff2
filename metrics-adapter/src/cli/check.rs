//! The command line of `metrics-adapter check`.

use std::path::PathBuf;
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{CommandFactory as _, FromArgMatches as _, Parser};

use super::config::{self, PrometheusLogin};
use super::error::UsageError;
use super::flags::{LimitFlags, PrometheusFlags, pflag};
use super::print::{Form, PrintFlags};
use super::value::{self, File};
use crate::explain::check::{Options, Severity};

/// What `metrics-adapter check` is to do.
#[derive(Clone, Debug)]
pub struct Checkup {
    /// What is checked.
    pub options: Options,
    /// How to reach Prometheus; `None` for the file alone.
    pub prometheus: Option<crate::prometheus::Options>,
    /// Credentials for Prometheus that the cluster or a kubeconfig has.
    pub prometheus_login: PrometheusLogin,
    /// A cluster whose kinds count; those that every cluster has without it.
    pub kubeconfig: Option<PathBuf>,
    /// What is written to standard output.
    pub output: Form,
    /// Whether a terminal may have colours.
    pub no_color: bool,
    /// What makes the exit code 1.
    pub fail_on: FailOn,
}

/// The findings that count as a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailOn {
    /// Errors.
    Error,
    /// Errors and warnings.
    Warning,
}

impl FailOn {
    /// Whether a finding counts.
    pub fn counts(self, severity: Severity) -> bool {
        match self {
            Self::Error => severity == Severity::Error,
            Self::Warning => true,
        }
    }
}

/// Without it, help and errors would name the program alone.
const NAME: &str = "metrics-adapter check";

/// Checks a rules file: by itself, or with what a Prometheus has. Needs no cluster. Exit code 0 if
/// all is well, 1 if something is not, 64 for a wrong command line.
#[derive(Debug, Parser)]
#[command(name = NAME, bin_name = NAME, version, max_term_width = 100)]
struct CheckFlags {
    #[command(flatten)]
    subject: SubjectFlags,
    #[command(flatten)]
    result: ResultFlags,
    #[command(flatten)]
    prometheus: PrometheusFlags,
    #[command(flatten)]
    limits: LimitFlags,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Subject")]
struct SubjectFlags {
    /// The rules file; required.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,

    /// Cluster whose kinds of objects labels may name; without it those that every cluster has.
    #[arg(long, value_name = "FILE", default_value = "", value_parser = value::file)]
    kubeconfig: File,

    /// The adapter's, to be compared with the scrape interval.
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = value::duration)]
    metrics_relist_interval: Duration,

    /// The adapter's: series that had samples within this time; 0 for the relist interval.
    #[arg(long, value_name = "DURATION", default_value = "0", value_parser = value::duration)]
    metrics_max_age: Duration,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Result")]
struct ResultFlags {
    #[command(flatten)]
    print: PrintFlags,

    /// What makes the exit code 1: error, or warning for both.
    #[arg(long, value_name = "SEVERITY", default_value = "error", value_parser = fail_on)]
    fail_on: FailOn,
}

/// Reads the command line behind `check`, a name for the program first.
pub(super) fn parse(arguments: Vec<std::ffi::OsString>) -> Result<Checkup, clap::Error> {
    let command = CheckFlags::command()
        .args_override_self(true)
        .mut_args(pflag)
        .mut_arg("prometheus_url", |arg| {
            arg.hide_default_value(true)
                .help("Base URL of Prometheus; without it only the file itself is checked")
        });
    let matches = command.try_get_matches_from(arguments)?;
    let has_prometheus = matches.value_source("prometheus_url") == Some(ValueSource::CommandLine);
    let flags = CheckFlags::from_arg_matches(&matches)?;
    checkup(flags, has_prometheus).map_err(|error| error.refuse())
}

fn checkup(flags: CheckFlags, has_prometheus: bool) -> Result<Checkup, UsageError> {
    let CheckFlags {
        subject,
        result,
        prometheus,
        limits,
    } = flags;
    let (relist_interval, max_age) =
        config::relist_times(subject.metrics_relist_interval, subject.metrics_max_age)?;
    // What is said about flags in vain is for a log, which there is none of.
    let mut notices = Vec::new();
    let (prometheus, prometheus_login) = config::prometheus(prometheus, &limits, &mut notices)?;
    let prometheus = has_prometheus.then_some(prometheus);
    Ok(Checkup {
        options: Options {
            config: subject.config,
            relist_interval,
            max_age,
            address: prometheus.as_ref().map(crate::prometheus::Options::address),
        },
        prometheus,
        prometheus_login,
        kubeconfig: subject.kubeconfig.0,
        output: result.print.output,
        no_color: result.print.no_color,
        fail_on: result.fail_on,
    })
}

fn fail_on(text: &str) -> Result<FailOn, &'static str> {
    match text {
        "error" => Ok(FailOn::Error),
        "warning" => Ok(FailOn::Warning),
        _ => Err("expected error or warning"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Checkup, String> {
        let all = [NAME].iter().chain(arguments).map(|text| (*text).into());
        parse(all.collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn without_an_address_the_file_is_checked_alone() {
        let checkup = parsed(&["--config=r.yaml"]).unwrap();
        assert!(checkup.prometheus.is_none() && checkup.options.address.is_none());
        assert_eq!(checkup.options.max_age, Duration::from_secs(600));
        let checkup = parsed(&[
            "--config=r.yaml",
            "--prometheus-url=http://u:s3cr3t@p:9090/x?k=v",
        ]);
        let options = checkup.unwrap().options;
        assert_eq!(options.address.as_deref(), Some("http://p:9090/x"));
    }

    #[test]
    fn what_is_wrong_names_its_flag() {
        let config = "--config=r.yaml";
        for (arguments, expected) in [
            (&[][..], "--config"),
            (&[config, "--prometheus-url=localhost"], "--prometheus-url"),
            (&[config, "--output=xml"], "--output"),
            (&[config, "--fail-on=never"], "--fail-on"),
            (
                &[config, "--metrics-relist-interval=0"],
                "--metrics-relist-interval",
            ),
            (&[config, "--prometheus-timeout=0"], "--prometheus-timeout"),
            (&[config, "--secure-port=1"], "--secure-port"),
            (&[config, "more"], "more"),
        ] {
            let error = parsed(arguments).unwrap_err();
            assert!(error.contains(expected), "{arguments:?}: {error}");
        }
    }

    #[test]
    fn colours_can_be_declined() {
        assert!(parsed(&["--config=r.yaml", "--no-color"]).unwrap().no_color);
    }

    #[test]
    fn warnings_fail_on_request() {
        let checkup = parsed(&["--config=r.yaml", "--fail-on=warning"]).unwrap();
        assert!(checkup.fail_on.counts(Severity::Warning));
        assert!(!FailOn::Error.counts(Severity::Warning) && FailOn::Error.counts(Severity::Error));
    }
}
