//! The turn of one call.

use tokio::time::Instant;

use super::permits::{Class, Permit};

/// The right to ask Prometheus now. The default is that of a client without a limit on its calls.
#[derive(Default)]
pub struct Turn(Option<Limited>);

struct Limited {
    _permit: Permit,
    class: Class,
    deadline: Instant,
}

impl Turn {
    pub(super) const fn new(permit: Permit, class: Class, deadline: Instant) -> Self {
        Self(Some(Limited {
            _permit: permit,
            class,
            deadline,
        }))
    }

    /// What the call is for.
    pub(super) fn class(&self) -> Class {
        self.0
            .as_ref()
            .map_or(Class::Request, |limited| limited.class)
    }

    /// When the answer is to be there.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.0.as_ref().map(|limited| limited.deadline)
    }
}
