//! A real Prometheus on loopback, whose series come from recording rules over constants.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;

/// Where Debian's package puts it.
const BINARY: &str = "/usr/bin/prometheus";
/// A newer one: Debian's does not go by its caller's decision to trace.
const NEW_BINARY: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../target/testbed/bin/prometheus"
);

/// A running Prometheus; ends with the value.
pub(crate) struct Prometheus {
    child: Child,
    binary: &'static str,
    port: u16,
    directory: TempDir,
    secured: Option<Secured>,
}

/// How a Prometheus that serves TLS only is reached.
pub(crate) struct Secured {
    /// `--web.config.file`, which it reads again at every handshake.
    pub(crate) web_config: PathBuf,
    /// A client that it lets in.
    pub(crate) client: reqwest::Client,
}

impl Prometheus {
    /// Starts a Prometheus that records the given samples: series with labels, and a value.
    pub(crate) async fn start(samples: &[(&str, &str)]) -> Self {
        Self::start_with(BINARY, samples, "", None).await
    }

    /// Likewise; it also scrapes a target, five times a second.
    pub(crate) async fn start_scraping(
        samples: &[(&str, &str)],
        target: Option<SocketAddr>,
    ) -> Self {
        let config = target.map(|target| {
            format!(
                "scrape_configs: [{{job_name: t, static_configs: [{{targets: ['{target}']}}]}}]\n"
            )
        });
        Self::start_with(BINARY, samples, &config.unwrap_or_default(), None).await
    }

    /// Likewise; it sends spans of what is traced already, by OTLP over gRPC.
    #[allow(dead_code, reason = "for those who share this file")]
    pub(crate) async fn start_traced(samples: &[(&str, &str)], receiver: SocketAddr) -> Self {
        let config =
            format!("tracing: {{endpoint: '{receiver}', insecure: true, sampling_fraction: 0}}\n");
        Self::start_with(NEW_BINARY, samples, &config, None).await
    }

    /// Likewise, over TLS.
    #[allow(dead_code, reason = "for those who share this file")]
    pub(crate) async fn start_secured(samples: &[(&str, &str)], secured: Secured) -> Self {
        Self::start_with(BINARY, samples, "", Some(secured)).await
    }

    async fn start_with(
        binary: &'static str,
        samples: &[(&str, &str)],
        more: &str,
        secured: Option<Secured>,
    ) -> Self {
        assert!(
            Path::new(binary).exists(),
            "{binary} is missing: install Debian's package `prometheus`, or `make setup`"
        );
        // Another test of this process may have been first.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let directory = TempDir::new().unwrap();
        let rules: String = samples
            .iter()
            .map(|(series, value)| {
                let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
                let labels = labels.trim_end_matches('}').replace('=', ": ");
                format!("  - {{record: '{name}', expr: 'vector({value})', labels: {{{labels}}}}}\n")
            })
            .collect();
        let group = format!("groups:\n- name: constants\n  interval: 200ms\n  rules:\n{rules}");
        fs::write(directory.path().join("rules.yml"), group).unwrap();
        let config = "global: {evaluation_interval: 200ms, scrape_interval: 200ms, \
                      scrape_timeout: 200ms}\nrule_files: [rules.yml]\n";
        fs::write(
            directory.path().join("prometheus.yml"),
            format!("{config}{more}"),
        )
        .unwrap();
        let port = free_port();
        let child = spawn(binary, &directory, port, secured.as_ref());
        let prometheus = Self {
            child,
            binary,
            port,
            directory,
            secured,
        };
        prometheus
            .wait_for(samples.last().map_or("vector(1)", |(series, _)| series))
            .await;
        prometheus
    }

    /// Its base URL.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.secured.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// Where it listens.
    #[allow(dead_code, reason = "for those who share this file")]
    pub(crate) fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// Ends the process; the data stays.
    pub(crate) fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again on the same port with the same data.
    pub(crate) async fn start_again(&mut self, series: &str) {
        self.child = spawn(
            self.binary,
            &self.directory,
            self.port,
            self.secured.as_ref(),
        );
        self.wait_for(series).await;
    }

    /// Waits until a query has a result.
    pub(crate) async fn wait_for(&self, query: &str) {
        let client = match &self.secured {
            Some(secured) => secured.client.clone(),
            None => reqwest::Client::new(),
        };
        let url = format!("{}/api/v1/query", self.url());
        for _ in 0..300 {
            let answer = client.get(&url).query(&[("query", query)]).send().await;
            if let Ok(answer) = answer
                && answer
                    .text()
                    .await
                    .is_ok_and(|text| text.contains("\"value\""))
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("Prometheus has no {query} after 30 s");
    }
}

/// A port of loopback that nobody listens on at the moment.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn spawn(binary: &str, directory: &TempDir, port: u16, secured: Option<&Secured>) -> Child {
    let path = |name: &str| directory.path().join(name).display().to_string();
    let web_config = secured.map(|secured| secured.web_config.display().to_string());
    Command::new(binary)
        .args(web_config.map(|path| format!("--web.config.file={path}")))
        .arg(format!("--config.file={}", path("prometheus.yml")))
        .arg(format!("--storage.tsdb.path={}", path("data")))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have been stopped by the test already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a target exposes; the test changes it.
pub(crate) type Exposition = Arc<Mutex<String>>;

/// A target to scrape, which lives as long as the process.
pub(crate) fn expose(text: String) -> (SocketAddr, Exposition) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let exposition: Exposition = Arc::new(Mutex::new(text));
    let exposed = Arc::clone(&exposition);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // One read holds a whole GET; what comes after it nobody needs.
            let _ = stream.read(&mut [0; 4096]);
            let text = exposed.lock().unwrap().clone();
            let length = text.len();
            let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/plain";
            let answer = format!("{head}\r\ncontent-length: {length}\r\n\r\n{text}");
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (address, exposition)
}
