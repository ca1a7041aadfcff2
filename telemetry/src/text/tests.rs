use std::io::Write as _;
use std::process::{Command, Stdio};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::{Format, encode, encode_as};

type Labels = [(&'static str, &'static str); 1];

/// What `promtool check metrics` says of `text`: standard error's lines and the exit code.
fn promtool(text: &str) -> (Vec<String>, Option<i32>) {
    let mut child = Command::new("/usr/bin/promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("/usr/bin/promtool is missing: install the Debian package `prometheus`");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let lines = String::from_utf8(output.stderr)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    (lines, output.status.code())
}

#[test]
fn counters_keep_their_registered_names() {
    let mut registry = Registry::default();
    let bare: Counter = Counter::default();
    registry.register("ops", "Operations", bare.clone());
    let family = Family::<Labels, Counter>::default();
    registry.register("errors_total", "Errors", family.clone());
    bare.inc_by(3);
    family.get_or_create(&[("code", "UNAVAILABLE")]).inc();
    assert_eq!(
        encode(&registry),
        "# HELP ops Operations.\n# TYPE ops counter\nops 3\n\
         # HELP errors_total Errors.\n# TYPE errors_total counter\n\
         errors_total{code=\"UNAVAILABLE\"} 1\n"
    );
}

#[test]
fn label_values_cannot_break_a_line_or_be_taken_for_a_suffix() {
    let mut registry = Registry::default();
    let family = Family::<Labels, Counter>::default();
    registry.register("ops", "Operations", family.clone());
    family
        .get_or_create(&[("path", "a\n\"b\"\\ops_total 1")])
        .inc();
    let text = encode(&registry);
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(
        text.ends_with("ops{path=\"a\\n\\\"b\\\"\\\\ops_total 1\"} 1\n"),
        "{text}"
    );
}

#[test]
fn gauges_and_histograms_pass_unchanged_and_openmetrics_extras_go() {
    let mut registry = Registry::default();
    let gauge: Gauge = Gauge::default();
    registry.register(
        "queue_total",
        "A gauge whose name ends like a counter's",
        gauge.clone(),
    );
    gauge.set(7);
    let histogram = Histogram::new([0.1, 1.0]);
    registry.register_with_unit("duration", "Time", Unit::Seconds, histogram.clone());
    histogram.observe(0.05);
    let text = encode(&registry);
    assert!(
        text.contains("# TYPE queue_total gauge\nqueue_total 7\n"),
        "{text}"
    );
    assert!(
        text.contains("# TYPE duration_seconds histogram\n"),
        "{text}"
    );
    assert!(
        text.contains("duration_seconds_bucket{le=\"0.1\"} 1\n"),
        "{text}"
    );
    assert!(
        text.contains("duration_seconds_bucket{le=\"+Inf\"} 1\n"),
        "{text}"
    );
    assert!(
        text.contains("duration_seconds_sum 0.05\nduration_seconds_count 1\n"),
        "{text}"
    );
    assert!(!text.contains("EOF") && !text.contains("UNIT"), "{text}");
}

#[test]
fn info_becomes_a_gauge() {
    let mut registry = Registry::default();
    registry.register("build", "Build", Info::new([("version", "0.1.0")]));
    assert_eq!(
        encode(&registry),
        "# HELP build_info Build.\n# TYPE build_info gauge\nbuild_info{version=\"0.1.0\"} 1\n"
    );
}

#[test]
fn promtool_accepts_everything_we_register() {
    let mut registry = Registry::default();
    let family = Family::<Labels, Counter>::default();
    registry.register("x_errors_total", "Errors", family.clone());
    family.get_or_create(&[("code", "a\"b\\c\nd")]).inc();
    registry.register("x_queue_length", "Queue", Gauge::<i64>::default());
    let histogram = Histogram::new([0.1]);
    registry.register_with_unit("x_wait", "Wait", Unit::Seconds, histogram);
    registry.register("x_build", "Build", Info::new([("version", "0.1.0")]));
    let (complaints, code) = promtool(&encode(&registry));
    assert_eq!((complaints, code), (Vec::new(), Some(0)));
}

#[test]
fn an_empty_registry_is_an_empty_document() {
    assert_eq!(encode(&Registry::default()), "");
}

#[test]
fn open_metrics_keeps_the_names_too() {
    let mut registry = Registry::default();
    let counters = ["ops", "errors_total"].map(|name| {
        let counter: Counter = Counter::default();
        registry.register(name, "Counted", counter.clone());
        counter
    });
    for counter in counters {
        counter.inc();
    }
    registry.register("build", "Build", Info::new([("version", "0.1.0")]));
    assert_eq!(
        encode_as(&registry, Format::OpenMetrics),
        "# HELP ops Counted.\n# TYPE ops unknown\nops 1\n\
         # HELP errors Counted.\n# TYPE errors counter\nerrors_total 1\n\
         # HELP build Build.\n# TYPE build info\nbuild_info{version=\"0.1.0\"} 1\n\
         # EOF\n"
    );
}

#[test]
fn exemplars_are_written_in_open_metrics_only() {
    let mut registry = Registry::default();
    let family = Family::<Labels, HistogramWithExemplars<Labels>>::new_with_constructor(|| {
        HistogramWithExemplars::new([0.1].into_iter())
    });
    registry.register("wait", "Wait", family.clone());
    let labels = [("path", "a \" # {b=\"\\")];
    family
        .get_or_create(&labels)
        .observe(0.05, Some([("trace_id", "0af7")]), None);
    let labels = r#"path="a \" # {b=\"\\""#;
    let text = encode(&registry);
    let bucket = format!("wait_bucket{{le=\"0.1\",{labels}}} 1\n");
    assert!(text.contains(&bucket), "{text}");
    assert!(!text.contains("0af7"), "{text}");
    let text = encode_as(&registry, Format::OpenMetrics);
    let bucket = bucket.replace('\n', " # {trace_id=\"0af7\"} 0.05\n");
    assert!(text.contains(&bucket), "{text}");
}

#[test]
fn the_format_is_the_one_asked_for() {
    for (accept, expected) in [
        ("", Format::Text),
        ("*/*", Format::Text),
        ("text/plain;version=0.0.4;q=0.5,*/*;q=0.1", Format::Text),
        ("application/openmetrics-text", Format::OpenMetrics),
        ("application/openmetrics-text;q=0", Format::Text),
        (
            "application/openmetrics-text;q=0.2, text/plain;q=0.3",
            Format::Text,
        ),
        // Parameters' names have no case, and weights are 0 to 1.
        ("application/openmetrics-text;Q=0", Format::Text),
        (
            "text/plain;q=2,application/openmetrics-text",
            Format::OpenMetrics,
        ),
        ("application/openmetrics-text;q=inf", Format::Text),
        // What Prometheus 3 sends.
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
             application/openmetrics-text;version=0.0.1;q=0.5,\
             text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
             text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            Format::OpenMetrics,
        ),
    ] {
        assert_eq!(Format::accepted(accept), expected, "{accept:?}");
    }
}
