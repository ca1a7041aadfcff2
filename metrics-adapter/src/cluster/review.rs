//! Reviews by kube-apiserver: whose token is this, and may they?
//!
//! Law: nobody who waits for a review ever waits for one that only somebody expected wants: those
//! take no places here. Whoever asks ahead of callers keeps to few at once by itself.

use std::time::Duration;

use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use k8s_openapi::api::authorization::v1::{
    NonResourceAttributes, ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::metrics::{Outcome, Review};
use super::{Metrics, Options, failure};
use crate::model::review::{AccessAttributes, Cause, Decision, ReviewError, Reviewer, UserInfo};
use crate::trace;

/// Asks kube-apiserver, within a deadline and with a limit on questions at once that callers wait for.
pub struct ClusterReviewer {
    tokens: Api<TokenReview>,
    accesses: Api<SubjectAccessReview>,
    /// For reviews that callers wait for.
    cold: Semaphore,
    timeout: Duration,
    metrics: Metrics,
}

impl ClusterReviewer {
    pub(super) fn new(
        authentication: Client,
        authorization: Client,
        options: &Options,
        metrics: Metrics,
    ) -> Self {
        Self {
            tokens: Api::all(authentication),
            accesses: Api::all(authorization),
            cold: Semaphore::new(options.review_concurrency),
            timeout: options.review_timeout,
            metrics,
        }
    }

    async fn ask<T>(
        &self,
        review: Review,
        cause: Cause,
        call: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, ReviewError> {
        let start = Instant::now();
        let span = trace::review(match review {
            Review::Token => "/apis/authentication.k8s.io/v1/tokenreviews",
            Review::Access => "/apis/authorization.k8s.io/v1/subjectaccessreviews",
        });
        let asked = async {
            let _place = match cause {
                // Closed never: the semaphore lives as long as `self`.
                Cause::Cold => self.cold.acquire().await.ok(),
                Cause::Refresh => None,
            };
            call.await
        };
        let asked = tokio::time::timeout(self.timeout, asked.instrument(span.clone())).await;
        let answer = match asked {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(ReviewError(failure::describe(&error))),
            Err(_elapsed) => Err(ReviewError(format!("no answer within {:?}", self.timeout))),
        };
        let outcome = if answer.is_ok() {
            Outcome::Success
        } else {
            trace::failed(&span, "review_failed");
            Outcome::Failure
        };
        self.metrics
            .reviewed(review, cause, outcome, start.elapsed().as_secs_f64());
        answer
    }
}

impl Reviewer for ClusterReviewer {
    async fn authorize(
        &self,
        user: &UserInfo,
        attributes: &AccessAttributes,
        cause: Cause,
    ) -> Result<Decision, ReviewError> {
        let review = SubjectAccessReview {
            spec: spec(user, attributes),
            ..Default::default()
        };
        let call = async { self.accesses.create(&PostParams::default(), &review).await };
        let status = self.ask(Review::Access, cause, call).await?.status;
        let status =
            status.ok_or_else(|| ReviewError("the access review has no status".to_owned()))?;
        Ok(Decision {
            // kube-apiserver never says both; whoever does is not to be believed the better half.
            allowed: status.allowed && !status.denied.unwrap_or(false),
            reason: status.reason.unwrap_or_default(),
        })
    }

    async fn authenticate(
        &self,
        token: &str,
        cause: Cause,
    ) -> Result<Option<UserInfo>, ReviewError> {
        // No audiences: kube-apiserver takes its own, and refuses tokens made for others.
        let spec = TokenReviewSpec {
            token: Some(token.to_owned()),
            audiences: None,
        };
        let review = TokenReview {
            spec,
            ..Default::default()
        };
        let call = async { self.tokens.create(&PostParams::default(), &review).await };
        let status = self.ask(Review::Token, cause, call).await?.status;
        let status =
            status.ok_or_else(|| ReviewError("the token review has no status".to_owned()))?;
        if !status.authenticated.unwrap_or(false) {
            return Ok(None);
        }
        Ok(status.user.and_then(|user| {
            Some(UserInfo {
                name: user.username.filter(|name| !name.is_empty())?,
                uid: user.uid.unwrap_or_default(),
                groups: user.groups.unwrap_or_default(),
                extra: user.extra.unwrap_or_default(),
            })
        }))
    }
}

fn spec(user: &UserInfo, attributes: &AccessAttributes) -> SubjectAccessReviewSpec {
    let some = |text: &String| (!text.is_empty()).then(|| text.clone());
    let (resource_attributes, non_resource_attributes) = match attributes {
        AccessAttributes::Resource {
            verb,
            group,
            version,
            namespace,
            resource,
            subresource,
            name,
        } => {
            let attributes = ResourceAttributes {
                verb: some(verb),
                group: some(group),
                version: some(version),
                namespace: some(namespace),
                resource: some(resource),
                subresource: some(subresource),
                name: some(name),
                ..Default::default()
            };
            (Some(attributes), None)
        }
        AccessAttributes::NonResource { path, verb } => (
            None,
            Some(NonResourceAttributes {
                path: some(path),
                verb: some(verb),
            }),
        ),
    };
    SubjectAccessReviewSpec {
        user: Some(user.name.clone()),
        uid: some(&user.uid),
        groups: Some(user.groups.clone()),
        extra: (!user.extra.is_empty()).then(|| user.extra.clone()),
        resource_attributes,
        non_resource_attributes,
    }
}
