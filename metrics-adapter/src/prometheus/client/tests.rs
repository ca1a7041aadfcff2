//! What is sent, and how much of an answer is read.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::pin::pin;

use futures::poll;
use prometheus_client::registry::Registry;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::task::JoinSet;

use super::*;

#[tokio::test]
async fn a_query_that_is_too_long_is_not_sent() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut registry = Registry::default();
    let mk = |max_query_length, registry: &mut Registry| {
        let options = Options {
            // Nobody listens on the discard port.
            url: "http://127.0.0.1:9".parse().unwrap(),
            verb: Verb::Post,
            headers: Vec::new(),
            credentials: Credentials::default(),
            timeout: Duration::from_secs(5),
            concurrency: 1,
            max_body: 1,
            max_query_length,
        };
        Client::new(options, Metrics::register(registry)).unwrap()
    };
    let client = mk(8, &mut registry);
    let error = client.query("vector(1)").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string()),
        (
            "query_too_long",
            "the query has 9 bytes, --prometheus-max-query-length allows 8".to_owned()
        )
    );
    let text = telemetry::text::encode(&registry);
    let line = "requests_total{endpoint=\"query\",result=\"query_too_long\"} 1\n";
    assert!(text.contains(line), "{text}");
    // These are sent, and meet nobody.
    assert_eq!(
        client.query("vector()").await.unwrap_err().kind(),
        "connect"
    );
    let unlimited = mk(0, &mut Registry::default());
    assert_eq!(
        unlimited.query("vector(1)").await.unwrap_err().kind(),
        "connect"
    );
}

/// The URL of a server that answers everything with a head and a beginning, and then with
/// `piece` so many times.
fn serve(head: &'static str, piece: &'static str, times: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            let _ = socket.read(&mut [0; 4096]);
            let _ = socket.write_all(head.as_bytes());
            let pieces = piece.repeat(1024);
            for _ in 0..times / 1024 {
                if socket.write_all(pieces.as_bytes()).is_err() {
                    break;
                }
            }
        }
    });
    url
}

fn mk_client(url: &str) -> Client {
    mk_client_with(url, 20)
}

fn mk_client_with(url: &str, concurrency: usize) -> Client {
    let options = mk_options(url, concurrency);
    Client::new(options, Metrics::register(&mut Registry::default())).unwrap()
}

fn mk_options(url: &str, concurrency: usize) -> Options {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Options {
        url: url.parse().unwrap(),
        verb: Verb::Get,
        headers: Vec::new(),
        credentials: Credentials::default(),
        timeout: Duration::from_secs(20),
        concurrency,
        max_body: 128 << 20,
        max_query_length: 0,
    }
}

const HEAD: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";

/// The URL of a server that refuses everything, and what it is asked.
fn refuse() -> (String, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (tell, asked) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            let (mut request, mut piece) = (Vec::new(), [0; 4096]);
            while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                let length = socket.read(&mut piece).unwrap();
                assert_ne!(length, 0, "half a request");
                request.extend_from_slice(&piece[..length]);
            }
            let request = String::from_utf8(request).unwrap();
            if tell.send(request.to_ascii_lowercase()).is_err() {
                return;
            }
            let answer = "HTTP/1.1 400 X\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
            socket.write_all(answer.as_bytes()).unwrap();
        }
    });
    (url, asked)
}

#[tokio::test]
async fn nothing_is_asked_for_compressed_unless_it_is_set() {
    let (url, asked) = refuse();
    let gzip = (ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    for (headers, coding) in [(vec![], "identity"), (vec![gzip], "gzip")] {
        let mut options = mk_options(&url, 1);
        options.headers = headers;
        let client = Client::new(options, Metrics::register(&mut Registry::default())).unwrap();
        client.query("up").await.unwrap_err();
        let (start, end) = (Timestamp::UNIX_EPOCH, Timestamp::now());
        client.series("up", start, end).await.unwrap_err();
        for endpoint in ["query", "series"] {
            let request = asked.recv().unwrap();
            let first = format!("get /api/v1/{endpoint}?");
            let header = format!("\r\naccept-encoding: {coding}\r\n");
            assert!(
                request.starts_with(&first) && request.contains(&header),
                "{request}"
            );
        }
    }
}

#[tokio::test]
async fn values_have_a_lower_limit_than_series() {
    let blanks = serve(HEAD, " ", 100 << 20);
    let error = mk_client(&blanks).query("up").await.unwrap_err();
    let limit = "larger than 4194304 bytes";
    assert!(error.to_string().contains(limit), "{error}");
}

#[tokio::test]
async fn errors_are_read_to_their_beginning() {
    const PAGE: &str = "HTTP/1.1 503 X\r\nconnection: close\r\n\r\n<html>";
    let page = serve(PAGE, "long ", 100 << 20);
    let client = mk_client(&page);
    let now = Timestamp::now();
    let errors = [
        client.query("up").await.err(),
        client.series("up", now, now).await.err(),
    ];
    for error in errors {
        let error = error.unwrap().to_string();
        assert!(
            error.starts_with("Prometheus answered 503: <html>long long"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn series_are_decoded_while_they_come() {
    const FIRST: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{\"status\":\"success\",\"data\":\
                         [{\"__name__\":\"up\"}";
    let now = Timestamp::now();
    // Refused at its first piece, although it goes on for ever.
    let garbage = serve("HTTP/1.1 200 OK\r\n\r\n<html>", "more ", usize::MAX);
    let error = mk_client(&garbage)
        .series("up", now, now)
        .await
        .unwrap_err();
    // How much of it there was already is the network's affair.
    assert!(error.to_string().contains("in \"<html>"), "{error}");
    // Cut off inside.
    let cut = serve(FIRST, ",{\"__name__\":\"up\"}", 4096);
    let error = mk_client(&cut).series("up", now, now).await.unwrap_err();
    assert!(error.to_string().contains("EOF"), "{error}");
}

/// Prometheus' part: tells what it is asked, and answers when it may.
async fn serve_in_turn() -> (String, mpsc::UnboundedReceiver<String>, Arc<Semaphore>) {
    let (asked, turns) = mpsc::unbounded_channel();
    let may_answer = Arc::new(Semaphore::new(0));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answering = Arc::clone(&may_answer);
    let serve = async move {
        let mut turns = JoinSet::new();
        while let Ok((mut socket, _)) = listener.accept().await {
            let (asked, answering) = (asked.clone(), Arc::clone(&answering));
            turns.spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(socket.read_u8().await.unwrap());
                }
                let head = String::from_utf8(head).unwrap();
                let path = head.split(' ').nth(1).unwrap();
                let url: Url = format!("http://x{path}").parse().unwrap();
                let mut pairs = url.query_pairs();
                let text = pairs.find(|(name, _)| name == "query" || name == "match[]");
                asked.send(text.unwrap().1.into_owned()).unwrap();
                answering.acquire().await.unwrap().forget();
                let data = match url.path() {
                    "/api/v1/series" => "[]",
                    _ => r#"{"resultType":"scalar","result":[1,"2"]}"#,
                };
                let answer = format!(r#"{HEAD}{{"status":"success","data":{data}}}"#);
                socket.write_all(answer.as_bytes()).await.unwrap();
            });
        }
    };
    #[allow(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    tokio::spawn(serve);
    (url, turns, may_answer)
}

#[tokio::test]
async fn what_a_request_waits_for_is_asked_first() {
    let (url, mut turns, may_answer) = serve_in_turn().await;
    let client = mk_client_with(&url, 1);
    let (somebody, nobody, now) = (Notify::new(), Notify::new(), Timestamp::now());
    let mut first = pin!(client.query("first"));
    let asked = tokio::select! {
        asked = turns.recv() => asked,
        answer = &mut first => panic!("{answer:?}"),
    };
    assert_eq!(asked.as_deref(), Some("first"));
    // All others wait for the only permit, the request last.
    let mut series = pin!(client.series("series", now, now));
    let ask_ahead = async |promql, awaited: &Notify| {
        let turn = client.turn_ahead(awaited.notified()).await?;
        client.query_as(promql, turn, |value| value).await
    };
    let mut ahead = pin!(ask_ahead("ahead", &nobody));
    let mut joined = pin!(ask_ahead("joined", &somebody));
    let mut cold = pin!(client.query("cold"));
    assert!(poll!(&mut series).is_pending() && poll!(&mut ahead).is_pending());
    assert!(poll!(&mut joined).is_pending() && poll!(&mut cold).is_pending());
    // A request takes the answer that was to come ahead of it.
    somebody.notify_one();
    assert!(poll!(&mut joined).is_pending());
    may_answer.add_permits(5);
    let answers = tokio::join!(first, series, ahead, joined, cold);
    assert!(answers.0.is_ok() && answers.1.is_ok() && answers.2.is_ok());
    assert!(answers.3.is_ok() && answers.4.is_ok());
    let mut order = Vec::new();
    while let Ok(text) = turns.try_recv() {
        order.push(text);
    }
    assert_eq!(order, ["cold", "joined", "ahead", "series"]);
}

#[tokio::test]
async fn a_joined_query_has_the_time_of_whoever_joined() {
    let (url, mut turns, may_answer) = serve_in_turn().await;
    let client = mk_client_with(&url, 1);
    tokio::time::pause();
    let held = client.turn().await.unwrap();
    let somebody = Notify::new();
    let mut ahead = pin!(client.turn_ahead(somebody.notified()));
    assert!(poll!(&mut ahead).is_pending());
    tokio::time::advance(Duration::from_secs(19)).await;
    assert!(poll!(&mut ahead).is_pending());
    somebody.notify_one();
    assert!(poll!(&mut ahead).is_pending());
    tokio::time::advance(Duration::from_secs(19)).await;
    assert!(poll!(&mut ahead).is_pending());
    drop(held);
    let turn = ahead.await.unwrap();
    assert_eq!(
        turn.deadline(),
        Some(Instant::now() + Duration::from_secs(1))
    );
    // Whose turn does not come is told so, and Prometheus is not asked.
    let error = client.query("late").await.unwrap_err();
    assert_eq!((error.kind(), error.is_sent()), ("busy", false));
    drop(turn);
    assert!(turns.try_recv().is_err());
    tokio::time::resume();
    may_answer.add_permits(1);
    assert!(client.query("next").await.is_ok());
    assert_eq!(turns.try_recv().as_deref(), Ok("next"));
}
