//! The watch of ConfigMap `kube-system/extension-apiserver-authentication`.
//!
//! Law: every good version is published at once; a broken or deleted one leaves the last good
//! one in place, for kube-apiserver's front proxy must not be locked out by a mistake.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::watcher;
use kube::runtime::watcher::Event;
use kube::{Api, Client};
use telemetry::backoff::Backoff;
use telemetry::reload::Source;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::client::WATCH_TIMEOUT_SECONDS;
use super::{FIRST_PAUSE, Metrics, failure};
use crate::auth::Trust;

const NAMESPACE: &str = "kube-system";
const NAME: &str = "extension-apiserver-authentication";
/// Longest pause between attempts: this keeps the adapter from being ready.
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// Watches the ConfigMap and publishes what it says.
pub(super) struct Watch {
    client: Client,
    publish: watch::Sender<Option<Arc<Trust>>>,
    metrics: Metrics,
    /// What was complained about last.
    problem: Option<String>,
    /// The data of the last good version. A watch that is made anew tells the same one again.
    good: Option<BTreeMap<String, String>>,
    /// What became of the versions.
    source: Source,
}

impl Watch {
    pub(super) fn new(
        client: Client,
        publish: watch::Sender<Option<Arc<Trust>>>,
        metrics: Metrics,
    ) -> Self {
        Self {
            client,
            publish,
            source: metrics.authentication_reloads.source(),
            metrics,
            problem: None,
            good: None,
        }
    }

    pub(super) async fn run(mut self, token: &CancellationToken) {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), NAMESPACE);
        let config = watcher::Config::default()
            .fields(&format!("metadata.name={NAME}"))
            .timeout(WATCH_TIMEOUT_SECONDS);
        let mut events = std::pin::pin!(watcher(api, config));
        let mut backoff = Backoff::new(FIRST_PAUSE);
        let mut listed = false;
        while let Some(Some(event)) = token.run_until_cancelled(events.next()).await {
            match event {
                Ok(Event::Init) => listed = false,
                Ok(Event::InitApply(map) | Event::Apply(map)) => {
                    listed = true;
                    backoff.reset();
                    self.read(map);
                }
                Ok(Event::InitDone) if listed => {}
                Ok(Event::InitDone | Event::Delete(_)) => {
                    backoff.reset();
                    self.refuse("it does not exist".to_owned());
                }
                Err(error) => {
                    let mut problem = failure::describe_watch(&error);
                    if failure::watch_status(&error) == Some(403) {
                        problem.push_str(
                            "; bind Role kube-system/extension-apiserver-authentication-reader \
                             to the adapter's service account with a RoleBinding in kube-system",
                        );
                    }
                    self.complain(problem);
                    let pause = backoff.pause(MAX_PAUSE);
                    token.run_until_cancelled(tokio::time::sleep(pause)).await;
                }
            }
        }
    }

    fn read(&mut self, map: ConfigMap) {
        let data = map.data.unwrap_or_default();
        if self.good.as_ref() == Some(&data) {
            self.source.restored();
            if self.problem.take().is_some() {
                tracing::info!("read the cluster's authentication configuration");
            }
            return;
        }
        match Trust::parse(&data) {
            Ok(trust) => {
                if trust.request_header.is_none() {
                    tracing::warn!(
                        "the cluster has no requestheader-client-ca-file: kube-apiserver cannot \
                         forward requests to this server",
                    );
                }
                self.good = Some(data);
                self.source.replaced();
                let first = self.publish.borrow().is_none();
                self.publish.send_replace(Some(Arc::new(trust)));
                self.metrics.set_authentication_known();
                let recovered = self.problem.take().is_some();
                if first || recovered {
                    tracing::info!("read the cluster's authentication configuration");
                } else {
                    tracing::info!("the cluster's authentication configuration has changed");
                }
            }
            Err(error) => self.refuse(error.to_string()),
        }
    }

    /// There is no good version now. (A watch that fails says nothing about versions.)
    fn refuse(&mut self, problem: String) {
        self.source.broken(&problem);
        self.complain(problem);
    }

    /// Says a problem once, until there is another one or none.
    fn complain(&mut self, problem: String) {
        if self.problem.as_ref() == Some(&problem) {
            return;
        }
        if self.publish.borrow().is_some() {
            tracing::warn!(
                problem,
                "ConfigMap {NAMESPACE}/{NAME}: keeping the last good authentication configuration",
            );
        } else {
            tracing::error!(
                problem,
                "ConfigMap {NAMESPACE}/{NAME} cannot be used: not ready, trying again",
            );
        }
        self.problem = Some(problem);
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::registry::Registry;

    use super::*;
    use crate::serving::tests::support::Ca;

    fn map(authority: &str) -> ConfigMap {
        let data = [("client-ca-file".to_owned(), authority.to_owned())];
        ConfigMap {
            data: Some(data.into()),
            ..ConfigMap::default()
        }
    }

    #[tokio::test]
    async fn the_same_version_is_no_new_one() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let nobody = tower::service_fn(async |_: http::Request<kube::client::Body>| {
            Err::<http::Response<kube::client::Body>, _>(std::io::Error::other("nobody"))
        });
        let publish = watch::Sender::new(None);
        let receiver = publish.subscribe();
        let mut watch = Watch::new(Client::new(nobody, "default"), publish, metrics);
        let told = || {
            let text = telemetry::text::encode(&registry);
            let lines = text.lines().filter_map(|line| {
                line.strip_prefix("authentication_configuration_reload")
                    .map(str::to_owned)
            });
            let mut lines: Vec<String> = lines.collect();
            lines.sort();
            lines
        };
        let counts = |failing: u8, failures: u8, successes: u8| {
            [
                format!("_failing {failing}"),
                format!("s_total{{result=\"failure\"}} {failures}"),
                format!("s_total{{result=\"success\"}} {successes}"),
            ]
        };
        let (one, two) = (Ca::new("one").pem(), Ca::new("two").pem());
        for (version, expected) in [
            (one.as_str(), counts(0, 0, 1)),
            (&one, counts(0, 0, 1)),
            ("broken", counts(1, 1, 1)),
            (&one, counts(0, 1, 1)),
            (&two, counts(0, 1, 2)),
            (&one, counts(0, 1, 3)),
        ] {
            watch.read(map(version));
            assert_eq!(told(), expected, "{version}");
            assert!(receiver.borrow().is_some());
        }
    }
}
