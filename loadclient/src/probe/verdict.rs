//! Whether there are any problems, of what happened lately.
//!
//! Law: only the last [`WINDOW`] requests count, so that a problem that is over stops being told;
//! a server that did not answer the last [`DOWN_AFTER`] of them is down, whatever was before.

use std::collections::VecDeque;
use std::fmt;

use super::attempt::Outcome;

/// How many requests are looked back on: about 45 s at the intervals of the seed, 3 s and 10 s.
pub const WINDOW: usize = 20;

/// So many requests without an answer are no accident.
pub const DOWN_AFTER: usize = 3;

/// The last requests' outcomes, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Recent(VecDeque<Outcome>);

/// How things stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing is known yet.
    Unknown,
    /// Every request succeeded.
    Healthy,
    /// Some did not.
    Problems,
    /// The last ones got no answer.
    Down,
}

/// How things stand, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// In a word.
    pub state: State,
    /// How many requests were looked at.
    pub requests: usize,
    /// How many of them were of which class, in the order of [`Outcome::ALL`].
    pub counts: [usize; Outcome::ALL.len()],
}

impl Recent {
    /// A request ended.
    pub fn push(&mut self, outcome: Outcome) {
        if self.0.len() == WINDOW {
            self.0.pop_front();
        }
        self.0.push_back(outcome);
    }

    /// How things stand now.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let count = |class| self.0.iter().filter(|outcome| **outcome == class).count();
        let silent = self
            .0
            .iter()
            .rev()
            .take_while(|outcome| !outcome.is_answer());
        let all_well = self.0.iter().all(|outcome| *outcome == Outcome::Success);
        let state = match () {
            () if self.0.is_empty() => State::Unknown,
            () if all_well => State::Healthy,
            () if silent.count() >= DOWN_AFTER => State::Down,
            () => State::Problems,
        };
        Verdict {
            state,
            requests: self.0.len(),
            counts: Outcome::ALL.map(count),
        }
    }
}

impl State {
    /// One word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Healthy => "healthy",
            Self::Problems => "problems",
            Self::Down => "down",
        }
    }
}

impl Verdict {
    /// How many of the requests failed.
    #[must_use]
    pub fn failed(&self) -> usize {
        Outcome::ALL
            .into_iter()
            .zip(self.counts)
            .filter(|(outcome, _)| *outcome != Outcome::Success)
            .map(|(_, count)| count)
            .sum()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            state,
            requests,
            counts,
        } = self;
        f.write_str(state.as_str())?;
        match state {
            State::Unknown => return f.write_str(": no request ended yet"),
            State::Healthy => return write!(f, ": none of the last {requests} requests failed"),
            State::Problems | State::Down => {}
        }
        write!(
            f,
            ": {} of the last {requests} requests failed",
            self.failed()
        )?;
        let classes = Outcome::ALL.into_iter().zip(counts);
        let failed = classes.filter(|(outcome, count)| *outcome != Outcome::Success && **count > 0);
        let parts: Vec<String> = failed
            .map(|(outcome, count)| format!("{count} {outcome}"))
            .collect();
        write!(f, " ({})", parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use Outcome::{HttpError, ProtocolError, Success, Timeout, TransportError};

    fn verdict(outcomes: &[Outcome]) -> Verdict {
        let mut recent = Recent::default();
        for outcome in outcomes {
            recent.push(*outcome);
        }
        recent.verdict()
    }

    #[test]
    fn the_text_says_whether_and_which() {
        let cases: [(&[Outcome], &str); 5] = [
            (&[], "unknown: no request ended yet"),
            (&[Success; 2], "healthy: none of the last 2 requests failed"),
            (
                &[HttpError, Success, Timeout, HttpError],
                "problems: 3 of the last 4 requests failed (2 http_error, 1 timeout)",
            ),
            (
                &[Success, Timeout, TransportError, ProtocolError],
                "down: 3 of the last 4 requests failed (1 timeout, 1 transport_error, \
                 1 protocol_error)",
            ),
            (
                &[Timeout, Timeout, Timeout, HttpError],
                "problems: 4 of the last 4 requests failed (1 http_error, 3 timeout)",
            ),
        ];
        for (outcomes, text) in cases {
            assert_eq!(verdict(outcomes).to_string(), text);
        }
    }

    #[test]
    fn what_is_long_over_is_forgotten() {
        let mut outcomes = vec![Timeout; 7];
        outcomes.extend([Success; WINDOW - 1]);
        assert_eq!(verdict(&outcomes).failed(), 1);
        outcomes.push(Success);
        assert_eq!(verdict(&outcomes).state, State::Healthy);
    }

    #[test]
    fn two_silences_are_not_down_yet() {
        assert_eq!(verdict(&[Success, Timeout, Timeout]).state, State::Problems);
        assert_eq!(verdict(&[Timeout; 3]).state, State::Down);
    }
}
