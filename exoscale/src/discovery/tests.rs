use std::collections::VecDeque;

use prometheus_client::registry::Registry;
use telemetry::health::Health;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::*;

const ID: &str = "4da1b188-dcd6-4ff5-b7fd-bde984055548";

fn mk_instance(id: &str, ip: Option<&str>, state: &str, manager: Option<&str>) -> Instance {
    Instance {
        id: id.to_owned(),
        public_ip: ip.map(|ip| ip.parse().unwrap()),
        state: state.to_owned(),
        manager: manager.map(|id| crate::api::Manager { id: id.to_owned() }),
    }
}

#[test]
fn only_running_members_with_an_address_in_order() {
    let pool: InstancePool =
        serde_json::from_str(r#"{"size":1,"state":"running","instances":[{"id":"unmanaged"}]}"#)
            .unwrap();
    let instances = [
        mk_instance("a", Some("10.0.0.10"), "running", Some(ID)),
        mk_instance("b", Some("10.0.0.9"), "running", Some(ID)),
        mk_instance("c", Some("10.0.0.1"), "starting", Some(ID)),
        mk_instance("d", None, "running", Some(ID)),
        mk_instance("e", Some("10.0.0.2"), "running", Some("another pool")),
        mk_instance("unmanaged", Some("10.0.0.3"), "running", None),
        mk_instance("stranger", Some("10.0.0.4"), "running", None),
    ];
    let found = scrapable(&ID.parse().unwrap(), &pool, &instances);
    let group = Group::new(&found, 9100);
    assert_eq!(
        group.targets,
        ["10.0.0.3:9100", "10.0.0.9:9100", "10.0.0.10:9100"]
    );
}

type Answers = VecDeque<Result<Vec<Ipv4Addr>, Error>>;

/// Gives its answers one by one, and then no good ones any more.
#[derive(Debug)]
struct Scripted(Mutex<Answers>);

impl Source for Scripted {
    async fn addresses(&self) -> Result<Vec<Ipv4Addr>, Error> {
        let answer = self.0.lock().unwrap().pop_front();
        answer.unwrap_or_else(|| Err(failure()))
    }
}

fn failure() -> Error {
    Error::Transport {
        call: "test",
        reason: "down".to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn failures_keep_the_targets_and_an_empty_pool_clears_them() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.json");
    let read = || std::fs::read_to_string(&path).unwrap_or_default();
    let mut answers: Answers = [Err(failure()), Ok(vec![[127, 0, 0, 1].into()])].into();
    answers.extend((0..30).map(|_| Err(failure())));
    answers.push_back(Ok(Vec::new()));
    let known = Known::default();
    let discovery = Discovery {
        source: Scripted(Mutex::new(answers)),
        port: 1234,
        interval: Duration::from_secs(10),
        file: File::new(path.clone()).unwrap(),
        known: known.clone(),
        metrics: Metrics::register(&mut Registry::default()),
        ready: Health::new().condition("targets"),
    };
    let stop = CancellationToken::new();
    let mut task = JoinSet::new();
    task.spawn(discovery.run(stop.clone()));
    sleep(Duration::from_secs(5)).await;
    assert_eq!((read(), known.get()), (String::new(), None));
    let good = "[{\"targets\":[\"127.0.0.1:1234\"],\"labels\":{}}]\n";
    sleep(Duration::from_secs(10)).await;
    assert_eq!(read(), good);
    sleep(Duration::from_secs(300)).await;
    assert_eq!(read(), good, "five minutes without an API");
    sleep(Duration::from_secs(10)).await;
    assert_eq!(read(), "[{\"targets\":[],\"labels\":{}}]\n");
    assert_eq!(known.get(), Some(Group::default()));
    stop.cancel();
    task.join_next().await.unwrap().unwrap();
}
