//! The load: so many callers, each with one request in flight, for a while. Law: an answer that is
//! not the right one fails the bench; it is never a fast answer.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use hdrhistogram::Histogram;
use http::{HeaderMap, Response, Uri};
use jiff::Timestamp;
use tokio::{task::JoinSet, time::Instant};

use super::{
    check::{self, Encoding},
    connection::{self, Endpoint, Sender},
    error::{Error, Result},
    plan::{Question, SEED, Shape},
};

/// Of so many answers one is read as a whole; of the others the status and the length are compared
/// with those of an answer that was. Prime, so that no rhythm of the questions hides from it.
const READ_EVERY: u64 = 97;
/// An answer later than this is none.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who is asked what, and what the answers must be.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) endpoint: Endpoint,
    pub(crate) headers: HeaderMap,
    pub(crate) questions: Arc<[Prepared]>,
}

/// A question ready to be sent.
#[derive(Debug)]
pub(crate) struct Prepared {
    uri: Uri,
    judge: Judge,
    /// Of the last answer that was read as a whole; 0 before it.
    length: AtomicUsize,
}

#[derive(Debug)]
enum Judge {
    /// The metrics API's.
    Metric(Shape, Question, Encoding),
    /// Fixed bytes.
    Fixed,
}

impl Prepared {
    /// Questions to the metrics API.
    pub(crate) fn metrics(
        endpoint: &Endpoint,
        shape: Shape,
        questions: &[Question],
        encoding: Encoding,
    ) -> Result<Arc<[Self]>> {
        let prepared = questions.iter().map(|question| {
            Ok(Self {
                uri: connection::uri(endpoint.address, &question.path())?,
                judge: Judge::Metric(shape, *question, encoding),
                length: AtomicUsize::new(0),
            })
        });
        prepared.collect()
    }

    /// The same questions to somebody who always answers so many bytes.
    pub(crate) fn fixed(
        endpoint: &Endpoint,
        questions: &[Question],
        length: usize,
    ) -> Result<Arc<[Self]>> {
        let prepared = questions.iter().map(|question| {
            Ok(Self {
                uri: connection::uri(endpoint.address, &question.path())?,
                judge: Judge::Fixed,
                length: AtomicUsize::new(length),
            })
        });
        prepared.collect()
    }

    /// Asks once and judges the answer, which does not belong to the time it took.
    pub(crate) async fn ask(
        &self,
        sender: &mut Sender,
        headers: &HeaderMap,
        read: bool,
    ) -> std::result::Result<Answered, String> {
        let begun = Instant::now();
        let asked = sender.get(self.uri.clone(), headers.clone());
        let answer = tokio::time::timeout(PATIENCE, asked).await;
        let answer = answer.map_err(|_elapsed| format!("{}: no answer", self.uri.path()))?;
        let answer = answer.map_err(|error| format!("{}: {error}", self.uri.path()))?;
        let took = begun.elapsed();
        self.judge(&answer, read)
            .map_err(|problem| format!("{}: {problem}", self.uri))?;
        let body = answer.into_body();
        Ok(Answered { body, took })
    }

    fn judge(&self, answer: &Response<Bytes>, read: bool) -> std::result::Result<(), String> {
        let body = answer.body();
        if answer.status() != 200 {
            let text = String::from_utf8_lossy(body);
            return Err(format!("{} {text}", answer.status()));
        }
        let known = self.length.load(Ordering::Relaxed);
        match &self.judge {
            Judge::Fixed if known == body.len() => Ok(()),
            Judge::Fixed => Err(format!("{} bytes instead of {known}", body.len())),
            Judge::Metric(..) if !read && known == body.len() => Ok(()),
            Judge::Metric(shape, question, encoding) => {
                check::answer(*shape, *question, *encoding, body, Timestamp::now())?;
                self.length.store(body.len(), Ordering::Relaxed);
                Ok(())
            }
        }
    }
}

/// A right answer.
#[derive(Debug)]
pub(crate) struct Answered {
    body: Bytes,
    /// From the question to the answer's last byte.
    pub(crate) took: Duration,
}

/// How the callers come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) callers: usize,
    /// Connections that they share evenly.
    pub(crate) connections: usize,
    pub(crate) duration: Duration,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) seconds: f64,
    pub(crate) latency: Latency,
}

/// Latencies, in microseconds.
#[derive(Debug, Clone)]
pub(crate) struct Latency(Histogram<u64>);

impl Latency {
    pub(crate) fn new() -> Result<Self> {
        // Three digits, up to a minute.
        let histogram = Histogram::new_with_bounds(1, 60_000_000, 3);
        histogram
            .map(Self)
            .map_err(|cause| Error::failed("histogram", cause))
    }

    pub(crate) fn record(&mut self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.0.saturating_record(micros);
    }

    pub(crate) fn add(&mut self, other: &Self) -> Result<()> {
        self.0
            .add(&other.0)
            .map_err(|cause| Error::failed("histogram", cause))
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// The latency that this part of the requests stayed below, in milliseconds.
    pub(crate) fn quantile(&self, part: f64) -> f64 {
        self.0.value_at_quantile(part) as f64 / 1000.0
    }
}

impl Target {
    /// Asks every question once, several at the same time, and reads every answer.
    pub(crate) async fn ask_all(&self, callers: usize) -> Result<()> {
        let connection = self.endpoint.connect().await?;
        let next = Arc::new(AtomicUsize::new(0));
        let mut tasks: JoinSet<std::result::Result<(), String>> = JoinSet::new();
        for _ in 0..callers {
            let (target, next) = (self.clone(), Arc::clone(&next));
            let mut sender = connection.sender();
            tasks.spawn(async move {
                while let Some(one) = target.questions.get(next.fetch_add(1, Ordering::Relaxed)) {
                    one.ask(&mut sender, &target.headers, true).await?;
                }
                Ok(())
            });
        }
        joined(tasks).await.map(drop)
    }

    /// One answer, for its bytes.
    pub(crate) async fn sample(&self) -> Result<Bytes> {
        let connection = self.endpoint.connect().await?;
        let first = self.questions.first();
        let first = first.ok_or_else(|| Error::failed("plan", "no question"))?;
        first
            .ask(&mut connection.sender(), &self.headers, true)
            .await
            .map(|answered| answered.body)
            .map_err(|problem| Error::failed("answer", problem))
    }

    /// Makes the load.
    pub(crate) async fn load(&self, load: Load) -> Result<Outcome> {
        let mut connections = Vec::new();
        for _ in 0..load.connections.clamp(1, load.callers.max(1)) {
            let connection = self.endpoint.connect().await?;
            // The connection's own beginning is not what is measured.
            if let Some(first) = self.questions.first() {
                let mut sender = connection.sender();
                let asked = first.ask(&mut sender, &self.headers, false);
                asked
                    .await
                    .map_err(|problem| Error::failed("answer", problem))?;
            }
            connections.push(connection);
        }
        let start = Instant::now();
        let mut tasks = JoinSet::new();
        for caller in 0..load.callers {
            let sender = connections[caller % connections.len()].sender();
            let until = start + load.duration;
            tasks.spawn(self.clone().call(sender, caller as u64, until));
        }
        let mut latency = Latency::new()?;
        for one in joined(tasks).await? {
            latency.add(&one)?;
        }
        Ok(Outcome {
            seconds: start.elapsed().as_secs_f64(),
            latency,
        })
    }

    /// One caller.
    async fn call(
        self,
        mut sender: Sender,
        number: u64,
        until: Instant,
    ) -> std::result::Result<Latency, String> {
        let mut random = fastrand::Rng::with_seed(SEED + number);
        let mut latency = Latency::new().map_err(|error| error.to_string())?;
        let mut asked = 0;
        loop {
            if Instant::now() >= until {
                return Ok(latency);
            }
            let question = &self.questions[random.usize(0..self.questions.len())];
            asked += 1;
            let read = asked % READ_EVERY == 0;
            let answered = question.ask(&mut sender, &self.headers, read).await?;
            latency.record(answered.took);
        }
    }
}

/// What all tasks return, or the first failure.
pub(crate) async fn joined<T: 'static>(
    mut tasks: JoinSet<std::result::Result<T, String>>,
) -> Result<Vec<T>> {
    let mut results = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        let ended = ended.map_err(|cause| Error::failed("a caller", cause))?;
        results.push(ended.map_err(|problem| Error::failed("answer", problem))?);
    }
    Ok(results)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_in_milliseconds() {
        let mut latency = Latency::new().expect("bounds are valid");
        for micros in 1..=100 {
            latency.record(Duration::from_micros(10 * micros));
        }
        assert_eq!(latency.count(), 100);
        assert!((latency.quantile(0.5) - 0.5).abs() < 0.01);
        assert!((latency.quantile(0.99) - 0.99).abs() < 0.01);
    }

    #[test]
    fn another_status_or_length_is_no_answer() {
        let prepared = Prepared {
            uri: Uri::from_static("https://127.0.0.1/"),
            judge: Judge::Fixed,
            length: AtomicUsize::new(2),
        };
        let answer = |status: u16, body: &'static [u8]| {
            let mut response = Response::new(Bytes::from_static(body));
            *response.status_mut() = http::StatusCode::from_u16(status).expect("a status");
            prepared.judge(&response, false)
        };
        assert_eq!(answer(200, b"ok"), Ok(()));
        answer(200, b"no!").expect_err("too long");
        answer(503, b"ok").expect_err("not OK");
    }
}
