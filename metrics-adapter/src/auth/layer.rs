//! The gate in front of every handler: a tower layer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Request, Response};
use tower::{Layer, Service};

use super::attributes::Target;
use super::authentication::{self, Authenticator};
use super::authorization::Authorizer;
use super::caller::Caller;
use super::metrics::Authorization;
use super::{Metrics, Options, TrustReceiver, UNAUTHENTICATED, status};
use crate::model::review::Reviewer;
use crate::serving::{PeerCertificates, Standing};

/// Lets requests through whose caller is known and allowed, with the caller
/// (`Arc<UserInfo>`) in their extensions and without their credentials.
pub struct AuthLayer<R: Reviewer>(Arc<Gate<R>>);

/// A service behind an [`AuthLayer`].
pub struct AuthService<S, R: Reviewer> {
    inner: S,
    gate: Arc<Gate<R>>,
}

struct Gate<R: Reviewer> {
    authenticator: Authenticator<R>,
    authorizer: Authorizer<R>,
    metrics: Metrics,
}

impl<R: Reviewer> AuthLayer<R> {
    /// A gate that trusts what `trust` tells and asks `reviewer` about the rest.
    pub fn new(
        trust: TrustReceiver,
        reviewer: Arc<R>,
        options: &Options,
        metrics: Metrics,
    ) -> Self {
        let authenticator =
            Authenticator::new(trust, Arc::clone(&reviewer), options, metrics.clone());
        let authorizer = Authorizer::new(reviewer, options, metrics.clone());
        Self(Arc::new(Gate {
            authenticator,
            authorizer,
            metrics,
        }))
    }

    /// Asks again for what callers keep coming for, ahead of its expiry; does not end.
    pub async fn keep_warm(&self) {
        tokio::join!(
            self.0.authenticator.keep_warm(),
            self.0.authorizer.keep_warm()
        );
    }
}

impl<R: Reviewer> Clone for AuthLayer<R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S, R: Reviewer> Layer<S> for AuthLayer<R> {
    type Service = AuthService<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        AuthService {
            inner,
            gate: Arc::clone(&self.0),
        }
    }
}

impl<S: Clone, R: Reviewer> Clone for AuthService<S, R> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            gate: Arc::clone(&self.gate),
        }
    }
}

impl<S, R, B, ResBody> Service<Request<B>> for AuthService<S, R>
where
    S: Service<Request<B>, Response = Response<ResBody>> + Clone + Send + 'static,
    S::Future: Send,
    R: Reviewer,
    B: Send + 'static,
    ResBody: From<Bytes> + Send,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let gate = Arc::clone(&self.gate);
        // The service that was polled ready is the one to call.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        // Apart, for bodies are not `Sync`.
        let (mut asked, body) = request.into_parts();
        Box::pin(async move {
            match gate.judge(&asked).await {
                Ok(caller) => {
                    gate.authenticator.strip(&mut asked.headers);
                    asked.extensions.remove::<PeerCertificates>();
                    asked.extensions.remove::<Standing>();
                    asked.extensions.insert(Arc::clone(&caller.user));
                    inner.call(Request::from_parts(asked, body)).await
                }
                Err(refusal) => Ok(refusal),
            }
        })
    }
}

impl<R: Reviewer> Gate<R> {
    /// The caller, or the answer that refuses the request.
    async fn judge<ResBody: From<Bytes>>(
        &self,
        asked: &Parts,
    ) -> Result<Arc<Caller>, Response<ResBody>> {
        let caller = self
            .authenticator
            .authenticate(&asked.headers, asked.extensions.get())
            .await
            .map_err(|error| match error {
                authentication::Error::Rejected(reason) => {
                    tracing::debug!(reason, "refusing a bad credential");
                    status::unauthorized()
                }
                authentication::Error::NotReady => status::not_ready(),
                authentication::Error::Review(error) => {
                    tracing::warn!(%error, "cannot authenticate: token review failed");
                    status::review_failed()
                }
            })?;
        let user = &caller.user;
        if !user.groups.iter().any(|group| group == UNAUTHENTICATED)
            && let Some(standing) = asked.extensions.get::<Standing>()
        {
            standing.authenticated();
        }
        if let Some(whom) = impersonated(&asked.headers) {
            self.metrics.authorized(Authorization::Impersonation);
            return Err(status::impersonation(user, &whom));
        }
        let target = Target::new(&asked.method, &asked.uri);
        for access in target.accesses() {
            match self.authorizer.authorize(&caller, &access).await {
                Ok(decision) if decision.allowed => {}
                Ok(decision) => {
                    let attributes = access.to_attributes();
                    return Err(status::forbidden(user, &attributes, &decision.reason));
                }
                Err(error) => {
                    tracing::warn!(%error, user = user.name, "cannot authorize: review failed");
                    return Err(status::review_failed());
                }
            }
        }
        Ok(caller)
    }
}

/// Whom the caller wants to be, if it says so in any of the headers for that.
fn impersonated(headers: &HeaderMap) -> Option<String> {
    let text = |name: &str| {
        let value = headers.get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    text("impersonate-user").or_else(|| {
        let any = headers
            .keys()
            .any(|name| name.as_str().starts_with("impersonate-"));
        any.then(String::new)
    })
}
