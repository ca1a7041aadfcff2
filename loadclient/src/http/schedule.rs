//! When which request is due, in times since the start: pure.

use std::time::Duration;

/// Evenly spaced requests until the end.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// Requests per second; none means that they are due whenever somebody has time.
    pub rate: Option<f64>,
    /// How long the run lasts.
    pub duration: Duration,
}

impl Schedule {
    /// When the request of this number (from 0) is due; nothing without a rate, or if that is
    /// after the end.
    #[must_use]
    pub fn due(&self, number: u64) -> Option<Duration> {
        let at = Duration::try_from_secs_f64(number as f64 / self.rate?).ok()?;
        (at < self.duration).then_some(at)
    }

    /// How many requests are due before this time.
    #[must_use]
    pub fn due_before(&self, elapsed: Duration) -> u64 {
        let seconds = elapsed.min(self.duration).as_secs_f64();
        let due = self.rate.map_or(0.0, |rate| (seconds * rate).ceil());
        // Bounded by the flags: a million per second for a day.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let due = due as u64;
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_due_evenly_until_the_end() {
        let schedule = Schedule {
            rate: Some(4.0),
            duration: Duration::from_secs(2),
        };
        let due: Vec<_> = (0..10).map_while(|number| schedule.due(number)).collect();
        let quarters = (0..8).map(|number| Duration::from_millis(250 * number));
        assert!(due.into_iter().eq(quarters));
        for (millis, count) in [(0, 0), (1, 1), (250, 1), (251, 2), (2_000, 8), (9_000, 8)] {
            assert_eq!(schedule.due_before(Duration::from_millis(millis)), count);
        }
    }

    #[test]
    fn without_a_rate_nothing_is_due() {
        let schedule = Schedule {
            rate: None,
            duration: Duration::from_secs(2),
        };
        assert_eq!(schedule.due(0), None);
        assert_eq!(schedule.due_before(Duration::from_secs(1)), 0);
    }
}
