//! Calls as an ordinary client makes them.

use std::collections::BTreeSet;
use std::time::Duration;

use proto::DoRequest;
use proto::operations_client::OperationsClient;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tonic::Code;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::process::{Server, metric};

async fn mk_client(server: &Server) -> OperationsClient<Channel> {
    OperationsClient::new(server.channel().await)
}

#[tokio::test]
async fn beyond_the_queue_calls_get_resource_exhausted() {
    let server = Server::start(&["--workers=1", "--queue-length=2", "--service-time-ms=500"]);
    let client = mk_client(&server).await;
    let mut calls = JoinSet::new();
    for _ in 0..5 {
        let mut client = client.clone();
        calls.spawn(async move { client.r#do(DoRequest::default()).await });
    }
    let (answered, refused): (Vec<_>, Vec<_>) =
        calls.join_all().await.into_iter().partition(Result::is_ok);
    assert_eq!((answered.len(), refused.len()), (3, 2));
    for status in refused.into_iter().filter_map(Result::err) {
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(
            status.message(),
            "all 1 workers are busy and the queue of 2 is full"
        );
    }
    metric(
        server.admin,
        "server_errors_total{code=\"RESOURCE_EXHAUSTED\"} 2",
    )
    .await;
    metric(server.admin, "travelaudience_gserver_operations_ops 5").await;
}

#[tokio::test]
async fn a_call_cancelled_in_the_queue_leaves_it() {
    let server = Server::start(&["--workers=1", "--queue-length=1", "--service-time-ms=2000"]);
    let client = mk_client(&server).await;
    let mut calls = JoinSet::new();
    let mut first = client.clone();
    calls.spawn(async move { first.r#do(DoRequest::default()).await });
    metric(server.admin, "server_inflight 1").await;
    let mut second = client.clone();
    let queued = calls.spawn(async move { second.r#do(DoRequest::default()).await });
    metric(server.admin, "server_queue_length 1").await;
    queued.abort();
    metric(server.admin, "server_queue_length 0").await;
    metric(server.admin, "server_errors_total{code=\"CANCELLED\"} 1").await;
    let first = calls.join_next().await.unwrap();
    assert!(
        first.is_err() || first.unwrap().is_ok(),
        "the call in the worker goes on"
    );
}

#[tokio::test]
async fn primes_are_counted_and_bounded() {
    let server = Server::start(&["--work=primes", "--pod-name=pod-1"]);
    let mut client = mk_client(&server).await;
    let request = DoRequest {
        max_prime: 1_000,
        ..DoRequest::default()
    };
    let response = client.r#do(request).await.unwrap().into_inner();
    assert_eq!((response.count, response.pod.as_str()), (168, "pod-1"));
    let request = DoRequest {
        max_prime: u64::MAX,
        ..DoRequest::default()
    };
    let status = client.r#do(request).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn health_knows_the_server_and_the_service() {
    let server = Server::start(&[]);
    let mut health = HealthClient::new(server.channel().await);
    for service in ["", proto::SERVICE_NAME] {
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        let response = health.check(request).await.unwrap().into_inner();
        assert_eq!(response.status(), ServingStatus::Serving, "{service:?}");
    }
    let request = HealthCheckRequest {
        service: "other".to_owned(),
    };
    assert_eq!(
        health.check(request).await.unwrap_err().code(),
        Code::NotFound
    );
}

#[tokio::test]
async fn reflection_lists_the_services() {
    let server = Server::start(&[]);
    let mut reflection = ServerReflectionClient::new(server.channel().await);
    let message_request = Some(MessageRequest::ListServices(String::new()));
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request,
    };
    let mut answers = reflection
        .server_reflection_info(futures::stream::iter([request]))
        .await
        .unwrap()
        .into_inner();
    let answer = timeout(Duration::from_secs(10), answers.message())
        .await
        .unwrap();
    let Some(MessageResponse::ListServicesResponse(list)) =
        answer.unwrap().unwrap().message_response
    else {
        panic!("not a list of services")
    };
    let names: BTreeSet<String> = list
        .service
        .into_iter()
        .map(|service| service.name)
        .collect();
    assert!(names.contains(proto::SERVICE_NAME), "{names:?}");
    assert!(names.contains("grpc.health.v1.Health"), "{names:?}");
}
