use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinSet;

use super::*;

/// A cluster whose counter can be taken away.
#[derive(Clone, Debug, Default)]
struct Fake {
    count: Arc<Memory>,
    away: Arc<AtomicBool>,
}

impl Counter for Fake {
    async fn increment(&self) -> Result<u64, Error> {
        if self.away.load(Ordering::Relaxed) {
            return Err(Error::Away);
        }
        self.count.increment().await
    }
}

#[test]
fn the_message_is_exact_to_the_byte() {
    let numbers = Numbers {
        instance: 2,
        cluster: 3,
    };
    let message = Message {
        instance: "host2:8083",
        numbers,
    };
    assert_eq!(
        message.to_string(),
        "You are talking to instance host2:8083.\n\
         This is request 2 to this instance and request 3 to the cluster.\n"
    );
}

#[tokio::test]
async fn without_the_cluster_nothing_is_counted_here() {
    let cluster = Fake::default();
    let requests = Requests::new(cluster.clone());
    let both = |instance, cluster| Ok(Numbers { instance, cluster });
    assert_eq!(requests.count().await, both(1, 1));
    cluster.away.store(true, Ordering::Relaxed);
    assert_eq!(requests.count().await, Err(Error::Away));
    assert_eq!(requests.counted(), 1);
    cluster.away.store(false, Ordering::Relaxed);
    assert_eq!(requests.count().await, both(2, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn parallel_requests_get_every_number_once() {
    const EACH: u64 = 500;
    let cluster = Fake::default();
    let instances = [(); 3].map(|()| Arc::new(Requests::new(cluster.clone())));
    let mut tasks = JoinSet::new();
    for requests in instances.iter().cycle().take(8 * 3) {
        let requests = Arc::clone(requests);
        tasks.spawn(async move {
            let mut told = Vec::new();
            for _ in 0..EACH {
                told.push(requests.count().await.unwrap().cluster);
            }
            told
        });
    }
    let mut told = tasks.join_all().await.concat();
    told.sort_unstable();
    assert!(told.into_iter().eq(1..=8 * 3 * EACH));
    assert!(instances.iter().all(|here| here.counted() == 8 * EACH));
}
