//! The adapter's own metrics, as they are scraped.

use std::io::Write;
use std::process::{Command, Stdio};

use metrics_adapter::{api, auth, cluster, discovery, evaluation, prometheus, reload, serving};
use prometheus_client::registry::Registry;

fn scraped() -> String {
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
    telemetry::text::encode(&root)
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
