//! The network load balancer: connections in turn to the members that are healthy.
//!
//! As Exoscale's: a member is healthy while `GET /health` on the target port answers 200 in time,
//! and not after as many failures in a row as there are retries.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use telemetry::listener::{Limits, Listener};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};
use tokio_util::sync::CancellationToken;

use crate::machine::WEB;

/// How members are checked.
#[derive(Clone, Copy, Debug)]
pub struct HealthCheck {
    /// From check to check.
    pub interval: Duration,
    /// Of one check.
    pub timeout: Duration,
    /// Failures in a row until a member counts as ill.
    pub retries: u32,
}

/// The members and their health; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Members(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    health: Mutex<Vec<(Ipv4Addr, bool)>>,
    turn: AtomicUsize,
}

impl Default for HealthCheck {
    /// Those of the course's load balancer.
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(3),
            retries: 1,
        }
    }
}

impl Members {
    /// The healthy ones.
    #[must_use]
    pub fn healthy(&self) -> Vec<Ipv4Addr> {
        let health = self.0.health.lock().unwrap_or_else(PoisonError::into_inner);
        let healthy = health.iter().filter(|(_, healthy)| *healthy);
        healthy.map(|(ip, _)| *ip).collect()
    }

    fn next(&self) -> Option<Ipv4Addr> {
        let healthy = self.healthy();
        let turn = self.0.turn.fetch_add(1, Ordering::Relaxed);
        healthy.get(turn.checked_rem(healthy.len())?).copied()
    }

    /// Checks whoever is a member now, for ever.
    pub async fn check(self, check: HealthCheck, members: impl Fn() -> Vec<Ipv4Addr>) {
        let mut failures: HashMap<Ipv4Addr, u32> = HashMap::new();
        let mut tick = interval(check.interval);
        loop {
            tick.tick().await;
            let members = members();
            let mut checks = JoinSet::new();
            for ip in members.iter().copied() {
                checks.spawn(async move { (ip, is_healthy(ip, check.timeout).await) });
            }
            failures.retain(|ip, _| members.contains(ip));
            while let Some(Ok((ip, healthy))) = checks.join_next().await {
                // A new member is ill until its first good check.
                let count = failures.entry(ip).or_insert(check.retries);
                *count = if healthy { 0 } else { count.saturating_add(1) };
            }
            let state = |ip: &Ipv4Addr| {
                let healthy = failures.get(ip).is_some_and(|it| *it < check.retries);
                (*ip, healthy)
            };
            *self.0.health.lock().unwrap_or_else(PoisonError::into_inner) =
                members.iter().map(state).collect();
        }
    }

    /// Balances connections until `stop`.
    pub async fn balance(self, listener: Listener, stop: CancellationToken) {
        let limits = Limits {
            connections: 1_024,
            drain: Duration::from_secs(1),
        };
        let connection = move |stream: TcpStream, _: SocketAddr, _| {
            let member = self.next();
            async move {
                if let Some(ip) = member {
                    forward(stream, ip).await;
                }
            }
        };
        listener.serve(limits, stop, connection).await;
    }
}

async fn forward(mut stream: TcpStream, ip: Ipv4Addr) {
    match TcpStream::connect((ip, WEB)).await {
        Ok(mut member) => {
            // An end on either side is the end.
            let _ = tokio::io::copy_bidirectional(&mut stream, &mut member).await;
        }
        Err(error) => tracing::debug!(%ip, %error, "member gone"),
    }
}

async fn is_healthy(ip: Ipv4Addr, limit: Duration) -> bool {
    let asked = async {
        let mut stream = TcpStream::connect((ip, WEB)).await?;
        let request = format!("GET /health HTTP/1.1\r\nHost: {ip}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(4_096).read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer.starts_with(b"HTTP/1.1 200"))
    };
    matches!(timeout(limit, asked).await, Ok(Ok(true)))
}
