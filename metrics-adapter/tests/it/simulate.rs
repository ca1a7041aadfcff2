//! `metrics-adapter simulate` over a recorded hour: load that rises from 30 to 150 requests per
//! second and falls to 20, and the pods that there were.

mod refusal;

use std::fmt::Write as _;
use std::fs;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use super::history::Recorded;

/// 2026-01-31T12:00:00Z.
const START: u64 = 1_769_860_800;
const MINUTE: u64 = 60;
const PODS: [&str; 4] = [
    "server-5d8f97c6b4-2x4kq",
    "server-5d8f97c6b4-7lzgd",
    "server-5d8f97c6b4-hwt9n",
    "server-5d8f97c6b4-xqpcv",
];

const RULES: &str = "
rules:
- seriesQuery: '{__name__=~\"^requests_total$\",namespace!=\"\",pod!=\"\"}'
  resources: {template: '<<.Resource>>'}
  name: {matches: '^(.*)_total$', as: '${1}_per_second'}
  metricsQuery: sum(rate(<<.Series>>{<<.LabelMatchers>>}[1m])) by (<<.GroupBy>>)
- seriesQuery: latency_seconds{namespace!=\"\",pod!=\"\"}
  resources: {template: '<<.Resource>>'}
  metricsQuery: avg(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)
externalRules:
- seriesQuery: queue_length{namespace!=\"\"}
  resources: {template: '<<.Resource>>'}
  metricsQuery: max(<<.Series>>{<<.LabelMatchers>>})
";

const HPA: &str = "
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: server, namespace: shop}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: server}
  minReplicas: 1
  maxReplicas: 10
  metrics:
  - type: Pods
    pods:
      metric: {name: requests_per_second}
      target: {type: AverageValue, averageValue: 40}
";

/// Two metrics of one name.
const QUEUES: [&str; 2] = [
    "{type: External, external: {metric: {name: queue_length, selector: {matchLabels: {queue: a}}}, \
     target: {type: AverageValue, averageValue: 30}}}",
    "{type: External, external: {metric: {name: queue_length, selector: {matchLabels: {queue: b}}}, \
     target: {type: AverageValue, averageValue: 30}}}",
];
const CPUS: [&str; 2] = [
    "{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}",
    "{type: ContainerResource, containerResource: {name: cpu, container: app, \
     target: {type: Utilization, averageUtilization: 80}}}",
];

/// The HPA with other metrics.
fn with_metrics(metrics: &[&str]) -> String {
    let spec = HPA.split("  metrics:").next().unwrap();
    format!("{spec}  metrics: [{}]\n", metrics.join(", "))
}

/// Requests per second at a second of the hour.
fn load(second: u64) -> f64 {
    match second / MINUTE {
        0..10 => 30.0,
        10..30 => 150.0,
        _ => 20.0,
    }
}

/// Whether a pod is there: one all the time, three more from 11:00 to 36:00.
fn lives(pod: usize, second: u64) -> bool {
    pod == 0 || (11 * MINUTE..36 * MINUTE).contains(&second)
}

fn samples() -> String {
    let (mut requests, mut latencies, mut queue) = (String::new(), String::new(), String::new());
    let mut handled = [0.0; PODS.len()];
    for second in (0..=60 * MINUTE).step_by(15) {
        let at = START + second;
        let alive = (0..PODS.len()).filter(|pod| lives(*pod, second));
        let alive: Vec<usize> = alive.collect();
        for pod in &alive {
            let labels = format!("namespace=\"shop\",pod=\"{}\"", PODS[*pod]);
            let count = alive.len() as f64;
            handled[*pod] += 15.0 * load(second) / count;
            let (total, latency) = (handled[*pod], load(second) / count / 1000.0);
            writeln!(requests, "requests_total{{{labels}}} {total} {at}").unwrap();
            writeln!(latencies, "latency_seconds{{{labels}}} {latency} {at}").unwrap();
        }
        let labels = "namespace=\"shop\"";
        writeln!(
            queue,
            "queue_length{{{labels}}} {} {at}",
            load(second) * 2.0
        )
        .unwrap();
        for other in ["other-1", "server-migrate-x2zkq"] {
            let labels = format!("namespace=\"shop\",pod=\"{other}\"");
            writeln!(latencies, "latency_seconds{{{labels}}} 9 {at}").unwrap();
        }
    }
    format!(
        "# TYPE requests counter\n{requests}# TYPE latency_seconds gauge\n{latencies}# TYPE \
         queue_length gauge\n{queue}# EOF\n"
    )
}

/// Files and the command that reads them.
struct Laptop {
    directory: TempDir,
    prometheus: String,
}

impl Laptop {
    fn new(prometheus: &str) -> Self {
        let laptop = Self {
            directory: TempDir::new().unwrap(),
            prometheus: prometheus.to_owned(),
        };
        laptop.write("hpa.yaml", HPA);
        laptop.write("rules.yaml", RULES);
        laptop
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.directory.path().join(name), text).unwrap();
    }

    fn simulate(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_metrics-adapter"))
            .current_dir(self.directory.path())
            .args(["simulate", "--config=rules.yaml"])
            .arg(format!("--prometheus-url={}", self.prometheus))
            .args(["--from=2026-01-31T12:01:00Z", "--to=2026-01-31T13:00:00Z"])
            .args(arguments)
            .output()
            .unwrap()
    }

    fn report(&self, arguments: &[&str]) -> Value {
        let output = self.simulate(&[arguments, &["--output=json"]].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// What a list over time has at a minute of the hour.
fn at(list: &Value, minute: usize) -> &Value {
    &list[(minute - 1) * 4]
}

/// Replicas of a candidate at some minutes.
fn replicas<const N: usize>(report: &Value, candidate: usize, minutes: [usize; N]) -> [i64; N] {
    let replicas = &report["candidates"][candidate]["replicas"];
    minutes.map(|minute| at(replicas, minute).as_i64().unwrap())
}

#[tokio::test]
async fn candidates_follow_the_recorded_load() {
    let prometheus = Recorded::start(&samples()).await;
    let laptop = Laptop::new(&prometheus.url());
    laptop.write(
        "careful.yaml",
        &HPA.replace("averageValue: 40", "averageValue: 20"),
    );
    let report = laptop.report(&[
        "hpa.yaml",
        "careful.yaml",
        "--candidate=requests_per_second=20,maxReplicas=5",
        "--svg=picture.svg",
    ]);
    assert_eq!(report["workload"], "Deployment/server");
    assert_eq!(report["times"].as_array().unwrap().len(), 59 * 4 + 1);
    let metric = &report["recorded"]["metrics"][0];
    assert_eq!(metric["metric"], "pods/requests_per_second");
    assert_eq!(metric["origin"], "rules[0]");
    let query = "sum(rate(requests_total{namespace=\"shop\",pod!=\"\"}[1m])) by (pod)";
    assert_eq!(metric["query"], query);
    let total = at(&metric["totals"], 20).as_f64().unwrap();
    assert!((total - 150.0).abs() < 1.0, "{total}");

    // As many as the load takes at 40, then at 20 each, up to the bound. 5 minutes after the load
    // has gone, fewer are allowed: at 36:00 recorded pods end, and their sum wavers.
    assert_eq!(
        replicas(&report, 0, [5, 9, 15, 29, 34, 38, 60]),
        [1, 1, 4, 4, 4, 1, 1]
    );
    assert_eq!(
        replicas(&report, 1, [5, 15, 29, 34, 38, 60]),
        [2, 8, 8, 8, 2, 1]
    );
    assert_eq!(
        replicas(&report, 2, [5, 15, 29, 34, 38, 60]),
        [2, 5, 5, 5, 2, 1]
    );
    let [plain, careful, bounded] = [0, 1, 2].map(|index| &report["candidates"][index]);
    assert_eq!(at(&careful["wanted"], 15), 8);
    assert_eq!(at(&plain["reasons"], 34), "ScaleDownStabilized");
    assert_eq!(at(&bounded["reasons"], 15), "TooManyReplicas");
    let usage = at(&plain["metrics"][0]["usage"], 25).as_f64().unwrap();
    assert!((usage - 37.5).abs() < 0.5, "150 over 4 pods: {usage}");
    let hours = |candidate: &Value| candidate["summary"]["podHours"].as_f64().unwrap();
    assert!(hours(careful) > hours(bounded) && hours(bounded) > hours(plain));

    let picture = fs::read_to_string(laptop.directory.path().join("picture.svg")).unwrap();
    assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"));
    for candidate in [
        "A: hpa.yaml",
        "B: careful.yaml",
        "C: requests_per_second=20,maxReplicas=5",
    ] {
        assert!(picture.contains(candidate), "{candidate}");
    }
    assert!(!picture.contains("NaN"), "{picture}");
}

#[tokio::test]
async fn the_recorded_pods_can_be_what_is_seen() {
    let prometheus = Recorded::start(&samples()).await;
    let laptop = Laptop::new(&prometheus.url());
    let report = laptop.report(&["hpa.yaml", "--as-recorded"]);
    assert_eq!(report["mode"], "as-recorded");
    let candidate = &report["candidates"][0];
    // Pods are those with a rate, which takes two samples.
    assert_eq!(
        [5, 15, 34, 38].map(|minute| at(&candidate["ready"], minute).as_i64().unwrap()),
        [1, 4, 4, 1]
    );
    let usage = |minute: usize| {
        at(&candidate["metrics"][0]["usage"], minute)
            .as_f64()
            .unwrap()
    };
    assert!(usage(11) > 100.0, "one pod alone: {}", usage(11));
    assert!((usage(25) - 37.5).abs() < 0.5, "its quarter: {}", usage(25));
    assert_eq!(replicas(&report, 0, [5, 12, 29, 60]), [1, 4, 4, 1]);
    let changes = |list: &Value| -> Vec<(i64, i64)> {
        let change = |change: &Value| {
            (
                change["from"].as_i64().unwrap(),
                change["to"].as_i64().unwrap(),
            )
        };
        list.as_array().unwrap().iter().map(change).collect()
    };
    assert_eq!(changes(&report["recorded"]["rescales"]), [(1, 4), (4, 1)]);

    assert_eq!(
        report["recorded"]["rescales"][1]["time"],
        "2026-01-31T12:36:45Z"
    );

    // The pods themselves come before their rates, and go before them.
    let query = "--pods-query=last_over_time(latency_seconds[15s])";
    let report = laptop.report(&["hpa.yaml", "--as-recorded", query]);
    let rescales = &report["recorded"]["rescales"];
    assert_eq!(rescales[0]["time"], "2026-01-31T12:11:00Z");
    assert_eq!(rescales[1]["time"], "2026-01-31T12:36:15Z");
}

#[tokio::test]
async fn several_metrics_and_models_go_together() {
    let prometheus = Recorded::start(&samples()).await;
    let laptop = Laptop::new(&prometheus.url());
    let more = "
  - type: Pods
    pods:
      metric: {name: latency_seconds}
      target: {type: AverageValue, averageValue: 50m}
  - type: External
    external:
      metric: {name: queue_length}
      target: {type: AverageValue, averageValue: 30}
";
    laptop.write("hpa.yaml", &format!("{}{more}", HPA.trim_end()));
    let report = laptop.report(&["hpa.yaml", "--model=latency_seconds=recorded"]);
    let candidate = &report["candidates"][0];
    // 300 in the queue at 30 each; latency, which does not answer, asks for three times as many
    // only while one pod had it all.
    assert_eq!(replicas(&report, 0, [29]), [10]);
    assert_eq!(at(&report["recorded"]["metrics"][1]["means"], 5), &0.03);
    assert_eq!(at(&candidate["metrics"][1]["usage"], 25), &0.037);
    let last = &candidate["rescales"][0];
    assert_eq!((&last["from"], &last["to"]), (&1.into(), &2.into()));
    assert_eq!(last["metric"], "external/queue_length");

    // Without one metric the others still ask for more.
    let gone = "--query=latency_seconds=latency_seconds offset 30m";
    let report = laptop.report(&["hpa.yaml", gone]);
    let summary = &report["candidates"][0]["summary"];
    let part = |name: &str| summary[name].as_f64().unwrap();
    assert!(
        part("metricMissing") > 0.4 && part("held") < 0.1,
        "{summary}"
    );
    assert_eq!(replicas(&report, 0, [29]), [10]);

    let output = laptop.simulate(&["hpa.yaml", "--candidate=queue_length=100"]);
    let text = String::from_utf8(output.stdout).unwrap();
    for expected in [
        "HPA shop/server of Deployment/server, modelled",
        "external/queue_length (recorded, externalRules[0])",
        "  B  queue_length=100",
        "Rescales of B, queue_length=100",
        "external/queue_length: as recorded: it does not answer to the number of pods",
    ] {
        assert!(text.contains(expected), "{expected:?} is not in\n{text}");
    }
}

#[tokio::test]
async fn utilization_takes_a_query_and_a_request() {
    let prometheus = Recorded::start(&samples()).await;
    let laptop = Laptop::new(&prometheus.url());
    let cpu = HPA.split("  metrics:").next().unwrap();
    laptop.write("hpa.yaml", cpu);
    let query = "--query=cpu=sum by (pod) (rate(requests_total[1m])) / 1000";
    // 150 thousandths of a core in all: at 80 % of 50m it takes 3.75 pods.
    let report = laptop.report(&["hpa.yaml", query, "--request=cpu=50m"]);
    assert_eq!(replicas(&report, 0, [5, 29]), [1, 4]);
    let usage = at(&report["candidates"][0]["metrics"][0]["usage"], 25);
    assert!(
        (74.0..=75.0).contains(&usage.as_f64().unwrap()),
        "{usage} %"
    );

    let report = laptop.report(&["hpa.yaml", query]);
    let errors = &report["candidates"][0]["metrics"][0]["errors"];
    assert!(
        errors[0].as_str().unwrap().contains("has no request"),
        "{errors}"
    );
    let candidate = &report["candidates"][0];
    assert_eq!(at(&candidate["reasons"], 29), "FailedGetResourceMetric");
    assert_eq!(candidate["summary"]["metricMissing"], 1.0);
    assert_eq!(candidate["summary"]["held"], 1.0);
    assert_eq!(replicas(&report, 0, [5, 29]), [1, 1]);
}

fn notes(report: &Value) -> Vec<&str> {
    let notes = report["notes"].as_array().unwrap().iter();
    notes.map(|note| note.as_str().unwrap()).collect()
}

#[tokio::test]
async fn qualified_names_tell_metrics_apart() {
    let prometheus = Recorded::start(&samples()).await;
    let laptop = Laptop::new(&prometheus.url());
    laptop.write("hpa.yaml", &with_metrics(&QUEUES));
    let report = laptop.report(&[
        "hpa.yaml",
        "--query=external/queue_length{queue=a}=sum(queue_length)",
        "--query=external/queue_length{queue=b}=vector(30)",
        "--candidate=external/queue_length{queue=a}=100",
        "--replicas=1",
    ]);
    assert_eq!(replicas(&report, 0, [29]), [10]);
    assert_eq!(replicas(&report, 1, [29]), [3]);
    let expected = "external/queue_length{queue=a}: --query must restrict it to queue=a by itself";
    assert!(notes(&report).contains(&expected), "{report}");

    laptop.write("hpa.yaml", &with_metrics(&CPUS));
    let query = "sum by (pod) (rate(requests_total[1m])) / 1000";
    let report = laptop.report(&[
        "hpa.yaml",
        &format!("--query=resource/cpu={query}"),
        &format!("--query=container/app/cpu={query} * 2"),
        "--request=resource/cpu=150m",
        "--request=container/app/cpu=100m",
    ]);
    // 150 thousandths in all at 80 % of 150m, and 300 of them at 80 % of 100m.
    let candidate = &report["candidates"][0];
    assert_eq!(replicas(&report, 0, [29]), [4]);
    assert_eq!(candidate["metrics"][0]["metric"], "resource/cpu");
    assert_eq!(candidate["rescales"][0]["metric"], "container/app/cpu");
    for expected in [
        "container/app/cpu: --query must restrict it to the container app by itself",
        "resource/cpu: the initialization period and the readiness of new pods are not replayed: \
         every pod with a value counts",
    ] {
        assert!(notes(&report).contains(&expected), "{report}");
    }
}

#[tokio::test]
async fn a_rule_that_fails_matters_only_where_it_is_wanted() {
    let prometheus = Recorded::start(&samples()).await;
    let laptop = Laptop::new(&prometheus.url());
    let broken = "- seriesQuery: '{__name__=~\"(\",namespace!=\"\",pod!=\"\"}'\n  resources: \
                  {template: '<<.Resource>>'}\n  metricsQuery: sum(x) by (<<.GroupBy>>)\n";
    let rules = RULES.replace("externalRules:", &format!("{broken}externalRules:"));
    laptop.write(
        "rules.yaml",
        &rules.replace("queue_length{namespace!", "queue_length{("),
    );
    // The external rule's query is broken too; nobody asks for it.
    let report = laptop.report(&["hpa.yaml"]);
    assert_eq!(replicas(&report, 0, [29]), [4]);
    let failed = "not used: rules[2].seriesQuery: Prometheus answered 400";
    let told = notes(&report);
    assert!(told.iter().any(|note| note.starts_with(failed)), "{told:?}");
    assert!(
        !told.iter().any(|note| note.contains("externalRules")),
        "{told:?}"
    );
    let pods = "the pods of Deployment/server are server-5d8f97c6b4-* (--pods tells others)";
    assert!(told.contains(&pods), "{told:?}");

    laptop.write("hpa.yaml", &HPA.replace("requests_per_second", "errors"));
    let output = laptop.simulate(&["hpa.yaml"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("no such metric") && said.contains(failed),
        "{said}"
    );
}

#[tokio::test]
async fn what_is_not_replayed_or_assumed_is_told() {
    let prometheus = Recorded::start(&samples()).await;
    let laptop = Laptop::new(&prometheus.url());
    let rules = RULES.replace("  name: {matches", "  onNaN: {last: 5m}\n  name: {matches");
    laptop.write("rules.yaml", &rules);
    laptop.write("hpa.yaml", &HPA.replace(", namespace: shop", ""));
    let report = laptop.report(&["hpa.yaml", "--namespace=shop"]);
    let told = notes(&report);
    let nan = "pods/requests_per_second: NaN is no value here, and not the last value as onNaN of \
               rules[0] says";
    assert!(told.contains(&nan), "{told:?}");

    let query = "--query=requests_per_second=sum by (pod) (rate(requests_total[1m]))";
    let report = laptop.report(&["hpa.yaml", query]);
    assert_eq!(report["namespace"], "default");
    let namespace = "the manifest names no namespace: default is assumed (--namespace)";
    assert!(notes(&report).contains(&namespace), "{report}");

    let show = "--show=latency=max(latency_seconds{pod!~\"other.*|.*migrate.*\"})";
    let report = laptop.report(&["hpa.yaml", query, show, "--svg=picture.svg"]);
    let shown = &report["recorded"]["shown"][0];
    assert_eq!(shown["name"], "latency");
    assert_eq!(
        [at(&shown["values"], 5), at(&shown["values"], 25)],
        [0.03, 0.0375]
    );
    let picture = fs::read_to_string(laptop.directory.path().join("picture.svg")).unwrap();
    assert!(picture.contains("latency: as recorded"), "{picture}");
    let output = laptop.simulate(&["hpa.yaml", query, show]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("requests_per_second sum  latency  A pods"),
        "{text}"
    );
}
