//! Connections that may have to give way, in the order in which they came.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// All of them. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Line(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    waiting: BTreeMap<u64, CancellationToken>,
    next: u64,
}

/// One of them; none any more when dropped.
#[derive(Debug)]
pub(super) struct Place {
    line: Line,
    number: u64,
}

impl Line {
    /// At the end. The token is cancelled when it has to give way.
    pub(super) fn join(&self, displaced: CancellationToken) -> Place {
        let mut state = self.lock();
        let number = state.next;
        state.next += 1;
        state.waiting.insert(number, displaced);
        Place {
            line: self.clone(),
            number,
        }
    }

    /// The first one gives way; whether there was one.
    pub(super) fn displace(&self) -> bool {
        let first = self.lock().waiting.pop_first();
        first.is_some_and(|(_, first)| {
            first.cancel();
            true
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock leaves the state half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.line.lock().waiting.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_came_first_gives_way_unless_gone() {
        let line = Line::default();
        let tokens = [(); 3].map(|()| CancellationToken::new());
        let [first, second, third] = tokens.each_ref().map(|token| line.join(token.clone()));
        drop(first);
        line.displace();
        let displaced = |token: &CancellationToken| token.is_cancelled();
        assert_eq!(tokens.each_ref().map(displaced), [false, true, false]);
        drop(second);
        assert!(line.displace());
        assert!(!line.displace());
        assert!(tokens[2].is_cancelled());
        drop(third);
        assert!(line.lock().waiting.is_empty());
    }
}
