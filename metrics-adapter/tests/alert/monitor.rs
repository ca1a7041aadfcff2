//! A Prometheus with the adapter's alerts that scrapes an adapter, in a hurry.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use regex::{Captures, Regex};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::prometheus::free_port;

/// Where Debian's package puts it.
const BINARY: &str = "/usr/bin/prometheus";
/// The longest that an alert, or calm, may take to come: a quarter of an hour is 15 s here, and the
/// machine may be busy.
const PATIENCE: Duration = Duration::from_secs(90);

/// What fires when scrapes fail.
const DOWN: &str = "MetricsAdapterDown";

/// The rules with a second for every minute that they wait or look back: in `for`, `interval` and
/// ranges, and in the five minutes after which lists and watches are stale. What they measure (ratios,
/// ages, latencies, the end of a certificate) is as it is.
pub(crate) fn hurried(rules: &str) -> String {
    let replace = |text: &str, pattern: &str, with: &dyn Fn(u32) -> String| {
        let pattern = Regex::new(pattern).unwrap();
        assert!(pattern.is_match(text), "no {pattern}");
        let with = |found: &Captures<'_>| with(found[1].parse().unwrap());
        pattern.replace_all(text, with).into_owned()
    };
    let text = replace(rules, r"for: (\d+)m", &|minutes| format!("for: {minutes}s"));
    let text = replace(&text, r"\[(\d+)m\]", &|minutes| format!("[{minutes}s]"));
    let text = replace(&text, r"interval: (\d+)s", &|seconds| {
        format!("interval: {}ms", seconds * 1000 / 60)
    });
    let text = replace(&text, r"(?m)> (300)$", &|seconds| {
        format!("> {}", seconds / 60)
    });
    let left = Regex::new(r"(\[|for: )\d+[mhd]").unwrap();
    assert!(!left.is_match(&text), "a range or time in other units");
    text
}

/// The Prometheus; ends with the value.
pub(crate) struct Monitor {
    child: Child,
    port: u16,
    _directory: TempDir,
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Monitor {
    /// Scrapes the adapter's admin port four times a second: what is 15 s elsewhere.
    pub(crate) async fn start(admin: u16, rules: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let path = |name: &str| directory.path().join(name).display().to_string();
        fs::write(path("rules.yaml"), rules).unwrap();
        let config = format!(
            "global: {{scrape_interval: 250ms, scrape_timeout: 250ms}}\n\
             rule_files: [rules.yaml]\n\
             scrape_configs:\n\
             - job_name: adapter\n  \
               static_configs:\n  \
               - targets: ['127.0.0.1:{admin}']\n    \
                 labels: {{app: metrics-adapter, namespace: metrics-adapter, pod: a}}\n"
        );
        fs::write(path("prometheus.yml"), config).unwrap();
        let port = free_port();
        let child = Command::new(BINARY)
            .arg(format!("--config.file={}", path("prometheus.yml")))
            .arg(format!("--storage.tsdb.path={}", path("data")))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("install Debian's package `prometheus`");
        let monitor = Self {
            child,
            port,
            _directory: directory,
        };
        let ready = format!("http://127.0.0.1:{port}/-/ready");
        monitor
            .eventually("Prometheus", async || {
                let answer = reqwest::get(&ready).await;
                let answer = answer.map_err(|error| error.to_string())?;
                let status = answer.status();
                status.is_success().then_some(()).ok_or(status.to_string())
            })
            .await;
        monitor
    }

    /// Waits until no alert is active for ten minutes of scrapes, which are seconds here.
    pub(crate) async fn calm_for_long(&self) {
        self.eventually("calm at the start", async || {
            let scraped = self.values(r#"count_over_time(up{app="metrics-adapter"}[10s])"#);
            let long = scraped
                .await
                .first()
                .is_some_and(|(_, scrapes)| *scrapes > 30.0);
            let active = self.names("present_over_time(ALERTS[10s])").await;
            if long && active.is_empty() {
                Ok(())
            } else {
                Err(format!("{active:?}"))
            }
        })
        .await;
    }

    /// Waits until no alert is active.
    pub(crate) async fn calm(&self, after: &str) {
        self.eventually(&format!("calm after \"{after}\""), async || {
            let active = self.names("ALERTS").await;
            if active.is_empty() {
                Ok(())
            } else {
                Err(format!("{active:?}"))
            }
        })
        .await;
    }

    /// Waits until all of these fire; tells which do by then. Where scrapes take too long the adapter
    /// seems to be gone, which is waited out.
    pub(crate) async fn firing(&self, fault: &str, alerts: &[&str]) -> BTreeSet<String> {
        self.eventually(fault, async || {
            let firing = self.names(r#"ALERTS{alertstate="firing"}"#).await;
            let is_scraped = alerts.contains(&DOWN) || !firing.contains(DOWN);
            if is_scraped && alerts.iter().all(|&alert| firing.contains(alert)) {
                Ok(firing)
            } else {
                Err(format!("{alerts:?} should fire, {firing:?} do"))
            }
        })
        .await
    }

    async fn eventually<T>(&self, what: &str, look: impl AsyncFn() -> Result<T, String>) -> T {
        let start = Instant::now();
        loop {
            match look().await {
                Ok(found) => return found,
                Err(problem) if start.elapsed() > PATIENCE => {
                    panic!("{what}: {problem} after {PATIENCE:?}")
                }
                Err(_) => sleep(Duration::from_millis(200)).await,
            }
        }
    }

    async fn names(&self, query: &str) -> BTreeSet<String> {
        let found = self.values(query).await.into_iter();
        found.map(|(alert, _)| alert).collect()
    }

    /// The alerts' names and values of a vector.
    async fn values(&self, query: &str) -> Vec<(String, f64)> {
        let url = format!("http://127.0.0.1:{}/api/v1/query", self.port);
        let client = reqwest::Client::new();
        let answer = client.get(&url).query(&[("query", query)]).send().await;
        let answer = answer.unwrap().text().await.unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let elements = answer["data"]["result"].as_array().unwrap().iter();
        let value = |element: &Value| {
            let name = element["metric"]["alertname"].as_str().unwrap_or_default();
            let value = element["value"][1].as_str().unwrap_or_default();
            (name.to_owned(), value.parse().unwrap_or_default())
        };
        elements.map(value).collect()
    }
}
