//! The command line of `metrics-adapter explain`.

use std::path::PathBuf;

use clap::{CommandFactory as _, FromArgMatches as _, Parser};

use super::error::UsageError;
use super::flags::pflag;
use super::print::{Form, PrintFlags};
use super::value::{self, File};
use crate::explain::metric::{Metric, Subject, Which};

/// What `metrics-adapter explain` is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What is explained.
    pub subject: ExplanationSubject,
    /// `-n`; `None` for the kubeconfig's.
    pub namespace: Option<String>,
    /// How to reach kube-apiserver; `None` for the service account.
    pub kubeconfig: Option<PathBuf>,
    /// Of the kubeconfig; `None` for the current one.
    pub context: Option<String>,
    /// What is written to standard output.
    pub output: Form,
    /// Whether a terminal may have colours.
    pub no_color: bool,
}

/// What is explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExplanationSubject {
    /// A metric, whose namespace is the empty text as long as it is not known.
    Metric(Metric),
    /// The HPA of this name.
    Autoscaler(String),
}

const NAME: &str = "metrics-adapter explain";

/// Asks a running adapter, through kube-apiserver, why a metric has the values that it has, or
/// none; and for an HPA, whether its status says what its metrics ask for. Exit code 0 if nothing is
/// missing, 1 if something is, 64 for a wrong command line.
#[derive(Debug, Parser)]
#[command(name = NAME, bin_name = NAME, version, max_term_width = 100)]
struct ExplainFlags {
    /// pods/METRIC, deployments.apps/METRIC, ..., external/METRIC, or hpa/NAME.
    #[arg(value_name = "WHAT", value_parser = target)]
    target: (String, String),

    /// The namespace; by default that of the kubeconfig's context.
    #[arg(long, short = 'n', value_name = "NAME")]
    namespace: Option<String>,

    /// Which objects, by their labels, as the HPA asks; by default all.
    #[arg(long, short = 'l', value_name = "SELECTOR")]
    selector: Option<String>,

    /// Which object, by its name.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// Which series, by their labels: the selector of the HPA's metric.
    #[arg(long, value_name = "SELECTOR", default_value = "")]
    metric_selector: String,

    /// Kubeconfig; by default $KUBECONFIG, ~/.kube/config, or the pod's service account.
    #[arg(long, value_name = "FILE", default_value = "", value_parser = value::file)]
    kubeconfig: File,

    /// Context of the kubeconfig; by default the current one.
    #[arg(long, value_name = "NAME")]
    context: Option<String>,

    #[command(flatten)]
    print: PrintFlags,
}

/// Reads the command line behind `explain`, a name for the program first.
pub(super) fn parse(arguments: Vec<std::ffi::OsString>) -> Result<Explanation, clap::Error> {
    let command = ExplainFlags::command()
        .args_override_self(true)
        .mut_args(pflag);
    let matches = command.try_get_matches_from(arguments)?;
    let flags = ExplainFlags::from_arg_matches(&matches)?;
    explanation(flags).map_err(|error| error.refuse())
}

fn explanation(flags: ExplainFlags) -> Result<Explanation, UsageError> {
    let (kind, name) = flags.target;
    let for_objects = [
        ("--selector", flags.selector.is_some()),
        ("--name", flags.name.is_some()),
    ];
    let given = for_objects.into_iter().find(|(_, is)| *is);
    let in_vain = |flag: &str| UsageError::unsupported(flag, format!("does not go with {kind}/"));
    let metric = |subject| Metric {
        subject,
        namespace: String::new(),
        metric: name.clone(),
        metric_selector: flags.metric_selector.clone(),
    };
    let subject = match (kind.as_str(), given) {
        ("hpa", Some((flag, _))) | ("external", Some((flag, _))) => return Err(in_vain(flag)),
        ("hpa", None) if !flags.metric_selector.is_empty() => {
            return Err(in_vain("--metric-selector"));
        }
        ("hpa", None) => ExplanationSubject::Autoscaler(name),
        ("external", None) => ExplanationSubject::Metric(metric(Subject::External)),
        (resource, _) => {
            let which = match (flags.name, flags.selector) {
                (Some(_), Some(_)) => return Err(UsageError::Conflict("--name", "--selector")),
                (Some(name), None) => Which::Name(name),
                (None, selector) => Which::Selector(selector.unwrap_or_default()),
            };
            let resource = resource.to_owned();
            ExplanationSubject::Metric(metric(Subject::Objects { resource, which }))
        }
    };
    Ok(Explanation {
        subject,
        namespace: flags.namespace,
        kubeconfig: flags.kubeconfig.0.or_else(usual_kubeconfig),
        context: flags.context,
        output: flags.print.output,
        no_color: flags.print.no_color,
    })
}

/// Where kubectl looks; of several files the first one that is there.
fn usual_kubeconfig() -> Option<PathBuf> {
    let is_there = |path: &PathBuf| path.is_file();
    match std::env::var_os("KUBECONFIG").filter(|paths| !paths.is_empty()) {
        Some(paths) => {
            let mut named: Vec<PathBuf> = std::env::split_paths(&paths).collect();
            let found = named.iter().position(is_there).unwrap_or(0);
            (!named.is_empty()).then(|| named.swap_remove(found))
        }
        None => {
            let home = PathBuf::from(std::env::var_os("HOME")?);
            Some(home.join(".kube/config")).filter(is_there)
        }
    }
}

fn target(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('/') {
        Some((kind, name)) if !kind.is_empty() && !name.is_empty() && !name.contains('/') => {
            Ok((kind.to_owned(), name.to_owned()))
        }
        _ => Err("expected RESOURCE/METRIC, external/METRIC or hpa/NAME"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Explanation, String> {
        let all = std::iter::once(&NAME)
            .chain(arguments)
            .map(|text| (*text).into());
        parse(all.collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn metrics_and_hpas_are_told_apart() {
        let typed = parsed(&["pods/rps", "-n", "shop", "-l", "app=web", "--context=c"]).unwrap();
        assert_eq!(typed.namespace.as_deref(), Some("shop"));
        assert_eq!(typed.context.as_deref(), Some("c"));
        let ExplanationSubject::Metric(metric) = typed.subject else {
            panic!("{typed:?}");
        };
        let which = Which::Selector("app=web".to_owned());
        let resource = "pods".to_owned();
        assert_eq!(metric.subject, Subject::Objects { resource, which });
        let typed = parsed(&["hpa/web", "-o", "json", "--no-color"]).unwrap();
        assert!(typed.no_color);
        assert_eq!(
            typed.subject,
            ExplanationSubject::Autoscaler("web".to_owned())
        );
        assert_eq!(typed.output, Form::Json);
        let typed = parsed(&["external/queue", "--metric-selector=a=b"]).unwrap();
        let ExplanationSubject::Metric(metric) = typed.subject else {
            panic!("{typed:?}");
        };
        assert_eq!(
            (metric.subject, &*metric.metric_selector),
            (Subject::External, "a=b")
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (arguments, expected) in [
            (&["rps"][..], "RESOURCE/METRIC"),
            (&["pods/"], "RESOURCE/METRIC"),
            (&["a/b/c"], "RESOURCE/METRIC"),
            (
                &["hpa/web", "--selector=a"],
                "--selector: does not go with hpa/",
            ),
            (
                &["hpa/web", "--metric-selector=a"],
                "--metric-selector: does not go with hpa/",
            ),
            (
                &["external/q", "--name=a"],
                "--name: does not go with external/",
            ),
            (
                &["pods/rps", "--name=a", "--selector=b"],
                "--name and --selector",
            ),
            (&["pods/rps", "--output=yaml"], "--output"),
            (&[], "WHAT"),
        ] {
            let error = parsed(arguments).unwrap_err();
            assert!(error.contains(expected), "{arguments:?}: {error}");
        }
        let help = parsed(&["--help"]).unwrap_err();
        assert!(help.contains("Usage: metrics-adapter explain "), "{help}");
    }
}
