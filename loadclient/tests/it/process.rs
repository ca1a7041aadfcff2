//! What the tests run: the client's binary as a child, the server as a library on a thread.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use clap::Parser as _;
use server::app::{Bound, Stop};
use socket2::{Domain, Socket, Type};
use tokio::time::{Instant, sleep};

/// Nothing in these tests takes longer, unless it hangs.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// A running server; stopped when dropped.
pub(crate) struct Server {
    pub(crate) grpc: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// With the role web.
    pub(crate) web: Option<SocketAddr>,
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts on free ports unless a flag says otherwise, with a short drain.
    pub(crate) fn start(flags: &[&str]) -> Self {
        let has = |flag: &str| flags.iter().any(|other| other.starts_with(flag));
        let defaults = ["--grpc-address=127.0.0.1:0", "--admin-address=127.0.0.1:0"];
        let defaults = defaults.into_iter().chain(["--drain-delay-seconds=0"]);
        let defaults = defaults.filter(|flag| !has(flag.split('=').next().unwrap()));
        let all = std::iter::once("server")
            .chain(defaults)
            .chain(flags.iter().copied());
        let config = server::cli::Args::try_parse_from(all)
            .unwrap()
            .into_config();
        let stop = Stop::default();
        let (told, (send, bound)) = (stop.clone(), channel());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let bound = Bound::new(&config).await.unwrap();
                let grpc = bound.grpc_address().unwrap();
                send.send((grpc, bound.web_address(), bound.admin_address()))
                    .unwrap();
                bound.serve(&config, &told, None).await.unwrap();
            });
        });
        let (grpc, web, admin) = bound.recv_timeout(DEADLINE).unwrap();
        Self {
            grpc,
            admin,
            web,
            stop,
            thread: Some(thread),
        }
    }

    /// Tells it to end, in order.
    pub(crate) fn drain(&self) {
        self.stop.drain.cancel();
    }

    /// Ends it while the clients of this test's runtime go on, whose answers its drain needs.
    pub(crate) async fn end(self) {
        self.drain();
        let thread = self.thread.as_ref().unwrap();
        until("the server ends", || thread.is_finished()).await;
    }

    /// Operations so far.
    pub(crate) fn ops(&self) -> u64 {
        value(self.admin, "travelaudience_gserver_operations_ops")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.drain();
        if let Some(thread) = self.thread.take() {
            // A failure of the server shows as a failure of the test, unless that fails already.
            assert!(
                thread.join().is_ok() || std::thread::panicking(),
                "the server failed"
            );
        }
    }
}

/// A running client; killed when dropped.
pub(crate) struct Client {
    child: Child,
    pub(crate) admin: SocketAddr,
    log: Receiver<String>,
}

/// How a client ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) log: Vec<String>,
}

/// The binary with an environment of its own, so that the caller's cannot interfere.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadclient"));
    command
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

impl Client {
    /// Starts `loadclient grpc` with these variables and waits until it listens.
    pub(crate) fn start(address: SocketAddr, variables: &[(&str, &str)]) -> Self {
        let address = address.to_string();
        Self::run("grpc", &[&[("ADDR", address.as_str())], variables].concat())
    }

    /// Starts this subcommand with these variables and waits until it listens.
    pub(crate) fn run(subcommand: &str, variables: &[(&str, &str)]) -> Self {
        let mut command = command();
        command.arg(subcommand).env("METRICS_ADDR", "127.0.0.1:0");
        let mut child = command.envs(variables.iter().copied()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (send, log) = channel();
        std::thread::spawn(move || {
            lines
                .map_while(Result::ok)
                .all(|line| send.send(line).is_ok())
        });
        let first = log.recv_timeout(DEADLINE).unwrap();
        let admin = first
            .rsplit_once("address=")
            .unwrap_or_else(|| panic!("{first}"))
            .1;
        let admin = admin.trim().parse().unwrap();
        Self { child, admin, log }
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

    /// Waits for the end of the process.
    pub(crate) async fn ended(&mut self) -> Ended {
        let child = &mut self.child;
        until("the client ends", || child.try_wait().unwrap().is_some()).await;
        let code = child.wait().unwrap().code();
        let mut stdout = String::new();
        child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut stdout)
            .unwrap();
        Ended {
            code,
            stdout,
            log: self.log.iter().collect(),
        }
    }
}

impl Ended {
    /// A number of the final line.
    pub(crate) fn number(&self, name: &str) -> f64 {
        let words = self.stdout.split_whitespace();
        let found = words
            .filter_map(|word| word.split_once('='))
            .find(|(key, _)| *key == name);
        found
            .unwrap_or_else(|| panic!("no {name} in {self:?}"))
            .1
            .parse()
            .unwrap()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody else gets, and where nobody listens as long as this lives.
pub(crate) struct Closed {
    pub(crate) address: SocketAddr,
    _socket: Socket,
}

impl Closed {
    pub(crate) fn new() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        socket.bind(&loopback.into()).unwrap();
        Self {
            address: socket.local_addr().unwrap().as_socket().unwrap(),
            _socket: socket,
        }
    }
}

/// The program `server`, which is another package's, as its sources are now: cargo builds nothing
/// if it is.
pub(crate) fn server() -> &'static Path {
    static SERVER: LazyLock<PathBuf> = LazyLock::new(|| {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--package", "server", "--bin", "server"]);
        assert!(build.status().unwrap().success(), "cannot build server");
        Path::new(env!("CARGO_BIN_EXE_loadclient")).with_file_name("server")
    });
    &SERVER
}

/// Waits for a condition.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < DEADLINE, "not in time: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// The body of `GET path`, which must be answered with 200.
pub(crate) fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    body.to_owned()
}

/// The value of a series, named with its labels.
pub(crate) fn value(admin: SocketAddr, series: &str) -> u64 {
    let text = get(admin, "/metrics");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in\n{text}"))
        .parse()
        .unwrap()
}
