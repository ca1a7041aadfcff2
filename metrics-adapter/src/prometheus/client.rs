//! The HTTP client.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Response, Url};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::clock::Clock;
use super::credentials::Contents;
use super::login::Login;
use super::permits::{Class, Permits};
use super::turn::Turn;
use super::{Credentials, Metrics, PrometheusError, QueryClient, SeriesSet, body, decode};
use crate::model::QueryValue;
use crate::trace;

/// The endpoints that take parameters as a form, too.
const FORMS: [&str; 3] = ["query", "query_range", "series"];

/// Answers are asked for as they are, unless `--prometheus-header` says otherwise: to compress values
/// costs Prometheus a megabyte of memory and more time than the query (it makes a new
/// `klauspost/compress` writer for each answer), and a long list of series comes twice as fast.
const UNCOMPRESSED: HeaderValue = HeaderValue::from_static("identity");

/// HTTP method of the API calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Parameters in the query string.
    Get,
    /// Parameters as a form, for queries that are longer than a URL may be.
    Post,
}

impl Verb {
    const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

/// How to reach Prometheus.
#[derive(Clone, Debug)]
pub struct Options {
    /// Base URL; a path is kept, and so are query parameters (prometheus-adapter loses these).
    pub url: Url,
    /// HTTP method.
    pub verb: Verb,
    /// Headers for every request.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Token, client certificate and authorities.
    pub credentials: Credentials,
    /// Deadline of one call.
    pub timeout: Duration,
    /// How many calls may run at once.
    pub concurrency: usize,
    /// Largest answer, in bytes; those to queries have a lower limit of their own.
    pub max_body: usize,
    /// Longest PromQL, in bytes; 0 for any.
    pub max_query_length: usize,
}

/// Why a client cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A file of the TLS set-up cannot be used.
    #[error("{file}: {reason}")]
    File {
        /// The flag and the file that it names.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// Without a CA file it is the system's CA certificates that are missing.
    #[error("cannot set up the Prometheus client (is --prometheus-ca-file needed?): {0}")]
    Build(String),
}

/// A client of one Prometheus.
pub struct Client {
    connection: ArcSwap<Connection>,
    login: Login,
    options: Options,
    permits: Permits,
    /// For the one large answer that may be read at a time.
    large: Permits,
    clock: Clock,
    metrics: Metrics,
}

/// Pooled connections, and the certificates that they were made with.
struct Connection {
    http: reqwest::Client,
    contents: Contents,
}

impl Client {
    /// Builds a client; reads the CA and the client certificate.
    ///
    /// # Errors
    /// [`ClientError`], naming the flag and the file.
    pub fn new(options: Options, metrics: Metrics) -> Result<Self, ClientError> {
        let login = Login::new(options.credentials.authorization.as_ref(), &metrics)?;
        let connection = Connection::new(&options, options.credentials.read()?)?;
        let patience = options.timeout / 4;
        Ok(Self {
            connection: ArcSwap::from_pointee(connection),
            login,
            permits: Permits::new(options.concurrency, patience),
            large: Permits::new(1, patience),
            clock: Clock::default(),
            options,
            metrics,
        })
    }

    /// Looks at the files of CA and client certificate every `interval` and uses what is new in
    /// them, until cancelled. Broken ones leave the last good ones in use.
    pub async fn watch(&self, interval: Duration, token: &CancellationToken) {
        let mut source = self.metrics.certificates.source();
        while token
            .run_until_cancelled(tokio::time::sleep(interval))
            .await
            .is_some()
        {
            match self.refresh().await {
                Ok(true) => {
                    source.replaced();
                    tracing::info!("the certificates for Prometheus have changed");
                }
                Ok(false) => {
                    if source.restored() {
                        tracing::info!("the files of Prometheus' certificates are good again");
                    }
                }
                Err(error) => {
                    let error = error.to_string();
                    if source.broken(&error) {
                        tracing::error!(%error, "keeping the last good certificates for Prometheus");
                    }
                }
            }
        }
    }

    /// Whether something changed.
    pub(super) async fn refresh(&self) -> Result<bool, ClientError> {
        let credentials = self.options.credentials.clone();
        let contents = match tokio::task::spawn_blocking(move || credentials.read()).await {
            Ok(contents) => contents?,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The process is about to end.
                Err(_cancelled) => return Ok(false),
            },
        };
        if contents == self.connection.load().contents {
            return Ok(false);
        }
        let connection = Connection::new(&self.options, contents)?;
        self.connection.store(Arc::new(connection));
        Ok(true)
    }

    /// The turn of a call, and when it is to have an answer. The caller of a request has only so
    /// much time, and waiting counts; where nobody waits, the time begins with the turn.
    async fn take_turn(
        &self,
        endpoint: &'static str,
        class: Class,
    ) -> Result<Turn, PrometheusError> {
        let timeout = self.options.timeout;
        let deadline = Instant::now() + timeout;
        match tokio::time::timeout_at(deadline, self.permits.acquire(class)).await {
            Ok(permit) if class == Class::Request => Ok(Turn::new(permit, class, deadline)),
            Ok(permit) => Ok(Turn::new(permit, class, Instant::now() + timeout)),
            Err(_) => {
                let error = PrometheusError::Busy(timeout);
                self.metrics.count(endpoint, error.kind());
                Err(error)
            }
        }
    }

    /// One call with its deadline and metric.
    async fn call<T>(
        &self,
        endpoint: &'static str,
        parameters: &[(&str, &str)],
        turn: &Turn,
        read: impl AsyncFnOnce(Response) -> Result<T, PrometheusError>,
    ) -> Result<T, PrometheusError> {
        let started = Instant::now();
        let timeout = self.options.timeout;
        let deadline = turn.deadline().unwrap_or(started + timeout);
        let verb = self.verb(endpoint).name();
        let span = trace::call(verb, &self.options.url, endpoint);
        let exchange = async { read(self.exchange(endpoint, parameters).await?).await };
        let result = tokio::time::timeout_at(deadline, exchange.instrument(span.clone()))
            .await
            .unwrap_or(Err(PrometheusError::Timeout(timeout)));
        if let Err(error) = &result {
            trace::failed(&span, error.kind());
        }
        let outcome = match &result {
            Ok(_) => "ok",
            Err(PrometheusError::Timeout(_)) => "timeout",
            Err(_) => "error",
        };
        self.metrics.observe(endpoint, outcome, started.elapsed());
        result
    }

    async fn exchange(
        &self,
        endpoint: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Response, PrometheusError> {
        let url = self.endpoint_url(endpoint);
        let http = self.connection.load().http.clone();
        let mut request = match self.verb(endpoint) {
            Verb::Get => http.get(url).query(parameters),
            Verb::Post => http.post(url).form(parameters),
        };
        let mut headers: HeaderMap = self.options.headers.iter().cloned().collect();
        if !headers.contains_key(AUTHORIZATION) {
            headers.extend(self.login.header()?.map(|value| (AUTHORIZATION, value)));
        }
        headers.entry(ACCEPT_ENCODING).or_insert(UNCOMPRESSED);
        trace::hand_on(&mut headers);
        request = request.headers(headers);
        let response = request.send().await;
        let response = response.map_err(|error| self.transport(&error))?;
        let status = response.status().as_u16();
        trace::note(trace::STATUS_CODE, i64::from(status));
        if response.status().is_success() {
            self.clock.learn(response.headers());
        }
        Ok(response)
    }

    /// One call whose answer is read whole before it is decoded; there is no small limit.
    pub(super) async fn fetch<T>(
        &self,
        endpoint: &'static str,
        parameters: &[(&str, &str)],
        decode: fn(u16, &[u8]) -> Result<T, PrometheusError>,
    ) -> Result<T, PrometheusError> {
        let transport = |error: &_| self.transport(error);
        let turn = self.take_turn(endpoint, Class::Request).await?;
        self.call(endpoint, parameters, &turn, async |mut response| {
            let status = response.status().as_u16();
            if !response.status().is_success() {
                let body = body::beginning(&mut response, &transport).await?;
                return decode(status, &body);
            }
            let limit = self.options.max_body;
            let large = self.large.acquire(Class::Request);
            let body = body::whole(&mut response, limit, large, &transport).await?;
            decode(status, &body.bytes)
        })
        .await
    }

    fn endpoint_url(&self, endpoint: &str) -> Url {
        let mut url = self.options.url.clone();
        let path = format!("{}/api/v1/{endpoint}", url.path().trim_end_matches('/'));
        url.set_path(&path);
        url
    }

    /// How an endpoint is asked: what takes no form, without one.
    fn verb(&self, endpoint: &str) -> Verb {
        if FORMS.contains(&endpoint) {
            self.options.verb
        } else {
            Verb::Get
        }
    }

    fn transport(&self, error: &reqwest::Error) -> PrometheusError {
        PrometheusError::Connect {
            url: self.options.address(),
            reason: innermost(error),
        }
    }
}

impl Options {
    /// The base URL as it may be told: without what could be a secret.
    pub fn address(&self) -> String {
        let mut url = self.url.clone();
        // These can only fail for URLs without a host, which Options never holds.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.set_query(None);
        url.to_string()
    }
}

impl Connection {
    fn new(options: &Options, contents: Contents) -> Result<Self, ClientError> {
        let builder = reqwest::Client::builder()
            .connect_timeout(options.timeout.min(Duration::from_secs(5)))
            // Redirects lead to login pages, and could carry the token elsewhere.
            .redirect(reqwest::redirect::Policy::none());
        let http = options
            .credentials
            .configure(builder, options.url.scheme(), &contents)?
            .build()
            .map_err(|error| options.credentials.build_error(&error))?;
        Ok(Self { http, contents })
    }
}

impl fmt::Debug for Client {
    /// Keys stay out of it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl QueryClient for Client {
    async fn series(
        &self,
        selector: &str,
        start: Timestamp,
        end: Timestamp,
    ) -> Result<SeriesSet, PrometheusError> {
        let (start, end) = (unix_seconds(start), unix_seconds(end));
        let parameters = [("match[]", selector), ("start", &start), ("end", &end)];
        let transport = |error: &_| self.transport(error);
        let turn = self.take_turn("series", Class::Series).await?;
        self.call("series", &parameters, &turn, async |mut response| {
            let status = response.status().as_u16();
            if !response.status().is_success() {
                let body = body::beginning(&mut response, &transport).await?;
                return decode::series(status, &body[..]);
            }
            let decode = move |body| decode::series(status, body);
            body::through(&mut response, self.options.max_body, &transport, decode).await
        })
        .await
    }

    async fn query(&self, promql: &str) -> Result<QueryValue, PrometheusError> {
        self.query_as(promql, self.turn().await?, |value| value)
            .await
    }

    async fn turn(&self) -> Result<Turn, PrometheusError> {
        self.take_turn("query", Class::Request).await
    }

    async fn turn_ahead(
        &self,
        awaited: impl Future<Output = ()> + Send,
    ) -> Result<Turn, PrometheusError> {
        tokio::select! {
            biased;
            turn = self.take_turn("query", Class::Ahead) => turn,
            () = awaited => self.turn().await,
        }
    }

    async fn query_as<T: Send + 'static>(
        &self,
        promql: &str,
        turn: Turn,
        read: impl FnOnce(QueryValue) -> T + Send + 'static,
    ) -> Result<T, PrometheusError> {
        let (length, limit) = (promql.len(), self.options.max_query_length);
        if limit > 0 && length > limit {
            self.metrics.count("query", "query_too_long");
            return Err(PrometheusError::QueryTooLong { length, limit });
        }
        let timeout = format!("{}ms", self.options.timeout.as_millis());
        let parameters = [("query", promql), ("timeout", timeout.as_str())];
        let transport = |error: &_| self.transport(error);
        self.call("query", &parameters, &turn, async |mut response| {
            let status = response.status().as_u16();
            if !response.status().is_success() {
                let body = body::beginning(&mut response, &transport).await?;
                return decode::query(status, &body).map(read);
            }
            let limit = self.options.max_body.min(body::MAX_VALUES);
            let large = self.large.acquire(turn.class());
            let body = body::whole(&mut response, limit, large, &transport).await?;
            if !body.is_large() {
                return decode::query(status, &body.bytes).map(read);
            }
            let decoding = tokio::task::spawn_blocking({
                let bytes = body.bytes;
                move || decode::query(status, &bytes).map(read)
            });
            decoding.await.unwrap_or_else(|error| {
                Err(PrometheusError::Decode(format!(
                    "the decoder ended: {error}"
                )))
            })
        })
        .await
    }

    fn present(&self) -> Timestamp {
        self.clock.present(Timestamp::now())
    }
}

/// With milliseconds: whole seconds would leave out the series of the last moment.
pub(super) fn unix_seconds(at: Timestamp) -> String {
    format!("{:.3}", at.as_duration().as_secs_f64())
}

/// The cause at the end of the chain: reqwest's own text only repeats the URL.
pub(super) fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests;
