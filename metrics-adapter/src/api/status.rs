//! The one map from errors to Kubernetes `Status` objects.

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde_json::{Value, json};
use tracing::{debug, warn};

use crate::model::ProviderError;

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
    #[error("only the following media types are accepted: application/json")]
    NotAcceptable,
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
            Self::NotAcceptable => (StatusCode::NOT_ACCEPTABLE, "NotAcceptable"),
            Self::Provider(error) => match error {
                ProviderError::MetricNotFound { .. } | ProviderError::ObjectNotFound { .. } => {
                    (StatusCode::NOT_FOUND, "NotFound")
                }
                ProviderError::BadRequest(_) => (StatusCode::BAD_REQUEST, "BadRequest"),
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
            Self::Provider(ProviderError::Objects(error)) => warn!(path, "{path}: {error}"),
            Self::Provider(
                ProviderError::Query { reason, .. } | ProviderError::Upstream { reason },
            ) => debug!(path, reason, "{path}: {reason}"),
            _ => debug!(path, "{path}: {self}"),
        }
    }

    fn status(&self) -> Value {
        let (code, reason) = self.code();
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.to_string(),
            "reason": reason,
            "code": code.as_u16(),
        });
        if let Self::Provider(ProviderError::ObjectNotFound { resource, name }) = self {
            let mut details = json!({"name": name, "kind": resource.resource});
            if !resource.group.is_empty() {
                details["group"] = resource.group.as_str().into();
            }
            status["details"] = details;
        }
        status
    }
}

impl From<ProviderError> for ApiError {
    fn from(error: ProviderError) -> Self {
        Self::Provider(error)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (code, _) = self.code();
        let body = self.status().to_string();
        (code, [(header::CONTENT_TYPE, "application/json")], body).into_response()
    }
}
