//! The server's binary as a child process.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tonic::transport::Channel;

/// Nothing in these tests takes longer, unless it hangs.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A running binary; killed when dropped.
pub(crate) struct Process {
    child: Child,
    log: Receiver<String>,
}

/// A running server with the role grpc.
pub(crate) struct Server {
    process: Process,
    pub(crate) grpc: SocketAddr,
    pub(crate) admin: SocketAddr,
}

/// A running server with the role web.
pub(crate) struct Web {
    pub(crate) process: Process,
    pub(crate) web: SocketAddr,
    pub(crate) admin: SocketAddr,
}

/// The binary with an environment of its own, so that the caller's cannot interfere.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_server"));
    command
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

impl Process {
    /// Starts the binary.
    pub(crate) fn start(flags: &[&str]) -> Self {
        let mut child = command().args(flags).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (send, log) = channel();
        std::thread::spawn(move || {
            lines
                .map_while(Result::ok)
                .all(|line| send.send(line).is_ok())
        });
        Self { child, log }
    }

    /// Waits for the next line with these words; returns the address in it.
    pub(crate) fn address(&self, wanted: &str) -> SocketAddr {
        let line = self.line(wanted);
        let (_, address) = line.rsplit_once("address=").unwrap();
        address.trim().parse().unwrap()
    }

    /// Waits for the next line with these words.
    pub(crate) fn line(&self, wanted: &str) -> String {
        let mut seen = Vec::new();
        while let Ok(line) = self.log.recv_timeout(DEADLINE) {
            if line.contains(wanted) {
                return line;
            }
            seen.push(line);
        }
        panic!("no line {wanted:?} in {seen:?}")
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Waits for the end of the process; returns its status and what it logged.
    pub(crate) async fn ended(&mut self) -> (ExitStatus, Vec<String>) {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, self.log.iter().collect());
            }
            assert!(start.elapsed() < DEADLINE, "the server does not end");
            sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Server {
    /// Starts the binary on free ports and waits until it listens.
    pub(crate) fn start(flags: &[&str]) -> Self {
        let ports = ["--grpc-address=127.0.0.1:0", "--admin-address=127.0.0.1:0"];
        let process = Process::start(&[&ports, flags].concat());
        let grpc = process.address("listening for gRPC");
        let admin = process.address("listening for operators");
        Self {
            process,
            grpc,
            admin,
        }
    }

    /// A connection as an ordinary client has it.
    pub(crate) async fn channel(&self) -> Channel {
        Channel::from_shared(format!("http://{}", self.grpc))
            .unwrap()
            .connect()
            .await
            .unwrap()
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        self.process.terminate();
    }

    /// Waits for the end of the process; returns its status and what it logged.
    pub(crate) async fn ended(&mut self) -> (ExitStatus, Vec<String>) {
        self.process.ended().await
    }
}

impl Web {
    /// Starts the binary on free ports and waits until it listens.
    pub(crate) fn start(flags: &[&str]) -> Self {
        let own = [
            "--roles=web",
            "--web-address=127.0.0.1:0",
            "--admin-address=127.0.0.1:0",
            "--drain-delay-seconds=0",
        ];
        let process = Process::start(&[&own, flags].concat());
        let web = process.address("listening for the web");
        let admin = process.address("listening for operators");
        Self {
            process,
            web,
            admin,
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A request without a body, after whose answer the server is to close.
pub(crate) fn request(method: &str, path: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
}

/// Sends these bytes and returns what comes until the server closes, without the date.
pub(crate) fn raw(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let lines = answer.split_inclusive("\r\n");
    lines.filter(|line| !line.starts_with("date: ")).collect()
}

/// A whole answer in plain text to such a request, without the date.
pub(crate) fn text(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// The status code and the body of `GET path`.
pub(crate) fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let answer = raw(address, &request("GET", path));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (
        head.split(' ').nth(1).unwrap().parse().unwrap(),
        body.to_owned(),
    )
}

/// Waits until the metrics contain this line.
pub(crate) async fn metric(admin: SocketAddr, line: &str) {
    let start = Instant::now();
    loop {
        let (_, text) = get(admin, "/metrics");
        if text.lines().any(|found| found == line) {
            return;
        }
        assert!(start.elapsed() < DEADLINE, "{line:?} not in\n{text}");
        sleep(Duration::from_millis(10)).await;
    }
}
