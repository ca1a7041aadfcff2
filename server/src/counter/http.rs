//! The counter over HTTP: whatever is asked, by any method and on any path, is a request that
//! counts.
//!
//! Law: the answer is 200 with the two lines, or 500 with the error and nothing counted here. A
//! request that was begun is counted to its end, and measured and logged then, also when its caller
//! has left. Whoever asks for the process's health asks the admin listener, and is not counted.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::metric::Metrics;
use super::{Counter, Message, Requests};

/// What requests share.
#[derive(Debug)]
pub struct Service<C> {
    /// The counts.
    pub requests: Arc<Requests<C>>,
    /// The instance's name in answers, `host:port`.
    pub instance: String,
    /// What is measured.
    pub metrics: Metrics,
    /// Counts under way.
    pub tasks: TaskTracker,
}

/// A request; measured and logged when it is dropped, which is when its count has ended.
#[derive(Debug)]
struct Asked {
    metrics: Metrics,
    start: Instant,
    method: Method,
    path: String,
    client: Option<String>,
    /// A server error, unless it was set.
    code: StatusCode,
}

/// All paths and methods.
pub fn router<C: Counter>(service: Arc<Service<C>>) -> Router {
    Router::new().fallback(answer::<C>).with_state(service)
}

async fn answer<C: Counter>(State(service): State<Arc<Service<C>>>, request: Request) -> Response {
    let client = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let asked = Asked {
        metrics: service.metrics.clone(),
        start: Instant::now(),
        method: request.method().clone(),
        path: request.uri().path().to_owned(),
        client: client.map(|client| client.0.ip().to_string()),
        code: StatusCode::INTERNAL_SERVER_ERROR,
    };
    let counting = Arc::clone(&service);
    let counted = service.tasks.spawn(async move {
        let mut asked = asked;
        let (code, text) = counting.count().await;
        asked.code = code;
        (code, text)
    });
    // A panic while counting is a fault of this program, and no answer of the counter.
    let (code, text) = counted.await.unwrap_or_else(|error| {
        tracing::error!(%error, "counting failed");
        let text = "the request could not be counted\n".to_owned();
        (StatusCode::INTERNAL_SERVER_ERROR, text)
    });
    (code, [(header::CONTENT_TYPE, "text/plain")], text).into_response()
}

impl Drop for Asked {
    fn drop(&mut self) {
        let latency = self.start.elapsed();
        self.metrics
            .answered(&self.method, self.code, latency.as_secs_f64());
        tracing::debug!(
            statusCode = self.code.as_u16(),
            latency = ?latency,
            clientIP = self.client.as_deref().unwrap_or_default(),
            httpMethod = %self.method,
            path = self.path,
            "request"
        );
    }
}

impl<C: Counter> Service<C> {
    async fn count(&self) -> (StatusCode, String) {
        match self.requests.count().await {
            Ok(numbers) => {
                let message = Message {
                    instance: &self.instance,
                    numbers,
                };
                (StatusCode::OK, message.to_string())
            }
            Err(error) => {
                self.metrics.failed(&error);
                (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use prometheus_client::registry::Registry;
    use tokio::sync::Semaphore;
    use tower::ServiceExt as _;

    use super::super::memory::Memory;
    use super::super::metric::tests::mk_link;
    use super::super::{Counter, Error};
    use super::*;

    /// Counts one for each permit, and panics when there will be no more.
    #[derive(Debug)]
    struct Gate {
        permits: Semaphore,
        count: Memory,
    }

    impl Counter for Gate {
        async fn increment(&self) -> Result<u64, Error> {
            self.permits.acquire().await.unwrap().forget();
            self.count.increment().await
        }
    }

    /// Asks and leaves, then opens the gate, or breaks it; returns the metrics.
    async fn leave(open: impl FnOnce(&Semaphore)) -> String {
        let mut registry = Registry::default();
        let requests = Arc::new(Requests::new(Gate {
            permits: Semaphore::new(0),
            count: Memory::default(),
        }));
        let service = Arc::new(Service {
            metrics: Metrics::register(&mut registry, Arc::clone(&requests), mk_link()),
            requests,
            instance: "test:1".to_owned(),
            tasks: TaskTracker::new(),
        });
        let request = Request::put("/").body(Body::empty()).unwrap();
        let mut asking = Box::pin(router(Arc::clone(&service)).oneshot(request));
        while service.tasks.is_empty() {
            assert!(futures::poll!(&mut asking).is_pending());
        }
        drop(asking);
        open(&service.requests.cluster.permits);
        service.tasks.close();
        service.tasks.wait().await;
        telemetry::text::encode(&registry)
    }

    #[tokio::test]
    async fn who_leaves_is_measured_when_the_count_has_ended() {
        let text = leave(|permits| permits.add_permits(1)).await;
        let line = "http_requests_total{method=\"PUT\",code=\"200\"} 1";
        assert!(text.lines().any(|found| found == line), "{text}");
    }

    #[tokio::test]
    async fn a_panic_is_measured_as_a_server_error() {
        let text = leave(Semaphore::close).await;
        let line = "http_requests_total{method=\"PUT\",code=\"500\"} 1";
        assert!(text.lines().any(|found| found == line), "{text}");
    }
}
