//! An instance while it runs: its web application on port 8080 and its node exporter on 9100.
//!
//! Law: a machine's processes end with it, and with the process that started it, however that
//! ends: `setpriv` has the kernel see to it.

use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::header;
use axum::routing::get;
use telemetry::http;
use telemetry::listener::{self, Limits, Listener};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::node::Meter;

/// Where the web application listens.
pub const WEB: u16 = 8_080;
/// Where the node exporter listens.
pub const NODE: u16 = 9_100;
/// Where the web application's own metrics are.
const ADMIN: u16 = 8_081;

/// What an instance is made of.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A real `server --roles web`.
    Process(Process),
    /// A task of this process that answers at once, and uses no CPU to speak of.
    Paper,
}

/// A real process.
#[derive(Clone, Debug)]
pub struct Process {
    /// The program `server`.
    pub program: PathBuf,
    /// How long a `/load` burns one thread.
    pub load: Duration,
    /// How many CPUs of this machine an instance counts as having.
    pub capacity: f64,
}

/// An instance that runs; it ends when it is dropped.
#[derive(Debug)]
pub struct Machine {
    _process: Option<Child>,
    _tasks: JoinSet<()>,
}

/// An instance cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address of it is taken.
    #[error(transparent)]
    Listen(#[from] listener::Error),
    /// Its process cannot be started.
    #[error("cannot run {}: {cause} (setpriv is in Debian's package util-linux)", program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// Why.
        cause: io::Error,
    },
}

impl Machine {
    /// Starts one on this address.
    ///
    /// # Errors
    /// If an address is taken or the program cannot be run.
    pub async fn start(kind: &Kind, ip: Ipv4Addr) -> Result<Self, Error> {
        let mut tasks = JoinSet::new();
        let node = Listener::bind("node exporter", (ip, NODE).into()).await?;
        let (process, meter) = match kind {
            Kind::Process(process) => {
                let child = spawn(process, ip)?;
                let meter = Meter::new(child.id(), process.capacity);
                (Some(child), meter)
            }
            Kind::Paper => {
                let web = Listener::bind("web", (ip, WEB).into()).await?;
                tasks.spawn(serve(web, paper()));
                (None, Meter::new(None, 1.0))
            }
        };
        tasks.spawn(serve(node, exporter(meter)));
        Ok(Self {
            _process: process,
            _tasks: tasks,
        })
    }
}

fn spawn(process: &Process, ip: Ipv4Addr) -> Result<Child, Error> {
    Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "--"])
        .arg(&process.program)
        .args(["--roles=web", "--load-threads=1", "--drain-delay-seconds=0"])
        .arg(format!("--web-address={ip}:{WEB}"))
        .arg(format!("--admin-address={ip}:{ADMIN}"))
        .arg(format!("--load-duration-ms={}", process.load.as_millis()))
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|cause| Error::Spawn {
            program: process.program.clone(),
            cause,
        })
}

/// Plain HTTP until the task is dropped.
async fn serve(listener: Listener, router: Router) {
    let options = http::Options {
        limits: Limits {
            connections: 64,
            drain: Duration::ZERO,
        },
        header_timeout: Duration::from_secs(30),
    };
    http::serve(listener, router, options, CancellationToken::new()).await;
}

fn paper() -> Router {
    Router::new()
        .route("/health", get(async || "OK"))
        .route("/load", get(async || "Load generation done."))
}

fn exporter(meter: Meter) -> Router {
    let meter = Arc::new(meter);
    let metrics = move || {
        let text = meter.text();
        async move {
            let kind = "text/plain; version=0.0.4; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text)
        }
    };
    Router::new().route("/metrics", get(metrics))
}
