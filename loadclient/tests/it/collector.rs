//! A real OpenTelemetry collector on loopback; the adapter's tests have it, too.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// A collector that writes down what it gets; killed when dropped.
pub(crate) struct Collector {
    child: Child,
    pub(crate) grpc: SocketAddr,
    pub(crate) http: SocketAddr,
    files: TempDir,
}

fn mk_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

pub(crate) async fn mk_collector() -> Collector {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/testbed/bin/collector");
    assert!(program.exists(), "{program:?} is not built: `make setup`");
    let files = TempDir::new().unwrap();
    let (grpc, http) = (mk_address(), mk_address());
    let config = files.path().join("config.yaml");
    let output = files.path().join("output.json");
    let text = format!(
        "receivers: {{otlp: {{protocols: {{grpc: {{endpoint: '{grpc}'}}, http: {{endpoint: '{http}'}}}}}}}}\n\
         exporters: {{file: {{path: '{}', flush_interval: 50ms}}}}\n\
         service:\n  telemetry: {{metrics: {{level: none}}, logs: {{level: error}}}}\n  pipelines:\n    \
         traces: {{receivers: [otlp], exporters: [file]}}\n    \
         logs: {{receivers: [otlp], exporters: [file]}}\n",
        output.display()
    );
    std::fs::write(&config, text).unwrap();
    let child = Command::new(program)
        .arg(format!("--config={}", config.display()))
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let collector = Collector {
        child,
        grpc,
        http,
        files,
    };
    for _ in 0..600 {
        let listens = |address: &SocketAddr| TcpStream::connect(address).is_ok();
        if [grpc, http].iter().all(listens) {
            return collector;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the collector does not listen after 30 s");
}

impl Collector {
    /// All spans of a trace, or all log lines, with their service's name.
    fn items(&self, trace: &str, [resource, scope, item]: [&str; 3]) -> Vec<(String, Value)> {
        let path = self.files.path().join("output.json");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        // The last line may be half written.
        let documents = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut found = Vec::new();
        for document in documents {
            for resource in list(&document[resource]) {
                let service = attribute(&resource["resource"], "service.name");
                let scopes = list(&resource[scope]).iter();
                let items = scopes.flat_map(|scope| list(&scope[item]));
                for item in items.filter(|item| item["traceId"] == trace) {
                    let service = service["stringValue"].as_str().unwrap();
                    found.push((service.to_owned(), item.clone()));
                }
            }
        }
        found
    }

    pub(crate) fn spans(&self, trace: &str) -> Vec<(String, Value)> {
        self.items(trace, ["resourceSpans", "scopeSpans", "spans"])
    }

    #[allow(dead_code, reason = "for those who share this file")]
    pub(crate) fn lines(&self, trace: &str) -> Vec<(String, Value)> {
        self.items(trace, ["resourceLogs", "scopeLogs", "logRecords"])
    }
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

pub(crate) fn attribute(of: &Value, key: &str) -> Value {
    let mut attributes = list(&of["attributes"]).iter();
    let found = attributes.find(|attribute| attribute["key"] == key);
    found.map_or(Value::Null, |found| found["value"].clone())
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
