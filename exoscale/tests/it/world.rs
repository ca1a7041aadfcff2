//! The cloud, the programs as child processes, and waiting with an end.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use exoscale_fake::{Fake, Options};
use tokio::time::{Instant, sleep};

/// Nothing in these tests takes longer, unless it hangs.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// What signs, and must not show.
pub(crate) const SECRET: &str = "not-a-secret-but-it-must-not-show";

/// A pool of one.
pub(crate) async fn mk_fake() -> Fake {
    fake_with(|_| {}).await
}

pub(crate) async fn fake_with(change: impl FnOnce(&mut Options)) -> Fake {
    let mut options = Options::default();
    options.keys.secret = SECRET.to_owned();
    change(&mut options);
    let fake = Fake::start(options).await.unwrap();
    let size = usize::try_from(fake.size()).unwrap();
    until("the first members", || fake.healthy().len() == size).await;
    fake
}

/// Waits until it is so.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < DEADLINE, "{what} did not happen");
        sleep(Duration::from_millis(10)).await;
    }
}

/// A running program; killed when dropped.
pub(crate) struct Program {
    child: Child,
    pub(crate) address: SocketAddr,
    log: Receiver<String>,
}

/// The environment that the course gives to both containers, and nothing else.
pub(crate) fn command(program: &str, api: SocketAddr) -> Command {
    let path = match program {
        "exoscale-sd" => env!("CARGO_BIN_EXE_exoscale-sd"),
        _ => env!("CARGO_BIN_EXE_exoscale-autoscaler"),
    };
    let mut command = Command::new(path);
    command
        .env_clear()
        .env("EXOSCALE_KEY", Options::default().keys.key)
        .env("EXOSCALE_SECRET", SECRET)
        .env("EXOSCALE_ZONE", "at-vie-1")
        .env("EXOSCALE_ZONE_ID", "4da1b188-dcd6-4ff5-b7fd-bde984055548")
        .env("EXOSCALE_INSTANCEPOOL_ID", Options::default().pool)
        .env("TARGET_PORT", "9100")
        .env("LISTEN_PORT", "0")
        .env("LISTEN_ADDRESS", "127.0.0.1")
        .env("SD_LISTEN_ADDR", "127.0.0.1:0")
        .env("EXOSCALE_ENDPOINT", format!("http://{api}/v2"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

impl Program {
    /// Starts it and waits until it listens.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (send, log) = channel();
        std::thread::spawn(move || {
            lines
                .map_while(Result::ok)
                .all(|line| send.send(line).is_ok())
        });
        let mut seen = Vec::new();
        let address = loop {
            match log.recv_timeout(DEADLINE) {
                Ok(line) if line.contains("listening") => {
                    break line.rsplit_once("address=").unwrap().1.parse().unwrap();
                }
                Ok(line) => seen.push(line),
                Err(_) => panic!("it does not listen: {seen:?}"),
            }
        };
        Self {
            child,
            address,
            log,
        }
    }

    pub(crate) fn autoscaler(fake: &Fake, flags: &[&str]) -> Self {
        Self::start(command("exoscale-autoscaler", fake.api()).args(flags))
    }

    pub(crate) fn sd(fake: &Fake, file: &Path, flags: &[&str]) -> Self {
        let mut command = command("exoscale-sd", fake.api());
        command.arg("--prometheus-file").arg(file);
        Self::start(command.arg("--interval=1s").args(flags))
    }

    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        send(self.address, "GET", path, b"")
    }

    pub(crate) fn post(&self, path: &str, body: &[u8]) -> (u16, String) {
        send(self.address, "POST", path, body)
    }

    /// Sends SIGTERM, and waits for the end; returns the status, how long it took, and what was
    /// logged since the start.
    pub(crate) async fn terminate(mut self) -> (ExitStatus, Duration, Vec<String>) {
        let pid = self.child.id().to_string();
        let kill = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        assert!(kill.success());
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, start.elapsed(), self.log.iter().collect());
            }
            assert!(start.elapsed() < DEADLINE, "it does not end");
            sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The status code and the body of an answer.
pub(crate) fn send(address: SocketAddr, method: &str, path: &str, body: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // A server that refuses a body need not read all of it.
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}
