use std::sync::{Arc, Mutex};

use tokio::task::JoinSet;

use super::*;

type Answer = Result<Vec<u8>, ()>;

/// A resolver under test, and the answer that its lookups get (last bytes of addresses).
struct Resolver {
    answer: Arc<Mutex<Answer>>,
    lookups: Arc<Mutex<u32>>,
    wake: Arc<Notify>,
    addresses: watch::Receiver<Vec<SocketAddr>>,
    _task: JoinSet<()>,
}

fn mk_address(last: u8) -> SocketAddr {
    ([10, 0, 0, last], 9090).into()
}

fn mk_resolver(mode: Mode, answer: Answer) -> Resolver {
    let answer = Arc::new(Mutex::new(answer));
    let lookups = Arc::new(Mutex::new(0));
    let (publish, addresses) = watch::channel(Vec::new());
    let wake = Arc::new(Notify::new());
    let (asked, counted, woken) = (answer.clone(), lookups.clone(), wake.clone());
    let mut task = JoinSet::new();
    task.spawn(async move {
        let lookup = || {
            *counted.lock().unwrap() += 1;
            let answer = asked.lock().unwrap().clone();
            let found = answer.map(|last| last.into_iter().map(mk_address).collect());
            async move { found.map_err(|()| io::Error::other("no such name")) }
        };
        watch(lookup, mode, &woken, &publish).await;
    });
    Resolver {
        answer,
        lookups,
        wake,
        addresses,
        _task: task,
    }
}

impl Resolver {
    fn answer(&self, last: &[u8]) {
        *self.answer.lock().unwrap() = Ok(last.to_vec());
    }

    fn lookups(&self) -> u32 {
        *self.lookups.lock().unwrap()
    }

    async fn changed(&mut self) -> Vec<SocketAddr> {
        self.addresses.changed().await.unwrap();
        self.addresses.borrow_and_update().clone()
    }
}

const INTERVAL: Duration = Duration::from_secs(5);

#[tokio::test(start_paused = true)]
async fn follows_the_name_at_the_interval() {
    let mut resolver = mk_resolver(Mode::All(INTERVAL), Ok(vec![2, 1, 2]));
    let start = Instant::now();
    assert_eq!(resolver.changed().await, [1, 2].map(mk_address));
    resolver.answer(&[3, 1]);
    assert_eq!(resolver.changed().await, [1, 3].map(mk_address));
    assert_eq!(start.elapsed(), INTERVAL);
}

#[tokio::test(start_paused = true)]
async fn another_order_is_no_change() {
    let mut resolver = mk_resolver(Mode::All(INTERVAL), Ok(vec![1, 2]));
    let _ = resolver.changed().await;
    resolver.answer(&[2, 1]);
    sleep(INTERVAL * 3).await;
    assert!(!resolver.addresses.has_changed().unwrap());
    assert!(resolver.lookups() >= 3);
}

#[tokio::test(start_paused = true)]
async fn keeps_trying_a_name_that_does_not_resolve_yet() {
    let mut resolver = mk_resolver(Mode::One, Err(()));
    sleep(Duration::from_millis(3_500)).await;
    assert_eq!(resolver.lookups(), 4);
    resolver.answer(&[1]);
    assert_eq!(resolver.changed().await, [mk_address(1)]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_or_empty_lookup_keeps_the_last_good_addresses() {
    let mut resolver = mk_resolver(Mode::All(INTERVAL), Ok(vec![1]));
    let _ = resolver.changed().await;
    resolver.answer(&[]);
    sleep(INTERVAL * 2).await;
    *resolver.answer.lock().unwrap() = Err(());
    sleep(INTERVAL * 2).await;
    assert_eq!(*resolver.addresses.borrow(), [mk_address(1)]);
}

#[tokio::test(start_paused = true)]
async fn one_address_is_kept_while_it_exists_and_replaced_after_an_error() {
    let mut resolver = mk_resolver(Mode::One, Ok(vec![2, 1]));
    assert_eq!(resolver.changed().await, [mk_address(2)]);
    resolver.answer(&[1, 2]);
    sleep(INTERVAL * 100).await;
    assert_eq!(
        resolver.lookups(),
        1,
        "without an error nothing is looked up again"
    );
    resolver.wake.notify_one();
    sleep(INTERVAL).await;
    assert!(!resolver.addresses.has_changed().unwrap());
    resolver.answer(&[3, 1]);
    resolver.wake.notify_one();
    assert_eq!(resolver.changed().await, [mk_address(3)]);
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_errors_does_not_become_a_storm_of_lookups() {
    let mut resolver = mk_resolver(Mode::All(INTERVAL), Ok(vec![1]));
    let _ = resolver.changed().await;
    for _ in 0..100 {
        resolver.wake.notify_one();
        sleep(Duration::from_millis(10)).await;
    }
    assert!(
        resolver.lookups() <= 4,
        "{} lookups in 1 s",
        resolver.lookups()
    );
}
