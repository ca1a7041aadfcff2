//! The fake as a program: until SIGTERM or SIGINT.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::Parser;
use exoscale_fake::balancer::HealthCheck;
use exoscale_fake::machine::{Kind, Process};
use exoscale_fake::model::Timing;
use exoscale_fake::signature::Keys;
use exoscale_fake::{Fake, Options};
use telemetry::shutdown::Signals;
use telemetry::{address, log};
use tokio_util::sync::CancellationToken;

/// A cloud on loopback: Exoscale's API v2, an instance pool of real `server` processes, a load
/// balancer. For tests and demonstrations.
#[derive(Debug, Parser)]
#[command(name = "exoscale-fake", version, max_term_width = 100)]
struct Args {
    /// The program `server`, which every instance runs as its web application.
    #[arg(long, value_name = "FILE")]
    server: PathBuf,

    /// Address of the API, below /v2, and of /control/.
    #[arg(long, default_value = "127.0.0.1:8070", value_parser = address::parse)]
    api_address: SocketAddr,

    /// Address of the load balancer.
    #[arg(long, default_value = "127.0.0.1:8071", value_parser = address::parse)]
    balancer_address: SocketAddr,

    /// The only API key.
    #[arg(long, env = "EXOSCALE_KEY", default_value = "EXOfake")]
    key: String,

    /// Its secret, which is none: everything is on loopback.
    #[arg(long, env = "EXOSCALE_SECRET", default_value = "not-a-secret")]
    secret: String,

    /// The pool's ID.
    #[arg(long, env = "EXOSCALE_INSTANCEPOOL_ID")]
    #[arg(default_value = "11111111-2222-4333-8444-555555555555")]
    pool: String,

    /// The pool's first size.
    #[arg(long, default_value = "1")]
    #[arg(value_parser = clap::value_parser!(u32).range(..=100))]
    size: u32,

    /// How long an instance boots, in milliseconds.
    #[arg(long, default_value = "4000")]
    boot_ms: u64,

    /// How long an instance takes to end, in milliseconds.
    #[arg(long, default_value = "1000")]
    stop_ms: u64,

    /// How long a request to /load burns one thread, in milliseconds.
    #[arg(long, default_value = "10000")]
    load_ms: u64,

    /// How many CPUs of this machine an instance counts as having.
    #[arg(long, default_value = "1.0", value_parser = capacity)]
    capacity: f64,

    /// Between two health checks of the load balancer, in milliseconds.
    #[arg(long, default_value = "5000")]
    #[arg(value_parser = clap::value_parser!(u64).range(10..))]
    health_interval_ms: u64,
}

fn capacity(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    let valid = (0.01..=64.0).contains(&number);
    valid
        .then_some(number)
        .ok_or_else(|| "not within 0.01 and 64".to_owned())
}

impl Args {
    fn into_options(self) -> Options {
        Options {
            keys: Keys {
                key: self.key,
                secret: self.secret,
            },
            pool: self.pool,
            size: self.size,
            timing: Timing {
                boot: Duration::from_millis(self.boot_ms),
                stop: Duration::from_millis(self.stop_ms),
            },
            machine: Kind::Process(Process {
                program: self.server,
                load: Duration::from_millis(self.load_ms),
                capacity: self.capacity,
            }),
            api: self.api_address,
            balancer: self.balancer_address,
            health: HealthCheck {
                interval: Duration::from_millis(self.health_interval_ms),
                ..HealthCheck::default()
            },
            third: 0,
        }
    }
}

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return telemetry::usage::refuse("exoscale-fake", &error),
    };
    match run(args.into_options()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr().lock(), "exoscale-fake: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// One thread, which must be the one that starts processes: the kernel ends them with it.
fn run(options: Options) -> anyhow::Result<()> {
    log::init(log::Format::Text, &log::Filter::default())?;
    for address in [options.api, options.balancer] {
        if !address.ip().is_loopback() {
            bail!("{address} is not on loopback, and nothing here may be elsewhere");
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut signals = Signals::install()?;
        let stop = CancellationToken::new();
        let mut fake = Fake::start(options).await?;
        tracing::info!(api = %fake.api(), balancer = %fake.balancer(), "listening");
        tokio::select! {
            () = signals.cancel(&stop) => Ok(()),
            () = fake.died() => bail!("a part died"),
        }
    })
}
