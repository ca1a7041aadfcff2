//! What is counted of the requests for one metric of a catalog.
//!
//! Law: a request finds its counters with its metric and looks up nothing more.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;

/// What came of a request for a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Values.
    Ok,
    /// An answer without any value: the HPA takes that for a failure.
    Empty,
    /// No such metric for these objects, or no such objects.
    NotFound,
    /// The request can never be answered.
    Invalid,
    /// No answer in time.
    Timeout,
    /// Any other failure.
    Error,
}

telemetry::snake_case_labels!(Outcome);

impl Outcome {
    /// All of them, in the order of their counters.
    pub const ALL: [Self; 6] = [
        Self::Ok,
        Self::Empty,
        Self::NotFound,
        Self::Invalid,
        Self::Timeout,
        Self::Error,
    ];
}

/// A counter for each [`Outcome`], in their order. Clones share them.
pub type Counters = [Counter; Outcome::ALL.len()];

/// The counters of one metric, and the ages of its rule's samples.
#[derive(Clone, Debug)]
pub struct Meter {
    outcomes: Counters,
    ages: Histogram,
}

impl Meter {
    /// Puts them together.
    pub const fn new(outcomes: Counters, ages: Histogram) -> Self {
        Self { outcomes, ages }
    }

    /// Counts a request.
    pub fn count(&self, outcome: Outcome) {
        self.outcomes[outcome as usize].inc();
    }

    /// Tells how old the oldest sample of an answer was.
    pub fn aged(&self, age: Duration) {
        self.ages.observe(age.as_secs_f64());
    }
}
