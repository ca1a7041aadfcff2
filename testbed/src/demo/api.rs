//! Asks kube-apiserver and Prometheus, from inside the cluster's network, over connections that
//! stay open: a look each second must not cost more than what it looks at. Law: every question has
//! a deadline, and a look never fails as a whole.

use std::{fs, path::Path, time::Duration};

use serde_json::{Value, json};

use super::look::{self, Answers};
use crate::{
    error::{Error, Result},
    layout::{APISERVER, CLUSTER_DOMAIN, Layout},
    stack::{CLIENT, HPA, NAMESPACE, REQUESTS_METRIC, metric_path},
};

/// For one question; measured on a busy machine, 0.3 s.
const DEADLINE: Duration = Duration::from_secs(3);

/// The two servers.
#[derive(Debug, Clone)]
pub(super) struct Api {
    http: reqwest::Client,
}

impl Api {
    /// Logs in as the cluster's administrator.
    pub(super) fn new(layout: &Layout) -> Result<Self> {
        let pki = layout.pki();
        let mut identity = read(&pki.join("admin.crt"))?;
        identity.extend(read(&pki.join("admin.key"))?);
        let ca = read(&pki.join("ca.crt"))?;
        let http = build(&identity, &ca)
            .map_err(|error| Error::Missing(format!("cannot set up TLS: {error}")))?;
        Ok(Self { http })
    }

    /// Looks at everything at the same time.
    pub(super) async fn look(&self) -> Answers {
        let hpa =
            format!("/apis/autoscaling/v2/namespaces/{NAMESPACE}/horizontalpodautoscalers/{HPA}");
        let deployments = format!("/apis/apps/v1/namespaces/{NAMESPACE}/deployments");
        let events = format!(
            "/api/v1/namespaces/{NAMESPACE}/events?fieldSelector=\
             involvedObject.kind%3DHorizontalPodAutoscaler%2CinvolvedObject.name%3D{HPA}"
        );
        let metric = metric_path(REQUESTS_METRIC);
        let query = look::query();
        let form = [("query", query.as_str())];
        let (hpa, deployments, events, metric, prometheus) = tokio::join!(
            self.kubernetes(&hpa),
            self.kubernetes(&deployments),
            self.kubernetes(&events),
            self.kubernetes(&metric),
            self.prometheus("query", &form),
        );
        Answers {
            hpa,
            deployments,
            events,
            metric,
            prometheus,
        }
    }

    /// Sets the number of clients.
    pub(super) async fn scale_clients(&self, replicas: u32) -> Result<()> {
        let path = format!("/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{CLIENT}/scale");
        let patch = json!({ "spec": { "replicas": replicas } });
        let request = self
            .http
            .patch(format!("{APISERVER}{path}"))
            .header("content-type", "application/merge-patch+json")
            .body(patch.to_string());
        let sent = request.send().await;
        sent.and_then(reqwest::Response::error_for_status)
            .map(drop)
            .map_err(|error| Error::Missing(format!("cannot scale the clients: {error}")))
    }

    /// Asks kube-apiserver; null when it does not answer well.
    pub(super) async fn kubernetes(&self, path: &str) -> Value {
        answer(self.http.get(format!("{APISERVER}{path}"))).await
    }

    /// Asks Prometheus; null when it does not answer well.
    pub(super) async fn prometheus(&self, endpoint: &str, form: &[(&str, &str)]) -> Value {
        let url = format!("{}/api/v1/{endpoint}", prometheus_url());
        let request = if form.is_empty() {
            self.http.get(url)
        } else {
            self.http.post(url).form(form)
        };
        answer(request).await
    }
}

/// Prometheus' Service.
pub(super) fn prometheus_url() -> String {
    format!("http://prometheus.monitoring.svc.{CLUSTER_DOMAIN}:9090")
}

async fn answer(request: reqwest::RequestBuilder) -> Value {
    let response = request.send().await;
    match response.and_then(reqwest::Response::error_for_status) {
        Ok(response) => response.json().await.unwrap_or_default(),
        Err(_) => Value::Null,
    }
}

fn build(identity: &[u8], ca: &[u8]) -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .timeout(DEADLINE)
        .no_proxy()
        .identity(reqwest::Identity::from_pem(identity)?)
        .tls_certs_only([reqwest::Certificate::from_pem(ca)?])
        .build()
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).map_err(Error::file("read", file))
}
