//! Faults of Prometheus, and between it and the adapter.

use std::sync::Arc;
use std::time::Duration;

use crate::probe::Probe;
use crate::proxy::Mode;
use crate::report::Row;
use crate::wire;
use crate::world::{DISCOVERY, Judged, Setup, Suite, World};

/// How long each fault lasts: longer than two deadlines of a query, which is 1 s.
const TIME: Duration = Duration::from_millis(2200);

/// The deadline of a query, and what a busy machine adds.
const JUDGED: Judged = Judged {
    limit: Duration::from_millis(2500),
    discovery: DISCOVERY,
    unharmed: &[Probe::Stranger],
};

async fn run(world: &World, judged: Judged, faults: Vec<(&str, Mode)>) {
    for (name, mode) in faults {
        let name = format!("Prometheus: {name}");
        world
            .fault(&name, judged, world.prometheus.during(mode, TIME))
            .await;
    }
}

/// Connections.
pub(crate) async fn transport(suite: &Suite) -> Vec<Row> {
    let world = World::start(suite, Setup::default()).await;
    let faults = vec![
        (
            "answers after the deadline",
            Mode::Delay(Duration::from_millis(1500)),
        ),
        ("refuses connections", Mode::Refuse),
        ("accepts and says nothing", Mode::Hang),
        ("connections die silently", Mode::Die),
        ("connection cut inside the head", Mode::Cut(20)),
        ("connection cut inside the body", Mode::Cut(400)),
        (
            "answers byte by byte",
            Mode::Drip(Duration::from_millis(20)),
        ),
    ];
    run(&world, JUDGED, faults).await;
    world.rows()
}

/// What is said.
pub(crate) async fn answers(suite: &Suite) -> Vec<Row> {
    let world = World::start(suite, Setup::default()).await;
    let truncated = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"#;
    let matrix = r#"{"status":"success","data":{"resultType":"matrix","result":[
        {"metric":{"pod":"web-0"},"values":[[1,"666"]]}]}}"#;
    let wrong_types = r#"{"status":"success","data":{"resultType":"vector","result":[
        {"metric":{"pod":"web-0"},"value":["now",666]}]}}"#;
    let nothing = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;
    let garbage = Arc::new(|_: &_| (0..=255).cycle().skip(128).take(4096).collect());
    let html = "<html><body>Sign in</body></html>";
    let faults = vec![
        (
            "truncated JSON with 200",
            Mode::Answer(wire::json(truncated)),
        ),
        ("bytes that are not HTTP", Mode::Answer(garbage)),
        (
            "HTML with 200",
            Mode::Answer(wire::answer(200, "text/html", html)),
        ),
        ("error 400", Mode::Answer(wire::error(400, "bad_data"))),
        ("error 422", Mode::Answer(wire::error(422, "execution"))),
        ("error 429", Mode::Answer(wire::error(429, "unavailable"))),
        ("error 500", Mode::Answer(wire::error(500, "internal"))),
        ("error 503", Mode::Answer(wire::error(503, "unavailable"))),
        ("a matrix", Mode::Answer(wire::json(matrix))),
        (
            "values of wrong types",
            Mode::Answer(wire::json(wrong_types)),
        ),
        (
            "nothing where there was something",
            Mode::Answer(wire::json(nothing)),
        ),
    ];
    run(&world, JUDGED, faults).await;
    world.rows()
}

/// With answers kept for longer than the fault lasts.
pub(crate) async fn kept(suite: &Suite) -> Vec<Row> {
    let setup = Setup {
        arguments: &["--metrics-max-staleness=30s"],
        ..Setup::default()
    };
    let world = World::start(suite, setup).await;
    let judged = Judged {
        unharmed: &[Probe::Pods, Probe::Queue, Probe::Stranger],
        ..JUDGED
    };
    let faults = vec![("refuses connections, answers are kept", Mode::Refuse)];
    run(&world, judged, faults).await;
    world.rows()
}

/// Too much, or in odd numbers.
pub(crate) async fn floods(suite: &Suite) -> Vec<Row> {
    let world = World::start(suite, Setup::default()).await;
    let flood = |(beginning, rest)| Mode::Flood(beginning, rest);
    let odd = ["NaN", "+Inf", "-Inf", "NaN"];
    let huge = ["1e300", "-1e300", "1e19", "1e300"];
    let right = ["10", "20", "30", "7"];
    let faults = vec![
        (
            "NaN and infinities",
            Mode::Answer(wire::values(odd, "1700000000")),
        ),
        (
            "numbers beyond any quantity",
            Mode::Answer(wire::values(huge, "1700000000")),
        ),
        (
            "times beyond any calendar",
            Mode::Answer(wire::values(right, "1e300")),
        ),
        (
            "its clock is a year behind",
            Mode::Answer(wire::values(right, "1700000000")),
        ),
        (
            "its clock is years ahead",
            Mode::Answer(wire::values(right, "4000000000")),
        ),
        ("an answer without end", flood(wire::endless())),
        ("an error page without end", flood(wire::endless_text())),
        ("gigabytes in a small gzip body", flood(wire::bomb())),
    ];
    run(&world, JUDGED, faults).await;
    world.rows()
}
