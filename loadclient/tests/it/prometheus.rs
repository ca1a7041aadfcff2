//! A real Prometheus.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A Prometheus that scrapes every 500 ms; killed when dropped.
pub(crate) struct Prometheus {
    child: Child,
    pub(crate) address: SocketAddr,
    _files: TempDir,
}

pub(crate) fn mk_prometheus(targets: &[(&str, SocketAddr)]) -> Prometheus {
    let files = TempDir::new().unwrap();
    let mut config =
        "global: {scrape_interval: 500ms, scrape_timeout: 500ms}\nscrape_configs:\n".to_owned();
    for (app, address) in targets {
        writeln!(
            config,
            "- job_name: {app}\n  static_configs: [{{targets: ['{address}'], labels: {{app: {app}}}}}]"
        )
        .unwrap();
    }
    let path = files.path().join("prometheus.yml");
    std::fs::write(&path, config).unwrap();
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let child = Command::new("/usr/bin/prometheus")
        .arg(format!("--config.file={}", path.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            files.path().join("data").display()
        ))
        .arg(format!("--web.listen-address={address}"))
        .args(["--log.level=error", "--enable-feature=exemplar-storage"])
        .stdin(Stdio::null())
        .spawn()
        .expect("/usr/bin/prometheus is missing: install the Debian package `prometheus`");
    Prometheus {
        child,
        address,
        _files: files,
    }
}

impl Prometheus {
    /// The data that it answers with; nothing while it starts.
    pub(crate) fn data(&self, path: &str) -> Option<Value> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        // A body that ends with the connection, instead of in chunks.
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        let document: Value = serde_json::from_str(body).ok()?;
        Some(document["data"].clone())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
