use std::num::NonZeroU16;

use prometheus_client::registry::Registry;
use tokio::time::Instant;

use crate::pool::Limits;

use super::*;

fn mk_service(work: Work, queue_length: u32) -> (Registry, Service) {
    let mut registry = Registry::default();
    let pool = Pool::new(Limits {
        workers: NonZeroU16::MIN,
        queue_length,
    });
    let metrics = Metrics::register(&mut registry, pool.clone());
    let service_time = Duration::from_millis(40);
    let service = Service {
        pod: "pod-1".to_owned(),
        work,
        service_time,
        pool,
        metrics,
    };
    (registry, service)
}

fn mk_request(max_prime: u64) -> Request<DoRequest> {
    Request::new(DoRequest {
        max_prime,
        client_id: "test".to_owned(),
        sequence: 1,
    })
}

#[tokio::test(start_paused = true)]
async fn a_delay_takes_the_service_time_and_computes_nothing() {
    let (_, service) = mk_service(Work::Delay, 0);
    let start = Instant::now();
    let response = service.r#do(mk_request(1_000)).await.unwrap().into_inner();
    assert_eq!(start.elapsed(), Duration::from_millis(40));
    let expected = DoResponse {
        pod: "pod-1".to_owned(),
        count: 0,
        service_micros: 40_000,
    };
    assert_eq!(response, expected);
}

#[tokio::test(start_paused = true)]
async fn time_in_the_queue_is_time_in_the_handler() {
    let (registry, service) = mk_service(Work::Delay, 1);
    let (first, second) = tokio::join!(service.r#do(mk_request(0)), service.r#do(mk_request(0)));
    assert_eq!(first.unwrap().into_inner().service_micros, 40_000);
    assert_eq!(second.unwrap().into_inner().service_micros, 80_000);
    let text = telemetry::text::encode(&registry);
    assert!(
        text.contains("travelaudience_gserver_operations_ops_duration_sum 0.12\n"),
        "{text}"
    );
}

#[tokio::test]
async fn primes_are_counted() {
    let (_, service) = mk_service(Work::Primes, 0);
    let response = service.r#do(mk_request(1_000)).await.unwrap().into_inner();
    assert_eq!(response.count, 168);
}

#[tokio::test]
async fn a_huge_max_prime_is_refused_without_taking_a_worker() {
    let (_, service) = mk_service(Work::Primes, 0);
    let _worker = service.pool.admit().await.unwrap();
    let status = service.r#do(mk_request(u64::MAX)).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(status.message(), "max_prime: at most 10000000 is computed");
}

#[tokio::test(start_paused = true)]
async fn beyond_the_queue_calls_are_refused() {
    let (_, service) = mk_service(Work::Delay, 0);
    let _worker = service.pool.admit().await.unwrap();
    let status = service.r#do(mk_request(0)).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
}

#[tokio::test(start_paused = true)]
async fn a_call_past_its_deadline_leaves_the_queue() {
    let (registry, service) = mk_service(Work::Delay, 1);
    let _worker = service.pool.admit().await.unwrap();
    let mut request = mk_request(0);
    request.set_timeout(Duration::from_millis(10));
    let status = service.r#do(request).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(service.pool.waiting(), 0);
    let text = telemetry::text::encode(&registry);
    assert!(
        text.contains("server_errors_total{code=\"DEADLINE_EXCEEDED\"} 1\n"),
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_call_leaves_the_queue_and_is_counted() {
    let (registry, service) = mk_service(Work::Delay, 1);
    let _worker = service.pool.admit().await.unwrap();
    let call = service.r#do(mk_request(0));
    assert!(
        tokio::time::timeout(Duration::from_millis(10), call)
            .await
            .is_err()
    );
    assert_eq!(service.pool.waiting(), 0);
    let text = telemetry::text::encode(&registry);
    assert!(
        text.contains("server_errors_total{code=\"CANCELLED\"} 1\n"),
        "{text}"
    );
    assert!(
        text.contains("travelaudience_gserver_operations_ops 1\n"),
        "{text}"
    );
}

#[tokio::test]
async fn a_cancelled_computation_frees_its_worker() {
    let (_, service) = mk_service(Work::Primes, 0);
    {
        let mut call = service.r#do(mk_request(MAX_PRIME_LIMIT));
        // One poll takes the worker and starts the computation, which takes seconds.
        std::future::poll_fn(|context| {
            assert!(call.as_mut().poll(context).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        assert!(service.pool.admit().await.is_err());
    }
    let freed = async {
        while service.pool.admit().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    let deadline = Duration::from_secs(10);
    tokio::time::timeout(deadline, freed)
        .await
        .expect("the worker is freed");
}
