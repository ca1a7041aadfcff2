//! A thousand bodies: the pool moves for those that ask for it and for no others.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use crate::world::{Program, mk_fake, until};

/// A body, and whether it asks for a step.
#[derive(Clone, Debug)]
struct Sent {
    body: Vec<u8>,
    asks: bool,
}

fn unified() -> impl Strategy<Value = Sent> {
    let alert = (
        any::<bool>(),
        prop::sample::select(vec!["Cpu", "DatasourceNoData"]),
    );
    let alerts = prop::collection::vec(alert, 0..4);
    let version = prop::sample::select(vec!["1", "4"]);
    (any::<bool>(), alerts, version, ".*").prop_map(|(firing, alerts, version, text)| {
        let word = |firing: bool| if firing { "firing" } else { "resolved" };
        let fires = |(firing, name): &(bool, &str)| *firing && *name == "Cpu";
        let asks = firing && (alerts.is_empty() || alerts.iter().any(fires));
        let alerts: Vec<Value> = alerts
            .iter()
            .map(|(firing, name)| {
                json!({ "status": word(*firing), "labels": { "alertname": name }, "x": text })
            })
            .collect();
        let state = if firing { "alerting" } else { "ok" };
        let body = json!({
            "receiver": text, "status": word(firing), "alerts": alerts, "version": version,
            "state": state, "title": text,
        });
        Sent {
            body: body.to_string().into_bytes(),
            asks,
        }
    })
}

fn legacy() -> impl Strategy<Value = Sent> {
    let states = vec!["ok", "paused", "alerting", "pending", "no_data"];
    (prop::sample::select(states), any::<i64>(), ".*").prop_map(|(state, id, text)| Sent {
        body: json!({ "ruleId": id, "ruleName": text, "state": state, "evalMatches": [] })
            .to_string()
            .into_bytes(),
        asks: state == "alerting",
    })
}

fn noise() -> impl Strategy<Value = Sent> {
    let bytes = prop::collection::vec(any::<u8>(), 0..300);
    let text = "[\\[\\]{}\":,a-z0-9 ]{0,200}".prop_map(String::into_bytes);
    prop_oneof![bytes, text].prop_map(|body| Sent { body, asks: true })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_bodies_move_the_pool_only_as_they_should() {
    let fake = mk_fake().await;
    let autoscaler = Program::autoscaler(&fake, &["--interval=3600", "--max-pool-size=2"]);
    until("the first look", || autoscaler.get("/readyz").0 == 200).await;
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let bodies = prop_oneof![unified(), legacy(), noise()];
    let mut accepted = 0;
    // One connection for all of them, as a sender keeps it.
    let mut stream = TcpStream::connect(autoscaler.address).unwrap();
    for number in 0..1_000 {
        let Sent { body, asks } = bodies.new_tree(&mut runner).unwrap().current();
        accepted += u32::from(asks);
        let path = if number % 2 == 0 { "/up" } else { "/down" };
        let length = body.len();
        let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
        // In one piece: two would wait for each other's acknowledgement.
        stream
            .write_all(&[head.as_bytes(), &body].concat())
            .unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200", "{body:?}");
        let mut rest = Vec::new();
        while !rest.ends_with(b"\r\n\r\nok\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            rest.push(byte[0]);
        }
    }
    let metrics = autoscaler.get("/metrics").1;
    let name = "exoscale_autoscaler_scale_requests_total{";
    let counted: u32 = metrics
        .lines()
        .filter(|line| line.starts_with(name) && line.contains("result=\"accepted\""))
        .map(|line| line.rsplit_once(' ').unwrap().1.parse::<u32>().unwrap())
        .sum();
    assert_eq!(counted, accepted);
    assert_eq!(fake.orders(), [0; 0], "not before the tick");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_bodies_are_at_most_one_step_per_tick() {
    let fake = mk_fake().await;
    let autoscaler = Program::autoscaler(&fake, &["--interval=1", "--max-pool-size=2"]);
    for _ in 0..100 {
        autoscaler.post("/up", br#"{"status":"resolved","alerts":[]}"#);
        autoscaler.post("/down", br#"{"ruleId":1,"state":"no_data"}"#);
    }
    for _ in 0..100 {
        autoscaler.post("/up", b"\xff{{{");
    }
    until("2 members", || fake.running().len() == 2).await;
    assert_eq!(fake.orders(), [2]);
}
