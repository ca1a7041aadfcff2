//! HTTP inside the cluster's network. Law: the thread that asks is in the network namespace, the
//! rest of the process is not; certificates are always verified.

use std::{fs, net::SocketAddr, rc::Rc, time::Duration};

use reqwest::{Certificate, Identity, Method, RequestBuilder};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use super::Failure;
use crate::{layout, progress};

/// More than the 10 s in which the adapter has to answer, good or bad.
const TIMEOUT: Duration = Duration::from_secs(15);

/// What a failure says when nothing came within [`TIMEOUT`]; reqwest's words.
pub(super) const TIMED_OUT: &str = "operation timed out";

/// A thread's way into the cluster's network.
#[derive(Clone)]
pub(super) struct Wire {
    runtime: Rc<Runtime>,
}

/// Who asks.
#[derive(Clone, Default)]
pub(super) struct Caller {
    /// A client certificate and its key, as PEM.
    pub(super) certificate: Option<String>,
    /// A bearer token.
    pub(super) token: Option<String>,
}

/// A server, and who asks it.
pub(super) struct Client {
    wire: Wire,
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    /// The path that was asked for.
    pub(super) path: String,
    /// The HTTP status.
    pub(super) status: u16,
    /// The body as text.
    pub(super) text: String,
    /// From the request to the last byte.
    pub(super) elapsed: Duration,
}

impl Caller {
    /// Nobody in particular.
    pub(super) fn anonymous() -> Self {
        Self::default()
    }

    /// Whoever a client certificate says.
    pub(super) fn certificate(pem: String) -> Self {
        Self {
            certificate: Some(pem),
            token: None,
        }
    }

    /// Whoever a token says.
    pub(super) fn token(token: &str) -> Self {
        Self {
            certificate: None,
            token: Some(token.to_owned()),
        }
    }
}

impl Wire {
    /// Moves the calling thread into the namespace, for good.
    pub(super) fn enter() -> Result<Self, Failure> {
        let path = layout::namespace();
        let namespace = fs::File::open(&path)
            .map_err(|error| Failure::new(format!("cannot open {}: {error}", path.display())))?;
        move_into_link_name_space(
            std::os::fd::AsFd::as_fd(&namespace),
            Some(LinkNameSpaceType::Network),
        )
        .map_err(|error| Failure::new(format!("cannot enter {}: {error}", path.display())))?;
        // A runtime of this thread's only: its sockets are made here, in the namespace.
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::new(format!("cannot start a runtime: {error}")))?;
        Ok(Self {
            runtime: Rc::new(runtime),
        })
    }

    /// A client for `https://host:port`, whose certificate the authority (PEM) must have signed, or
    /// for `http://host:port` without one. A host name is taken to be at `address`; nothing is
    /// resolved.
    pub(super) fn client(
        &self,
        base: &str,
        address: Option<(&str, SocketAddr)>,
        authority: Option<&[u8]>,
        caller: &Caller,
    ) -> Result<Client, Failure> {
        let bad = |error: reqwest::Error| Failure::new(format!("client for {base}: {error:?}"));
        let mut trusted = Vec::new();
        if let Some(pem) = authority {
            trusted = Certificate::from_pem_bundle(pem).map_err(bad)?;
        }
        let mut builder = reqwest::Client::builder()
            .no_proxy()
            .timeout(TIMEOUT)
            .tls_certs_only(trusted);
        if let Some((name, address)) = address {
            builder = builder.resolve(name, address);
        }
        if let Some(pem) = &caller.certificate {
            builder = builder.identity(Identity::from_pem(pem.as_bytes()).map_err(bad)?);
        }
        Ok(Client {
            wire: self.clone(),
            http: builder.build().map_err(bad)?,
            base: base.to_owned(),
            token: caller.token.clone(),
        })
    }
}

impl Client {
    /// GET.
    pub(super) fn get(&self, path: &str) -> Result<Answer, Failure> {
        self.send(Method::GET, path, &[])
    }

    /// Any request without a body.
    pub(super) fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Answer, Failure> {
        let mut request = self.request(method, path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.ask(path, request)
    }

    /// A request with a JSON body.
    pub(super) fn write(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: &Value,
    ) -> Result<Answer, Failure> {
        let request = self
            .request(method, path)
            .header("Content-Type", content_type)
            .body(body.to_string());
        self.ask(path, request)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    /// The error is the connection's or TLS'; any status is an answer.
    fn ask(&self, path: &str, mut request: RequestBuilder) -> Result<Answer, Failure> {
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let started = progress::now();
        let answer = self.wire.runtime.block_on(async {
            let response = request.send().await?;
            let status = response.status().as_u16();
            Ok((status, response.text().await?))
        });
        let (status, text) = answer.map_err(|error: reqwest::Error| {
            Failure::new(format!("{}{path}: {}", self.base, causes(&error)))
        })?;
        Ok(Answer {
            path: path.to_owned(),
            status,
            text,
            elapsed: started.elapsed(),
        })
    }
}

impl Answer {
    /// The body as JSON.
    pub(super) fn json(&self) -> Result<Value, Failure> {
        serde_json::from_str(&self.text)
            .map_err(|error| Failure::new(format!("{self} is not JSON: {error}")))
    }

    /// The body as JSON, if the status is the wanted one.
    pub(super) fn expect(&self, status: u16) -> Result<Value, Failure> {
        if self.status == status {
            self.json()
        } else {
            Err(Failure::new(format!("not {status}: {self}")))
        }
    }

    /// A `Status` object's message, if status and reason are the wanted ones.
    pub(super) fn refusal(&self, status: u16, reason: &str) -> Result<String, Failure> {
        let body = self.expect(status)?;
        let complete = body["kind"] == "Status"
            && body["apiVersion"] == "v1"
            && body["status"] == "Failure"
            && body["reason"] == reason
            && body["code"] == status;
        let message = body["message"].as_str().unwrap_or_default();
        if complete && !message.is_empty() {
            Ok(message.to_owned())
        } else {
            Err(Failure::new(format!("not a Status {reason}: {self}")))
        }
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text: String = self.text.chars().take(600).collect();
        write!(f, "{} answered {}: {}", self.path, self.status, text.trim())
    }
}

/// An error with its causes: reqwest's own text hides them.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_timeout_is_named() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        // An error here only says that a provider is installed already.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_millis(50))
            .tls_certs_only([])
            .build()
            .unwrap();
        let url = format!("http://{}/", silent.local_addr().unwrap());
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let error = runtime
            .block_on(async { http.get(url).send().await })
            .unwrap_err();
        assert!(causes(&error).contains(TIMED_OUT), "{}", causes(&error));
    }
}
