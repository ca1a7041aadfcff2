//! The decision: which size to ask for next, from what was requested and what the pool is.
//!
//! Without clock and without I/O; `autoscaler` tells it what happens. Laws:
//!
//! * A step answers every request that came before it was sent; requests that come later get a
//!   step of their own. Up wins over down.
//! * A step that nobody answered is not taken again before the pool was read: it has happened if
//!   the pool has the size that was asked for.
//! * A request at a bound is answered by doing nothing. Bounds are inclusive.

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// One member more.
    Up,
    /// One member less.
    Down,
}

telemetry::snake_case_labels!(Direction);

/// The smallest and the largest size, both allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    min: u32,
    max: u32,
}

/// The pool, as far as the decision needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// How many members it is to have.
    pub size: u32,
    /// Whether it is changing already, and takes no orders.
    pub busy: bool,
}

/// A change of the size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which way.
    pub direction: Direction,
    /// The size it starts from.
    pub from: u32,
    /// The size to ask for.
    pub to: u32,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing was requested.
    Idle,
    /// The pool is changing; the request stays.
    Busy,
    /// The pool is at its bound; the request is answered.
    AtBound(Direction),
    /// An earlier step has happened although its answer was lost.
    Confirmed(Step),
    /// After an earlier step without an answer somebody else changed the size; it is dropped.
    Overtaken(Step),
    /// Ask for this size, and tell [`Scaler::answered`] what came of it.
    Scale(Step),
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is done or under way.
    Accepted,
    /// It will never be done like this.
    Refused,
    /// Not now: the pool or the API is busy.
    Postponed,
    /// Nobody knows.
    Unknown,
}

/// What was requested, and what is still unanswered.
#[derive(Clone, Debug)]
pub struct Scaler {
    bounds: Bounds,
    pending: Option<Direction>,
    /// A step that was sent and not answered.
    unanswered: Option<Step>,
}

impl Direction {
    /// `up` or `down`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

impl Bounds {
    /// Bounds in the right order.
    #[must_use]
    pub fn new(min: u32, max: u32) -> Option<Self> {
        (min <= max).then_some(Self { min, max })
    }

    /// The smallest size.
    #[must_use]
    pub fn min(self) -> u32 {
        self.min
    }

    /// The largest size.
    #[must_use]
    pub fn max(self) -> u32 {
        self.max
    }

    fn step(self, direction: Direction, from: u32) -> Option<Step> {
        let to = match direction {
            Direction::Up if from < self.max => from + 1,
            Direction::Down if from > self.min => from - 1,
            _ => return None,
        };
        Some(Step {
            direction,
            from,
            to,
        })
    }
}

impl Scaler {
    /// Nothing is requested yet.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            pending: None,
            unanswered: None,
        }
    }

    /// Within which sizes.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// What is requested and has not been answered by a step.
    #[must_use]
    pub fn pending(&self) -> Option<Direction> {
        self.pending
    }

    /// The step that was sent and not answered.
    #[must_use]
    pub fn unanswered(&self) -> Option<Step> {
        self.unanswered
    }

    /// Whether there is something left to do.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.pending.is_some() || self.unanswered.is_some()
    }

    /// Somebody asks for a step.
    pub fn request(&mut self, direction: Direction) {
        if self.pending != Some(Direction::Up) {
            self.pending = Some(direction);
        }
    }

    /// What to do, the pool being like this.
    pub fn decide(&mut self, pool: View) -> Decision {
        if let Some(step) = self.unanswered {
            if pool.size == step.to {
                self.unanswered = None;
                return Decision::Confirmed(step);
            }
            if pool.busy {
                return Decision::Busy;
            }
            self.unanswered = None;
            if pool.size != step.from {
                return Decision::Overtaken(step);
            }
            // It has not happened: its request is open again, together with those since.
            self.request(step.direction);
        }
        let Some(direction) = self.pending else {
            return Decision::Idle;
        };
        if pool.busy {
            return Decision::Busy;
        }
        self.pending = None;
        let Some(step) = self.bounds.step(direction, pool.size) else {
            return Decision::AtBound(direction);
        };
        self.unanswered = Some(step);
        Decision::Scale(step)
    }

    /// What came of the step that [`Self::decide`] returned.
    pub fn answered(&mut self, answer: Answer) {
        match answer {
            Answer::Unknown => {}
            Answer::Accepted | Answer::Refused => self.unanswered = None,
            Answer::Postponed => {
                if let Some(step) = self.unanswered.take() {
                    self.request(step.direction);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
