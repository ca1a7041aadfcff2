//! The status page of the running program, as text and in a browser.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tokio::time::MissedTickBehavior;

use crate::command_line::{Files, Kubernetes, Program, client};
use crate::prometheus::Prometheus;

const ARGUMENTS: &[&str] = &[
    "--config=/etc/adapter/config.yaml",
    "--tls-cert-file=/var/run/serving-cert/tls.crt",
    "--tls-private-key-file=/var/run/serving-cert/tls.key",
];

const RULES: &str = r#"
rules:
- seriesQuery: 'http_requests_per_second{pod!=""}'
  resources: {template: <<.Resource>>}
  metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)'
- seriesQuery: 'typo_in_the_name{pod!=""}'
  resources: {template: <<.Resource>>}
  metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)'
- seriesQuery: '{not promql'
  resources: {template: <<.Resource>>}
  metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)'
- seriesQuery: 'mean_latency_seconds{pod!=""}'
  resources: {template: <<.Resource>>}
  metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>) and ('
externalRules:
- seriesQuery: 'queue_length{queue!=""}'
  resources: {namespaced: false}
  metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>}) by (queue)'
"#;

const SAMPLES: &[(&str, &str)] = &[
    (
        r#"http_requests_per_second{namespace="shop",pod="web-0"}"#,
        "12",
    ),
    (
        r#"http_requests_per_second{namespace="shop",pod="web-1"}"#,
        "14",
    ),
    (
        r#"mean_latency_seconds{namespace="shop",pod="web-0"}"#,
        "0.02",
    ),
    (r#"queue_length{namespace="shop",queue="mail"}"#, "4"),
];

const PODS: &[(&str, &str, &str)] = &[("shop", "web-0", "web"), ("shop", "web-1", "web")];

/// Even within a tenth also where others are busy, now and then.
const PACE: Duration = Duration::from_secs(1);

const CUSTOM: &str = "custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*";
const REQUESTS: &str = "http_requests_per_second?labelSelector=app%3Dweb";

/// A running program with its world.
struct World {
    program: Program,
    client: reqwest::Client,
    files: Files,
    _prometheus: Prometheus,
    _kubernetes: Kubernetes,
}

impl World {
    async fn start() -> Self {
        let prometheus = Prometheus::start(SAMPLES).await;
        let files = Files::new(RULES);
        let kubernetes = Kubernetes::start_with(&files, PODS).await;
        // Of which nothing may be seen.
        let url = prometheus
            .url()
            .replace("http://", "http://somebody:password@");
        let mut program = Program::start_with(&files, ARGUMENTS, &kubernetes.url, &url);
        program.ready().await;
        Self {
            program,
            client: client(),
            files,
            _prometheus: prometheus,
            _kubernetes: kubernetes,
        }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.program.admin_port)
    }

    /// The page's text, one space between words.
    async fn page(&self) -> String {
        let answer = self.client.get(self.url()).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let page = answer.text().await.unwrap();
        assert!(!page.contains("password"), "{page}");
        let body = page.split_once("<body>").unwrap().1;
        let tags = body.split('<');
        let texts = tags.map(|part| part.split_once('>').map_or(part, |(_, text)| text));
        let words: Vec<&str> = texts.flat_map(str::split_whitespace).collect();
        words.join(" ")
    }

    /// Waits until the page has all these texts; asks for `polled` before each look, at an even pace.
    async fn until(&self, polled: &[&str], texts: &[&str]) {
        let mut pace = tokio::time::interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for _ in 0..90 {
            pace.tick().await;
            for path in polled {
                self.poll(path).await;
            }
            let page = self.page().await;
            if texts.iter().all(|text| page.contains(text)) {
                return;
            }
        }
        panic!("not {texts:?}: {}", self.page().await);
    }

    async fn poll(&self, path: &str) -> u16 {
        let url = format!("https://127.0.0.1:{}/apis/{path}", self.program.port);
        self.client.get(url).send().await.unwrap().status().into()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_shows_rules_polls_and_errors() {
    let world = World::start().await;
    let config = world.files.0.path().join("etc/adapter/config.yaml");
    world
        .until(
            &[],
            &[
                "Nobody has asked for a value.",
                "ready yes rules 3 of 5 work",
                "rules[0] works http_requests_per_second{pod!=\"\"} 2"
                    .replace('"', "&quot;")
                    .as_str(),
                "rules[1] finds no series",
                "rules[2] fails, never had an answer Prometheus answered 400: bad_data",
                "externalRules[0] works",
                &format!(" ago {} SHA-256 ", config.display()),
                "--tls-cert-file localhost in ",
            ],
        )
        .await;

    let requests = format!("{CUSTOM}/{REQUESTS}");
    let missing = format!("{CUSTOM}/nosuch");
    let queue = "external.metrics.k8s.io/v1beta1/namespaces/shop/queue_length";
    world
        .until(
            &[&requests, queue],
            &[
                "HPAs seen 2",
                "shop pods app=web http_requests_per_second ",
                "shop none: an external metric queue_length ",
                " 2 values ",
                " 1 value ",
            ],
        )
        .await;
    assert_eq!(world.poll(&missing).await, 404);
    assert_eq!(
        world.poll(&format!("{CUSTOM}/mean_latency_seconds")).await,
        500
    );
    world
        .until(
            &[],
            &[
                "shop nosuch pods not even 1 ",
                " ago the server could not find the metric nosuch for pods",
                "unable to fetch metrics -",
                "rules[3] its queries for values fail",
                " ago 1 Prometheus answered 400: bad_data",
            ],
        )
        .await;

    world.files.write("etc/adapter/config.yaml", "rules: 1");
    world
        .until(&[], &["refused, the one before is in use", "; refused "])
        .await;
}

/// What `browser.py` has seen, for light and dark.
fn browse(url: &str, directory: &Path) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/browser.py");
    let output = Command::new("/usr/bin/python3")
        .arg(script)
        .arg(url)
        .arg(directory)
        .output()
        .expect("/usr/bin/python3 is missing: install Debian's package `python3`");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Relative luminance of `rgb(r, g, b)`, from 0 to 1 (WCAG 2).
fn luminance(color: &str) -> f64 {
    let numbers = color.trim_start_matches("rgb(").trim_end_matches(')');
    let channels = numbers.split(", ").map(|number| {
        let part = number.parse::<f64>().unwrap() / 255.0;
        match part {
            ..=0.04045 => part / 12.92,
            _ => ((part + 0.055) / 1.055).powf(2.4),
        }
    });
    let weighed = channels.zip([0.2126, 0.7152, 0.0722]);
    weighed.map(|(part, weight)| part * weight).sum()
}

/// Contrast of two colours, from 1 to 21 (WCAG 2).
fn contrast(a: &str, b: &str) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_shows_it_light_and_dark_and_loads_nothing_else() {
    let world = World::start().await;
    let requests = format!("{CUSTOM}/{REQUESTS}");
    world.until(&[&requests], &[" 2 values "]).await;
    world.poll(&format!("{CUSTOM}/nosuch")).await;
    let directory = tempfile::tempdir().unwrap();
    let url = world.url();
    let path = directory.path().to_owned();
    let seen = tokio::task::spawn_blocking({
        let (url, path) = (url.clone(), path.clone());
        move || browse(&url, &path)
    });
    let seen = seen.await.unwrap();
    for scheme in ["light", "dark"] {
        let seen = &seen[scheme];
        assert_eq!(seen["requests"], serde_json::json!([url]), "{seen}");
        assert_eq!(seen["messages"], serde_json::json!([]), "{seen}");
        let tables = seen["tables"].as_array().unwrap();
        // Rules, requests, certificates; HPAs unless the browser took too long.
        assert!(tables.len() >= 3, "{seen}");
        for table in tables {
            let area = table["width"].as_f64().unwrap() * table["height"].as_f64().unwrap();
            assert!(
                area > 10_000.0 && table["rows"].as_u64() > Some(0),
                "{table}"
            );
        }
        // Wide tables scroll by themselves.
        assert!(seen["overflow"].as_f64() <= Some(0.0), "{seen}");
        let background = seen["background"].as_str().unwrap();
        let is_light = luminance(background) > 0.5;
        assert_eq!(is_light, scheme == "light", "{background}");
        let colors = seen["colors"].as_array().unwrap();
        assert!(colors.len() >= 4, "{seen}");
        for color in colors {
            let contrast = contrast(color.as_str().unwrap(), background);
            assert!(contrast >= 4.5, "{color} on {background}: {contrast}");
        }
        let picture = fs::read(path.join(format!("{scheme}.png"))).unwrap();
        assert!(picture.starts_with(b"\x89PNG") && picture.len() > 20_000);
    }
    let read = |scheme| fs::read(path.join(format!("{scheme}.png"))).unwrap();
    assert_ne!(read("light"), read("dark"));
}
