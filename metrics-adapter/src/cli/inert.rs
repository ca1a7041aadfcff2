//! prometheus-adapter's flags that do nothing here: they are known, so that a command line can be
//! taken over as it is, and each one that is given says why it has no effect.
//!
//! Law: nothing is ignored in silence. A flag that asks for something that we do not do, and that
//! somebody may rely on, is refused.

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches};

use super::error::UsageError;
use super::value;

/// The heading of these flags in `--help`.
pub(super) const HEADING: &str = "Accepted for prometheus-adapter's sake";

/// A flag that has no effect.
pub(super) struct Inert {
    pub(super) name: &'static str,
    kind: Kind,
    default: &'static str,
    pub(super) effect: Effect,
}

/// What its values look like.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Bool,
    Int,
    Float,
    Duration,
}

/// What becomes of it.
#[derive(Clone, Copy)]
pub(super) enum Effect {
    /// Nothing, for this reason.
    Nothing(&'static str),
    /// It is refused for this reason, unless it is empty.
    Refused(&'static str),
}

const NO_AUDIT: Effect = Effect::Refused("there is no audit log; kube-apiserver's has every call");
const NO_AUDIT_DETAIL: Effect = Effect::Nothing("there is no audit log");
const NO_PROFILER: Effect = Effect::Nothing("there is no Go profiler; see /metrics");
const WATCHED: Effect =
    Effect::Nothing("objects are watched, so calls do not grow with requests and need no throttle");

/// Sorted by name.
pub(super) const TABLE: &[Inert] = &[
    detail("audit-log-batch-buffer-size", Kind::Int, "10000"),
    detail("audit-log-batch-max-size", Kind::Int, "1"),
    detail("audit-log-batch-max-wait", Kind::Duration, "0"),
    detail("audit-log-batch-throttle-burst", Kind::Int, "0"),
    detail("audit-log-batch-throttle-enable", Kind::Bool, "false"),
    detail("audit-log-batch-throttle-qps", Kind::Float, "0"),
    detail("audit-log-compress", Kind::Bool, "false"),
    detail("audit-log-format", Kind::Text, "json"),
    detail("audit-log-maxage", Kind::Int, "0"),
    detail("audit-log-maxbackup", Kind::Int, "0"),
    detail("audit-log-maxsize", Kind::Int, "0"),
    detail("audit-log-mode", Kind::Text, "blocking"),
    flag("audit-log-path", Kind::Text, "", NO_AUDIT),
    detail("audit-log-truncate-enabled", Kind::Bool, "false"),
    detail("audit-log-truncate-max-batch-size", Kind::Int, "10485760"),
    detail("audit-log-truncate-max-event-size", Kind::Int, "102400"),
    detail("audit-log-version", Kind::Text, "audit.k8s.io/v1"),
    flag("audit-policy-file", Kind::Text, "", NO_AUDIT),
    detail("audit-webhook-batch-buffer-size", Kind::Int, "10000"),
    detail("audit-webhook-batch-max-size", Kind::Int, "400"),
    detail("audit-webhook-batch-max-wait", Kind::Duration, "30s"),
    detail("audit-webhook-batch-throttle-burst", Kind::Int, "15"),
    detail("audit-webhook-batch-throttle-enable", Kind::Bool, "true"),
    detail("audit-webhook-batch-throttle-qps", Kind::Float, "10"),
    flag("audit-webhook-config-file", Kind::Text, "", NO_AUDIT),
    detail("audit-webhook-initial-backoff", Kind::Duration, "10s"),
    detail("audit-webhook-mode", Kind::Text, "batch"),
    detail("audit-webhook-truncate-enabled", Kind::Bool, "false"),
    detail(
        "audit-webhook-truncate-max-batch-size",
        Kind::Int,
        "10485760",
    ),
    detail("audit-webhook-truncate-max-event-size", Kind::Int, "102400"),
    detail("audit-webhook-version", Kind::Text, "audit.k8s.io/v1"),
    flag("client-burst", Kind::Int, "10", WATCHED),
    flag("client-qps", Kind::Float, "5", WATCHED),
    flag("contention-profiling", Kind::Bool, "false", NO_PROFILER),
    flag("debug-socket-path", Kind::Text, "", NO_PROFILER),
    flag(
        "enable-priority-and-fairness",
        Kind::Bool,
        "false",
        Effect::Nothing("connections, streams and queries have limits of their own"),
    ),
    flag(
        "log-flush-frequency",
        Kind::Duration,
        "5s",
        Effect::Nothing("every line is written at once"),
    ),
    flag(
        "permit-address-sharing",
        Kind::Bool,
        "false",
        Effect::Nothing("SO_REUSEADDR is always set, as Go sets it"),
    ),
    flag("profiling", Kind::Bool, "true", NO_PROFILER),
];

const fn flag(name: &'static str, kind: Kind, default: &'static str, effect: Effect) -> Inert {
    Inert {
        name,
        kind,
        default,
        effect,
    }
}

const fn detail(name: &'static str, kind: Kind, default: &'static str) -> Inert {
    flag(name, kind, default, NO_AUDIT_DETAIL)
}

/// The flags for clap. Their values are still checked: a typo is a typo.
pub(super) fn args() -> impl Iterator<Item = Arg> {
    TABLE.iter().map(|inert| {
        let help = match inert.effect {
            Effect::Nothing(reason) => format!("No effect: {reason}."),
            Effect::Refused(reason) => format!("Refused unless empty: {reason}."),
        };
        let arg = Arg::new(inert.name)
            .long(inert.name)
            .help(help)
            .help_heading(HEADING)
            .action(ArgAction::Set)
            .default_value(inert.default);
        match inert.kind {
            Kind::Text => arg.value_name("TEXT"),
            Kind::Bool => arg.value_name("BOOL").value_parser(value::boolean),
            Kind::Int => arg.value_name("N").value_parser(value::int),
            Kind::Float => arg.value_name("NUMBER").value_parser(value::float),
            Kind::Duration => arg.value_name("DURATION").value_parser(value::duration),
        }
    })
}

/// A line for the log about every such flag that was given.
pub(super) fn notices(matches: &ArgMatches) -> Result<Vec<String>, UsageError> {
    let given = |inert: &&Inert| matches.value_source(inert.name) == Some(ValueSource::CommandLine);
    let mut notices = Vec::new();
    for inert in TABLE.iter().filter(given) {
        let flag = format!("--{}", inert.name);
        match inert.effect {
            Effect::Nothing(reason) => notices.push(format!("{flag} has no effect: {reason}")),
            Effect::Refused(reason) => {
                let value = matches.get_one::<String>(inert.name);
                if value.is_some_and(|value| !value.is_empty()) {
                    let reason = reason.to_owned();
                    return Err(UsageError::Unsupported { flag, reason });
                }
            }
        }
    }
    Ok(notices)
}
