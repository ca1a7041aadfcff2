//! The services on the gRPC port: `Operations`, health checking, reflection.

use proto::operations_server::OperationsServer;
use proto::{FILE_DESCRIPTOR_SET, SERVICE_NAME};
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::service::Service;

/// The names that health checking knows: the whole server, and the one service.
const HEALTH_NAMES: [&str; 2] = ["", SERVICE_NAME];

/// The state behind `grpc.health.v1.Health`.
#[derive(Clone, Debug)]
pub struct Health(HealthReporter);

/// All routes of the port, and the handle on their health, which starts as not serving.
///
/// # Errors
///
/// If a descriptor set is damaged, which would be a fault of the build.
pub async fn routes(service: Service) -> Result<(Routes, Health), tonic_reflection::server::Error> {
    let (reporter, health_service) = tonic_health::server::health_reporter();
    let health = Health(reporter);
    health.set_serving(false).await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let routes = Routes::new(OperationsServer::new(service))
        .add_service(health_service)
        .add_service(reflection);
    Ok((routes.prepare(), health))
}

impl Health {
    /// Says `SERVING` or `NOT_SERVING` to everyone who asks or watches.
    pub async fn set_serving(&self, serving: bool) {
        let status = if serving {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        for name in HEALTH_NAMES {
            self.0.set_service_status(name, status).await;
        }
    }

    /// Ends the streams of those who watch, which would otherwise hold up a drain to its limit.
    pub async fn end_watches(mut self) {
        for name in HEALTH_NAMES {
            self.0.clear_service_status(name).await;
        }
    }
}
