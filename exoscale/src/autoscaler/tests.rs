//! The loop in virtual time, against a pool with a script.

use std::collections::VecDeque;
use std::sync::Mutex;

use prometheus_client::registry::Registry;
use telemetry::health::Health;
use tokio::task::JoinSet;

use super::*;
use crate::api::PoolState;
use crate::scaler::{Bounds, Direction, Scaler};
use crate::webhook::Meaning;

/// What the API does with one call.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Works,
    /// It happens, but the answer is lost.
    LostAnswer,
    Fails(u16),
    Hangs,
}

#[derive(Debug)]
struct Script {
    size: u32,
    state: PoolState,
    reads: VecDeque<Fate>,
    scales: VecDeque<Fate>,
    /// The sizes that were asked for.
    asked: Vec<u32>,
}

#[derive(Clone, Debug)]
struct Scripted(Arc<Mutex<Script>>);

fn status(status: u16) -> Error {
    Error::Status {
        call: "test",
        status,
        message: String::new(),
        retry_after: None,
    }
}

async fn meet(fate: Fate) -> Result<(), Error> {
    match fate {
        Fate::Works => Ok(()),
        Fate::Fails(code) => Err(status(code)),
        Fate::LostAnswer => Err(status(504)),
        Fate::Hangs => {
            sleep(Duration::from_secs(30)).await;
            let (call, after) = ("test", Duration::from_secs(30));
            Err(Error::Timeout { call, after })
        }
    }
}

impl Pool for Scripted {
    async fn read(&self) -> Result<InstancePool, Error> {
        let fate = self.0.lock().unwrap().reads.pop_front();
        meet(fate.unwrap_or(Fate::Works)).await?;
        let script = self.0.lock().unwrap();
        Ok(InstancePool {
            name: "test".to_owned(),
            size: script.size,
            state: script.state,
            instances: Vec::new(),
        })
    }

    async fn scale(&self, size: u32) -> Result<Operation, Error> {
        let fate = {
            let mut script = self.0.lock().unwrap();
            script.asked.push(size);
            let fate = script.scales.pop_front().unwrap_or(Fate::Works);
            if matches!(fate, Fate::Works | Fate::LostAnswer) {
                script.size = size;
            }
            fate
        };
        meet(fate).await?;
        Ok(Operation {
            id: "1".to_owned(),
            state: "success".to_owned(),
            reason: String::new(),
        })
    }
}

/// A running loop of 60 s, the first tick over.
struct World {
    pool: Scripted,
    shared: Arc<Shared>,
    stop: CancellationToken,
    task: JoinSet<()>,
}

impl World {
    async fn start(interval: u64, dry_run: bool) -> Self {
        let pool = Scripted(Arc::new(Mutex::new(Script {
            size: 1,
            state: PoolState::Running,
            reads: VecDeque::new(),
            scales: VecDeque::new(),
            asked: Vec::new(),
        })));
        let metrics = Metrics::register(&mut Registry::default());
        let scaler = Scaler::new(Bounds::new(1, 10).unwrap());
        let readable = Health::new().condition("pool");
        let shared = Arc::new(Shared::new(scaler, metrics, readable));
        let stop = CancellationToken::new();
        let autoscaler = Autoscaler {
            pool: pool.clone(),
            options: Options {
                interval: Duration::from_secs(interval),
                dry_run,
            },
            shared: Arc::clone(&shared),
        };
        let mut task = JoinSet::new();
        task.spawn(autoscaler.run(stop.clone()));
        sleep(Duration::from_millis(10)).await;
        Self {
            pool,
            shared,
            stop,
            task,
        }
    }

    fn up(&self) {
        self.shared.request(Direction::Up, Meaning::Step);
    }

    fn script(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.pool.0.lock().unwrap());
    }

    fn asked(&self) -> Vec<u32> {
        self.pool.0.lock().unwrap().asked.clone()
    }
}

async fn minutes(count: u64) {
    sleep(Duration::from_secs(60 * count)).await;
}

#[tokio::test(start_paused = true)]
async fn one_step_per_tick_however_often_it_is_asked_for() {
    let world = World::start(60, false).await;
    (0..5).for_each(|_| world.up());
    sleep(Duration::from_secs(59)).await;
    assert_eq!(world.asked(), [0; 0], "not before the tick");
    sleep(Duration::from_secs(1)).await;
    assert_eq!(world.asked(), [2]);
    minutes(3).await;
    assert_eq!(world.asked(), [2], "answered");
}

#[tokio::test(start_paused = true)]
async fn without_an_interval_at_once() {
    let world = World::start(0, false).await;
    for size in 2..5 {
        world.up();
        sleep(Duration::from_millis(1)).await;
        assert_eq!(world.asked().last(), Some(&size));
    }
    world.script(|it| it.state = PoolState::ScalingUp);
    world.up();
    minutes(1).await;
    assert_eq!(world.asked().len(), 3, "busy");
    world.script(|it| it.state = PoolState::Running);
    sleep(RETRY).await;
    assert_eq!(world.asked(), [2, 3, 4, 5], "kept meanwhile");
}

#[tokio::test(start_paused = true)]
async fn resolved_alerts_and_no_data_move_nothing() {
    let world = World::start(60, false).await;
    for meaning in [Meaning::Resolved, Meaning::NoStatement] {
        world.shared.request(Direction::Up, meaning);
    }
    minutes(2).await;
    assert_eq!(world.asked(), [0; 0]);
}

#[tokio::test(start_paused = true)]
async fn an_api_that_is_down_for_minutes_costs_no_decision() {
    let world = World::start(60, false).await;
    world.script(|it| {
        it.reads
            .extend([Fate::Fails(503), Fate::Hangs, Fate::Fails(429)]);
    });
    world.up();
    minutes(3).await;
    assert_eq!(world.asked(), [0; 0]);
    minutes(1).await;
    assert_eq!(world.asked(), [2]);
    minutes(5).await;
    assert_eq!(world.asked(), [2]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_no_second_step() {
    let world = World::start(60, false).await;
    world.script(|it| it.scales.push_back(Fate::LostAnswer));
    world.up();
    minutes(10).await;
    assert_eq!(world.asked(), [2]);
    assert!(!world.shared.scaler().is_waiting());
}

#[tokio::test(start_paused = true)]
async fn a_request_that_did_not_arrive_is_sent_again() {
    for fate in [
        Fate::Fails(500),
        Fate::Hangs,
        Fate::Fails(409),
        Fate::Fails(429),
    ] {
        let world = World::start(60, false).await;
        world.script(|it| it.scales.push_back(fate));
        world.up();
        minutes(10).await;
        assert_eq!(world.asked(), [2, 2], "{fate:?}");
        assert!(!world.shared.scaler().is_waiting());
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_not_repeated() {
    let world = World::start(60, false).await;
    world.script(|it| it.scales.push_back(Fate::Fails(403)));
    world.up();
    minutes(10).await;
    assert_eq!(world.asked(), [2]);
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_asks_for_nothing() {
    let world = World::start(60, true).await;
    world.up();
    minutes(2).await;
    assert_eq!(world.asked(), [0; 0]);
    let status = serde_json::to_value(world.shared.status()).unwrap();
    assert_eq!(status["action"]["result"], "dry_run");
    assert_eq!(status["pending"], serde_json::Value::Null);
    assert_eq!(status["pool"]["size"], 1);
}

#[tokio::test(start_paused = true)]
async fn it_ends_within_seconds_even_in_a_call() {
    let mut world = World::start(60, false).await;
    world.script(|it| it.reads.push_back(Fate::Hangs));
    sleep(Duration::from_secs(61)).await;
    let asked = Instant::now();
    world.stop.cancel();
    world.task.join_next().await.unwrap().unwrap();
    assert!(asked.elapsed() <= LAST_CALL);
}
