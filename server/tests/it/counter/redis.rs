//! A real Redis without persistence, and a fake one that says what no real one would.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::process::DEADLINE;

/// A running redis-server; killed when dropped.
pub(crate) struct Redis {
    child: Child,
    pub(crate) port: u16,
}

impl Redis {
    /// Starts one on a free port and waits until it answers.
    pub(crate) fn start() -> Self {
        // Free a moment ago; should somebody else take it, Redis ends and another is tried.
        loop {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let port = free.local_addr().unwrap().port();
            drop(free);
            if let Some(child) = spawn(port) {
                return Self { child, port };
            }
        }
    }

    /// Ends it, with all that it has counted.
    pub(crate) fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again on the same port.
    pub(crate) fn restart(&mut self) {
        self.child = spawn(self.port).expect("the port is still free");
    }

    /// Sends it an inline command; it must not answer with an error.
    pub(crate) fn tell(&self, command: &str) {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream
            .write_all(format!("{command}\r\n").as_bytes())
            .unwrap();
        let mut answer = [0];
        stream.read_exact(&mut answer).unwrap();
        assert_ne!(answer, *b"-", "{command} was refused");
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let kill = Command::new("kill")
            .args([&format!("-{name}"), &pid])
            .status();
        assert!(kill.unwrap().success());
    }
}

/// One that answers, unless it ends before it does.
fn spawn(port: u16) -> Option<Child> {
    let flags = format!(
        "--port {port} --bind 127.0.0.1 --appendonly no --daemonize no --logfile /dev/null"
    );
    let mut child = Command::new("/usr/bin/redis-server")
        .args(flags.split(' '))
        .args(["--save", ""])
        .stdout(Stdio::null())
        .spawn()
        .expect("/usr/bin/redis-server is missing: install the Debian package `redis-server`");
    let start = Instant::now();
    loop {
        if ping(port).is_some() {
            return Some(child);
        }
        if child.try_wait().unwrap().is_some() {
            return None;
        }
        assert!(start.elapsed() < DEADLINE, "Redis does not answer");
        thread::sleep(Duration::from_millis(5));
    }
}

fn ping(port: u16) -> Option<()> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(DEADLINE)).ok()?;
    stream.write_all(b"PING\r\n").ok()?;
    let mut answer = [0; 7];
    stream.read_exact(&mut answer).ok()?;
    (answer == *b"+PONG\r\n").then_some(())
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Somebody who greets like Redis, and answers `INCR` as the test says.
pub(crate) struct Fake {
    pub(crate) port: u16,
    answers: Sender<&'static str>,
    asked: Receiver<()>,
}

impl Fake {
    /// Listens on a free port.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (answers, next) = channel();
        let (ask, asked) = channel();
        let next = Arc::new(Mutex::new(next));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, next, ask) = (stream.unwrap(), Arc::clone(&next), ask.clone());
                thread::spawn(move || talk(stream, &next, &ask));
            }
        });
        Self {
            port,
            answers,
            asked,
        }
    }

    /// What the next `INCR` is answered with; one that waits gets it at once.
    pub(crate) fn answer(&self, answer: &'static str) {
        self.answers.send(answer).unwrap();
    }

    /// Waits until an `INCR` has come.
    pub(crate) async fn asked(&self) {
        let start = Instant::now();
        while self.asked.try_recv().is_err() {
            assert!(start.elapsed() < DEADLINE, "nobody asks");
            sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Answers a connection's commands until it ends.
fn talk(mut stream: TcpStream, next: &Mutex<Receiver<&'static str>>, ask: &Sender<()>) {
    let mut bytes = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        while let Some((name, length)) = command(&bytes) {
            bytes.drain(..length);
            let answer = match name.as_str() {
                "INCRBY" => ":0\r\n",
                "INCR" => {
                    let _ = ask.send(());
                    let Ok(answer) = next.lock().unwrap().recv() else {
                        return;
                    };
                    answer
                }
                _ => "+OK\r\n",
            };
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(length) => bytes.extend_from_slice(&buffer[..length]),
        }
    }
}

/// The first command's name and length in bytes, if it is whole: an array of bulk strings.
fn command(bytes: &[u8]) -> Option<(String, usize)> {
    let text = str::from_utf8(bytes).unwrap();
    let mut lines = text.split_inclusive("\r\n");
    let mut whole = || lines.next().filter(|line| line.ends_with("\r\n"));
    let first = whole()?;
    let count: usize = first.trim_end().strip_prefix('*')?.parse().unwrap();
    let mut length = first.len();
    let mut name = String::new();
    for index in 0..count {
        let (size, word) = (whole()?, whole()?);
        length += size.len() + word.len();
        if index == 0 {
            name = word.trim_end().to_ascii_uppercase();
        }
    }
    Some((name, length))
}
