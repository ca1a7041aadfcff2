//! What a rule that matches a great many series costs an adapter that lists them. Law: series are
//! made while they are sent; this program holds none of them.
//!
//! A real Prometheus with so many series would need most of the machine's memory, and what is
//! measured is the adapter's: so `/api/v1/series` is answered by a stand-in, first with few series,
//! then with all of them.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::Either;
use hyper::{
    body::{Body, Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use tokio::{
    net::TcpListener,
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{
    connection::uri,
    error::{Error, Result},
    load::Latency,
    plan,
    stage::{self, Places, Programs, front_proxy_headers},
    usage,
};
use crate::progress::say;

/// Series of the great list.
const MANY: usize = 1_000_000;
/// Of the small one.
const FEW: usize = 1_000;
/// Names of metrics in the great list: of so few that only its length tells, and of so many that the
/// catalogue and its documents do too.
pub(crate) const NAMES: [usize; 2] = [100, 10_000];
/// Pods of a namespace.
const PODS: usize = 100;
/// Between two relists.
const INTERVAL: &str = "3s";
/// What discovery names once the great list is in force.
const WITNESS: &str = "app_witness";
/// A list that is not in force by then never is.
const PATIENCE: Duration = Duration::from_secs(180);
/// Between two looks at discovery.
const PACE: Duration = Duration::from_millis(5);

/// What the great list cost.
#[derive(Debug, Serialize)]
pub(crate) struct Relist {
    pub(crate) series: usize,
    /// Different names among them.
    pub(crate) names: usize,
    /// Length of the great list.
    pub(crate) list_bytes: usize,
    /// Resident memory with the small list, and the peak while the great one was read and adopted.
    pub(crate) idle_bytes: u64,
    pub(crate) peak_bytes: u64,
    /// Processor time until the great list was in force, and how long that took; at most the time
    /// between two relists of it is waiting.
    pub(crate) cpu_seconds: f64,
    pub(crate) seconds: f64,
    /// The slowest of discovery's answers meanwhile, and their number.
    pub(crate) discovery_worst_ms: f64,
    pub(crate) discovery_requests: u64,
}

/// Measures it; no other adapter may run.
pub(crate) async fn measure(places: &Places, programs: &Programs, names: usize) -> Result<Relist> {
    let stand_in = StandIn::start(names).await?;
    let interval = format!("--metrics-relist-interval={INTERVAL}");
    let mut child = places.start_adapter(programs, stand_in.address, &[interval])?;
    stage::ready(&mut child, places.admin).await?;
    // Several small relists: what the first one needed has been given back, or has been kept.
    while stand_in.asked.load(Ordering::Relaxed) < 3 {
        child.check()?;
        sleep(PACE).await;
    }
    let idle = usage::memory(child.id())?.now;
    usage::forget_peak(child.id())?;
    let processor = usage::processor_time(child.id())?;
    let endpoint = places.front_proxy()?;
    let uri = uri(endpoint.address, "/apis/custom.metrics.k8s.io/v1beta1")?;
    let headers: HeaderMap = front_proxy_headers("application/json");
    let connection = endpoint.connect().await?;
    let mut sender = connection.sender();
    let mut latency = Latency::new()?;
    stand_in.series.store(MANY, Ordering::Relaxed);
    let begun = Instant::now();
    loop {
        child.check()?;
        let at = Instant::now();
        let answer = sender.get(uri.clone(), headers.clone()).await?;
        latency.record(at.elapsed());
        if answer.status() != 200 {
            return Err(Error::failed("discovery during a relist", answer.status()));
        }
        let text = String::from_utf8_lossy(answer.body());
        if text.contains(WITNESS) {
            break;
        }
        if begun.elapsed() > PATIENCE {
            let problem = "is not in force after three minutes; the adapter's log says why";
            return Err(Error::failed("a list of 1,000,000 series", problem));
        }
        sleep(PACE).await;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let used = usage::processor_time(child.id())?.saturating_sub(processor);
    let peak = usage::memory(child.id())?.peak;
    child.end();
    let relist = Relist {
        series: MANY,
        names,
        list_bytes: stand_in.length.load(Ordering::Relaxed),
        idle_bytes: idle,
        peak_bytes: peak,
        cpu_seconds: used.as_secs_f64(),
        seconds,
        discovery_worst_ms: latency.quantile(1.0),
        discovery_requests: latency.count(),
    };
    say(&format!(
        "  {MANY} series with {names} names listed in {seconds:.1} s, {:.1} s of CPU",
        relist.cpu_seconds
    ));
    Ok(relist)
}

/// Answers `/api/v1/series` with made-up series, everything else with nothing.
struct StandIn {
    address: SocketAddr,
    series: Arc<AtomicUsize>,
    /// Lists that were sent to the end.
    asked: Arc<AtomicUsize>,
    /// Length of the last of them.
    length: Arc<AtomicUsize>,
    _server: JoinSet<()>,
}

impl StandIn {
    async fn start(names: usize) -> Result<Self> {
        let failed = |cause: std::io::Error| Error::failed("stand-in for Prometheus", cause);
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let series = Arc::new(AtomicUsize::new(FEW));
        let asked = Arc::new(AtomicUsize::new(0));
        let length = Arc::new(AtomicUsize::new(0));
        let mut server = JoinSet::new();
        let list = Template {
            names,
            series: Arc::clone(&series),
            asked: Arc::clone(&asked),
            length: Arc::clone(&length),
        };
        server.spawn(serve(listener, list));
        Ok(Self {
            address,
            series,
            asked,
            length,
            _server: server,
        })
    }
}

/// What the next list is made with.
#[derive(Clone)]
struct Template {
    names: usize,
    series: Arc<AtomicUsize>,
    asked: Arc<AtomicUsize>,
    length: Arc<AtomicUsize>,
}

async fn serve(listener: TcpListener, template: Template) {
    let mut connections = JoinSet::new();
    while let Ok((socket, _peer)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let template = template.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let is_list = request.uri().path() == "/api/v1/series";
            let body = if is_list {
                Either::Left(List::new(template.clone()))
            } else {
                Either::Right(http_body_util::Full::<Bytes>::default())
            };
            let mut response = Response::new(body);
            if !is_list {
                *response.status_mut() = StatusCode::NOT_FOUND;
            }
            let json = http::HeaderValue::from_static("application/json");
            let headers = response.headers_mut();
            headers.insert(http::header::CONTENT_TYPE, json);
            std::future::ready(Ok::<_, Infallible>(response))
        });
        connections.spawn(async move {
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new());
            // What the adapter misses, it says itself.
            let _ = builder
                .serve_connection(TokioIo::new(socket), service)
                .await;
        });
    }
}

/// The body of a list, made as it is read.
struct List {
    template: Template,
    count: usize,
    next: usize,
    length: usize,
    done: bool,
}

impl List {
    fn new(template: Template) -> Self {
        Self {
            count: template.series.load(Ordering::Relaxed),
            template,
            next: 0,
            length: 0,
            done: false,
        }
    }

    /// The next piece, of about 100 KB.
    fn piece(&mut self) -> Option<String> {
        if self.done {
            return None;
        }
        let mut text = String::new();
        if self.next == 0 {
            text.push_str("{\"status\":\"success\",\"data\":[");
        }
        let end = (self.next + 1000).min(self.count);
        for number in self.next..end {
            if number > 0 {
                text.push(',');
            }
            text.push_str(&series(number, self.count, self.template.names));
        }
        self.next = end;
        if end == self.count {
            text.push_str("]}");
            self.done = true;
        }
        self.length += text.len();
        if self.done {
            self.template.length.store(self.length, Ordering::Relaxed);
            self.template.asked.fetch_add(1, Ordering::Relaxed);
        }
        Some(text)
    }
}

impl Body for List {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.piece().map(|text| Ok(Frame::data(text.into()))))
    }
}

/// One series of so many; only the last of many has the name that shows the list is in force.
fn series(number: usize, count: usize, names: usize) -> String {
    let name = if count == MANY && number + 1 == count {
        WITNESS.to_owned()
    } else {
        plan::metric(number % names)
    };
    let pod = number / names;
    format!(
        "{{\"__name__\":\"{name}\",\"job\":\"app\",\"namespace\":\"{}\",\
         \"pod\":\"app-{pod:05}-5d9c7b6f8d-x2x4q\"}}",
        plan::namespace(pod / PODS),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(count: usize) -> (serde_json::Value, usize) {
        let template = Template {
            names: 100,
            series: Arc::new(AtomicUsize::new(count)),
            asked: Arc::default(),
            length: Arc::default(),
        };
        let mut list = List::new(template.clone());
        let text: String = std::iter::from_fn(|| list.piece()).collect();
        assert_eq!(text.len(), template.length.load(Ordering::Relaxed));
        let value = serde_json::from_str(&text).expect("is JSON");
        (value, template.asked.load(Ordering::Relaxed))
    }

    #[test]
    fn a_list_is_json_and_counted_once() {
        let (value, asked) = list(2500);
        let data = value["data"].as_array().expect("a list");
        assert_eq!((data.len(), asked), (2500, 1));
        let different: std::collections::BTreeSet<String> =
            data.iter().map(ToString::to_string).collect();
        assert_eq!(different.len(), 2500);
    }

    #[test]
    fn only_the_great_list_has_the_witness() {
        assert!(series(MANY - 1, MANY, 100).contains(WITNESS));
        assert!(!series(FEW - 1, FEW, 100).contains(WITNESS));
        assert!(!series(0, MANY, 100).contains(WITNESS));
    }
}
