//! A real Prometheus with a history: samples of the past in blocks, which `promtool` makes.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::prometheus::free_port;

/// Where Debian's package puts them.
const PROMETHEUS: &str = "/usr/bin/prometheus";
const PROMTOOL: &str = "/usr/bin/promtool";

/// A running Prometheus; ends with the value.
pub(crate) struct Recorded {
    child: Child,
    port: u16,
    _directory: TempDir,
}

impl Recorded {
    /// Starts a Prometheus with these samples, in OpenMetrics.
    pub(crate) async fn start(openmetrics: &str) -> Self {
        for tool in [PROMETHEUS, PROMTOOL] {
            assert!(
                Path::new(tool).exists(),
                "{tool} is missing: install Debian's package `prometheus`"
            );
        }
        let directory = TempDir::new().unwrap();
        let path = |name: &str| directory.path().join(name).display().to_string();
        fs::write(path("samples"), openmetrics).unwrap();
        fs::write(path("prometheus.yml"), "global: {}\n").unwrap();
        let made = Command::new(PROMTOOL)
            .args(["tsdb", "create-blocks-from", "openmetrics", "--quiet"])
            .args([path("samples"), path("data")])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "promtool: {said}");
        let port = free_port();
        let child = Command::new(PROMETHEUS)
            .arg(format!("--config.file={}", path("prometheus.yml")))
            .arg(format!("--storage.tsdb.path={}", path("data")))
            // The samples' times are fixed, so that they are always the same distance apart.
            .arg("--storage.tsdb.retention.time=100y")
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let recorded = Self {
            child,
            port,
            _directory: directory,
        };
        recorded.ready().await;
        recorded
    }

    /// Its base URL.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    async fn ready(&self) {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let (client, url) = (reqwest::Client::new(), format!("{}/-/ready", self.url()));
        for _ in 0..300 {
            let answer = client.get(&url).send().await;
            if answer.is_ok_and(|answer| answer.status() == 200) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("Prometheus is not ready after 30 s");
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
