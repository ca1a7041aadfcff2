//! The command line of `metrics-adapter simulate`.

use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::Duration;

use clap::builder::Resettable;
use clap::{CommandFactory as _, FromArgMatches as _, Parser};
use jiff::Timestamp;

use super::config::{self, PrometheusLogin};
use super::error::UsageError;
use super::flags::{LimitFlags, PrometheusFlags, pflag};
use super::print::{Form, form};
use super::value::{self, File};
use crate::config::{PrometheusDuration, parse_duration};
use crate::explain::controller::Flags;
use crate::explain::simulate::{Mode, Model, Moment, Options, Variant, split};
use crate::model::Quantity;

/// What `metrics-adapter simulate` is to do.
#[derive(Clone, Debug)]
pub struct Simulation {
    /// What is simulated.
    pub options: Options,
    /// How to reach Prometheus.
    pub prometheus: crate::prometheus::Options,
    /// Credentials for Prometheus that the cluster or a kubeconfig has.
    pub prometheus_login: PrometheusLogin,
    /// What is written to standard output.
    pub output: Form,
    /// Where the picture goes.
    pub svg: Option<PathBuf>,
}

/// Without it, help and errors would name the program alone.
const NAME: &str = "metrics-adapter simulate";

/// Replays recorded history through the algorithm of the HorizontalPodAutoscaler, for one or
/// several candidates: how many replicas there would have been, and what the metrics then were. Exit
/// code 0 if it was done, 1 if it was not, 64 for a wrong command line.
#[derive(Debug, Parser)]
#[command(name = NAME, bin_name = NAME, version, max_term_width = 100)]
struct SimulateFlags {
    /// Manifest with a HorizontalPodAutoscaler of autoscaling/v2; each file is a candidate.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    #[command(flatten)]
    candidates: CandidateFlags,
    #[command(flatten)]
    history: HistoryFlags,
    #[command(flatten)]
    model: ModelFlags,
    #[command(flatten)]
    result: ResultFlags,
    #[command(flatten)]
    prometheus: PrometheusFlags,
    #[command(flatten)]
    limits: LimitFlags,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Candidates")]
struct CandidateFlags {
    /// One more candidate: the first file with other targets, minReplicas or maxReplicas; may be
    /// given several times. Where several metrics have a name, the qualified one of the output
    /// tells which, here and below: container/app/cpu, external/queue{queue=a}.
    #[arg(long, value_name = "METRIC=TARGET[,...]", value_parser = Variant::from_str)]
    candidate: Vec<Variant>,

    /// --horizontal-pod-autoscaler-downscale-stabilization of kube-controller-manager.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = value::duration)]
    downscale_stabilization: Duration,

    /// --horizontal-pod-autoscaler-tolerance of kube-controller-manager.
    #[arg(long, value_name = "PART", default_value = "0.1", value_parser = part)]
    tolerance: f64,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "History")]
struct HistoryFlags {
    /// The adapter's rules file, which tells the query of each metric.
    #[arg(long, value_name = "FILE", default_value = "", value_parser = value::file)]
    config: File,

    /// The query of a metric, in the place of the rules'; per pod with the label pod.
    #[arg(long, value_name = "METRIC=PROMQL", value_parser = named)]
    query: Vec<(String, String)>,

    /// Something to show beside, as recorded: a query with one element, such as the mean latency;
    /// may be given several times.
    #[arg(long, value_name = "NAME=PROMQL", value_parser = named)]
    show: Vec<(String, String)>,

    /// The first sync: RFC 3339, seconds since 1970, or -1h.
    #[arg(long, value_name = "TIME", default_value = "-1h", value_parser = moment)]
    from: Moment,

    /// The last sync, likewise, or now.
    #[arg(long, value_name = "TIME", default_value = "now", value_parser = moment)]
    to: Moment,

    /// Time between two syncs, as --horizontal-pod-autoscaler-sync-period.
    #[arg(long, alias = "step", value_name = "DURATION", default_value = "15s", value_parser = value::duration)]
    sync_period: Duration,

    /// The HPA's namespace, where the manifest tells none or another one.
    #[arg(long, short = 'n', value_name = "NAME")]
    namespace: Option<String>,

    /// Which pods belong to the workload: a pattern for the whole name. By default the names that
    /// its controller gives.
    #[arg(long, value_name = "REGEX")]
    pods: Option<String>,

    /// Which pods there were: a query whose elements have the label pod and are not 0. By default
    /// those with a value.
    #[arg(long, value_name = "PROMQL")]
    pods_query: Option<String>,

    /// How many replicas there were, such as kube_deployment_spec_replicas. By default as many as
    /// there were pods.
    #[arg(long, value_name = "PROMQL")]
    replicas_query: Option<String>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Model")]
struct ModelFlags {
    /// How a metric of pods follows their number: split (the recorded sum in equal shares) or
    /// recorded (the recorded mean whatever their number).
    #[arg(long, value_name = "METRIC=MODEL", value_parser = model)]
    model: Vec<(String, Model)>,

    /// Time from a new pod to its first value.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = value::duration)]
    pod_startup: Duration,

    /// Replicas at the beginning; by default as recorded.
    #[arg(long, value_name = "N", value_parser = value::count)]
    replicas: Option<u16>,

    /// What a pod requests, such as cpu=250m, for targets of utilization.
    #[arg(long, value_name = "RESOURCE=QUANTITY", value_parser = request)]
    request: Vec<(String, i64)>,

    /// Let every sync see the pods and the values that there were, instead of the modelled ones: to
    /// compare with what the stock controller did.
    #[arg(long, value_name = "BOOL", default_value = "false", value_parser = value::boolean)]
    #[arg(action = clap::ArgAction::Set)]
    as_recorded: bool,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Result")]
struct ResultFlags {
    /// What is printed: text, or json with every sync.
    #[arg(long, short = 'o', value_name = "FORM", default_value = "text", value_parser = form)]
    output: Form,

    /// File for a picture of it, in SVG.
    #[arg(long, value_name = "FILE", default_value = "", value_parser = value::file)]
    svg: File,
}

/// Reads the command line behind `simulate`, a name for the program first.
pub(super) fn parse(arguments: Vec<std::ffi::OsString>) -> Result<Simulation, clap::Error> {
    let command = SimulateFlags::command()
        .args_override_self(true)
        // The adapter's default is for inside a cluster.
        .mut_arg("prometheus_url", |arg| {
            arg.required(true).default_value(Resettable::Reset)
        })
        .mut_args(pflag);
    let matches = command.try_get_matches_from(arguments)?;
    let flags = SimulateFlags::from_arg_matches(&matches)?;
    simulation(flags).map_err(|error| error.refuse())
}

fn simulation(flags: SimulateFlags) -> Result<Simulation, UsageError> {
    let SimulateFlags {
        files,
        candidates,
        history,
        model,
        result,
        prometheus,
        limits,
    } = flags;
    // What is said about flags in vain is for a log, which there is none of.
    let mut notices = Vec::new();
    let (prometheus, prometheus_login) = config::prometheus(prometheus, &limits, &mut notices)?;
    if history.sync_period < Duration::from_millis(1) {
        return Err(UsageError::Zero("--sync-period"));
    }
    let options = Options {
        files,
        variants: candidates.candidate,
        rules: history.config.0,
        queries: history.query.into_iter().collect(),
        models: model.model.into_iter().collect(),
        shown: history.show,
        pods: history.pods,
        pods_query: history.pods_query,
        replicas_query: history.replicas_query,
        replicas: model.replicas.map(i32::from),
        requests: model.request.into_iter().collect(),
        namespace: history.namespace,
        from: history.from,
        to: history.to,
        sync_period: history.sync_period,
        startup: model.pod_startup,
        flags: Flags {
            downscale_stabilization: candidates.downscale_stabilization,
            tolerance: candidates.tolerance,
        },
        mode: if model.as_recorded {
            Mode::AsRecorded
        } else {
            Mode::Modelled
        },
    };
    Ok(Simulation {
        options,
        prometheus,
        prometheus_login,
        output: result.output,
        svg: result.svg.0,
    })
}

fn named(text: &str) -> Result<(String, String), &'static str> {
    match split(text) {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err("expected NAME=VALUE"),
    }
}

fn model(text: &str) -> Result<(String, Model), &'static str> {
    let (name, model) = named(text)?;
    match model.as_str() {
        "split" => Ok((name, Model::Split)),
        "recorded" => Ok((name, Model::Recorded)),
        _ => Err("expected METRIC=split or METRIC=recorded"),
    }
}

fn request(text: &str) -> Result<(String, i64), String> {
    let (name, quantity) = named(text)?;
    let quantity: Quantity = quantity
        .parse()
        .map_err(|error: crate::model::QuantityError| error.to_string())?;
    if quantity.milli() <= 0 {
        return Err("a request must be more than 0".to_owned());
    }
    Ok((name, quantity.milli()))
}

fn part(text: &str) -> Result<f64, &'static str> {
    let part = text.parse().ok();
    part.filter(|part| (0.0..1.0).contains(part))
        .ok_or("expected a part of 1, such as 0.1")
}

fn moment(text: &str) -> Result<Moment, &'static str> {
    const ERROR: &str = "expected now, a time ago such as -1h, a time in RFC 3339 such as \
                         2026-01-31T12:00:00Z, or seconds since 1970";
    if text == "now" {
        return Ok(Moment::Ago(Duration::ZERO));
    }
    if let Some(ago) = text.strip_prefix('-') {
        let length = parse_duration(ago);
        let length =
            length.or_else(|_| PrometheusDuration::parse(ago).map(PrometheusDuration::get));
        return length.map(Moment::Ago).map_err(|_| ERROR);
    }
    let seconds = text
        .parse()
        .ok()
        .filter(|seconds: &f64| seconds.is_finite());
    let since_epoch = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let at = match since_epoch {
        Some(length) => Timestamp::UNIX_EPOCH.checked_add(length).ok(),
        None => text.parse().ok(),
    };
    at.map(Moment::At).ok_or(ERROR)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Simulation, String> {
        let first = [
            "metrics-adapter simulate",
            "h.yaml",
            "--prometheus-url=http://p",
        ];
        let all = first.iter().chain(arguments).map(|text| (*text).into());
        parse(all.collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn times_are_absolute_or_ago() {
        let simulation = parsed(&["--from", "-1d", "--to=2026-01-31T12:00:00Z"]).unwrap();
        assert_eq!(
            simulation.options.from,
            Moment::Ago(Duration::from_secs(86_400))
        );
        let at = Timestamp::from_second(1_769_860_800).unwrap();
        assert_eq!(simulation.options.to, Moment::At(at));
        let simulation = parsed(&["--from=1769860800", "--to=now"]).unwrap();
        assert_eq!(simulation.options.from, Moment::At(at));
        assert_eq!(simulation.options.to, Moment::Ago(Duration::ZERO));
    }

    #[test]
    fn what_is_wrong_names_its_flag() {
        for (argument, expected) in [
            ("--from=yesterday", "--from"),
            ("--candidate=40", "--candidate"),
            ("--candidate=rps=-1", "rps: a target must be more than 0"),
            ("--model=rps=half", "--model"),
            ("--query=rps", "--query"),
            ("--request=cpu=much", "--request"),
            ("--tolerance=10", "--tolerance"),
            ("--output=xml", "--output"),
            ("--sync-period=0", "--sync-period must be more than 0"),
            ("--replicas=0", "--replicas"),
            ("--targets=1", "--targets"),
        ] {
            let error = parsed(&[argument]).unwrap_err();
            assert!(error.contains(expected), "{argument}: {error}");
        }
    }

    #[test]
    fn help_and_errors_say_simulate() {
        let usage = "Usage: metrics-adapter simulate ";
        for argument in ["--help", "--targets=1"] {
            let said = parse(vec!["metrics-adapter".into(), argument.into()]);
            let said = said.unwrap_err().to_string();
            assert!(said.contains(usage), "{said}");
        }
    }

    #[test]
    fn a_qualified_name_stays_whole() {
        let simulation = parsed(&[
            "--query=external/q{a=b}=sum(x{y=\"z\"})",
            "--candidate=external/q{a=b,c=d}=5,maxReplicas=3",
        ]);
        let options = simulation.unwrap().options;
        assert_eq!(options.queries["external/q{a=b}"], "sum(x{y=\"z\"})");
        assert_eq!(options.variants.len(), 1);
    }

    #[test]
    fn prometheus_and_a_manifest_are_required() {
        let error = parse(vec!["s".into(), "h.yaml".into()])
            .unwrap_err()
            .to_string();
        assert!(error.contains("--prometheus-url"), "{error}");
        let error = parse(vec!["s".into(), "--prometheus-url=http://p".into()]).unwrap_err();
        assert!(error.to_string().contains("FILE"), "{error}");
    }
}
