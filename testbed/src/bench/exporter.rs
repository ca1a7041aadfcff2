//! What Prometheus scrapes: every pod's every metric, in parts of a size that a scrape of a real
//! exporter has. Every value tells when it was scraped, so that an old one is known.

use std::{convert::Infallible, fmt::Write as _, net::SocketAddr, sync::Arc, thread};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::Timestamp;
use tokio::{net::TcpListener, sync::oneshot, task::JoinSet};

use super::{
    error::{Error, Result},
    plan::{self, Shape},
};

/// What stands for the fraction of every value.
const FRACTION: &str = "@";

/// How much the exporter's thread stands back (nice): exporters are on other machines where this is
/// in earnest.
const NICENESS: i32 = 10;

/// A running exporter; it ends with this value.
#[derive(Debug)]
pub(crate) struct Exporter {
    pub(crate) address: SocketAddr,
    /// The paths of its parts.
    pub(crate) paths: Vec<String>,
    _end: oneshot::Sender<()>,
}

impl Exporter {
    /// Starts it on a thread of its own, which the callers of the adapter never wait for.
    pub(crate) fn start(shape: Shape) -> Result<Self> {
        let failed = |cause: std::io::Error| Error::failed("exporter", cause);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let parts: Arc<[String]> = parts(shape).into();
        let paths = (0..parts.len()).map(path).collect();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed)?;
        let (end, ended) = oneshot::channel::<()>();
        thread::Builder::new()
            .name("exporter".to_owned())
            .spawn(move || {
                // Of this thread alone, as Linux has it.
                let _ = rustix::process::nice(NICENESS);
                runtime.block_on(async {
                    tokio::select! {
                        // A scrape that fails is seen where its series are missed.
                        _ = serve(listener, parts) => {}
                        _ = ended => {}
                    }
                });
            })
            .map_err(failed)?;
        Ok(Self {
            address,
            paths,
            _end: end,
        })
    }
}

async fn serve(listener: std::net::TcpListener, parts: Arc<[String]>) -> std::io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let mut connections = JoinSet::new();
    loop {
        let (socket, _peer) = listener.accept().await?;
        while connections.try_join_next().is_some() {}
        let parts = Arc::clone(&parts);
        let service = service_fn(move |request: Request<Incoming>| {
            std::future::ready(answer(&parts, request.uri().path(), Timestamp::now()))
        });
        connections.spawn(async move {
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new());
            // A scrape that fails is seen where its series are missed.
            let _ = builder
                .serve_connection(TokioIo::new(socket), service)
                .await;
        });
    }
}

fn answer(
    parts: &[String],
    asked: &str,
    now: Timestamp,
) -> std::result::Result<Response<Full<Bytes>>, Infallible> {
    let part = (0..parts.len()).find(|number| path(*number) == asked);
    let text = part.map(|number| {
        let fraction = plan::fraction(now).to_string();
        parts[number].replace(FRACTION, &fraction)
    });
    let mut response = Response::new(Full::new(text.unwrap_or_default().into()));
    if part.is_none() {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("text/plain; version=0.0.4"),
    );
    Ok(response)
}

fn path(part: usize) -> String {
    format!("/metrics/{part}")
}

/// The text without fractions, some namespaces in each part.
fn parts(shape: Shape) -> Vec<String> {
    let of_namespace = shape.pods * shape.metrics;
    let at_once = (plan::SERIES_PER_PART / of_namespace).max(1);
    let namespaces: Vec<usize> = (0..shape.namespaces).collect();
    let part = |namespaces: &[usize]| {
        let mut text = String::new();
        for metric in 0..shape.metrics {
            let name = plan::metric(metric);
            // Writing to a String cannot fail.
            let _ = writeln!(text, "# TYPE {name} gauge");
            for namespace in namespaces {
                for pod in 0..shape.pods {
                    let _ = writeln!(
                        text,
                        "{name}{{namespace=\"{}\",pod=\"{}\"}} {}.{FRACTION}",
                        plan::namespace(*namespace),
                        plan::pod(*namespace, pod),
                        plan::whole_value(*namespace, pod, metric),
                    );
                }
            }
        }
        text
    };
    namespaces.chunks(at_once).map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::plan::Size;

    #[test]
    fn every_series_is_in_one_part() {
        for size in [Size::Small, Size::Medium] {
            let parts = parts(size.shape());
            let lines = parts.iter().flat_map(|part| {
                let lines = part.lines();
                lines.filter(|line| !line.starts_with('#'))
            });
            let series: std::collections::BTreeSet<&str> =
                lines.filter_map(|line| line.split(' ').next()).collect();
            assert_eq!(series.len(), size.shape().series(), "{size}");
        }
    }

    #[test]
    fn a_part_that_is_not_there_is_not_found() {
        let parts = ["a 1\n".to_owned()];
        let now = Timestamp::UNIX_EPOCH;
        let status = |path| answer(&parts, path, now).expect("infallible").status();
        assert_eq!(status("/metrics/0"), StatusCode::OK);
        assert_eq!(status("/metrics/1"), StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn every_scrape_has_its_own_time() {
        let parts = ["a 1.@\n".to_owned()];
        for (second, expected) in [(0, "a 1.100\n"), (25, "a 1.125\n")] {
            let now = Timestamp::from_second(second).expect("a time");
            let answer = answer(&parts, "/metrics/0", now).expect("infallible");
            let body = http_body_util::BodyExt::collect(answer.into_body()).await;
            assert_eq!(body.expect("infallible").to_bytes(), expected);
        }
    }
}
