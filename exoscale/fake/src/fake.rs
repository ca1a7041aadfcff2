//! The fake as a whole: starts, is looked at, ends with everything it started.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use telemetry::http;
use telemetry::listener::{self, Limits, Listener};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};
use tokio_util::sync::CancellationToken;

use crate::api;
use crate::balancer::{HealthCheck, Members};
use crate::fault::{Fault, Faults};
use crate::machine::{Kind, Machine};
use crate::model::{Cloud, InstanceState, Timing};
use crate::network::{Network, NoneFree};
use crate::signature::Keys;

/// How often the cloud moves.
const TICK: Duration = Duration::from_millis(20);

/// What there is to fake.
#[derive(Clone, Debug)]
pub struct Options {
    /// The only credentials.
    pub keys: Keys,
    /// The pool's ID.
    pub pool: String,
    /// The pool's first size.
    pub size: u32,
    /// How long things take.
    pub timing: Timing,
    /// What instances are made of.
    pub machine: Kind,
    /// Where the API listens.
    pub api: SocketAddr,
    /// Where the load balancer listens.
    pub balancer: SocketAddr,
    /// How the load balancer checks its members.
    pub health: HealthCheck,
    /// The third byte of the instances' addresses.
    pub third: u8,
}

/// It cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A port is taken.
    #[error(transparent)]
    Listen(#[from] listener::Error),
    /// No addresses for instances.
    #[error(transparent)]
    Network(#[from] NoneFree),
}

/// What all parts share.
#[derive(Clone, Debug)]
pub(crate) struct Inner {
    pub(crate) keys: Keys,
    pub(crate) members: Members,
    started: Instant,
    cloud: Arc<Mutex<Cloud>>,
    faults: Arc<Mutex<Faults>>,
    orders: Arc<Mutex<Vec<u32>>>,
}

/// A running fake; everything ends when it is dropped.
#[derive(Debug)]
pub struct Fake {
    inner: Inner,
    api: SocketAddr,
    balancer: SocketAddr,
    tasks: JoinSet<()>,
    _network: Network,
}

impl Default for Options {
    /// A pool of one paper machine on free ports, as fast as can be.
    fn default() -> Self {
        Self {
            keys: Keys {
                key: "EXOfake".to_owned(),
                secret: "not-a-secret".to_owned(),
            },
            pool: "11111111-2222-4333-8444-555555555555".to_owned(),
            size: 1,
            timing: Timing {
                boot: Duration::from_millis(60),
                stop: Duration::from_millis(40),
            },
            machine: Kind::Paper,
            api: ([127, 0, 0, 1], 0).into(),
            balancer: ([127, 0, 0, 1], 0).into(),
            health: HealthCheck {
                interval: Duration::from_millis(50),
                ..HealthCheck::default()
            },
            third: 0,
        }
    }
}

impl Fake {
    /// Starts the API, the load balancer and the first instances.
    ///
    /// # Errors
    /// If an address cannot be had.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let network = Network::claim(options.third).await?;
        let (pool, size) = (options.pool.as_str(), options.size);
        let cloud = Cloud::new(pool, size, network.prefix(), options.timing);
        let inner = Inner {
            keys: options.keys,
            members: Members::default(),
            started: Instant::now(),
            cloud: Arc::new(Mutex::new(cloud)),
            faults: Arc::default(),
            orders: Arc::default(),
        };
        let api = Listener::bind("--api-address", options.api).await?;
        let balancer = Listener::bind("--balancer-address", options.balancer).await?;
        let addresses = (api.address(), balancer.address());
        let mut tasks = JoinSet::new();
        let router = Router::new()
            .fallback(api::answer)
            .with_state(inner.clone());
        let options_of_http = http::Options {
            limits: Limits {
                connections: 256,
                drain: Duration::ZERO,
            },
            header_timeout: Duration::from_secs(30),
        };
        let serving = http::serve(api, router, options_of_http, CancellationToken::new());
        tasks.spawn(async {
            serving.await;
        });
        tasks.spawn(run(inner.clone(), options.machine));
        let watched = inner.clone();
        let running = move || watched.running();
        tasks.spawn(inner.members.clone().check(options.health, running));
        let members = inner.members.clone();
        tasks.spawn(members.balance(balancer, CancellationToken::new()));
        Ok(Self {
            inner,
            api: addresses.0,
            balancer: addresses.1,
            tasks,
            _network: network,
        })
    }

    /// The API's address, without `/v2`.
    #[must_use]
    pub fn api(&self) -> SocketAddr {
        self.api
    }

    /// The load balancer's address.
    #[must_use]
    pub fn balancer(&self) -> SocketAddr {
        self.balancer
    }

    /// How many members the pool is to have.
    #[must_use]
    pub fn size(&self) -> u32 {
        self.inner.cloud().size
    }

    /// The addresses of the running instances, in order.
    #[must_use]
    pub fn running(&self) -> Vec<Ipv4Addr> {
        self.inner.running()
    }

    /// The addresses of the instances that the load balancer would choose.
    #[must_use]
    pub fn healthy(&self) -> Vec<Ipv4Addr> {
        self.inner.members.healthy()
    }

    /// The sizes that were ordered and accepted so far.
    #[must_use]
    pub fn orders(&self) -> Vec<u32> {
        self.inner.orders().clone()
    }

    /// Lets something go wrong.
    pub fn fault(&self, fault: Fault) {
        self.inner.faults().add(fault);
    }

    /// Nothing goes wrong any more.
    pub fn clear_faults(&self) {
        self.inner.faults().clear();
    }

    /// Destroys all instances; the pool replaces them.
    pub fn destroy_all(&self) {
        self.inner.destroy_all();
    }

    /// Waits until a part dies, which none does by itself.
    pub async fn died(&mut self) {
        let _ = self.tasks.join_next().await;
    }
}

impl Inner {
    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn cloud(&self) -> MutexGuard<'_, Cloud> {
        self.cloud.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn orders(&self) -> MutexGuard<'_, Vec<u32>> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn ordered(&self, size: u32) {
        self.orders().push(size);
    }

    pub(crate) fn destroy_all(&self) {
        let now = self.now();
        let mut cloud = self.cloud();
        let ids: Vec<String> = cloud.instances.iter().map(|it| it.id.clone()).collect();
        for id in ids {
            cloud.destroy(&id, now);
        }
    }

    fn running(&self) -> Vec<Ipv4Addr> {
        let cloud = self.cloud();
        let running = |it: &&crate::model::Instance| it.state == InstanceState::Running;
        let mut running: Vec<_> = cloud
            .instances
            .iter()
            .filter(running)
            .map(|it| it.ip)
            .collect();
        running.sort_unstable();
        running
    }
}

/// Lets the time pass, and machines run where instances do.
async fn run(inner: Inner, kind: Kind) {
    let mut machines: HashMap<Ipv4Addr, Machine> = HashMap::new();
    let mut tick = interval(TICK);
    loop {
        tick.tick().await;
        inner.cloud().tick(inner.now());
        let running = inner.running();
        machines.retain(|ip, _| running.contains(ip));
        for ip in running {
            if machines.contains_key(&ip) {
                continue;
            }
            match Machine::start(&kind, ip).await {
                Ok(machine) => drop(machines.insert(ip, machine)),
                Err(error) => tracing::warn!(%ip, %error, "cannot start an instance"),
            }
        }
    }
}
