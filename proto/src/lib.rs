//! The gRPC contract between server and client: `travelaudience.gserver.v1.Operations`.
//!
//! The messages and stubs are generated at build time from `proto/`; this crate adds nothing to
//! them but the descriptors for server reflection and the canonical names of status codes, which
//! both sides use as label values.

use tonic::Code;

/// Generated messages, client and server.
#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::use_self,
    reason = "generated"
)]
mod generated {
    tonic::include_proto!("travelaudience.gserver.v1");
}

pub use generated::{DoRequest, DoResponse, operations_client, operations_server};

/// The encoded file descriptor set of the contract, for server reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("operations");

/// The service's full name, as health checking and reflection know it.
pub const SERVICE_NAME: &str = "travelaudience.gserver.v1.Operations";

/// A status code's canonical name, for example `RESOURCE_EXHAUSTED`.
#[must_use]
pub fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use tonic::server::NamedService as _;

    use super::*;

    #[test]
    fn the_generated_service_has_the_contracted_name() {
        type Server = operations_server::OperationsServer<()>;
        assert_eq!(Server::NAME, SERVICE_NAME);
    }

    #[test]
    fn the_descriptors_describe_the_service() {
        let found = FILE_DESCRIPTOR_SET
            .windows(10)
            .any(|window| window == b"Operations");
        assert!(found, "no service in the descriptor set");
    }

    #[test]
    fn field_numbers_are_the_contract() {
        let request = DoRequest {
            max_prime: 1,
            client_id: "c".to_owned(),
            sequence: 3,
        };
        assert_eq!(request.encode_to_vec(), [0x08, 1, 0x12, 1, b'c', 0x18, 3]);
        let response = DoResponse {
            pod: "p".to_owned(),
            count: 2,
            service_micros: 3,
        };
        assert_eq!(response.encode_to_vec(), [0x0a, 1, b'p', 0x10, 2, 0x18, 3]);
    }
}
