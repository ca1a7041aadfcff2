//! How long an adapter takes from its process' start to its first right answer, and everything it
//! says before. Law: it is asked from the first moment on, as fast as it answers.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use jiff::Timestamp;
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::{
    check::{self, Encoding},
    connection::{Connection, Endpoint, uri},
    error::{Error, Result},
    plan::{Question, Shape},
    stage::{Places, Programs, front_proxy_headers},
};

/// Between two attempts.
const PACE: Duration = Duration::from_millis(2);
/// An adapter that has not answered by then does not start.
const PATIENCE: Duration = Duration::from_secs(60);

/// One start; times from the process' start, in milliseconds.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Start {
    /// Until a TLS connection was made.
    pub(crate) connected_ms: f64,
    /// Until an answer of any kind.
    pub(crate) answered_ms: f64,
    /// Until `/readyz` said so.
    pub(crate) ready_ms: f64,
    /// Until the right answer.
    pub(crate) correct_ms: f64,
    /// Every status that was seen before the right answer, and how often; what was a 200 with a
    /// wrong answer is there as `200 wrong`, what was none as `connection lost`, and a refusal with
    /// its message.
    pub(crate) before: BTreeMap<String, u64>,
}

impl Start {
    /// Whether it said anything to somebody who is in the right but that it is not ready yet.
    pub(crate) fn has_refused(&self) -> bool {
        self.before.keys().any(|status| status != "503")
    }
}

/// Starts an adapter, asks, and ends it.
pub(crate) async fn once(
    places: &Places,
    programs: &Programs,
    shape: Shape,
    question: Question,
) -> Result<Start> {
    let endpoint = places.front_proxy()?;
    let uri = uri(endpoint.address, &question.path())?;
    let headers = front_proxy_headers(Encoding::Json.media_type());
    let begun = Instant::now();
    let mut child = places.start_adapter(programs, places.prometheus, &[])?;
    let mut before = BTreeMap::new();
    let mut connection: Option<Connection> = None;
    let (mut connected, mut answered, mut ready) = (None, None, None);
    let correct = loop {
        child.check()?;
        if begun.elapsed() > PATIENCE {
            let problem = format!("no right answer after its start, only {before:?}");
            return Err(Error::failed("metrics-adapter", problem));
        }
        if ready.is_none() && is_ready(places.admin).await {
            ready = Some(begun.elapsed());
        }
        let Some(open) = &connection else {
            connection = connect(&endpoint).await;
            if connection.is_some() {
                connected = Some(begun.elapsed());
            } else {
                sleep(PACE).await;
            }
            continue;
        };
        match open.sender().get(uri.clone(), headers.clone()).await {
            Ok(answer) => {
                let now = begun.elapsed();
                answered.get_or_insert(now);
                let mut status = answer.status().as_str().to_owned();
                if answer.status() == 200 {
                    let body = answer.body();
                    match check::answer(shape, question, Encoding::Json, body, Timestamp::now()) {
                        Ok(()) => break now,
                        Err(_) => status.push_str(" wrong"),
                    }
                } else if answer.status() != 503
                    && let Some(message) = message(answer.body())
                {
                    status = format!("{status}: {message}");
                }
                *before.entry(status).or_default() += 1;
            }
            Err(_) => {
                *before.entry("connection lost".to_owned()).or_default() += 1;
                connection = None;
            }
        }
        sleep(PACE).await;
    };
    while ready.is_none() && begun.elapsed() < PATIENCE {
        if is_ready(places.admin).await {
            ready = Some(begun.elapsed());
        }
        sleep(PACE).await;
    }
    child.end();
    let milliseconds = |time: Option<Duration>| time.unwrap_or(PATIENCE).as_secs_f64() * 1000.0;
    Ok(Start {
        connected_ms: milliseconds(connected),
        answered_ms: milliseconds(answered),
        ready_ms: milliseconds(ready),
        correct_ms: milliseconds(Some(correct)),
        before,
    })
}

/// What a Kubernetes Status says.
fn message(body: &[u8]) -> Option<String> {
    let status: serde_json::Value = serde_json::from_slice(body).ok()?;
    Some(status.get("message")?.as_str()?.to_owned())
}

async fn connect(endpoint: &Endpoint) -> Option<Connection> {
    // Refused while nobody listens: that is what is waited for.
    endpoint.connect().await.ok()
}

async fn is_ready(admin: SocketAddr) -> bool {
    let answer = reqwest::get(format!("http://{admin}/readyz")).await;
    answer.is_ok_and(|answer| answer.status() == 200)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn being_unavailable_for_a_while_is_no_refusal() {
        let start = |statuses: &[&str]| Start {
            connected_ms: 1.0,
            answered_ms: 1.0,
            ready_ms: 1.0,
            correct_ms: 1.0,
            before: statuses
                .iter()
                .map(|status| ((*status).to_owned(), 1))
                .collect(),
        };
        assert!(!start(&[]).has_refused());
        assert!(!start(&["503"]).has_refused());
        assert!(start(&["503", "404"]).has_refused());
        for refusal in ["403", "500", "200 wrong", "connection lost"] {
            assert!(start(&[refusal]).has_refused(), "{refusal}");
        }
    }
}
