//! `explain=true`: why a request for values gets what it gets.
//!
//! Law: whether it is asked for is read by the function that authorization uses, and what it says
//! was authorized as `/explain` and the request's own path.

use axum::response::Response;
use http::StatusCode;

use super::Api;
use super::accept::Encoding;
use super::path::Route;
use super::respond::text;
use super::status::ApiError;
use crate::auth::query::Explain;
use crate::explain::document::{Document, Outcome};
use crate::model::{ExplainQuery, Provider};

/// Whether a request is to be explained.
pub(super) fn is_asked_for(asked: Explain, route: &Route, path: &str) -> Result<bool, ApiError> {
    let wrong = |message: &str| Err(ApiError::BadRequest(format!("explain: {message}")));
    match (asked, route) {
        (Explain::No, _) => Ok(false),
        (Explain::Wrong, _) => wrong("the only value is true, once"),
        (Explain::Yes, Route::Custom { .. } | Route::External { .. }) => {
            // RBAC sees the path decoded, where such a slash is one between segments.
            if path.to_ascii_lowercase().contains("%2f") {
                return wrong("the path must not have an encoded slash");
            }
            Ok(true)
        }
        (Explain::Yes, _) => wrong("only values of custom and external metrics can be explained"),
    }
}

impl<P: Provider> Api<P> {
    /// An explanation always succeeds; what the request itself would get is told in it.
    pub(super) async fn explain(&self, query: ExplainQuery, encoding: Encoding) -> Response {
        // On the heap, for it is the largest of all, and moved about with those that come often.
        let told = Box::pin(self.provider.explain(query)).await;
        let outcome = match &told.outcome {
            Ok(values) => Outcome {
                code: StatusCode::OK.as_u16(),
                message: format!("{values} values"),
            },
            Err(error) => {
                let error = self.judge(error.clone());
                Outcome {
                    code: error.code().0.as_u16(),
                    message: error.to_string(),
                }
            }
        };
        text(encoding, &Document::new(told, outcome))
    }
}
