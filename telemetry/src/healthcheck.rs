//! `PROGRAM healthcheck`: asks the admin listener of a process in the same container whether it is
//! ready, for container engines. An image with nothing but the program has no curl.
//!
//! Law: it says 0 only for status 200, it waits 3 s at most, however the answer comes, and it reads
//! the same `METRICS_ADDR` as the process it asks about, with the same default.

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory as _, FromArgMatches as _, Parser};
use tokio::time::Instant;

use crate::{address, usage};

/// What a program's own `--help` says of it.
pub const HELP: &str = "With `healthcheck` as the first argument it asks another process of the same container whether it is ready; see `healthcheck --help`.";

/// For the whole exchange. Shorter than the 5 s that a compose file gives it.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Of an answer that is not 200 this much is shown, in bytes.
const SHOWN: usize = 1024;

#[derive(Debug, Parser)]
#[command(name = "healthcheck", max_term_width = 100)]
/// Exit code 0 if the process is ready, 1 if it is not or does not answer.
struct Args {
    /// Address of the admin listener; an unspecified one is asked on loopback.
    #[arg(long, env = "METRICS_ADDR", value_name = "METRICS_ADDR")]
    #[arg(value_parser = address::parse)]
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
/// (`PROGRAM healthcheck ...`); `None` if they do not. `address` is where the program listens for
/// operators by default.
#[must_use]
pub fn asked(program: &str, address: &'static str) -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1).peekable();
    (arguments.peek()? == "healthcheck").then(|| run(program, address, arguments))
}

/// The check; the first argument stands for the program's name.
fn run(
    program: &str,
    address: &'static str,
    arguments: impl Iterator<Item = OsString>,
) -> ExitCode {
    let args = match parse(address, arguments) {
        Ok(args) => args,
        Err(error) => return usage::refuse(&format!("{program} healthcheck"), &error),
    };
    match ask(reachable(args.admin_address), &args.path, TIMEOUT) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr().lock(), "{program} healthcheck: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parse(
    address: &'static str,
    arguments: impl Iterator<Item = OsString>,
) -> Result<Args, clap::Error> {
    let command = Args::command().mut_arg("admin_address", |argument| {
        argument.required(false).default_value(address)
    });
    Args::from_arg_matches(&command.try_get_matches_from(arguments)?)
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
fn ask(address: SocketAddr, path: &str, limit: Duration) -> Result<(), Error> {
    let answer =
        exchange(address, path, limit).map_err(|cause| Error::Silent { address, cause })?;
    if answer.starts_with("HTTP/1.1 200 ") {
        return Ok(());
    }
    let words: Vec<&str> = answer.split_whitespace().collect();
    Err(Error::Unhealthy {
        address,
        answer: words.join(" "),
    })
}

/// The beginning of the answer, if it is there in time.
fn exchange(address: SocketAddr, path: &str, limit: Duration) -> io::Result<String> {
    let deadline = Instant::now() + limit;
    let mut stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_write_timeout(Some(left(deadline)?))?;
    // In one piece, which a new connection takes at once.
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let (mut answer, mut length) = ([0; SHOWN], 0);
    while length < SHOWN {
        stream.set_read_timeout(Some(left(deadline)?))?;
        match stream.read(&mut answer[length..])? {
            0 => break,
            read => length += read,
        }
    }
    Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
}

/// How much time there is until then; none is an error.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        Err(io::ErrorKind::TimedOut.into())
    } else {
        Ok(left)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use socket2::{Domain, Socket, Type};

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
        ask(address, "/readyz", TIMEOUT).unwrap();
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
        let error = ask(address, "/readyz", TIMEOUT).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("{address} answered: HTTP/1.1 503 Service Unavailable [-]redis not ok not ok")
        );
    }

    #[test]
    fn who_answers_too_slowly_is_unhealthy() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // Each byte comes in time, all of them do not.
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            while stream.write_all(b"H").is_ok() {
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        let limit = Duration::from_millis(200);
        let error = ask(address, "/readyz", limit).unwrap_err();
        assert!(matches!(error, Error::Silent { .. }), "{error}");
    }

    #[test]
    fn each_program_is_asked_where_it_listens_by_default() {
        let address = |default, arguments: &[&str]| {
            let arguments = std::iter::once(&"healthcheck").chain(arguments);
            let args = parse(default, arguments.map(OsString::from)).unwrap();
            args.admin_address.to_string()
        };
        assert_eq!(address("0.0.0.0:8082", &[]), "0.0.0.0:8082");
        let given = address("0.0.0.0:8082", &["--admin-address=127.0.0.1:1"]);
        assert_eq!(given, "127.0.0.1:1");
    }

    #[test]
    fn nobody_there_is_unhealthy() {
        // Bound, so that nobody else gets the port, and not listening.
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        socket.bind(&loopback.into()).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let error = ask(address, "/readyz", TIMEOUT).unwrap_err().to_string();
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
