//! `loadclient probe` from outside: whatever the server does, one line with the right class.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use clap::Parser as _;
use serde_json::Value;
use server::app::{Bound, Stop};
use socket2::SockRef;

use crate::process::{Closed, DEADLINE, command, get, until, value};

/// What a server does with a connection.
type Serve = fn(TcpStream);

/// A server that does this with every connection, until the process ends.
fn mk_server(serve: Serve) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        listener
            .incoming()
            .for_each(|stream| serve(stream.unwrap()))
    });
    address
}

/// Reads the head of a request.
fn request(stream: &TcpStream) -> String {
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    lines.take_while(|line| !line.is_empty()).collect()
}

fn answer(mut stream: TcpStream, bytes: &[u8]) {
    request(&stream);
    let _ = stream.write_all(bytes);
}

/// Closes with a reset instead of a farewell.
fn reset(stream: &TcpStream) {
    request(stream);
    let now = Some(std::time::Duration::ZERO);
    SockRef::from(stream).set_linger(now).unwrap();
}

/// Never says anything, and never hangs up.
fn hang(stream: TcpStream) {
    std::thread::spawn(move || {
        let _ = (&stream).read_to_end(&mut Vec::new());
    });
}

/// The exit code and the lines of a probe that ends by itself.
fn probe(address: SocketAddr, flags: &[&str]) -> (Option<i32>, Vec<String>) {
    let output = command()
        .arg("probe")
        .env("HOST", address.ip().to_string())
        .env("PORT", address.port().to_string())
        .args(flags)
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(!stderr.contains("panicked"), "{stderr}");
    let stdout = String::from_utf8(output.stdout).unwrap();
    (
        output.status.code(),
        stdout.lines().map(str::to_owned).collect(),
    )
}

/// The one attempt of `--once` as JSON, and the exit code.
fn once(address: SocketAddr, timeout: &str) -> (Option<i32>, Value) {
    let flags = ["--once", "--output=json", "--timeout", timeout];
    let (code, lines) = probe(address, &flags);
    let [line, summary] = lines.as_slice() else {
        panic!("not one line and a summary: {lines:?}")
    };
    let summary: Value = serde_json::from_str(summary).unwrap();
    assert_eq!(summary["summary"]["requests"], 1);
    (code, serde_json::from_str(line).unwrap())
}

#[test]
fn whatever_the_server_does_there_is_one_line_with_its_class() {
    let closed = Closed::new();
    let cases: [(&str, SocketAddr, Value, &str); 15] = [
        ("refuses", closed.address, Value::Null, "transport_error"),
        ("hangs", mk_server(hang), Value::Null, "timeout"),
        (
            "resets",
            mk_server(|s| reset(&s)),
            Value::Null,
            "transport_error",
        ),
        ("closes", mk_server(drop), Value::Null, "transport_error"),
        (
            "closes after the request",
            mk_server(|s| answer(s, b"")),
            Value::Null,
            "transport_error",
        ),
        (
            "answers 100 and no more",
            mk_server(|s| answer(s, b"HTTP/1.1 100 Continue\r\n\r\n")),
            Value::Null,
            "transport_error",
        ),
        (
            "answers 100, then 200",
            mk_server(|s| answer(s, b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n")),
            200.into(),
            "success",
        ),
        (
            "switches protocols",
            mk_server(|s| answer(s, b"HTTP/1.1 101 Switching Protocols\r\n\r\n")),
            101.into(),
            "http_error",
        ),
        (
            "answers 102 for ever",
            mk_server(|mut s| {
                request(&s);
                while s.write_all(b"HTTP/1.1 102 Processing\r\n\r\n").is_ok() {
                    std::thread::yield_now();
                }
            }),
            Value::Null,
            "timeout",
        ),
        (
            "redirects to nowhere",
            mk_server(|s| answer(s, b"HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n")),
            302.into(),
            "http_error",
        ),
        (
            "redirects to itself",
            mk_server(|s| answer(s, b"HTTP/1.1 307 X\r\nlocation: /status\r\n\r\n")),
            307.into(),
            "http_error",
        ),
        (
            "has nothing to say",
            mk_server(|s| answer(s, b"HTTP/1.1 204 No Content\r\n\r\n")),
            204.into(),
            "success",
        ),
        (
            "breaks off",
            mk_server(|s| answer(s, b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nOK")),
            200.into(),
            "transport_error",
        ),
        (
            "talks rubbish",
            mk_server(|s| answer(s, b"\x16\x03\x01 what?\r\n\r\n")),
            Value::Null,
            "protocol_error",
        ),
        (
            "has too much to say",
            mk_server(|s| {
                answer(
                    s,
                    &[b"HTTP/1.1 200 OK\r\n".as_slice(), &b"a: b\r\n".repeat(300)].concat(),
                )
            }),
            Value::Null,
            "protocol_error",
        ),
    ];
    for (what, address, code, outcome) in cases {
        let timeout = if outcome == "timeout" { "500ms" } else { "60s" };
        let (exit, line) = once(address, timeout);
        let found = (line["code"].clone(), line["outcome"].as_str().unwrap());
        assert_eq!(found, (code, outcome), "{what}: {line}");
        let success = outcome == "success";
        assert_eq!(exit, Some(if success { 0 } else { 3 }), "{what}");
        assert_eq!(line["success"], success, "{what}");
        assert_eq!(line["error"].is_null(), success, "{what}: {line}");
        assert_eq!(
            line["endpoint"],
            format!("GET http://{address}/status"),
            "{what}"
        );
        assert!(
            line["duration_ms"].as_f64().unwrap() > 0.0,
            "{what}: {line}"
        );
    }
}

#[test]
fn a_name_that_nobody_knows_is_no_crash() {
    // RFC 6761 keeps .invalid from ever being a name.
    let flags = ["probe", "--once", "--allow-any-target", "--host=a.invalid"];
    let output = command().args(flags).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let stdout = String::from_utf8(output.stdout).unwrap();
    let outcome = stdout.lines().next().unwrap();
    assert!(outcome.contains(" code=- outcome="), "{stdout}");
    assert!(!outcome.contains("outcome=success"), "{stdout}");
}

#[test]
fn fail_on_decides_about_the_exit_code() {
    let error = mk_server(|s| answer(s, b"HTTP/1.1 503 X\r\ncontent-length: 0\r\n\r\n"));
    let closed = Closed::new();
    for (address, fail_on, code) in [
        (error, "any", 3),
        (error, "no-answer", 0),
        (error, "never", 0),
        (closed.address, "no-answer", 3),
        (closed.address, "never", 0),
    ] {
        let (found, lines) = probe(address, &["--once", "--fail-on", fail_on]);
        assert_eq!(found, Some(code), "{fail_on}: {lines:?}");
    }
}

/// A running probe; killed when dropped.
struct Probe {
    child: Child,
    admin: SocketAddr,
    log: Receiver<String>,
}

impl Probe {
    fn start(address: SocketAddr, flags: &[&str]) -> Self {
        let mut command = command();
        command
            .args(["probe", "--admin-address=127.0.0.1:0"])
            .env("HOST", address.ip().to_string())
            .env("PORT", address.port().to_string())
            .args(flags);
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (send, log) = channel();
        std::thread::spawn(move || {
            lines
                .map_while(Result::ok)
                .all(|line| send.send(line).is_ok())
        });
        let first = log.recv_timeout(DEADLINE).unwrap();
        let (_, admin) = first
            .rsplit_once("address=")
            .unwrap_or_else(|| panic!("{first}"));
        let admin = admin.trim().parse().unwrap();
        Self { child, admin, log }
    }

    /// Sends a signal and waits for the log line that says so.
    fn signal(&self, signal: &str, line: &str) {
        let pid = self.child.id().to_string();
        let sent = std::process::Command::new("kill")
            .args([signal, &pid])
            .status();
        assert!(sent.unwrap().success());
        while !self.log.recv_timeout(DEADLINE).unwrap().contains(line) {}
    }

    /// Waits for the end.
    async fn ended(mut self) -> (ExitStatus, String) {
        until("the probe ends", || {
            self.child.try_wait().unwrap().is_some()
        })
        .await;
        let mut stdout = String::new();
        let mut pipe = self.child.stdout.take().unwrap();
        pipe.read_to_string(&mut stdout).unwrap();
        (self.child.wait().unwrap(), stdout)
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server that answers `POST` at once, and `GET` with an error as soon as it is told so, once.
fn mk_slow() -> (SocketAddr, Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (answer, told) = channel::<()>();
    std::thread::spawn(move || {
        let mut told = Some(told);
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            if request(&stream).starts_with("POST") {
                stream
                    .write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")
                    .unwrap();
            } else {
                let told = told.take().expect("no GET while one is under way");
                std::thread::spawn(move || {
                    told.recv().unwrap();
                    let _ = stream.write_all(b"HTTP/1.1 503 X\r\ncontent-length: 0\r\n\r\n");
                });
            }
        }
    });
    (address, answer)
}

const SLOW: [&str; 3] = [
    "--timeout=1h",
    "--status-interval=100ms",
    "--flaky-interval=100ms",
];

/// Three toggles while one `GET /status` is under way.
async fn toggled(admin: SocketAddr) {
    let toggles = "probe_requests_total{endpoint=\"POST /flaky\",code=\"202\",outcome=\"success\"}";
    until("three toggles", || {
        get(admin, "/metrics").contains(toggles) && value(admin, toggles) >= 3
    })
    .await;
}

#[tokio::test]
async fn a_slow_answer_delays_no_other_request_and_is_told_before_the_end() {
    let (address, answer) = mk_slow();
    let probe = Probe::start(address, &SLOW);
    toggled(probe.admin).await;
    probe.signal("-TERM", "shutting down");
    answer.send(()).unwrap();
    let (status, stdout) = probe.ended().await;
    assert_eq!(status.code(), Some(0), "{stdout}");
    let lines: Vec<&str> = stdout.lines().collect();
    let (summary, lines) = lines.split_last().unwrap();
    let asked = lines.iter().find(|line| line.contains("/status\" "));
    assert!(asked.unwrap().contains(" code=503 "), "{stdout}");
    let requests = format!("requests={} ", lines.len());
    assert!(summary.starts_with(&requests), "{stdout}");
    assert!(summary.contains("verdict=\"problems: 1 of "), "{summary}");
}

#[tokio::test]
async fn a_second_signal_waits_for_no_answer() {
    let (address, _never) = mk_slow();
    let probe = Probe::start(address, &SLOW);
    toggled(probe.admin).await;
    probe.signal("-INT", "shutting down");
    probe.signal("-INT", "giving up requests under way");
    let (status, stdout) = probe.ended().await;
    assert_eq!(status.code(), Some(0), "{stdout}");
    assert!(!stdout.contains("/status"), "{stdout}");
    assert!(stdout.lines().last().unwrap().starts_with("requests="));
}

#[test]
fn the_last_of_a_bounded_run_is_not_the_end_of_the_other_request() {
    let (tell, told) = channel::<()>();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Each waits for the other: the answer to GET for the POST, and the POST's for the last line.
    let server = std::thread::spawn(move || {
        let answer = |mut stream: TcpStream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        };
        let (mut asked, mut post) = (None, None);
        for stream in listener.incoming().take(2) {
            let stream = stream.unwrap();
            let slot = if request(&stream).starts_with("POST") {
                &mut post
            } else {
                &mut asked
            };
            *slot = Some(stream);
        }
        answer(asked.unwrap());
        told.recv().unwrap();
        answer(post.unwrap());
    });
    let flags = ["--count=1", "--flaky-interval=100ms", "--timeout=1h"];
    let mut probe = Probe::start(address, &flags);
    let mut lines = BufReader::new(probe.child.stdout.take().unwrap()).lines();
    let mut line = || lines.next().unwrap().unwrap();
    let first = line();
    assert!(first.contains("/status\" "), "{first}");
    tell.send(()).unwrap();
    let (second, summary) = (line(), line());
    assert!(second.contains("/flaky\" "), "{second}");
    assert!(summary.starts_with("requests=2 success=2 "), "{summary}");
    server.join().unwrap();
}

/// The server with the role web, on a thread; stopped when dropped.
struct Web {
    address: SocketAddr,
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

impl Web {
    fn start() -> Self {
        let flags = [
            "server",
            "--roles=web",
            "--web-address=127.0.0.1:0",
            "--admin-address=127.0.0.1:0",
            "--drain-delay-seconds=0",
            "--seed=7",
        ];
        let config = server::cli::Args::try_parse_from(flags)
            .unwrap()
            .into_config();
        let stop = Stop::default();
        let (told, (send, bound)) = (stop.clone(), channel());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(async {
                let bound = Bound::new(&config).await.unwrap();
                send.send(bound.web_address().unwrap()).unwrap();
                bound.serve(&config, &told, None).await.unwrap();
            });
        });
        Self {
            address: bound.recv_timeout(DEADLINE).unwrap(),
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.stop.drain.cancel();
        if let Some(thread) = self.thread.take() {
            assert!(
                thread.join().is_ok() || std::thread::panicking(),
                "the server failed"
            );
        }
    }
}

#[tokio::test]
async fn the_flaky_server_is_probed_told_and_judged() {
    let server = Web::start();
    let flags = [
        "--status-interval=100ms",
        "--flaky-interval=200ms",
        "--fail-on=any",
    ];
    let probe = Probe::start(server.address, &flags);
    let admin = probe.admin;
    until("some requests failed", || {
        value(admin, "probe_recently_failed") > 0
    })
    .await;
    let health = get(admin, "/healthz");
    assert!(health.contains("[i]verdict: problems: "), "{health}");
    probe.signal("-INT", "shutting down");
    let (status, stdout) = probe.ended().await;
    assert_eq!(status.code(), Some(3), "{stdout}");
    let lines: Vec<&str> = stdout.lines().collect();
    let (summary, lines) = lines.split_last().unwrap();
    // The first flaky answer is the old code, so this holds even if the toggle was faster.
    let first = lines.iter().find(|line| line.contains("/status\" "));
    let expected = " success=true code=200 outcome=success verdict=\"healthy";
    assert!(first.unwrap().contains(expected), "{stdout}");
    assert!(
        lines
            .iter()
            .any(|line| line.contains("/flaky\" ") && line.contains(" code=202 "))
    );
    assert!(
        summary.starts_with(&format!("requests={} ", lines.len())),
        "{summary}"
    );
    assert!(summary.contains("verdict=\"problems: "), "{summary}");
}

#[test]
fn a_bounded_run_ends_by_itself() {
    let server = Web::start();
    let flags = [
        "--count=3",
        "--status-interval=100ms",
        "--flaky-interval=0",
        "--admin-address=127.0.0.1:0",
    ];
    let (code, lines) = probe(server.address, &flags);
    assert_eq!((code, lines.len()), (Some(0), 4), "{lines:?}");
    assert!(
        lines[3].starts_with("requests=3 success=3 http_error=0 "),
        "{}",
        lines[3]
    );
}

#[test]
fn once_may_be_said_not_to_be() {
    let address = mk_server(|s| answer(s, b"HTTP/1.1 204 X\r\n\r\n"));
    let mut command = command();
    command.env("HOST", address.ip().to_string());
    command.env("PORT", address.port().to_string());
    command.envs([("ONCE", "false"), ("COUNT", "2"), ("FLAKY_INTERVAL", "0")]);
    command.envs([
        ("STATUS_INTERVAL", "100ms"),
        ("METRICS_ADDR", "127.0.0.1:0"),
    ]);
    let output = command.arg("probe").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(
        output.stdout.iter().filter(|byte| **byte == b'\n').count(),
        3
    );
}

#[tokio::test]
async fn whoever_stops_reading_ends_the_probe() {
    let closed = Closed::new();
    let flags = ["--status-interval=100ms", "--flaky-interval=0"];
    let mut probe = Probe::start(closed.address, &flags);
    let mut lines = BufReader::new(probe.child.stdout.take().unwrap()).lines();
    lines.next().unwrap().unwrap();
    drop(lines);
    let child = &mut probe.child;
    until("the probe ends", || child.try_wait().unwrap().is_some()).await;
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_terminal_gets_a_live_view() {
    let closed = Closed::new();
    let probe = env!("CARGO_BIN_EXE_loadclient");
    let typed = format!(
        "{probe} probe --host=127.0.0.1 --port={} --count=2 --status-interval=100ms \
         --admin-address=127.0.0.1:0",
        closed.address.port()
    );
    // `script` gives its child a terminal.
    let output = std::process::Command::new("script")
        .args(["--quiet", "--return", "--command", &typed, "/dev/null"])
        .stdin(Stdio::null())
        .output()
        .expect("script must be installed: apt-get install bsdutils");
    let shown = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{shown}");
    let frames: Vec<&str> = shown.split("\x1b[H").collect();
    assert_eq!(frames.len(), 3, "{shown:?}");
    assert!(frames[0].ends_with("\x1b[?7l\x1b[2J"), "{shown:?}");
    let verdict = "\x1b[1;31mproblems: 2 of the last 2 requests failed (2 transport_error)\x1b[0m";
    assert!(frames[2].contains(verdict), "{shown:?}");
    let end = frames[2].rsplit_once("\x1b[?7h").unwrap().1;
    assert!(end.starts_with("requests=2 success=0 "), "{shown:?}");
}
