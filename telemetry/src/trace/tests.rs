use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderMap, Method, Request, Response, StatusCode};
use opentelemetry::trace::{SpanKind, Status};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use tower::{ServiceExt as _, service_fn};
use tracing_subscriber::layer::SubscriberExt as _;

use super::client::Call;
use super::*;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Keeps the spans that ended.
#[derive(Clone, Debug, Default)]
struct Kept(Arc<Mutex<Vec<SpanData>>>);

impl SpanProcessor for Kept {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Records what `work` does, all of it.
fn record(work: impl AsyncFnOnce()) -> Vec<SpanData> {
    record_as(Config::local("test").sampling, work)
}

fn record_as(sampling: Sampling, work: impl AsyncFnOnce()) -> Vec<SpanData> {
    let kept = Kept::default();
    let traces = SdkTracerProvider::builder()
        .with_sampler(sampler(sampling))
        .with_span_processor(kept.clone())
        .build();
    let pipeline = Pipeline {
        tracer: traces.tracer("test"),
        traces,
        logs: None,
        runtime: None,
    };
    let subscriber = tracing_subscriber::registry().with(pipeline.spans());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    tracing::subscriber::with_default(subscriber, || runtime.block_on(work()));
    std::mem::take(&mut *kept.0.lock().unwrap())
}

fn mk_request(headers: &[(&'static str, &str)]) -> Request<()> {
    let mut request = Request::get("http://host:81/thing/1").body(()).unwrap();
    for (name, value) in headers {
        request.headers_mut().append(*name, value.parse().unwrap());
    }
    request
}

fn mk_layer<F>(route: F) -> server::Layer<F> {
    let scheme = "http";
    server::Layer { scheme, route }
}

/// Has a server answer with `status`, and returns the trace that its handler worked for.
async fn serve(request: Request<()>, status: StatusCode) -> Option<String> {
    let seen = Arc::new(Mutex::new(None));
    let told = Arc::clone(&seen);
    let handler = service_fn(move |_: Request<()>| {
        *told.lock().unwrap() = id();
        async move {
            let mut answer = Response::new(());
            *answer.status_mut() = status;
            Ok::<_, Infallible>(answer)
        }
    });
    let route = |_: &Request<()>| Some("/thing/{id}".to_owned());
    let served = tower::Layer::layer(&mk_layer(route), handler);
    served.oneshot(request).await.unwrap();
    let seen = seen.lock().unwrap();
    seen.clone()
}

fn attribute(span: &SpanData, key: &str) -> Option<String> {
    let mut attributes = span.attributes.iter();
    let found = attributes.find(|attribute| attribute.key.as_str() == key)?;
    Some(found.value.to_string())
}

#[test]
fn a_server_s_span_is_the_child_of_its_caller_s() {
    let spans = record(async || {
        let seen = serve(mk_request(&[("traceparent", PARENT)]), StatusCode::OK).await;
        assert_eq!(seen.as_deref(), Some(TRACE));
    });
    let [span] = &spans[..] else {
        panic!("{spans:?}")
    };
    assert_eq!(span.name, "GET /thing/{id}");
    assert_eq!(span.span_kind, SpanKind::Server);
    assert_eq!(span.span_context.trace_id().to_string(), TRACE);
    assert_eq!(span.parent_span_id.to_string(), "b7ad6b7169203331");
    for (key, value) in [
        ("http.request.method", "GET"),
        ("url.scheme", "http"),
        ("url.path", "/thing/1"),
        ("http.route", "/thing/{id}"),
        ("server.address", "host"),
        ("server.port", "81"),
        ("http.response.status_code", "200"),
    ] {
        assert_eq!(attribute(span, key).as_deref(), Some(value), "{key}");
    }
}

#[test]
fn malformed_contexts_count_as_none() {
    for wrong in [
        "",
        "00",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-zzf7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ] {
        let spans = record(async || {
            let headers = [("traceparent", wrong), ("baggage", "=,;=")];
            let seen = serve(mk_request(&headers), StatusCode::OK).await;
            assert_ne!(seen.as_deref(), Some(TRACE), "{wrong:?}");
            assert_eq!(seen.map(|id| id.len()), Some(32), "{wrong:?}");
        });
        let root = spans[0].parent_span_id;
        assert_eq!(root, opentelemetry::trace::SpanId::INVALID, "{wrong:?}");
    }
}

#[test]
fn only_the_server_s_own_errors_are_errors_of_its_span() {
    for (code, status) in [(200, Status::Unset), (404, Status::Unset)] {
        let code = StatusCode::from_u16(code).unwrap();
        let spans = record(async || drop(serve(mk_request(&[]), code).await));
        assert_eq!(spans[0].status, status, "{code}");
        assert_eq!(attribute(&spans[0], "error.type"), None, "{code}");
    }
    let code = StatusCode::SERVICE_UNAVAILABLE;
    let spans = record(async || drop(serve(mk_request(&[]), code).await));
    assert_eq!(spans[0].status, Status::error(""));
    assert_eq!(attribute(&spans[0], "error.type").as_deref(), Some("503"));
}

#[test]
fn a_request_that_nobody_waits_for_was_cancelled() {
    let spans = record(async || {
        let handler = service_fn(|_: Request<()>| std::future::pending::<Result<_, Infallible>>());
        let route = |_: &Request<()>| None;
        let served = tower::Layer::layer(&mk_layer(route), handler);
        let answer: Result<Response<()>, _> = tokio::select! {
            biased;
            answer = served.oneshot(mk_request(&[])) => answer,
            () = std::future::ready(()) => return,
        };
        panic!("{answer:?}");
    });
    assert_eq!(spans[0].name, "GET");
    let kind = attribute(&spans[0], "error.type");
    assert_eq!(kind.as_deref(), Some("cancelled"));
}

#[test]
fn a_client_hands_on_what_it_works_for() {
    let mut headers = HeaderMap::new();
    let spans = record(async || {
        let caller = [("traceparent", PARENT), ("baggage", "user=one")];
        let handler = service_fn(|_: Request<()>| {
            let call = Call::start(&Method::POST, "http://a:b@other/x?y=z", "/x");
            call.inject(&mut headers);
            assert_eq!(call.trace_id().as_deref(), Some(TRACE));
            call.answered(StatusCode::NOT_FOUND);
            async { Ok::<_, Infallible>(Response::new(())) }
        });
        let served = tower::Layer::layer(&mk_layer(|_: &Request<()>| None), handler);
        served.oneshot(mk_request(&caller)).await.unwrap();
    });
    let [outgoing, incoming] = &spans[..] else {
        panic!("{spans:?}")
    };
    let id = outgoing.span_context.span_id();
    assert_eq!(headers["traceparent"], format!("00-{TRACE}-{id}-01"));
    assert_eq!(headers["baggage"], "user=one");
    assert_eq!(outgoing.parent_span_id, incoming.span_context.span_id());
    assert_eq!(outgoing.name, "POST /x");
    assert_eq!(outgoing.status, Status::error(""));
    let url = attribute(outgoing, "url.full");
    assert_eq!(url.as_deref(), Some("http://other/x?y=z"));
    let port = attribute(outgoing, "server.port");
    assert_eq!(port.as_deref(), Some("80"));
}

#[test]
fn the_caller_decides_what_is_recorded_unless_it_does_not() {
    let not = PARENT.replace("-01", "-00");
    for (parent_based, ratio, caller, expected) in [
        (true, 1.0, &*not, 0),
        (true, 0.0, PARENT, 1),
        (true, 0.0, "", 0),
        (false, 1.0, &*not, 1),
        (false, 0.0, PARENT, 0),
    ] {
        let sampling = Sampling {
            parent_based,
            ratio,
        };
        let spans = record_as(sampling, async || {
            let request = mk_request(&[("traceparent", caller)]);
            // The trace has an id in any case.
            assert!(serve(request, StatusCode::OK).await.is_some());
        });
        assert_eq!(spans.len(), expected, "{sampling:?} {caller:?}");
    }
}

#[test]
fn only_recorded_traces_are_remembered_by_a_histogram() {
    for (flags, remembered) in [("-01", true), ("-00", false)] {
        let histogram = Histogram::new([1.0].into_iter());
        let mut registry = Registry::default();
        registry.register("wait", "Wait", histogram.clone());
        record(async || {
            let handler = service_fn(|_: Request<()>| {
                observe(&histogram, 0.5);
                async { Ok::<_, Infallible>(Response::new(())) }
            });
            let served = tower::Layer::layer(&mk_layer(|_: &Request<()>| None), handler);
            let caller = PARENT.replace("-01", flags);
            let request = mk_request(&[("traceparent", &caller)]);
            served.oneshot(request).await.unwrap();
        });
        let text = crate::text::encode_as(&registry, crate::text::Format::OpenMetrics);
        let exemplar = format!("wait_bucket{{le=\"1.0\"}} 1 # {{trace_id=\"{TRACE}\"}} 0.5 ");
        assert_eq!(text.contains(&exemplar), remembered, "{text}");
        assert!(text.contains("wait_bucket{le=\"1.0\"} 1"), "{text}");
    }
}

/// A receiver that accepts connections, and never says anything.
fn mk_silent(protocol: Protocol) -> (TcpListener, Config) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let config = Config {
        receiver: Some(Receiver {
            endpoint,
            protocol,
            logs: false,
        }),
        ..Config::local("test")
    };
    (listener, config)
}

#[test]
fn a_silent_receiver_holds_up_neither_work_nor_the_end() {
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
        let (_receiver, config) = mk_silent(protocol);
        let counts = Counts::default();
        let pipeline = Pipeline::start_counted(&config, &counts).unwrap();
        let subscriber = tracing_subscriber::registry().with(pipeline.spans());
        tracing::subscriber::with_default(subscriber, || {
            for _ in 0..=CAPACITY {
                drop(tracing::info_span!("work").entered());
            }
        });
        let mut registry = Registry::default();
        counts.register(&mut registry);
        let text = crate::text::encode(&registry);
        // One more than there is room for, and nothing has left.
        let dropped = "otlp_items_total{signal=\"traces\",outcome=\"dropped\"} 1";
        assert!(text.lines().any(|line| line == dropped), "{text}");
        let start = Instant::now();
        pipeline.shutdown(Duration::from_millis(100));
        assert!(start.elapsed() < EXPORT_LIMIT, "{protocol:?}");
    }
}
