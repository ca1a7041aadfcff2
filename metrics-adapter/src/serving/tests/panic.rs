//! What panics outside of a handler costs its connection, is counted, and harms nobody else.

use http_body_util::BodyExt as _;
use http_body_util::combinators::BoxBody;
use hyper::body::Frame;

use super::*;

/// Its answers' bodies panic, except at `/`.
#[derive(Clone)]
struct Bodies;

impl tower::Service<Request<Incoming>> for Bodies {
    type Response = Response<BoxBody<Bytes, Infallible>>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let good = request.uri().path() == "/";
        let body = Full::from("x").map_frame(move |frame: Frame<Bytes>| {
            assert!(good, "a bug");
            frame
        });
        std::future::ready(Ok(Response::new(body.boxed())))
    }
}

#[tokio::test]
async fn a_panic_outside_of_handlers_is_counted() {
    let server = TestServer::start(Bodies, Options::default()).await;
    for (panics, protocol) in [(1, Protocol::Http1), (2, Protocol::Http2)] {
        assert!(
            within(server.try_get(protocol, None, "/panic"))
                .await
                .is_err()
        );
        eventually(|| server.metrics.connection_panics.get() == panics).await;
        assert_eq!(server.get(protocol, None, "/").await.status, StatusCode::OK);
    }
    assert_eq!(server.metrics.panics.get(), 0);
    eventually(|| server.metrics.connections.get() == 0).await;
}
