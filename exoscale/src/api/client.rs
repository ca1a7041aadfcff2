//! The HTTP client.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Response, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::signature::Signed;
use super::{Error, Instance, InstancePool, Metrics, Operation, PoolId, Retry};
use crate::credential::Credentials;

/// How long a signature is valid, as in Exoscale's own client: longer than clocks differ.
const VALID: i64 = 600;

/// Largest answer, in bytes: an instance has about 2 KiB, a pool some dozens of them.
const MAX_BODY: usize = 4 << 20;

/// Longest text of the API that is passed on.
const MAX_MESSAGE: usize = 200;

/// How to reach the API.
#[derive(Clone, Debug)]
pub struct Options {
    /// Base URL with the API's version, such as `https://api-at-vie-1.exoscale.com/v2`.
    pub endpoint: Url,
    /// What to sign with.
    pub credentials: Credentials,
    /// Deadline of one attempt.
    pub timeout: Duration,
    /// When to ask again.
    pub retry: Retry,
}

/// The client cannot be set up; usually the system's CA certificates are missing.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up the client of the api (are CA certificates installed?): {0}")]
pub struct ClientError(String);

/// A client of one zone's API.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    options: Options,
    metrics: Metrics,
}

/// A request before it is signed; every attempt is signed anew.
#[derive(Clone, Copy)]
struct Request<'a> {
    /// For errors and metrics.
    call: &'static str,
    method: &'static str,
    /// Below the endpoint.
    path: &'a str,
    query: &'a [(&'a str, &'a str)],
    body: &'a str,
}

#[derive(Deserialize)]
struct Instances {
    instances: Option<Vec<Instance>>,
}

impl Client {
    /// Builds a client.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn new(options: Options, metrics: Metrics) -> Result<Self, ClientError> {
        let mut builder = reqwest::Client::builder()
            .timeout(options.timeout)
            // A redirect would carry a signature for another path.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("exoscale/", env!("CARGO_PKG_VERSION")));
        if options.endpoint.scheme() == "http" {
            // No TLS, so no roots: an image that holds nothing but the program has none.
            builder = builder.tls_certs_only([]);
        }
        let http = builder
            .build()
            .map_err(|error| ClientError(innermost(&error)))?;
        Ok(Self {
            http,
            options,
            metrics,
        })
    }

    /// The pool as it is now.
    ///
    /// # Errors
    /// If it does not exist, or every attempt failed.
    pub async fn pool(&self, id: &PoolId) -> Result<InstancePool, Error> {
        let path = format!("/instance-pool/{id}");
        self.read("GET instance-pool", &path, &[]).await
    }

    /// The instances of the pool.
    ///
    /// # Errors
    /// If every attempt failed.
    pub async fn members(&self, id: &PoolId) -> Result<Vec<Instance>, Error> {
        let id = id.to_string();
        let query = [
            ("manager-id", id.as_str()),
            ("manager-type", "instance-pool"),
        ];
        let answer: Instances = self.read("GET instance", "/instance", &query).await?;
        Ok(answer.instances.unwrap_or_default())
    }

    /// Asks for another size, once.
    ///
    /// # Errors
    /// If it is refused, or nobody knows.
    pub async fn scale(&self, id: &PoolId, size: u32) -> Result<Operation, Error> {
        let path = format!("/instance-pool/{id}:scale");
        let body = serde_json::json!({ "size": size }).to_string();
        let request = Request {
            call: "PUT instance-pool:scale",
            method: "PUT",
            path: &path,
            query: &[],
            body: &body,
        };
        self.attempt(request).await
    }

    async fn read<T: DeserializeOwned>(
        &self,
        call: &'static str,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T, Error> {
        let request = Request {
            call,
            method: "GET",
            path,
            query,
            body: "",
        };
        let mut number = 1;
        loop {
            let error = match self.attempt(request).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let Some(pause) = self.options.retry.pause(number, &error) else {
                return Err(error);
            };
            tracing::debug!(%error, number, ?pause, "asking again");
            tokio::time::sleep(pause).await;
            number += 1;
        }
    }

    async fn attempt<T: DeserializeOwned>(&self, request: Request<'_>) -> Result<T, Error> {
        let started = Instant::now();
        let timeout = self.options.timeout;
        let result = match tokio::time::timeout(timeout, self.exchange(request)).await {
            Ok(result) => result,
            Err(_) => Err(Error::Timeout {
                call: request.call,
                after: timeout,
            }),
        };
        let result = result.and_then(|body| {
            serde_json::from_slice(&body).map_err(|error| Error::Garbled {
                call: request.call,
                reason: self.clean(&error.to_string()),
            })
        });
        let outcome = result.as_ref().err().map_or("ok", Error::kind);
        self.metrics
            .observe(request.call, outcome, started.elapsed());
        result
    }

    async fn exchange(&self, request: Request<'_>) -> Result<Vec<u8>, Error> {
        let failed = |error: reqwest::Error| self.transport(request.call, &error);
        let mut url = self.options.endpoint.clone();
        let path = format!("{}{}", url.path().trim_end_matches('/'), request.path);
        url.set_path(&path);
        let method = Method::from_bytes(request.method.as_bytes()).unwrap_or_default();
        let mut sent = self
            .http
            .request(method, url.clone())
            .query(request.query)
            .header(AUTHORIZATION, self.authorization(&url, request));
        if !request.body.is_empty() {
            sent = sent
                .header(CONTENT_TYPE, "application/json")
                .body(request.body.to_owned());
        }
        let response = sent.send().await.map_err(failed)?;
        let status = response.status();
        let wait = retry_after(&response);
        let body = self.body(request.call, response).await;
        if status.is_success() {
            return body;
        }
        Err(Error::Status {
            call: request.call,
            status: status.as_u16(),
            // An error's body only explains it.
            message: self.clean(&explanation(&body.unwrap_or_default())),
            retry_after: wait,
        })
    }

    async fn body(&self, call: &'static str, mut response: Response) -> Result<Vec<u8>, Error> {
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| self.transport(call, &error))?
        {
            if body.len() + chunk.len() > MAX_BODY {
                return Err(Error::Garbled {
                    call,
                    reason: format!("more than {MAX_BODY} bytes"),
                });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn authorization(&self, url: &Url, request: Request<'_>) -> HeaderValue {
        let signed = Signed {
            method: request.method,
            path: url.path(),
            query: request.query,
            body: request.body.as_bytes(),
            expires: Timestamp::now().as_second() + VALID,
        };
        let text = signed.authorization(&self.options.credentials);
        // Printable ASCII by construction: see `Secret`.
        let mut value =
            HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""));
        value.set_sensitive(true);
        value
    }

    fn transport(&self, call: &'static str, error: &reqwest::Error) -> Error {
        if error.is_timeout() {
            let after = self.options.timeout;
            return Error::Timeout { call, after };
        }
        let reason = self.clean(&innermost(error));
        Error::Transport { call, reason }
    }

    /// A foreign text, fit for a log line: short, on one line, without credentials.
    fn clean(&self, text: &str) -> String {
        let Credentials { key, secret } = &self.options.credentials;
        let text: String = text
            .replace(secret.expose(), "<secret>")
            .replace(key.expose(), "<key>")
            .chars()
            .map(|it| if it.is_control() { ' ' } else { it })
            .take(MAX_MESSAGE)
            .collect();
        text.trim().to_owned()
    }
}

/// The explanation in an error's body: one of the API's three forms, or nothing.
fn explanation(body: &[u8]) -> String {
    let value: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    ["message", "error", "detail", "title"]
        .iter()
        .find_map(|name| value.get(name)?.as_str())
        .unwrap_or("no explanation")
        .to_owned()
}

/// Seconds; the header's other form, a date, is not used by the API.
fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

/// The cause at the end of the chain: reqwest's own text only repeats the URL.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_of_an_error_are_explained() {
        for (body, text) in [
            (r#"{"message":"a"}"#, "a"),
            (r#"{"error":"b"}"#, "b"),
            (r#"{"title":"c","detail":"d","errors":[]}"#, "d"),
            (r#"{"title":"c"}"#, "c"),
            ("<html>", "no explanation"),
            ("", "no explanation"),
        ] {
            assert_eq!(explanation(body.as_bytes()), text);
        }
    }
}
