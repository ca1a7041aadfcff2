//! What the API tells about itself. Label values come from code: kinds of requests and status
//! codes, never metric names or anything else that a caller chooses.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tokio::time::Instant;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    api: &'static str,
    code: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DurationLabels {
    api: &'static str,
}

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    Custom,
    External,
    Resource,
    Discovery,
    OpenApi,
    Explanation,
    Other,
}

impl Subject {
    const ALL: [Self; 7] = [
        Self::Custom,
        Self::External,
        Self::Resource,
        Self::Discovery,
        Self::OpenApi,
        Self::Explanation,
        Self::Other,
    ];

    const fn label(self) -> &'static str {
        match self {
            Self::Custom => "custom",
            Self::External => "external",
            Self::Resource => "resource",
            Self::Discovery => "discovery",
            Self::OpenApi => "openapi",
            Self::Explanation => "explanation",
            Self::Other => "other",
        }
    }
}

/// Counters of answered requests.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: Family<RequestLabels, Counter>,
    /// By subject: requests that were answered well, and how long every one took.
    subjects: [(Counter, Histogram); Subject::ALL.len()],
}

impl Metrics {
    /// Registers the metrics; the caller chooses the prefix.
    pub fn register(registry: &mut Registry) -> Self {
        let requests = Family::<RequestLabels, Counter>::default();
        let duration = Family::<_, _, fn() -> Histogram>::new_with_constructor(|| {
            // Seconds; from an answer out of memory to the longest that an HPA waits.
            Histogram::new([
                0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0,
            ])
        });
        registry.register(
            "requests_total",
            "Requests by API (custom, external, resource, discovery, openapi, explanation, other) and status code",
            requests.clone(),
        );
        registry.register(
            "request_duration_seconds",
            "Time to answer a request, authentication and authorization left out",
            duration.clone(),
        );
        let subjects = Subject::ALL.map(|subject| {
            let api = subject.label();
            let code = http::StatusCode::OK.as_u16();
            let answered = requests.get_or_create_owned(&RequestLabels { api, code });
            (
                answered,
                duration.get_or_create_owned(&DurationLabels { api }),
            )
        });
        Self { requests, subjects }
    }

    pub(super) fn observe(&self, subject: Subject, code: http::StatusCode, since: Instant) {
        let (answered, duration) = &self.subjects[subject as usize];
        duration.observe(since.elapsed().as_secs_f64());
        if code == http::StatusCode::OK {
            answered.inc();
            return;
        }
        let (api, code) = (subject.label(), code.as_u16());
        self.requests
            .get_or_create(&RequestLabels { api, code })
            .inc();
    }
}
