//! What `/status` answers, and how that changes.
//!
//! [`State`] is the pure part: a code, whether it is flaky, and a seeded source of chance.
//! [`Flaky`] shares one between requests. Laws: an answer is the code that was stored when its
//! request came; in the flaky state it comes after less than 500 ms, and leaves a new random code
//! behind, whatever was stored meanwhile; once switched off nothing is random any more, and the
//! code stays until it is set. Every change happens under one lock, so none is lost.

mod code;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use self::code::{Code, Invalid};

/// Flaky answers wait for less than this, in whole milliseconds.
pub const DELAY_LIMIT: Duration = Duration::from_millis(500);

/// The state between two requests.
#[derive(Clone, Debug)]
pub struct State {
    code: Code,
    flaky: bool,
    random: fastrand::Rng,
}

/// What one request to `/status` gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The code to answer with.
    pub code: Code,
    /// How long to wait before, in the flaky state; [`State::renew`] is due then.
    pub delay: Option<Duration>,
}

/// The shared state; clones share it.
#[derive(Clone, Debug)]
pub struct Flaky(Arc<Mutex<State>>);

impl State {
    /// 200, and not flaky. With the same seed, the same requests get the same answers.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            code: Code::OK,
            flaky: false,
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// Switches between flaky and steady; returns whether it is flaky now.
    pub fn toggle(&mut self) -> bool {
        self.flaky = !self.flaky;
        self.flaky
    }

    /// Stores a code; returns whether it is another one than before.
    pub fn set(&mut self, code: Code) -> bool {
        std::mem::replace(&mut self.code, code) != code
    }

    /// A request asks.
    pub fn ask(&mut self) -> Answer {
        let limit = u64::try_from(DELAY_LIMIT.as_millis()).unwrap_or(u64::MAX);
        let delay = self.flaky.then(|| self.random.u64(..limit));
        Answer {
            code: self.code,
            delay: delay.map(Duration::from_millis),
        }
    }

    /// A flaky answer's delay is over: stores a random code, unless flakiness was switched off
    /// meanwhile.
    pub fn renew(&mut self) {
        if self.flaky {
            self.code = Code::ALL[self.random.usize(..Code::ALL.len())];
        }
    }
}

impl Flaky {
    /// 200, and not flaky; see [`State::new`].
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State::new(seed))))
    }

    /// As [`State::toggle`].
    #[must_use]
    pub fn toggle(&self) -> bool {
        self.state().toggle()
    }

    /// As [`State::set`].
    #[must_use]
    pub fn set(&self, code: Code) -> bool {
        self.state().set(code)
    }

    /// The code to answer with, after its delay. A caller who leaves before leaves no new code.
    pub async fn answer(&self) -> Code {
        let Answer { code, delay } = self.state().ask();
        if let Some(delay) = delay {
            tokio::time::sleep(delay).await;
            self.state().renew();
        }
        code
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No method panics half-way: a poisoned state is as good as any.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
