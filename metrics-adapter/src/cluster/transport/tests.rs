use std::convert::Infallible;

use futures::{StreamExt as _, stream};
use http_body_util::{BodyExt as _, Empty, Full, StreamBody};
use prometheus_client::registry::Registry;
use tower::{ServiceExt as _, service_fn};

use super::*;

fn get(uri: &str) -> Request<Empty<Bytes>> {
    Request::get(uri).body(Empty::new()).unwrap()
}

fn mk_calls() -> (Calls, Registry) {
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    (Calls::new(metrics), registry)
}

/// The lines of the counter, which has one for each result that came.
fn counted(registry: &Registry) -> Vec<String> {
    let text = telemetry::text::encode(registry);
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("kubernetes_requests_total"));
    let mut counted: Vec<String> = lines.map(str::to_owned).collect();
    counted.sort();
    counted
}

#[test]
fn calls_are_told_apart() {
    for (uri, call) in [
        ("/api/v1/pods?limit=500", Call::Read),
        ("/api/v1/pods?watch=true&resourceVersion=1", Call::Watch),
        ("/api/v1/pods?a=watch=true", Call::Read),
        ("/apis", Call::Read),
    ] {
        assert_eq!(call_of(&get(uri)), call, "{uri}");
    }
    assert_eq!(call_of(&Request::post("/").body(()).unwrap()), Call::Review);
}

#[tokio::test(start_paused = true)]
async fn no_answer_is_waited_for_for_ever() {
    let (calls, registry) = mk_calls();
    let silent = service_fn(|_: Request<Empty<Bytes>>| {
        std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>()
    });
    let start = Instant::now();
    let answer = calls.layer(silent).oneshot(get("/apis")).await;
    assert_eq!(
        answer.err().unwrap().to_string(),
        "no whole answer within 60s"
    );
    assert_eq!(start.elapsed().as_secs(), READ_DEADLINE.as_secs());
    assert_eq!(
        counted(&registry),
        [r#"{call="read",result="timeout"} 1"#.to_owned()]
    );
}

/// A byte a second, without end.
#[tokio::test(start_paused = true)]
async fn an_answer_without_end_has_one() {
    let (calls, _registry) = mk_calls();
    let endless = service_fn(async |_: Request<Empty<Bytes>>| {
        let bytes = stream::repeat(()).then(async |()| {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"x")))
        });
        Ok::<_, Infallible>(Response::new(StreamBody::new(Box::pin(bytes))))
    });
    for (uri, deadline) in [("/apis", READ_DEADLINE), ("/?watch=true", WATCH_DEADLINE)] {
        let start = Instant::now();
        let answer = calls.layer(endless).oneshot(get(uri)).await.unwrap();
        assert!(answer.into_body().collect().await.is_err(), "{uri}");
        assert_eq!(start.elapsed().as_secs(), deadline.as_secs(), "{uri}");
    }
}

#[tokio::test]
async fn an_answer_of_any_size_is_no_list() {
    let (calls, _registry) = mk_calls();
    let large = service_fn(async |_: Request<Empty<Bytes>>| {
        let piece = Bytes::from(vec![b'x'; 1 << 20]);
        let pieces =
            stream::iter(vec![piece; 65]).map(|piece| Ok::<_, Infallible>(Frame::data(piece)));
        Ok::<_, Infallible>(Response::new(StreamBody::new(pieces)))
    });
    for (uri, fits) in [("/apis", false), ("/?watch=true", true)] {
        let answer = calls.layer(large).oneshot(get(uri)).await.unwrap();
        let mut body = answer.into_body();
        let mut outcome = Ok(());
        while let Some(frame) = body.frame().await {
            outcome = frame.map(drop);
            if outcome.is_err() {
                break;
            }
        }
        assert_eq!(outcome.is_ok(), fits, "{uri}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_so_many_lists_are_read_at_once() {
    let (calls, registry) = mk_calls();
    let service = calls.layer(service_fn(async |_: Request<Empty<Bytes>>| {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"x"))))
    }));
    let mut open = Vec::new();
    for _ in 0..READS {
        open.push(service.clone().oneshot(get("/apis")).await.unwrap());
    }
    let mut waiting = std::pin::pin!(service.clone().oneshot(get("/apis")));
    assert!(futures::poll!(waiting.as_mut()).is_pending());
    // Watches do not wait for lists.
    service.clone().oneshot(get("/?watch=true")).await.unwrap();
    drop(open.pop());
    waiting.await.unwrap();
    assert_eq!(
        counted(&registry),
        [
            format!(r#"{{call="read",result="ok"}} {}"#, READS + 1),
            r#"{call="watch",result="ok"} 1"#.to_owned(),
        ]
    );
}
