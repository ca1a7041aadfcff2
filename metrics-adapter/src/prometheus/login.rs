//! The `Authorization` header of each request.

use reqwest::header::HeaderValue;

use super::{Authorization, ClientError, Material, Metrics, PrometheusError};
use crate::token::TokenFile;

/// How requests log in.
pub(super) enum Login {
    Anonymous,
    Header(HeaderValue),
    File(TokenFile),
}

impl Login {
    /// Makes sure that a token file is there at the start.
    pub(super) fn new(
        authorization: Option<&Authorization>,
        metrics: &Metrics,
    ) -> Result<Self, ClientError> {
        match authorization {
            None => Ok(Self::Anonymous),
            Some(Authorization::Header(value)) => Ok(Self::Header(value.clone())),
            Some(Authorization::TokenFile { flag, path }) => {
                let file =
                    TokenFile::open(flag, path.clone(), "Prometheus", metrics.token.source())
                        .map_err(|error| Material::file(flag, path.clone()).error(&error))?;
                Ok(Self::File(file))
            }
        }
    }

    /// The header of the next request.
    pub(super) fn header(&self) -> Result<Option<HeaderValue>, PrometheusError> {
        match self {
            Self::Anonymous => Ok(None),
            Self::Header(value) => Ok(Some(value.clone())),
            Self::File(file) => file.header().map(Some).map_err(PrometheusError::Token),
        }
    }
}
