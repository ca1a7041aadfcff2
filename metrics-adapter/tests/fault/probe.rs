//! What is asked all the time, and how each answer is judged.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::client::{As, Client, HPA, MASTER, STRANGER};

pub(crate) const DISCOVERY: &str = "/apis/custom.metrics.k8s.io/v1beta2";
pub(crate) const PODS: &str = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/rps";
pub(crate) const QUEUE: &str = "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/queue";

/// A question that is asked again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Probe {
    /// The aggregator's health check.
    Discovery,
    /// The same on a new connection.
    Fresh,
    /// The metric of all pods, by the HPA controller, who is reviewed each time.
    Pods,
    /// An external metric, by a member of `system:masters`, who needs no review.
    Queue,
    /// The metric of all pods, by somebody who may not have it.
    Stranger,
    /// Without a certificate, with a token; `/metrics`.
    Token,
    /// With a token that is not good.
    BadToken,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// What should come.
    Good(u16),
    /// True, but not all of it.
    Short,
    /// A status that says that there is no answer.
    Refused(u16),
    /// No answer.
    Broken(String),
    /// What must never come.
    Wrong(String),
}

/// One question and its answer.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) probe: Probe,
    pub(crate) started: Instant,
    pub(crate) took: Duration,
    pub(crate) outcome: Outcome,
}

/// Longer than anything may take.
const PATIENCE: Duration = Duration::from_secs(15);

impl Probe {
    /// Whether its answers are values.
    pub(crate) const fn is_value(self) -> bool {
        matches!(self, Self::Pods | Self::Queue)
    }

    /// Asks once.
    pub(crate) async fn ask(self, front: &Client, direct: &Client, pods: &[String]) -> Seen {
        let mut started = Instant::now();
        let (client, path, who) = match self {
            Self::Discovery | Self::Fresh => (front, DISCOVERY, MASTER),
            Self::Pods => (front, PODS, HPA),
            Self::Queue => (front, QUEUE, MASTER),
            Self::Stranger => (front, PODS, STRANGER),
            Self::Token => (direct, "/metrics", As::Token("good")),
            Self::BadToken => (direct, PODS, As::Token("bad")),
        };
        let answer = async {
            if self == Self::Fresh {
                // The aggregator asks five times, and one answer in time is enough.
                let mut answer = client.fresh(path, who).await;
                for _ in 1..5 {
                    if answer.is_err() {
                        started = Instant::now();
                        answer = client.fresh(path, who).await;
                    }
                }
                return answer.map(|(status, body, _)| (status, body));
            }
            client.get(path, who).await
        };
        let outcome = match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok((status, body))) => self.judge(status, &body, pods),
            Ok(Err(error)) => Outcome::Broken(error.to_string()),
            Err(_) => Outcome::Broken(format!("nothing within {PATIENCE:?}")),
        };
        let took = started.elapsed();
        Seen {
            probe: self,
            started,
            took,
            outcome,
        }
    }

    fn judge(self, status: u16, body: &str, pods: &[String]) -> Outcome {
        match (self, status) {
            (Self::Stranger, 403) | (Self::BadToken, 401) => return Outcome::Good(status),
            (Self::Stranger | Self::BadToken, 200) => {
                return Outcome::Wrong(format!("an answer for {self:?}"));
            }
            (_, 404 | 500 | 503 | 504) => return Outcome::Refused(status),
            (_, 200) => {}
            _ => return Outcome::Wrong(format!("{self:?} got status {status}: {body}")),
        }
        let wanted = match self {
            Self::Pods => pods.iter().map(String::as_str).collect(),
            Self::Queue => vec!["queue"],
            _ => return Outcome::Good(200),
        };
        let found: Value = serde_json::from_str(body).unwrap_or_default();
        let Some(items) = found["items"].as_array() else {
            return Outcome::Wrong(format!("no list: {body}"));
        };
        let mut names = Vec::new();
        for item in items {
            let name = item["describedObject"]["name"].as_str().unwrap_or("queue");
            let value = match name {
                "web-0" => "10",
                "web-1" => "20",
                "web-2" => "30",
                "queue" => "7",
                _ => "(no value)",
            };
            if item["value"] != value {
                return Outcome::Wrong(format!("{name} is {}, not {value}", item["value"]));
            }
            names.push(name);
        }
        if names == wanted {
            Outcome::Good(200)
        } else {
            Outcome::Short
        }
    }
}
