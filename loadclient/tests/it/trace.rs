//! One trace from the client to the server, to a real OpenTelemetry collector, to the server's log
//! and to an exemplar in a real Prometheus.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use serde_json::Value;

use crate::collector::{attribute, list, mk_collector};
use crate::process::{Closed, DEADLINE, command, get, server, until};
use crate::prometheus::mk_prometheus;

/// Kinds of spans on the wire.
const SERVER: u64 = 2;
const CLIENT: u64 = 3;

/// What the server is told to answer, which makes it log an error.
const CODE: u64 = 503;

/// As in an image from scratch.
const NO_CERTIFICATES: [(&str, &str); 2] = [
    ("SSL_CERT_FILE", "/nonexistent/file"),
    ("SSL_CERT_DIR", "/nonexistent/dir"),
];

/// The program `server` with the role web; killed when dropped.
struct Web {
    child: Child,
    web: SocketAddr,
    admin: SocketAddr,
    log: Receiver<String>,
}

fn mk_web(flags: &[&str]) -> Web {
    let mut child = Command::new(server())
        .env_clear()
        .envs(NO_CERTIFICATES)
        .args([
            "--roles=web",
            "--log-format=json",
            "--drain-delay-seconds=0",
        ])
        .args(["--web-address=127.0.0.1:0", "--admin-address=127.0.0.1:0"])
        .args(flags)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let (send, log) = channel();
    std::thread::spawn(move || {
        lines
            .map_while(Result::ok)
            .all(|line| send.send(line).is_ok())
    });
    let address = |message: &str| -> SocketAddr {
        loop {
            let line: Value = serde_json::from_str(&log.recv_timeout(DEADLINE).unwrap()).unwrap();
            if line["message"] == message {
                return line["address"].as_str().unwrap().parse().unwrap();
            }
        }
    };
    let web = address("listening for the web");
    let admin = address("listening for operators");
    Web {
        child,
        web,
        admin,
        log,
    }
}

impl Web {
    /// `loadclient probe --once` after the server was told its code; returns the trace's id as it
    /// was printed.
    fn probe(&self, flags: &[&str]) -> String {
        let mut stream = TcpStream::connect(self.web).unwrap();
        let head = "HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
        write!(stream, "POST /status/{CODE} {head}").unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
        let port = self.web.port().to_string();
        let mut command = command();
        command.args(["probe", "--once", "--output=json", "--fail-on=never"]);
        command.args(["--host=127.0.0.1", "--port", &port]);
        let output = command.envs(NO_CERTIFICATES).args(flags).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let stdout = String::from_utf8(output.stdout).unwrap();
        let line: Value = serde_json::from_str(stdout.lines().next().unwrap()).unwrap();
        assert_eq!(line["code"], CODE, "{line}");
        line["trace_id"].as_str().unwrap().to_owned()
    }

    /// Ends it in order; returns its log.
    async fn end(mut self) -> Vec<Value> {
        let pid = self.child.id().to_string();
        let kill = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        assert!(kill.success());
        let child = &mut self.child;
        until("the server ends", || child.try_wait().unwrap().is_some()).await;
        assert!(self.child.wait().unwrap().success());
        let lines = self.log.iter();
        lines
            .map(|line| serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}")))
            .collect()
    }
}

/// The span that the line of the trace names.
fn logged(log: &[Value], trace: &str) -> String {
    let mut lines = log.iter().filter(|line| line["traceID"] == trace);
    let line = lines.next().unwrap_or_else(|| panic!("{trace}: {log:?}"));
    assert_eq!(line["message"], "server error: Service Unavailable");
    assert_eq!(line["severity"], "ERROR");
    line["spanID"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_printed_trace_id_is_found_at_the_collector_and_in_the_log() {
    let collector = mk_collector().await;
    for (protocol, address) in [("grpc", collector.grpc), ("http/protobuf", collector.http)] {
        let receiver = [
            &*format!("--otlp-endpoint=http://{address}"),
            &*format!("--otlp-protocol={protocol}"),
            "--otlp-logs=otlp",
        ];
        let web = mk_web(&receiver);
        let trace = web.probe(&receiver);
        let log = web.end().await;
        until("both spans and the line are at the collector", || {
            collector.spans(&trace).len() == 2 && collector.lines(&trace).len() == 1
        })
        .await;

        let mut spans = collector.spans(&trace);
        spans.sort_by_key(|(_, span)| span["kind"].as_u64());
        let [(server, inner), (client, outer)] = &spans[..] else {
            panic!("{protocol}: {spans:?}");
        };
        assert_eq!((&**server, &**client), ("server", "loadclient"));
        assert_eq!(
            (&inner["kind"], &outer["kind"]),
            (&SERVER.into(), &CLIENT.into())
        );
        assert_eq!(inner["parentSpanId"], outer["spanId"], "{protocol}");
        assert_eq!(outer["parentSpanId"], Value::Null, "{protocol}");
        for span in [inner, outer] {
            assert_eq!(span["name"], "GET /status");
            assert_eq!(
                attribute(span, "http.response.status_code")["intValue"],
                "503"
            );
            assert_eq!(span["status"]["code"], 2, "an error: {span}");
        }
        assert_eq!(logged(&log, &trace), inner["spanId"].as_str().unwrap());
        let (_, line) = &collector.lines(&trace)[0];
        assert_eq!(line["spanId"], inner["spanId"]);
        assert_eq!(
            line["body"]["stringValue"],
            "server error: Service Unavailable"
        );
    }
}

#[tokio::test]
async fn without_a_receiver_the_trace_id_is_logged_all_the_same() {
    let web = mk_web(&[]);
    let trace = web.probe(&[]);
    assert_eq!(trace.len(), 32, "{trace}");
    let span = logged(&web.end().await, &trace);
    assert_eq!(span.len(), 16, "{span}");
}

#[tokio::test]
async fn a_receiver_that_is_not_there_costs_spans_and_no_request() {
    let closed = Closed::new();
    let endpoint = format!("--otlp-endpoint=http://{}", closed.address);
    for protocol in ["--otlp-protocol=grpc", "--otlp-protocol=http/protobuf"] {
        let receiver = [&*endpoint, protocol];
        let web = mk_web(&receiver);
        let _ = web.probe(&receiver);
        let failed = "otlp_items_total{signal=\"traces\",outcome=\"failed\"} ";
        until("spans are counted as failed", || {
            let text = get(web.admin, "/metrics");
            let mut lines = text.lines();
            lines.any(|line| line.strip_prefix(failed).is_some_and(|count| count != "0"))
        })
        .await;
        let _ = web.probe(&receiver);
        let log = web.end().await;
        let told = "cannot send to the OTLP receiver; what is recorded meanwhile is lost";
        let told = log.iter().filter(|line| line["message"] == told).count();
        assert_eq!(told, 1, "{protocol}: {log:?}");
    }
}

#[tokio::test]
async fn prometheus_keeps_the_trace_id_as_an_exemplar() {
    let web = mk_web(&[]);
    let prometheus = mk_prometheus(&[("web", web.admin)]);
    let trace = web.probe(&[]);
    let query = "/api/v1/query_exemplars?query=http_server_request_duration_seconds_bucket\
                 &start=0&end=9999999999";
    let mut found = Vec::new();
    until("the exemplar is stored", || {
        let data = prometheus.data(query).unwrap_or_default();
        found = list(&data)
            .iter()
            .flat_map(|series| {
                let labels = series["seriesLabels"].clone();
                let exemplars = list(&series["exemplars"]).iter().cloned();
                exemplars.map(move |exemplar| (labels.clone(), exemplar))
            })
            .filter(|(_, exemplar)| exemplar["labels"]["trace_id"] == trace)
            .collect();
        !found.is_empty()
    })
    .await;
    let (labels, exemplar) = &found[0];
    assert_eq!(labels["http_route"], "/status", "{labels}");
    assert_eq!(labels["http_response_status_code"], "503", "{labels}");
    let seconds: f64 = exemplar["value"].as_str().unwrap().parse().unwrap();
    assert!(
        seconds > 0.0 && seconds < DEADLINE.as_secs_f64(),
        "{exemplar}"
    );
    logged(&web.end().await, &trace);
}

impl Drop for Web {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
