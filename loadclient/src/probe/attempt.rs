//! One request and what became of it.

use std::fmt;
use std::time::Duration;

use http::{Method, StatusCode};
use jiff::Timestamp;
use serde::Serialize;

/// What is requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// How the server is: `GET /status`.
    Status,
    /// The server is told to change: `POST /flaky`.
    Flaky,
}

/// What became of a request, in classes that call for different remedies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A status code from 200 to 299, and the whole answer.
    Success,
    /// Another status code.
    HttpError,
    /// No whole answer in time.
    Timeout,
    /// No connection, or one that ended before the answer did.
    TransportError,
    /// Something that is not HTTP.
    ProtocolError,
}

/// A request that ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// When it began.
    pub time: Timestamp,
    /// What was requested.
    pub endpoint: Endpoint,
    /// From its beginning, connecting included, to the end of the answer or of the attempt.
    pub duration: Duration,
    /// The status code, if one came; it can be there although the rest of the answer is not.
    pub code: Option<StatusCode>,
    /// Its class.
    pub outcome: Outcome,
    /// What went wrong; nothing if it succeeded.
    pub error: Option<String>,
    /// The trace that the request belongs to, at the server too.
    pub trace: Option<String>,
}

impl Endpoint {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Status, Self::Flaky];

    /// The request's method.
    #[must_use]
    pub fn method(self) -> Method {
        match self {
            Self::Status => Method::GET,
            Self::Flaky => Method::POST,
        }
    }

    /// The request's path.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Status => "/status",
            Self::Flaky => "/flaky",
        }
    }

    /// Method and path, as the label of metrics has them.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Status => "GET /status",
            Self::Flaky => "POST /flaky",
        }
    }
}

impl Outcome {
    /// All classes.
    pub const ALL: [Self; 5] = [
        Self::Success,
        Self::HttpError,
        Self::Timeout,
        Self::TransportError,
        Self::ProtocolError,
    ];

    /// The class of a whole answer.
    #[must_use]
    pub fn of(code: StatusCode) -> Self {
        if code.is_success() {
            Self::Success
        } else {
            Self::HttpError
        }
    }

    /// Its name in lines and labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::HttpError => "http_error",
            Self::Timeout => "timeout",
            Self::TransportError => "transport_error",
            Self::ProtocolError => "protocol_error",
        }
    }

    /// Whether the server answered as HTTP servers do, be it with an error.
    #[must_use]
    pub fn is_answer(self) -> bool {
        matches!(self, Self::Success | Self::HttpError)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Attempt {
    /// Whether there is nothing to complain of.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.outcome == Outcome::Success
    }

    /// The duration in milliseconds, to the microsecond.
    #[must_use]
    pub fn millis(&self) -> f64 {
        (self.duration.as_secs_f64() * 1e6).round() / 1e3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_2xx_is_a_success() {
        for code in 100..1000 {
            let outcome = Outcome::of(StatusCode::from_u16(code).unwrap());
            assert_eq!(
                outcome == Outcome::Success,
                (200..300).contains(&code),
                "{code}"
            );
        }
    }

    #[test]
    fn names_are_the_same_in_lines_and_in_json() {
        for outcome in Outcome::ALL {
            let json = serde_json::to_value(outcome).unwrap();
            assert_eq!(json, outcome.as_str());
        }
        for endpoint in Endpoint::ALL {
            let expected = format!("{} {}", endpoint.method(), endpoint.path());
            assert_eq!(endpoint.as_str(), expected);
        }
    }
}
