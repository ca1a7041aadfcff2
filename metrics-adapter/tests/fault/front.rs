//! Clients that mean no good, or know no better.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::client::{Client, MASTER, config, handshake, request};
use crate::probe::{DISCOVERY, PODS, Probe};
use crate::report::Row;
use crate::world::{Judged, Setup, Suite, World};

const TIME: Duration = Duration::from_secs(3);

/// Nobody else notices. The aggregator waits for 5 s; the suite's own clients have to share the
/// machine with those that flood it, and so has the adapter.
const JUDGED: Judged = Judged {
    limit: Duration::from_secs(5),
    discovery: Duration::from_secs(1),
    unharmed: &[Probe::Fresh, Probe::Pods, Probe::Queue, Probe::Stranger],
};

/// 10,000, or half of the files that this process may open: the rest of the suite needs some.
fn idle_connections() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let files = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    let soft = files.split_whitespace().nth(3).unwrap();
    let files = soft.parse().unwrap_or(usize::MAX);
    10_000.min(files / 2)
}

/// One fault after another.
pub(crate) async fn faults(suite: &Suite) -> Vec<Row> {
    let setup = Setup {
        probes: &[
            Probe::Discovery,
            Probe::Fresh,
            Probe::Pods,
            Probe::Queue,
            Probe::Stranger,
        ],
        // Longer than the machine may be busy with the flood.
        arguments: &["--prometheus-timeout=4s"],
        ..Setup::default()
    };
    let world = World::start(suite, setup).await;
    let number = idle_connections();
    let silent = idle(world.address, number, b"");
    let name = "clients: idle connections, 10,000 if files allow";
    world.fault(name, JUDGED, silent).await;
    world.note(&format!("{number} connections"));
    let number = AtomicUsize::new(0);
    let name = "clients: connections that ask every second";
    world
        .fault_checked(name, JUDGED, asking(&world, &number))
        .await;
    world.note(&format!("{} connections", number.load(Ordering::Relaxed)));
    // The beginning of a handshake record of 512 bytes.
    let stalled = idle(world.address, 1500, &[22, 3, 1, 2, 0, 1]);
    world
        .fault("clients: TLS handshakes that stall", JUDGED, stalled)
        .await;
    world
        .fault(
            "clients: heads that come byte by byte",
            JUDGED,
            drip(&world),
        )
        .await;
    world
        .fault("clients: readers that never read", JUDGED, unread(&world))
        .await;
    world
        .fault("clients: requests reset at once", JUDGED, reset(&world))
        .await;
    let oversized = oversized(&world);
    world
        .fault_checked("clients: heads of a megabyte", JUDGED, oversized)
        .await;
    world.rows()
}

/// So many connections that say this and nothing more.
async fn idle(address: SocketAddr, number: usize, said: &'static [u8]) {
    let mut opening = JoinSet::new();
    for _ in 0..number {
        opening.spawn(async move {
            let mut socket = TcpStream::connect(address).await.ok()?;
            socket.write_all(said).await.ok()?;
            Some(socket)
        });
    }
    let mut open = Vec::new();
    let all = async {
        while let Some(socket) = opening.join_next().await {
            open.push(socket);
        }
    };
    let _ = timeout(TIME, all).await;
    sleep(TIME).await;
}

/// More connections than there are places, of somebody who may nothing. Whoever has a place asks what
/// everybody may, every second. A front proxy that asks more seldom, as kube-apiserver does for HPAs,
/// keeps its connection.
async fn asking(world: &World, number: &AtomicUsize) -> Vec<String> {
    const WANTED: usize = 1500;
    const PACE: Duration = Duration::from_secs(1);
    let (address, authority) = (world.address, world.serving.der());
    let identity = world.front_proxy.issue("front-proxy-client");
    let seldom = Client::new(address, std::slice::from_ref(&authority), Some(&identity));
    let mut seldom = match seldom.connect().await {
        Ok((sender, _)) => sender,
        Err(error) => return vec![format!("the front proxy cannot connect: {error}")],
    };
    let first = seldom.send_request(request(DISCOVERY, MASTER)).await;
    let tls = Arc::new(config(&[authority], None, b"http/1.1"));
    let mut clients = JoinSet::new();
    let opened = Arc::new(AtomicUsize::new(0));
    // So many handshakes at once: the machine is to be shared.
    let handshakes = Arc::new(Semaphore::new(16));
    for _ in 0..WANTED {
        let (tls, opened) = (Arc::clone(&tls), Arc::clone(&opened));
        let handshakes = Arc::clone(&handshakes);
        clients.spawn(async move {
            let mut stream = {
                let _turn = handshakes.acquire().await;
                let mut stream = handshake(address, tls).await?;
                healthz(&mut stream).await?;
                stream
            };
            opened.fetch_add(1, Ordering::Relaxed);
            loop {
                sleep(PACE).await;
                healthz(&mut stream).await?;
            }
            #[allow(unreachable_code, reason = "tells the type of the errors")]
            std::io::Result::Ok(())
        });
    }
    let all = async {
        while opened.load(Ordering::Relaxed) < WANTED && !clients.is_empty() {
            while clients.try_join_next().is_some() {}
            sleep(Duration::from_millis(50)).await;
        }
    };
    let _ = timeout(Duration::from_secs(30), all).await;
    number.store(opened.load(Ordering::Relaxed), Ordering::Relaxed);
    sleep(TIME).await;
    let second = seldom.send_request(request(DISCOVERY, MASTER)).await;
    let problems = [first, second].into_iter().filter_map(Result::err);
    problems
        .map(|error| format!("the front proxy's connection: {error}"))
        .collect()
}

/// Asks for it and reads the head of the answer, with whatever comes with it.
async fn healthz(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> std::io::Result<()> {
    let head = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    stream.write_all(head.as_bytes()).await?;
    stream.flush().await?;
    match stream.read(&mut [0; 1024]).await? {
        0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

/// A TLS client that speaks HTTP/1.1.
fn http1(world: &World) -> Arc<rustls::ClientConfig> {
    let identity = world.front_proxy.issue("front-proxy-client");
    Arc::new(config(&[world.serving.der()], Some(&identity), b"http/1.1"))
}

async fn drip(world: &World) {
    let (address, tls) = (world.address, http1(world));
    let mut clients = JoinSet::new();
    for _ in 0..50 {
        let tls = Arc::clone(&tls);
        clients.spawn(async move {
            let mut stream = handshake(address, tls).await?;
            stream.write_all(b"GET /apis HTTP/1.1\r\nx-drip: ").await?;
            loop {
                stream.write_all(b"x").await?;
                stream.flush().await?;
                sleep(Duration::from_millis(100)).await;
            }
            #[allow(unreachable_code, reason = "tells the type of the errors")]
            std::io::Result::Ok(())
        });
    }
    sleep(TIME).await;
}

/// Asks for large documents as fast as it can and reads none of them.
async fn unread(world: &World) {
    let (address, tls) = (world.address, http1(world));
    let mut clients = JoinSet::new();
    for _ in 0..5 {
        let tls = Arc::clone(&tls);
        clients.spawn(async move {
            let mut stream = handshake(address, tls).await?;
            let head = "GET /openapi/v2 HTTP/1.1\r\nhost: x\r\nx-remote-user: u\r\n\
                        x-remote-group: system:masters\r\n\r\n";
            for _ in 0..300 {
                stream.write_all(head.as_bytes()).await?;
                stream.flush().await?;
            }
            sleep(2 * TIME).await;
            std::io::Result::Ok(())
        });
    }
    sleep(TIME).await;
}

/// CVE-2023-44487: streams that are opened and reset before they are answered.
async fn reset(world: &World) {
    let mut clients = JoinSet::new();
    for _ in 0..4 {
        let identity = world.front_proxy.issue("front-proxy-client");
        let client = Client::new(world.address, &[world.serving.der()], Some(&identity));
        clients.spawn(async move {
            loop {
                let Ok((mut sender, _)) = client.connect().await else {
                    sleep(Duration::from_millis(100)).await;
                    continue;
                };
                for _ in 0..2000 {
                    if sender.ready().await.is_err() {
                        break;
                    }
                    let answer = sender.send_request(request(PODS, MASTER));
                    // Long enough to be sent, too short to be answered.
                    let _ = timeout(Duration::from_micros(100), answer).await;
                }
            }
        });
    }
    sleep(TIME).await;
}

/// None of them is answered as if nothing had been.
async fn oversized(world: &World) -> Vec<String> {
    let tls = http1(world);
    let long = "x".repeat(1 << 20);
    let mut problems = Vec::new();
    for _ in 0..5 {
        for head in [
            format!("GET /apis?{long} HTTP/1.1\r\nhost: x\r\n\r\n"),
            format!("GET /apis HTTP/1.1\r\nhost: x\r\nx-long: {long}\r\n\r\n"),
        ] {
            let stream = handshake(world.address, Arc::clone(&tls)).await;
            let answer = async {
                let mut stream = stream?;
                // It may be refused before it was sent whole.
                let _ = stream.write_all(head.as_bytes()).await;
                let _ = stream.flush().await;
                let mut beginning = [0; 12];
                stream.read_exact(&mut beginning).await?;
                std::io::Result::Ok(String::from_utf8_lossy(&beginning).into_owned())
            };
            match timeout(TIME, answer).await {
                Ok(Ok(status)) if status.contains(" 414") || status.contains(" 431") => {}
                Ok(Err(_)) => {}
                other => problems.push(format!("a long head got {other:?}")),
            }
        }
        // The longest that a URI may be here; the head as a whole is too long with it.
        let path = format!("{DISCOVERY}?{}", &long[..65_450]);
        let answer = Client::new(world.address, &[world.serving.der()], None);
        let answer = timeout(TIME, answer.fresh(&path, MASTER)).await;
        if !matches!(answer, Ok(Err(_)) | Ok(Ok((431 | 414, ..)))) {
            problems.push("a long head over HTTP/2 was answered".to_owned());
        }
    }
    problems
}
