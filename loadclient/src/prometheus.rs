//! The questions that `verify` asks Prometheus, on the server's series.
//!
//! Law: the window ends at Prometheus' own clock, so that this machine's does not matter; every
//! query has a deadline.

use std::time::Duration;

use serde::Deserialize;
use telemetry::operation::{OPS, OPS_DURATION};

use crate::verdict::{STEP, steps};

/// What `rate` looks back over at every step, so a window of 60 s judges 90 s of samples.
const RATE_WINDOW: &str = "30s";

/// For one query; they are small.
const QUERY_TIMEOUT: Duration = Duration::from_secs(10);

/// Asks one Prometheus.
#[derive(Clone, Debug)]
pub struct Client {
    base: String,
    http: reqwest::Client,
}

/// Why Prometheus did not answer the question.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection, no answer in time, or not HTTP.
    #[error("--prometheus-url: {url} does not answer")]
    Unreachable {
        /// What was asked.
        url: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// An answer that is not Prometheus'.
    #[error("--prometheus-url: {url} does not answer as Prometheus does (HTTP status {status})")]
    NotPrometheus {
        /// What was asked.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// Prometheus refuses the query; usually the selector is wrong.
    #[error("prometheus refuses the query, check --selector: {kind}: {message}")]
    Refused {
        /// Prometheus' word for it.
        kind: String,
        /// Prometheus' explanation.
        message: String,
    },
}

/// Samples of both questions, one per step of the window.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples {
    /// Requests per second.
    pub rps: Vec<Option<f64>>,
    /// Mean latency in seconds.
    pub mean: Vec<Option<f64>>,
}

/// The envelope of Prometheus' HTTP API.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Answer<D> {
    Success {
        data: D,
    },
    Error {
        #[serde(rename = "errorType")]
        kind: String,
        error: String,
    },
}

/// A time (seconds since the epoch) and a value, which JSON numbers could not always express.
type Sample = (f64, String);

#[derive(Debug, Deserialize)]
struct Scalar {
    result: Sample,
}

#[derive(Debug, Deserialize)]
struct Matrix {
    result: Vec<Series>,
}

#[derive(Debug, Deserialize)]
struct Series {
    values: Vec<Sample>,
}

impl Client {
    /// A client for the Prometheus at `url`.
    ///
    /// # Errors
    ///
    /// If TLS cannot be set up.
    pub fn new(url: &reqwest::Url) -> Result<Self, reqwest::Error> {
        let mut builder = reqwest::Client::builder().timeout(QUERY_TIMEOUT);
        if url.scheme() == "http" {
            // Certificates are not needed, and an image from scratch has none to load.
            builder = builder.tls_certs_only([]);
        }
        let http = builder.build()?;
        Ok(Self {
            base: url.as_str().trim_end_matches('/').to_owned(),
            http,
        })
    }

    /// Requests per second and mean latency over the window that ends now, on the series that
    /// the selector (label matchers without braces) chooses.
    ///
    /// # Errors
    ///
    /// If Prometheus does not answer, or refuses.
    pub async fn samples(&self, selector: &str, window: Duration) -> Result<Samples, Error> {
        let end = self.now().await?;
        let steps = steps(window);
        let rate = |name: &str| format!("sum(rate({name}{{{selector}}}[{RATE_WINDOW}]))");
        let mean = format!(
            "{} / {}",
            rate(&format!("{OPS_DURATION}_sum")),
            rate(&format!("{OPS_DURATION}_count"))
        );
        let rps = self.range(&rate(OPS), end, steps).await?;
        let mean = self.range(&mean, end, steps).await?;
        Ok(Samples { rps, mean })
    }

    /// Prometheus' clock, in seconds since the epoch.
    async fn now(&self) -> Result<f64, Error> {
        let scalar: Scalar = self.ask("query", &[("query", "time()")]).await?;
        Ok(scalar.result.0)
    }

    /// One sample per step, the last one at `end`; the query must yield at most one series.
    async fn range(&self, query: &str, end: f64, steps: usize) -> Result<Vec<Option<f64>>, Error> {
        let step = STEP.as_secs_f64();
        let start = end - step * (steps - 1) as f64;
        let (from, to) = (format!("{start:.3}"), format!("{end:.3}"));
        let width = step.to_string();
        let options = [
            ("query", query),
            ("start", &from),
            ("end", &to),
            ("step", &width),
        ];
        let matrix: Matrix = self.ask("query_range", &options).await?;
        let values = matrix.result.into_iter().next().map(|series| series.values);
        Ok(on_grid(&values.unwrap_or_default(), start, steps))
    }

    async fn ask<D>(&self, endpoint: &str, options: &[(&str, &str)]) -> Result<D, Error>
    where
        D: for<'de> Deserialize<'de>,
    {
        let url = format!("{}/api/v1/{endpoint}", self.base);
        let asked = self.http.post(&url).form(options).send().await;
        let unreachable = |source: reqwest::Error| {
            let source = source.without_url();
            Error::Unreachable {
                url: self.base.clone(),
                source,
            }
        };
        let response = asked.map_err(unreachable)?;
        let status = response.status().as_u16();
        let body = response.bytes().await.map_err(unreachable)?;
        match serde_json::from_slice(&body) {
            Ok(Answer::Success { data }) => Ok(data),
            Ok(Answer::Error {
                kind,
                error: message,
            }) => Err(Error::Refused { kind, message }),
            Err(_) => Err(Error::NotPrometheus {
                url: self.base.clone(),
                status,
            }),
        }
    }
}

/// Puts samples where they belong on the grid; Prometheus leaves steps without a value out.
fn on_grid(values: &[Sample], start: f64, steps: usize) -> Vec<Option<f64>> {
    let at = |step: usize| start + STEP.as_secs_f64() * step as f64;
    let near = |time: f64, step: usize| (time - at(step)).abs() < STEP.as_secs_f64() / 2.0;
    let value = |step| values.iter().find(|(time, _)| near(*time, step));
    (0..steps).map(|step| value(step)?.1.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_find_their_step_and_gaps_stay_gaps() {
        let values = [(100.001, "1.5".to_owned()), (110.0, "NaN".to_owned())];
        let grid = on_grid(&values, 100.0, 4);
        assert_eq!(grid[0], Some(1.5));
        assert_eq!(grid[1], None);
        assert!(grid[2].unwrap().is_nan());
        assert_eq!(grid[3], None);
    }

    #[test]
    fn the_api_envelope_in_both_forms() {
        let success = r#"{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}"#;
        let answer: Answer<Scalar> = serde_json::from_str(success).unwrap();
        assert!(matches!(answer, Answer::Success { data } if data.result.0 == 1.0));
        let error = r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#;
        let answer: Answer<Scalar> = serde_json::from_str(error).unwrap();
        assert!(matches!(answer, Answer::Error { kind, .. } if kind == "bad_data"));
    }
}
