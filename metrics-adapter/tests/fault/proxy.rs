//! A proxy on loopback whose behaviour can be switched while connections are open.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A request, as much of it as a canned answer depends on.
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) authorization: String,
    raw: Vec<u8>,
}

impl Asked {
    /// Whether a text is anywhere in it.
    pub(crate) fn says(&self, text: &str) -> bool {
        String::from_utf8_lossy(&self.raw).contains(text)
    }
}

/// Bytes for a request.
pub(crate) type Canned = Arc<dyn Fn(&Asked) -> Vec<u8> + Send + Sync>;

/// What becomes of connections. A change ends those that were made before, except where it says
/// otherwise.
#[derive(Clone)]
pub(crate) enum Mode {
    /// Nothing is changed.
    Pass,
    /// Every piece of an answer comes later.
    Delay(Duration),
    /// Nobody listens.
    Refuse,
    /// Connections, also those made before, stay open and silent; they are closed at the end.
    Hang,
    /// Likewise, but those of this time stay silent for ever: nobody is told of their end.
    Die,
    /// The connection ends after so many bytes of answers.
    Cut(usize),
    /// Answers come byte by byte, with a pause after each.
    Drip(Duration),
    /// This is the answer.
    Answer(Canned),
    /// The answer begins with the first, and goes on with the second for ever.
    Flood(Canned, Canned),
    /// Only requests with one of these `Authorization`s reach the other side; 401 for others.
    Guard(Vec<String>),
}

/// The proxy; ends with the test's runtime.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    mode: watch::Sender<Mode>,
}

impl Proxy {
    pub(crate) async fn start(upstream: SocketAddr, mode: Mode) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (mode, modes) = watch::channel(mode);
        tokio::spawn(accept(listener, upstream, modes));
        Self { address, mode }
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// This mode for a time, then none.
    pub(crate) async fn during(&self, mode: Mode, time: Duration) {
        self.set(mode);
        tokio::time::sleep(time).await;
        self.set(Mode::Pass);
    }
}

async fn accept(listener: TcpListener, upstream: SocketAddr, mut modes: watch::Receiver<Mode>) {
    let address = listener.local_addr().unwrap();
    let mut listener = Some(listener);
    loop {
        if matches!(*modes.borrow_and_update(), Mode::Refuse) {
            listener = None;
        } else if listener.is_none() {
            listener = Some(TcpListener::bind(address).await.unwrap());
        }
        let accepted = async {
            match &listener {
                Some(listener) => listener.accept().await.unwrap().0,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            socket = accepted => drop(tokio::spawn(connection(socket, upstream, modes.clone()))),
            changed = modes.changed() => if changed.is_err() { return },
        }
    }
}

async fn connection(mut socket: TcpStream, upstream: SocketAddr, mut modes: watch::Receiver<Mode>) {
    let _ = socket.set_nodelay(true);
    loop {
        let mode = modes.borrow_and_update().clone();
        tokio::select! {
            // Broken connections are this proxy's business.
            _ = serve(&mode, &mut socket, upstream) => return,
            changed = modes.changed() => if changed.is_err() { return },
        }
        if matches!(mode, Mode::Die) {
            return std::future::pending().await;
        }
        if !matches!(*modes.borrow(), Mode::Hang | Mode::Die) {
            return;
        }
    }
}

async fn serve(mode: &Mode, socket: &mut TcpStream, upstream: SocketAddr) -> std::io::Result<()> {
    match mode {
        Mode::Refuse => Ok(()),
        Mode::Hang | Mode::Die => std::future::pending().await,
        Mode::Pass => {
            let mut other = TcpStream::connect(upstream).await?;
            other.set_nodelay(true)?;
            copy_bidirectional(socket, &mut other).await.map(drop)
        }
        Mode::Delay(_) | Mode::Drip(_) | Mode::Cut(_) => shape(mode, socket, upstream).await,
        Mode::Answer(canned) => {
            let asked = request(socket).await?;
            socket.write_all(&canned(&asked)).await?;
            socket.shutdown().await
        }
        Mode::Flood(beginning, rest) => {
            let asked = request(socket).await?;
            socket.write_all(&beginning(&asked)).await?;
            let rest = rest(&asked);
            loop {
                socket.write_all(&rest).await?;
            }
        }
        Mode::Guard(wanted) => {
            let asked = request(socket).await?;
            if !wanted.contains(&asked.authorization) {
                let refusal = b"HTTP/1.1 401 Unauthorized\r\nconnection: close\r\n\
                                content-length: 0\r\n\r\n";
                return socket.write_all(refusal).await;
            }
            let mut other = TcpStream::connect(upstream).await?;
            other.write_all(&asked.raw).await?;
            copy_bidirectional(socket, &mut other).await.map(drop)
        }
    }
}

/// Requests go through; the answers do as the mode says.
async fn shape(mode: &Mode, socket: &mut TcpStream, upstream: SocketAddr) -> std::io::Result<()> {
    let mut other = TcpStream::connect(upstream).await?;
    let (mut from_client, mut to_client) = socket.split();
    let (mut from_server, mut to_server) = other.split();
    let answers = async {
        let mut piece = vec![0; 64 * 1024];
        let mut sent = 0;
        loop {
            let length = from_server.read(&mut piece).await?;
            let piece = &piece[..length];
            match mode {
                _ if length == 0 => return Ok(()),
                Mode::Drip(pause) => {
                    for byte in piece {
                        tokio::time::sleep(*pause).await;
                        to_client.write_all(&[*byte]).await?;
                    }
                }
                Mode::Cut(bytes) => {
                    let part = length.min(bytes - sent);
                    to_client.write_all(&piece[..part]).await?;
                    sent += part;
                    if sent == *bytes {
                        return Ok(());
                    }
                }
                Mode::Delay(pause) => {
                    tokio::time::sleep(*pause).await;
                    to_client.write_all(piece).await?;
                }
                _ => to_client.write_all(piece).await?,
            }
        }
    };
    tokio::select! {
        result = tokio::io::copy(&mut from_client, &mut to_server) => result.map(drop),
        result = answers => result,
    }
}

/// Reads one request whole.
async fn request(socket: &mut TcpStream) -> std::io::Result<Asked> {
    let mut raw = Vec::new();
    let mut piece = vec![0; 16 * 1024];
    loop {
        let text = String::from_utf8_lossy(&raw).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let header = |name: &str| {
                let lines = head.lines().filter_map(|line| line.split_once(": "));
                let mut found = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
                found.next().map(|(_, value)| value.to_owned())
            };
            let length = header("content-length").map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                return Ok(Asked {
                    path: head.split(' ').nth(1).unwrap_or_default().to_owned(),
                    authorization: header("authorization").unwrap_or_default(),
                    raw,
                });
            }
        }
        match socket.read(&mut piece).await? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            length => raw.extend_from_slice(&piece[..length]),
        }
    }
}
