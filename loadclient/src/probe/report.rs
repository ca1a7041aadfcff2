//! Attempts and the end of a run as lines: one each, for people or as JSON.

use serde::Serialize;

use super::attempt::{Attempt, Outcome};
use super::tally::Tally;
use crate::cli::Output;
use crate::target::Target;

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    endpoint: String,
    duration_ms: f64,
    success: bool,
    code: Option<u16>,
    outcome: Outcome,
    error: Option<&'a str>,
    trace_id: Option<&'a str>,
    verdict: &'static str,
    verdict_text: String,
}

#[derive(Serialize)]
struct Summary {
    requests: u64,
    success: u64,
    http_error: u64,
    timeout: u64,
    transport_error: u64,
    protocol_error: u64,
    verdict: &'static str,
    verdict_text: String,
}

/// The line of an attempt that `tally` knows already, without a line break.
#[must_use]
pub fn line(output: Output, target: &Target, attempt: &Attempt, tally: &Tally) -> String {
    let verdict = tally.verdict();
    let line = Line {
        time: format!("{:.3}", attempt.time),
        endpoint: format!(
            "{} http://{target}{}",
            attempt.endpoint.method(),
            attempt.endpoint.path()
        ),
        duration_ms: attempt.millis(),
        success: attempt.is_success(),
        code: attempt.code.map(|code| code.as_u16()),
        outcome: attempt.outcome,
        error: attempt.error.as_deref(),
        trace_id: attempt.trace.as_deref(),
        verdict: verdict.state.as_str(),
        verdict_text: verdict.to_string(),
    };
    match output {
        Output::Json => json(&line),
        Output::Text => line.text(),
    }
}

/// The last line of a run, without a line break.
#[must_use]
pub fn summary(output: Output, tally: &Tally) -> String {
    let verdict = tally.verdict();
    match output {
        Output::Text => tally.to_string(),
        Output::Json => json(&serde_json::json!({ "summary": Summary {
            requests: tally.requests(),
            success: tally.count(Outcome::Success),
            http_error: tally.count(Outcome::HttpError),
            timeout: tally.count(Outcome::Timeout),
            transport_error: tally.count(Outcome::TransportError),
            protocol_error: tally.count(Outcome::ProtocolError),
            verdict: verdict.state.as_str(),
            verdict_text: verdict.to_string(),
        }})),
    }
}

fn json(line: &impl Serialize) -> String {
    serde_json::to_string(line).unwrap_or_default()
}

impl Line<'_> {
    fn text(&self) -> String {
        let code = self
            .code
            .map_or_else(|| "-".to_owned(), |code| code.to_string());
        let mut text = format!(
            "{} endpoint=\"{}\" duration_ms={:.1} success={} code={code} outcome={}",
            self.time, self.endpoint, self.duration_ms, self.success, self.outcome
        );
        if let Some(error) = self.error {
            text.extend([" error=", &format!("{error:?}")]);
        }
        if let Some(trace) = self.trace_id {
            text.extend([" trace_id=", trace]);
        }
        text.extend([" verdict=\"", &self.verdict_text, "\""]);
        text
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;
    use jiff::Timestamp;

    use super::super::attempt::Endpoint;
    use super::*;

    fn both(attempt: &Attempt) -> [String; 2] {
        let target = "server:8080".parse().unwrap();
        let mut tally = Tally::new();
        tally.add(attempt);
        [Output::Text, Output::Json].map(|output| line(output, &target, attempt, &tally))
    }

    #[test]
    fn a_success_has_no_error() {
        let attempt = Attempt {
            time: Timestamp::UNIX_EPOCH,
            endpoint: Endpoint::Flaky,
            duration: Duration::from_micros(1_250),
            code: Some(StatusCode::ACCEPTED),
            outcome: Outcome::Success,
            error: None,
            trace: Some("0af7651916cd43dd8448eb211c80319c".to_owned()),
        };
        let [text, json] = both(&attempt);
        assert_eq!(
            text,
            "1970-01-01T00:00:00.000Z endpoint=\"POST http://server:8080/flaky\" duration_ms=1.2 \
             success=true code=202 outcome=success trace_id=0af7651916cd43dd8448eb211c80319c \
             verdict=\"healthy: none of the last 1 requests failed\""
        );
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["duration_ms"], 1.25);
        assert_eq!(
            (&json["code"], &json["error"]),
            (&202.into(), &serde_json::Value::Null)
        );
        assert_eq!(json["trace_id"], "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(json["verdict"], "healthy");
    }

    #[test]
    fn an_error_stays_on_its_line() {
        let attempt = Attempt {
            time: Timestamp::UNIX_EPOCH,
            endpoint: Endpoint::Status,
            duration: Duration::from_millis(3),
            code: None,
            outcome: Outcome::TransportError,
            error: Some("two\nlines and \"quotes\" \u{1b}[2J".to_owned()),
            trace: None,
        };
        for line in both(&attempt) {
            assert!(!line.contains(char::is_control), "{line:?}");
            assert!(line.contains("transport_error"), "{line}");
        }
    }

    #[test]
    fn a_run_ends_in_one_line() {
        let json = summary(Output::Json, &Tally::new());
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["summary"]["requests"], 0);
        assert_eq!(json["summary"]["verdict"], "unknown");
        assert!(summary(Output::Text, &Tally::new()).starts_with("requests=0 success=0 "));
    }
}
