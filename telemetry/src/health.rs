//! Named conditions behind `/livez` and `/readyz`.
//!
//! Updated by whoever holds a [`Condition`]; read by the admin listener. Law: a [`Health`] holds
//! if every one of its conditions holds (so one without conditions always does), and a condition
//! starts out not holding. Changes are logged, repetitions are not. A note is told beside the
//! conditions and has no say.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

type Check = Box<dyn Fn() -> bool + Send + Sync>;
type Note = Box<dyn Fn() -> String + Send + Sync>;

/// A set of named conditions; cheap to clone, clones share the set.
#[derive(Clone, Default)]
pub struct Health {
    checks: Arc<RwLock<Vec<(&'static str, Check)>>>,
    notes: Arc<RwLock<Vec<(&'static str, Note)>>>,
}

/// The writing end of one condition; clones share it.
#[derive(Clone, Debug)]
pub struct Condition {
    name: &'static str,
    holds: Arc<AtomicBool>,
}

/// One condition's name and whether it holds now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// The name it was added under.
    pub name: &'static str,
    /// Whether it holds.
    pub holds: bool,
}

impl Health {
    /// A set without conditions, which holds.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a condition that does not hold until it is [`Condition::set`].
    #[must_use]
    pub fn condition(&self, name: &'static str) -> Condition {
        let holds = Arc::new(AtomicBool::new(false));
        let read = Arc::clone(&holds);
        self.check(name, move || read.load(Ordering::Acquire));
        Condition { name, holds }
    }

    /// Adds a condition that is computed whenever somebody asks; it must not block.
    pub fn check(&self, name: &'static str, holds: impl Fn() -> bool + Send + Sync + 'static) {
        let mut checks = self.checks.write().unwrap_or_else(PoisonError::into_inner);
        checks.push((name, Box::new(holds)));
    }

    /// Adds a note that is computed whenever somebody asks; it must not block.
    pub fn note(&self, name: &'static str, text: impl Fn() -> String + Send + Sync + 'static) {
        let mut notes = self.notes.write().unwrap_or_else(PoisonError::into_inner);
        notes.push((name, Box::new(text)));
    }

    /// Every note's name and text as it is now, in the order of being added.
    #[must_use]
    pub fn notes(&self) -> Vec<(&'static str, String)> {
        let notes = self.notes.read().unwrap_or_else(PoisonError::into_inner);
        notes.iter().map(|(name, text)| (*name, text())).collect()
    }

    /// Every condition as it is now, in the order of being added.
    #[must_use]
    pub fn states(&self) -> Vec<State> {
        let checks = self.checks.read().unwrap_or_else(PoisonError::into_inner);
        checks
            .iter()
            .map(|(name, check)| State {
                name,
                holds: check(),
            })
            .collect()
    }

    /// Whether every condition holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.states().iter().all(|state| state.holds)
    }
}

impl Condition {
    /// Sets the condition; logs if that changed it.
    pub fn set(&self, holds: bool) {
        if self.holds.swap(holds, Ordering::AcqRel) != holds {
            let condition = self.name;
            tracing::info!(condition, holds, "health condition changed");
        }
    }

    /// Whether the condition holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.holds.load(Ordering::Acquire)
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.states()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_only_while_every_condition_does() {
        let health = Health::new();
        assert!(health.holds());
        let first = health.condition("first");
        let second = health.condition("second");
        assert!(!health.holds());
        first.set(true);
        assert!(!health.holds());
        second.set(true);
        assert!(health.holds());
        first.set(false);
        assert!(!health.holds());
        let first = State {
            name: "first",
            holds: false,
        };
        assert_eq!(
            health.states(),
            [
                first,
                State {
                    name: "second",
                    holds: true
                }
            ]
        );
    }

    #[test]
    fn a_note_has_no_say() {
        let health = Health::new();
        health.note("colour", || "red".to_owned());
        assert!(health.holds() && health.states().is_empty());
        assert_eq!(health.notes(), [("colour", "red".to_owned())]);
    }

    #[test]
    fn a_check_is_asked_every_time() {
        let health = Health::new();
        let alive = Arc::new(AtomicBool::new(true));
        let read = Arc::clone(&alive);
        health.check("tick", move || read.load(Ordering::Relaxed));
        assert!(health.holds());
        alive.store(false, Ordering::Relaxed);
        assert!(!health.holds());
    }
}
