//! `metrics-adapter check`: what is well, what it tells of it, and its exit codes.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use super::prometheus::{Prometheus, expose};

/// A rules file with one rule.
pub(crate) fn rule(series: &str, resources: &str, query: &str) -> String {
    format!(
        "rules:\n- seriesQuery: '{series}'\n  resources: {resources}\n  metricsQuery: '{query}'\n"
    )
}

/// A directory with a rules file, and the command that reads it.
pub(crate) struct Laptop(TempDir);

impl Laptop {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).unwrap();
    }

    pub(crate) fn check(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_metrics-adapter"))
            .current_dir(self.0.path())
            .args(["check", "--config=rules.yaml"])
            .args(arguments)
            .output()
            .unwrap()
    }

    /// The report of a check that ends with an exit code.
    fn report(&self, arguments: &[&str], code: i32) -> Value {
        let output = self.check(&[arguments, &["--output=json"]].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{said}{}", text(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn of_repository(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    fs::read_to_string(root.join(path)).unwrap()
}

/// The checks that found something, each once.
fn checks(report: &Value) -> Vec<(&str, &str)> {
    let findings = report["findings"].as_array().unwrap().iter();
    let mut checks: Vec<(&str, &str)> = findings
        .map(|it| {
            (
                it["severity"].as_str().unwrap(),
                it["check"].as_str().unwrap(),
            )
        })
        .collect();
    checks.dedup();
    checks
}

const OBJECT: &str = "namespace=\"shop\",pod=\"web-1\"";
const RATE: &str = "sum(rate(<<.Series>>{<<.LabelMatchers>>}[5m])) by (<<.GroupBy>>)";

#[tokio::test]
async fn our_own_rules_are_well() {
    let samples: Vec<(String, &str)> = ["ops:rate30s", "ops_duration:mean30s"]
        .map(|name| {
            (
                format!("pod:travelaudience_gserver_operations_{name}{{{OBJECT}}}"),
                "20",
            )
        })
        .into();
    let samples: Vec<(&str, &str)> = samples.iter().map(|(a, b)| (a.as_str(), *b)).collect();
    let prometheus = Prometheus::start(&samples).await;
    let laptop = Laptop::new();
    let rules = of_repository("helm/metrics-adapter/files/default-rules.yaml");
    laptop.write("rules.yaml", &format!("rules:\n{rules}"));
    let url = format!("--prometheus-url={}", prometheus.url());
    let report = laptop.report(&[&url, "--fail-on=warning"], 0);
    assert_eq!(checks(&report), []);
    assert_eq!(
        (&report["errors"], &report["warnings"]),
        (&0.into(), &0.into())
    );
    let rule = &report["rules"][0];
    let metric = "travelaudience_gserver_operations_ops_per_second";
    assert_eq!(rule["metrics"][1], format!("pods/{metric}"));
    assert_eq!(rule["series"], 1);
    let example = &rule["example"];
    let request =
        format!("/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/web-1/{metric}");
    assert_eq!(example["request"], request);
    let series = "pod:travelaudience_gserver_operations_ops:rate30s";
    let query = format!("sum({series}{{{OBJECT}}}) by (pod)");
    assert_eq!(example["query"], query);
    assert_eq!(example["result"][0]["labels"]["pod"], "web-1");
    assert_eq!(example["result"][0]["value"], "20");
    let interval = rule["scrapeIntervalSeconds"].as_f64();
    assert!(
        interval.is_none_or(|seconds| (0.1..1.0).contains(&seconds)),
        "{rule}"
    );
}

/// They are broad by nature, which is worth a word, and no more.
#[tokio::test]
async fn prometheus_adapters_default_rules_are_broad() {
    const SERIES: [&str; 6] = [
        "container_cpu_usage_seconds_total",
        "container_network_receive_bytes_total",
        "container_memory_usage_bytes",
        "queue_length",
        "http_requests_total",
        "busy_seconds_total",
    ];
    let samples: Vec<String> = SERIES
        .map(|name| format!("{name}{{{OBJECT},container=\"web\"}}"))
        .into();
    let samples: Vec<(&str, &str)> = samples
        .iter()
        .map(|series| (series.as_str(), "7"))
        .collect();
    let prometheus = Prometheus::start(&samples).await;
    prometheus
        .wait_for("count_over_time(busy_seconds_total[1m]) > 1")
        .await;
    let laptop = Laptop::new();
    let path = "metrics-adapter/tests/golden/generate-adapter/configs/helm-default.yaml";
    laptop.write("rules.yaml", &of_repository(path));
    let url = format!("--prometheus-url={}", prometheus.url());
    let report = laptop.report(&[&url], 0);
    assert_eq!(checks(&report), [("warning", "too-broad")]);
    let broad = &report["findings"][0]["rules"];
    assert_eq!(
        *broad,
        serde_json::json!(["rules[3]", "rules[4]", "rules[5]"])
    );
    assert_eq!(report["rules"][0]["metrics"][1], "pods/cpu_usage");
    laptop.report(&[&url, "--fail-on=warning"], 1);
}

#[test]
fn without_prometheus_the_file_is_judged() {
    let laptop = Laptop::new();
    laptop.write("rules.yaml", &rule("up", "{template: <<.Resource>>}", RATE));
    let output = laptop.check(&[]);
    assert_eq!(output.status.code(), Some(0));
    assert!(
        text(&output)
            .starts_with("rules.yaml, without Prometheus: nothing is wrong in the file itself\n")
    );
    // Not a terminal.
    assert!(!text(&output).contains('\u{1b}'));

    let broken = "- {seriesQuery: a, metricsQuery: \"<<.X>>\"}\n- {seriesQuery: b}\n";
    laptop.write(
        "rules.yaml",
        &format!("rules:\n{broken}externalRules:\n{broken}"),
    );
    let report = laptop.report(&[], 1);
    let rules = report["findings"].as_array().unwrap().iter();
    let rules: Vec<&Value> = rules
        .flat_map(|it| it["rules"].as_array().unwrap())
        .collect();
    assert_eq!(
        rules,
        [
            "rules[0]",
            "externalRules[0]",
            "rules[1]",
            "externalRules[1]"
        ]
    );

    let sum = RATE.replace(" by (<<.GroupBy>>)", "");
    laptop.write("rules.yaml", &rule("up", "{template: <<.Resource>>}", &sum));
    let report = laptop.report(&[], 1);
    assert_eq!(checks(&report), [("error", "group-by")]);
}

#[tokio::test]
async fn lints_need_what_prometheus_tells() {
    let (target, _) = expose(
        "# TYPE temperature gauge\ntemperature{namespace=\"shop\",pod=\"web-1\"} 3\n# TYPE sent \
         counter\nsent_total{namespace=\"shop\",pod=\"web-1\"} 3\n"
            .to_owned(),
    );
    let sent = "sent_total{namespace=\"shop\",pod=\"web-1\",job=\"other\"}";
    let prometheus = Prometheus::start_scraping(&[(sent, "4")], Some(target)).await;
    prometheus
        .wait_for("count_over_time(temperature[1m]) > 2")
        .await;
    prometheus.wait_for("sent_total{job=\"t\"}").await;
    let laptop = Laptop::new();
    let url = format!("--prometheus-url={}", prometheus.url());
    let overrides = "{overrides: {namespace: {resource: namespace}, pod: {resource: pod}}}";
    for (series, query, expected) in [
        ("temperature", RATE, ("warning", "rate")),
        ("sent_total", RATE, ("warning", "several-jobs")),
        (
            "temperature",
            "rate(<<.Series>>{<<.LabelMatchers>>}[300ms])",
            ("error", "range"),
        ),
    ] {
        laptop.write("rules.yaml", &rule(series, overrides, query));
        let code = i32::from(expected.0 == "error");
        let report = laptop.report(&[&url], code);
        assert_eq!(checks(&report)[0], expected, "{series}: {report}");
    }
    // With the job in the query, the other one does not count.
    let query = RATE.replace("}[5m]", ",job=\"t\"}[5m]");
    laptop.write(
        "rules.yaml",
        &rule("sent_total{job=\"t\"}", overrides, &query),
    );
    assert_eq!(checks(&laptop.report(&[&url], 0)), []);
    let report = laptop.report(&[&url], 0);
    assert_eq!(report["rules"][0]["scrapeIntervalSeconds"], 0.2);
}

#[tokio::test]
async fn external_rules_have_no_objects() {
    let samples = [
        ("queue_length{queue=\"a\"}", "3"),
        ("queue_length{queue=\"b\"}", "4"),
    ];
    let prometheus = Prometheus::start(&samples).await;
    let laptop = Laptop::new();
    let url = format!("--prometheus-url={}", prometheus.url());
    let rules = |resources: &str| {
        rule("queue_length", resources, "<<.Series>>{<<.LabelMatchers>>}")
            .replace("rules:", "externalRules:")
    };
    laptop.write("rules.yaml", &rules("{namespaced: false}"));
    let report = laptop.report(&[&url, "--fail-on=warning"], 0);
    let example = &report["rules"][0]["example"];
    let request = "/apis/external.metrics.k8s.io/v1beta1/namespaces/default/queue_length";
    assert_eq!(example["request"], request);
    assert_eq!(example["result"][1]["value"], "4");
    laptop.write("rules.yaml", &rules("{template: <<.Resource>>}"));
    let report = laptop.report(&[&url], 1);
    assert_eq!(checks(&report), [("error", "label-not-mapped")]);
    assert!(
        report["findings"][0]["hint"]
            .to_string()
            .contains("namespaced: false")
    );
}

#[tokio::test]
async fn resource_rules_are_asked_for_one_of_all() {
    let cpu = "cpu_seconds_total{namespace=\"shop\",pod=\"web-1\",container=\"web\"}";
    let prometheus = Prometheus::start(&[("node_cpu{node=\"a\"}", "3"), (cpu, "4")]).await;
    let laptop = Laptop::new();
    let url = format!("--prometheus-url={}", prometheus.url());
    let rules = "resourceRules:
  cpu:
    containerQuery: sum(cpu_seconds_total{<<.LabelMatchers>>}) by (<<.GroupBy>>)
    nodeQuery: sum(node_cpu{<<.LabelMatchers>>}) by (<<.GroupBy>>)
    resources: {template: <<.Resource>>}
    containerLabel: container
  memory:
    containerQuery: sum(absent_bytes{<<.LabelMatchers>>}) by (<<.GroupBy>>)
    nodeQuery: sum(node_cpu{<<.LabelMatchers>>})
    resources: {overrides: {pod: {resource: pod}, node: {resource: node}}}
";
    laptop.write("rules.yaml", rules);
    let report = laptop.report(&[&url], 1);
    let findings = report["findings"].as_array().unwrap().iter();
    let found: Vec<String> = findings
        .map(|it| format!("{} {}", it["check"], it["rules"]))
        .collect();
    let expected = [
        "\"group-by\" [\"resourceRules.memory.nodeQuery\"]",
        "\"query\" [\"resourceRules.memory.containerQuery\"]",
    ];
    assert_eq!(found, expected);
    let usage = &report["rules"][1];
    assert_eq!(usage["rule"], "resourceRules.cpu.containerQuery");
    let query = "topk(1, sum(cpu_seconds_total{pod!=\"\"}) by (pod,container))";
    assert_eq!(usage["example"]["query"], query);
    assert_eq!(usage["example"]["result"][0]["labels"]["container"], "web");
    let namespace = rules.replace(
        "overrides: {pod",
        "overrides: {namespace: {resource: namespace}, pod",
    );
    laptop.write(
        "rules.yaml",
        &namespace.replace(
            "(node_cpu{<<.LabelMatchers>>})\n",
            "(node_cpu{<<.LabelMatchers>>}) by (<<.GroupBy>>)\n",
        ),
    );
    let report = laptop.report(&[&url], 0);
    assert_eq!(checks(&report), [("warning", "no-result")]);
}

#[tokio::test]
async fn long_lists_are_cut_for_people() {
    let (target, _) = expose((0..1500).fold(String::new(), |text, index| {
        text + &format!("m{index}{{namespace=\"shop\",pod=\"web-1\"}} {index}\n")
    }));
    let prometheus = Prometheus::start_scraping(&[], Some(target)).await;
    prometheus.wait_for("m1499").await;
    let laptop = Laptop::new();
    let overrides = "{overrides: {namespace: {resource: namespace}, pod: {resource: pod}}}";
    let rules = rule(
        "{__name__=~\"^m.*\"}",
        overrides,
        "max(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)",
    );
    laptop.write("rules.yaml", &rules);
    let url = format!("--prometheus-url={}", prometheus.url());
    let output = laptop.check(&[&url]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(
        said.contains("warning rules[0]: too broad: the rule makes 3000 metrics"),
        "{said}"
    );
    assert!(
        said.contains("3000: ") && said.contains(" and 2992 more\n"),
        "{said}"
    );
    assert!(said.len() < 4000, "{said}");
    let report = laptop.report(&[&url], 0);
    assert_eq!(
        report["rules"][0]["metrics"].as_array().unwrap().len(),
        3000
    );
}

#[test]
fn a_cluster_tells_its_own_kinds() {
    // The same answer to every question: what there is, beside the kinds that every cluster has.
    let (api_server, _) = expose(
        serde_json::json!({
            "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2",
            "items": [{"metadata": {"name": "example.com"}, "versions": [{
                "version": "v1", "freshness": "Current", "resources": [{
                    "resource": "widgets", "singularResource": "widget", "verbs": ["list"],
                    "scope": "Namespaced",
                    "responseKind": {"group": "example.com", "version": "v1", "kind": "Widget"},
                }],
            }]}],
        })
        .to_string(),
    );
    let laptop = Laptop::new();
    laptop.write(
        "rules.yaml",
        &rule("up", "{overrides: {widget: {resource: widget}}}", RATE),
    );
    assert_eq!(
        checks(&laptop.report(&[], 1)),
        [("error", "unknown-resource")]
    );
    laptop.write(
        "kubeconfig",
        &format!(
            "{{apiVersion: v1, kind: Config, current-context: c, \
             clusters: [{{name: k, cluster: {{server: 'http://{api_server}'}}}}], \
             users: [{{name: u, user: {{}}}}], \
             contexts: [{{name: c, context: {{cluster: k, user: u}}}}]}}"
        ),
    );
    assert_eq!(checks(&laptop.report(&["--kubeconfig=kubeconfig"], 0)), []);
}

#[test]
fn what_cannot_be_checked_is_one_line_that_names_it() {
    let laptop = Laptop::new();
    laptop.write("rules.yaml", "");
    laptop.write("ca.pem", "no certificate");
    for (arguments, code, expected) in [
        (
            &["--config=none.yaml"][..],
            1,
            "--config none.yaml: cannot read the rules file: ",
        ),
        (&["--prometheus-url=p"], 64, "--prometheus-url"),
        (&["--kubeconfig=none"], 1, "--kubeconfig none: "),
        (
            &["--prometheus-url=https://p", "--prometheus-ca-file=ca.pem"],
            1,
            "--prometheus-ca-file ca.pem: ",
        ),
        (&["--what"], 64, "unexpected argument '--what' found"),
        (&["--output=yaml"], 64, "--output"),
    ] {
        let output = laptop.check(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.starts_with("metrics-adapter: "), "{said}");
        assert!(said.contains(expected), "{said}");
        assert_eq!(
            (said.lines().count(), output.stdout.len()),
            (1, 0),
            "{said}"
        );
    }
}
