//! The live view of a terminal: one frame, drawn over the one before.
//!
//! Law: a frame holds nothing that a server could choose the text of, so nobody can send escape
//! sequences through it; lines are never wrapped, so a frame keeps its height.

use std::collections::VecDeque;
use std::fmt::Write as _;

use jiff::Timestamp;

use super::attempt::{Attempt, Outcome};
use super::tally::{Row, Tally};
use super::verdict::State;
use crate::target::Target;

/// How many attempts are shown.
const SHOWN: usize = 10;

/// Wraps no lines from here on, so that a narrow terminal cuts them off.
pub const BEGIN: &str = "\x1b[?7l\x1b[2J";

/// Wraps lines again.
pub const END: &str = "\x1b[?7h";

const HOME: &str = "\x1b[H";
const CLEAR_LINE: &str = "\x1b[K";
const CLEAR_REST: &str = "\x1b[J";
const RED: &str = "\x1b[1;31m";
const GREEN: &str = "\x1b[1;32m";
const PLAIN: &str = "\x1b[0m";

/// What is shown besides the numbers.
#[derive(Clone, Debug)]
pub struct Screen {
    target: Target,
    started: Timestamp,
    last: VecDeque<String>,
}

impl Screen {
    /// Nothing happened yet.
    #[must_use]
    pub fn new(target: Target, started: Timestamp) -> Self {
        Self {
            target,
            started,
            last: VecDeque::new(),
        }
    }

    /// The frame after an attempt that `tally` knows already.
    #[must_use]
    pub fn frame(&mut self, attempt: &Attempt, tally: &Tally) -> String {
        self.last.push_front(line(attempt));
        self.last.truncate(SHOWN);
        let verdict = tally.verdict();
        let colour = match verdict.state {
            State::Healthy => GREEN,
            State::Problems | State::Down => RED,
            State::Unknown => PLAIN,
        };
        let seconds = attempt.time.duration_since(self.started).as_secs();
        let mut lines = vec![
            format!(
                "probe of http://{} for {seconds} s (Ctrl-C ends it)",
                self.target
            ),
            format!("{colour}{verdict}{PLAIN}"),
            String::new(),
            heading(),
        ];
        lines.extend(tally.rows().iter().map(row));
        lines.push(String::new());
        lines.extend(self.last.iter().cloned());
        let mut frame = HOME.to_owned();
        for line in lines {
            frame.extend([&line, CLEAR_LINE, "\r\n"]);
        }
        frame.push_str(CLEAR_REST);
        frame
    }
}

fn heading() -> String {
    let mut line = format!("{:12}{:>9}", "", "requests");
    for outcome in Outcome::ALL {
        let _ = write!(line, "{outcome:>16}");
    }
    line.push_str("   p50 ms   p95 ms");
    line
}

fn row(row: &Row) -> String {
    let mut line = format!("{:12}{:>9}", row.endpoint, row.requests());
    for count in row.counts {
        let _ = write!(line, "{count:>16}");
    }
    for quantile in [0.5, 0.95] {
        let millis = row.quantile(quantile).map(|time| time.as_secs_f64() * 1e3);
        let text = millis.map_or_else(|| "-".to_owned(), |millis| format!("{millis:.1}"));
        let _ = write!(line, "{text:>9}");
    }
    line
}

fn line(attempt: &Attempt) -> String {
    let code = attempt
        .code
        .map_or_else(|| "-".to_owned(), |code| code.as_u16().to_string());
    let colour = if attempt.is_success() { GREEN } else { RED };
    let error = attempt.error.as_deref().unwrap_or_default();
    // Causes are the system's and the HTTP library's words; escaped all the same.
    format!(
        "{:.0}  {:11}  {:>8.1} ms  {code:>3}  {colour}{}{PLAIN}  {}",
        attempt.time,
        attempt.endpoint,
        attempt.millis(),
        attempt.outcome,
        error.escape_debug()
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::attempt::Endpoint;
    use super::*;

    fn mk_attempt(outcome: Outcome, error: Option<&str>) -> Attempt {
        Attempt {
            time: Timestamp::UNIX_EPOCH,
            endpoint: Endpoint::Status,
            duration: Duration::from_millis(7),
            code: None,
            outcome,
            trace: None,
            error: error.map(str::to_owned),
        }
    }

    /// The frame without colours and movements.
    fn plain(frame: &str) -> String {
        let mut text = String::new();
        for (index, part) in frame.split('\x1b').enumerate() {
            let end = part.find(|symbol: char| symbol.is_ascii_alphabetic());
            text.push_str(if index == 0 {
                part
            } else {
                &part[end.unwrap() + 1..]
            });
        }
        text
    }

    #[test]
    fn a_frame_tells_the_verdict_and_the_last_attempts() {
        let target: Target = "server:8080".parse().unwrap();
        let mut screen = Screen::new(target, Timestamp::UNIX_EPOCH);
        let mut tally = Tally::new();
        let mut frame = String::new();
        for _ in 0..15 {
            let attempt = mk_attempt(Outcome::Timeout, Some("no answer within 7 ms"));
            tally.add(&attempt);
            frame = screen.frame(&attempt, &tally);
        }
        let text = plain(&frame);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            "probe of http://server:8080 for 0 s (Ctrl-C ends it)"
        );
        assert_eq!(
            lines[1],
            "down: 15 of the last 15 requests failed (15 timeout)"
        );
        let rest = "              7.0      7.0";
        assert!(lines[4].starts_with("GET /status        15") && lines[4].ends_with(&rest[9..]));
        assert!(lines[5].starts_with("POST /flaky         0") && lines[5].ends_with("-        -"));
        assert_eq!(lines.len(), 7 + SHOWN);
        let last = "1970-01-01T00:00:00Z  GET /status       7.0 ms    -  timeout  \
                    no answer within 7 ms";
        assert_eq!(lines[7], last);
    }

    #[test]
    fn nothing_moves_the_cursor_but_the_frame_itself() {
        let target = "server:8080".parse().unwrap();
        let mut screen = Screen::new(target, Timestamp::UNIX_EPOCH);
        let attempt = mk_attempt(Outcome::ProtocolError, Some("\x1b[2J\n\r\x07"));
        let mut tally = Tally::new();
        tally.add(&attempt);
        let frame = screen.frame(&attempt, &tally);
        assert!(
            !frame.contains("\x1b[2J") && !frame.contains('\x07'),
            "{frame:?}"
        );
    }
}
