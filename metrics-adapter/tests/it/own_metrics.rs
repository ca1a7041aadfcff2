//! The adapter's own metrics, as they are scraped, and as docs/metrics.md tells of them.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use metrics_adapter::{api, auth, cluster, discovery, evaluation, prometheus, reload, serving};
use prometheus_client::registry::Registry;
use regex::Regex;

fn registered() -> Registry {
    let mut root = Registry::default();
    let registry = root.sub_registry_with_prefix("metrics_adapter");
    api::Metrics::register(registry);
    auth::Metrics::register(registry);
    cluster::Metrics::register(registry);
    discovery::Metrics::register(registry);
    evaluation::Metrics::register(registry);
    prometheus::Metrics::register(registry);
    reload::Metrics::register(registry);
    serving::Metrics::register(registry);
    root
}

fn scraped() -> String {
    telemetry::text::encode(&registered())
}

/// Names are written as they are registered, so a counter that lacks its suffix would be scraped
/// without it.
#[test]
fn counters_end_in_total() {
    let text = scraped();
    let types: Vec<Vec<&str>> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .map(|line| line.split(' ').collect())
        .collect();
    assert!(types.len() > 5, "{text}");
    for metric in types {
        let [name, kind] = metric[..] else {
            panic!("{metric:?}")
        };
        assert_eq!(
            kind == "counter",
            name.ends_with("_total"),
            "{name} is a {kind}"
        );
        assert!(name.starts_with("metrics_adapter_"), "{name}");
    }
}

/// Each metric has a row, and each row is of a metric: `| name | type | labels | meaning |`.
#[test]
fn the_document_has_every_metric() {
    let registry = registered();
    let text = telemetry::text::encode(&registry);
    let told = |kind: &str| -> BTreeMap<String, String> {
        let lines = text.lines().filter_map(|line| line.strip_prefix(kind));
        let pairs = lines.filter_map(|line| line.split_once(' '));
        let owned = pairs.map(|(name, told)| (name.to_owned(), told.to_owned()));
        owned.collect()
    };
    let (mut helps, types) = (told("# HELP "), told("# TYPE "));
    // A family without series is not scraped, and a registry names its metrics nowhere else.
    let descriptor = Regex::new(r#"Descriptor \{ name: "(\w+)", help: "([^"]*)""#).unwrap();
    let debug = format!("{registry:?}");
    helps.extend(descriptor.captures_iter(&debug).map(|found| {
        let name = format!("metrics_adapter_{}", &found[1]);
        (name, found[2].to_owned())
    }));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
    let document = fs::read_to_string(path).unwrap();
    let rows = document
        .lines()
        .filter(|line| line.starts_with("| `metrics"));
    let rows: BTreeMap<String, (String, String)> = rows
        .map(|row| {
            let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
            let [name, kind, _labels, meaning] = cells[..] else {
                panic!("{row}")
            };
            let name = name.trim_matches('`').to_owned();
            (name, (kind.to_owned(), meaning.to_owned()))
        })
        .collect();
    for (name, help) in &helps {
        // The registry ends every help text itself.
        let help = help.trim_end_matches('.');
        let (kind, meaning) = rows
            .get(name)
            .unwrap_or_else(|| panic!("docs/metrics.md lacks {name}: {help}"));
        assert_eq!(meaning, help, "docs/metrics.md: {name}");
        let registered = types.get(name).unwrap_or(kind);
        assert_eq!(kind, registered, "docs/metrics.md: {name}");
    }
    for name in rows.keys() {
        assert!(helps.contains_key(name), "docs/metrics.md: {name} is none");
    }
}

#[test]
fn promtool_finds_nothing_to_say() {
    let promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = promtool.expect("promtool is missing: install Debian's package `prometheus`");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(scraped().as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
}
