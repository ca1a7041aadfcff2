//! `explain=true`: why a request for values gets what it gets.
//!
//! Law: whether it is asked for is read by the function that authorization uses, and what it says
//! was authorized as `/explain` and the request's own path.

use axum::response::Response;
use http::{StatusCode, Uri};

use super::Api;
use super::accept::Encoding;
use super::path::Route;
use super::respond::text;
use super::status::ApiError;
use crate::auth::query::{self, Explain};
use crate::explain::document::{Document, Outcome};
use crate::model::{ExplainQuery, Provider};

/// Whether a request is about explanations, in whatever spelling: such requests are no HPA's.
pub(super) fn is_mentioned(uri: &Uri) -> bool {
    query::explain(uri.query().unwrap_or_default()) != Explain::No
}

/// Whether a request is to be explained.
pub(super) fn is_asked_for(route: &Route, uri: &Uri) -> Result<bool, ApiError> {
    let wrong = |message: &str| Err(ApiError::BadRequest(format!("explain: {message}")));
    match (query::explain(uri.query().unwrap_or_default()), route) {
        (Explain::No, _) => Ok(false),
        (Explain::Wrong, _) => wrong("the only value is true, once"),
        (Explain::Yes, Route::Custom { .. } | Route::External { .. }) => {
            // RBAC sees the path decoded, where such a slash is one between segments.
            if uri.path().to_ascii_lowercase().contains("%2f") {
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
        let told = self.provider.explain(query).await;
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
