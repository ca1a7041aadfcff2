//! A real Prometheus.

use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};

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

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
