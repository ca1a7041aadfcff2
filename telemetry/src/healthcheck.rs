//! `PROGRAM healthcheck`: asks the admin listener of a process in the same container whether it is
//! ready, for container engines. An image with nothing but the program has no curl.
//!
//! Law: it says 0 only for status 200, it waits 3 s at most, and it reads the same
//! `METRICS_ADDR` as the process it asks about.

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use crate::{address, usage};

/// What a program's own `--help` says of it.
pub const HELP: &str = "With `healthcheck` as the first argument it asks another process of the same container whether it is ready; see `healthcheck --help`.";

/// Per step: connecting, writing, reading. Shorter than the 5 s that a compose file gives it.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Of an answer that is not 200 this much is shown, in bytes.
const SHOWN: u64 = 1024;

#[derive(Debug, Parser)]
#[command(name = "healthcheck", max_term_width = 100)]
/// Exit code 0 if the process is ready, 1 if it is not or does not answer.
struct Args {
    /// Address of the admin listener; an unspecified one is asked on loopback.
    #[arg(long, env = "METRICS_ADDR", value_name = "METRICS_ADDR")]
    #[arg(default_value = "0.0.0.0:8081", value_parser = address::parse)]
    admin_address: SocketAddr,

    /// What to ask for: /readyz, or /livez where not being ready is no fault.
    #[arg(long, value_name = "PATH", default_value = "/readyz", value_parser = path)]
    path: String,
}

/// Why a process is not healthy.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{address} does not answer: {cause}")]
    Silent {
        address: SocketAddr,
        cause: io::Error,
    },
    #[error("{address} answered: {answer}")]
    Unhealthy { address: SocketAddr, answer: String },
}

/// Does the check and returns its exit code if the arguments of the process ask for it
/// (`PROGRAM healthcheck ...`); `None` if they do not.
#[must_use]
pub fn asked(program: &str) -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1).peekable();
    (arguments.peek()? == "healthcheck").then(|| run(program, arguments))
}

/// The check; the first argument stands for the program's name.
fn run(program: &str, arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let args = match Args::try_parse_from(arguments) {
        Ok(args) => args,
        Err(error) => return usage::refuse(&format!("{program} healthcheck"), &error),
    };
    match ask(reachable(args.admin_address), &args.path) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr().lock(), "{program} healthcheck: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A path goes into the request line as it is.
fn path(text: &str) -> Result<String, &'static str> {
    if text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err("expected a path such as /readyz")
    }
}

/// Where a listener on all addresses can be asked from inside its own container.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    address
}

/// One request, one connection.
fn ask(address: SocketAddr, path: &str) -> Result<(), Error> {
    let answer = exchange(address, path).map_err(|cause| Error::Silent { address, cause })?;
    if answer.starts_with("HTTP/1.1 200 ") {
        return Ok(());
    }
    let words: Vec<&str> = answer.split_whitespace().collect();
    Err(Error::Unhealthy {
        address,
        answer: words.join(" "),
    })
}

/// The beginning of the answer.
fn exchange(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.take(SHOWN).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Answers one request with these bytes and returns what it was asked.
    fn answering(answer: &'static str) -> (SocketAddr, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let served = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 512];
            let read = stream.read(&mut request).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&request[..read]).into_owned()
        });
        (address, served)
    }

    #[test]
    fn ready_is_healthy() {
        let (address, served) = answering("HTTP/1.1 200 OK\r\n\r\n[+]roles ok\nok\n");
        ask(address, "/readyz").unwrap();
        assert!(
            served
                .join()
                .unwrap()
                .starts_with("GET /readyz HTTP/1.1\r\n")
        );
    }

    #[test]
    fn not_ready_says_why() {
        let (address, _) =
            answering("HTTP/1.1 503 Service Unavailable\r\n\r\n[-]redis not ok\nnot ok\n");
        let error = ask(address, "/readyz").unwrap_err().to_string();
        assert_eq!(
            error,
            format!("{address} answered: HTTP/1.1 503 Service Unavailable [-]redis not ok not ok")
        );
    }

    #[test]
    fn nobody_there_is_unhealthy() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let error = ask(address, "/readyz").unwrap_err().to_string();
        assert!(error.starts_with(&format!("{address} does not answer: ")));
    }

    #[test]
    fn all_addresses_are_asked_on_loopback() {
        for (listens, asked) in [
            ("0.0.0.0:9090", "127.0.0.1:9090"),
            ("[::]:9090", "[::1]:9090"),
            ("127.0.0.2:9090", "127.0.0.2:9090"),
        ] {
            assert_eq!(reachable(listens.parse().unwrap()).to_string(), asked);
        }
    }

    #[test]
    fn a_path_cannot_break_the_request() {
        assert!(path("/livez").is_ok());
        for wrong in ["", "livez", "/a b", "/a\r\nx: y"] {
            assert!(path(wrong).is_err(), "{wrong:?}");
        }
    }
}
