//! The one map from errors to Kubernetes `Status` objects.

use axum::response::Response;
use http::{HeaderMap, StatusCode};
use tracing::debug;

use super::accept;
use super::respond::document;
use super::wire::status::{Details, failure};
use crate::model::{ObjectSourceError, ProviderError};

/// Why a request gets no answer.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// No such path (404).
    #[error("the server could not find the requested resource")]
    UnknownPath,
    /// A path that has too few parts (400).
    #[error("invalid request path")]
    InvalidPath,
    /// Anything but GET on a known path (405).
    #[error("the server does not allow this method on the requested resource")]
    MethodNotAllowed,
    /// A list of what cannot be watched, with `watch` (405).
    #[error("watch is not supported on the requested resource")]
    WatchNotSupported,
    /// Nothing in `Accept` can be served (406).
    #[error(
        "only the following media types are accepted: application/json, application/yaml, \
             application/vnd.kubernetes.protobuf"
    )]
    NotAcceptable,
    /// Likewise, where there is nothing but JSON (406).
    #[error("only the following media types are accepted: application/json")]
    OnlyJson,
    /// A parameter that cannot be understood (400).
    #[error("{0}")]
    BadRequest(String),
    /// Parameters that contradict each other (422).
    #[error("ListOptions.meta.k8s.io \"\" is invalid: {0}")]
    Invalid(String),
    /// The provider's answer.
    #[error(transparent)]
    Provider(ProviderError),
}

impl ApiError {
    /// HTTP status and Kubernetes' reason for it.
    pub const fn code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::UnknownPath => (StatusCode::NOT_FOUND, "NotFound"),
            Self::InvalidPath | Self::BadRequest(_) => (StatusCode::BAD_REQUEST, "BadRequest"),
            Self::MethodNotAllowed | Self::WatchNotSupported => {
                (StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed")
            }
            Self::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "Invalid"),
            Self::NotAcceptable | Self::OnlyJson => (StatusCode::NOT_ACCEPTABLE, "NotAcceptable"),
            Self::Provider(error) => match error {
                ProviderError::MetricNotFound { .. } | ProviderError::ObjectNotFound { .. } => {
                    (StatusCode::NOT_FOUND, "NotFound")
                }
                ProviderError::BadRequest(_) => (StatusCode::BAD_REQUEST, "BadRequest"),
                ProviderError::NotReady
                | ProviderError::Objects(ObjectSourceError::NotSynced(_)) => {
                    (StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable")
                }
                ProviderError::Objects(_)
                | ProviderError::Query { .. }
                | ProviderError::NoValue { .. }
                | ProviderError::Upstream { .. } => {
                    (StatusCode::INTERNAL_SERVER_ERROR, "InternalError")
                }
                ProviderError::Timeout => (StatusCode::GATEWAY_TIMEOUT, "Timeout"),
            },
        }
    }

    /// Writes to the log what the caller is not told.
    pub(super) fn log(&self, path: &str) {
        match self {
            // The watch has told it, once.
            Self::Provider(ProviderError::Objects(error)) => debug!(path, "{path}: {error}"),
            Self::Provider(
                ProviderError::Query { reason, .. } | ProviderError::Upstream { reason },
            ) => debug!(path, reason, "{path}: {reason}"),
            _ => debug!(path, "{path}: {self}"),
        }
    }

    /// The `Status`, in the encoding that the caller accepts.
    pub(super) fn respond(&self, request: &HeaderMap) -> Response {
        let (code, reason) = self.code();
        let details = match self {
            Self::Provider(ProviderError::ObjectNotFound { resource, name }) => Some(Details {
                name,
                group: &resource.group,
                kind: &resource.resource,
            }),
            _ => None,
        };
        let message = self.to_string();
        let status = failure(code.as_u16(), reason, &message, details);
        let mut response = document(accept::of_errors(request), &status);
        *response.status_mut() = code;
        response
    }
}

impl From<ProviderError> for ApiError {
    fn from(error: ProviderError) -> Self {
        Self::Provider(error)
    }
}
