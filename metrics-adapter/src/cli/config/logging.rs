//! klog's verbosity as a filter of tracing.

use telemetry::log;

use super::super::flags::LoggingFlags;

/// What `--vmodule` can name. prometheus-adapter's patterns name Go files.
const MODULES: [&str; 15] = [
    "admin",
    "api",
    "app",
    "auth",
    "cli",
    "cluster",
    "config",
    "discovery",
    "evaluation",
    "explain",
    "model",
    "prometheus",
    "reload",
    "rules",
    "serving",
];

pub(super) fn filter(flags: &LoggingFlags, notices: &mut Vec<String>) -> log::Filter {
    // Libraries are only heard when they warn; kube's would repeat what `cluster` says once.
    let libraries = match flags.v {
        ..=4 => "warn,kube_runtime=error,kube_client::client::builder=off",
        5..=7 => "info,kube_runtime=error,kube_client::client::builder=off",
        _ => "debug",
    };
    let own = level(flags.v);
    let mut directives = format!("{libraries},metrics_adapter={own},telemetry={own}");
    let mut named = [false; MODULES.len()];
    for (pattern, verbosity) in &flags.vmodule.0 {
        let mut found = false;
        for (module, named) in MODULES.iter().zip(&mut named) {
            if matches(pattern.as_bytes(), module.as_bytes()) {
                found = true;
                // The first pattern counts, as in klog.
                if !*named {
                    *named = true;
                    let level = level(*verbosity);
                    directives.push_str(&format!(",metrics_adapter::{module}={level}"));
                }
            }
        }
        if !found {
            notices.push(format!(
                "--vmodule: {pattern} names none of our modules, which are {}",
                MODULES.join(", ")
            ));
        }
    }
    directives.parse().unwrap_or_default()
}

const fn level(verbosity: i32) -> &'static str {
    match verbosity {
        ..=4 => "info",
        5..=7 => "debug",
        _ => "trace",
    }
}

/// `*` is any text, `?` one letter.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            matches(rest, text) || (!text.is_empty() && matches(pattern, &text[1..]))
        }
        (Some((b'?', pattern)), Some((_, text))) => matches(pattern, text),
        (Some((letter, pattern)), Some((first, text))) => letter == first && matches(pattern, text),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::value;

    fn mk_filter(v: i32, vmodule: &str) -> (String, Vec<String>) {
        let flags = LoggingFlags {
            v,
            vmodule: value::module_levels(vmodule).unwrap(),
            log_format: log::Format::Text,
        };
        let mut notices = Vec::new();
        (filter(&flags, &mut notices).to_string(), notices)
    }

    #[test]
    fn every_verbosity_makes_a_filter() {
        for v in [-1, 0, 4, 5, 7, 8, 10, 1000] {
            assert_ne!(
                mk_filter(v, "").0,
                log::Filter::default().to_string(),
                "-v={v}"
            );
        }
    }

    #[test]
    fn what_cluster_says_once_is_not_repeated_by_libraries() {
        for v in [0, 4, 5, 7] {
            let (filter, _) = mk_filter(v, "");
            for part in [",kube_runtime=error,", ",kube_client::client::builder=off,"] {
                assert!(filter.contains(part), "-v={v}: {filter}");
            }
        }
    }

    #[test]
    fn modules_have_their_own_verbosity() {
        let (filter, notices) = mk_filter(0, "auth=6,a*=9,?uth=4");
        for part in ["::auth=debug", "::api=trace", "::app=trace"] {
            assert!(filter.contains(part), "{filter}");
        }
        assert_eq!(filter.matches("::auth=").count(), 1, "{filter}");
        assert!(notices.is_empty(), "{notices:?}");
        let (_, notices) = mk_filter(0, "provider=10");
        assert!(notices[0].contains("provider names none"), "{notices:?}");
    }

    #[test]
    fn the_modules_are_those_of_the_library() {
        let library = include_str!("../../lib.rs");
        let names: Vec<&str> = library
            .lines()
            .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
            .collect();
        assert_eq!(names, MODULES);
    }
}
