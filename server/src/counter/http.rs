//! The counter over HTTP: whatever is asked, by any method and on any path, is a request that
//! counts.
//!
//! Law: the answer is 200 with the two lines, or 500 with the error and nothing counted here. A
//! request that was begun is counted to its end, also when its caller has left. Whoever asks for
//! the process's health asks the admin listener, and is not counted.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{StatusCode, header};
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

/// All paths and methods.
pub fn router<C: Counter>(service: Arc<Service<C>>) -> Router {
    Router::new().fallback(answer::<C>).with_state(service)
}

async fn answer<C: Counter>(State(service): State<Arc<Service<C>>>, request: Request) -> Response {
    let start = Instant::now();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let client = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let client = client.map(|client| client.0.ip().to_string());
    let counting = Arc::clone(&service);
    let counted = service.tasks.spawn(async move { counting.count().await });
    // A panic while counting is a fault of this program, and no answer of the counter.
    let (code, text) = counted.await.unwrap_or_else(|error| {
        tracing::error!(%error, "counting failed");
        let text = "the request could not be counted\n".to_owned();
        (StatusCode::INTERNAL_SERVER_ERROR, text)
    });
    let latency = start.elapsed();
    service
        .metrics
        .answered(&method, code, latency.as_secs_f64());
    tracing::debug!(
        statusCode = code.as_u16(),
        latency = ?latency,
        clientIP = client.as_deref().unwrap_or_default(),
        httpMethod = %method,
        path,
        "request"
    );
    (code, [(header::CONTENT_TYPE, "text/plain")], text).into_response()
}

impl<C: Counter> Service<C> {
    async fn count(&self) -> (StatusCode, String) {
        match self.requests.count().await {
            Ok(numbers) => {
                self.metrics.counted(numbers.cluster);
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
