//! From values to places on a picture, and round numbers for an axis.

/// A linear scale from a range of values to a range of places.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    pub(super) from: (f64, f64),
    pub(super) to: (f64, f64),
}

impl Scale {
    /// The place of a value; values outside the range stay at its edge.
    pub(super) fn at(&self, value: f64) -> f64 {
        let (low, high) = self.from;
        let part = if high > low {
            ((value - low) / (high - low)).clamp(0.0, 1.0)
        } else {
            0.0
        };
        self.to.0 + part * (self.to.1 - self.to.0)
    }
}

/// The smallest round distance (1, 2 or 5 times a power of ten, never below `least`) that divides
/// 0..=`max` into at most `most` parts.
pub(super) fn distance(max: f64, most: u32, least: f64) -> f64 {
    let raw = (max / f64::from(most.max(1))).max(least).max(1e-9);
    let power = 10f64.powf(raw.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| *step >= raw * 0.999_999)
        .unwrap_or(power * 10.0)
}

/// The same for seconds: 10, 15, 30 s, then minutes.
pub(super) fn time_distance(seconds: f64, most: u32) -> f64 {
    const ROUND: [f64; 9] = [5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0];
    let raw = seconds / f64::from(most.max(1));
    ROUND
        .into_iter()
        .find(|step| *step >= raw)
        .unwrap_or(3600.0)
}

/// Multiples of `step` from 0 up to `max`.
pub(super) fn ticks(max: f64, step: f64) -> impl Iterator<Item = f64> {
    (0..1000)
        .map(move |index| f64::from(index) * step)
        .take_while(move |value| *value <= max + step * 1e-6)
}

/// Minutes and seconds, such as `2:05`.
pub(super) fn clock(seconds: f64) -> String {
    let whole = seconds.max(0.0).round();
    let minutes = (whole / 60.0).floor();
    format!("{minutes}:{:02}", whole - minutes * 60.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_outside_stay_at_the_edge() {
        let scale = Scale {
            from: (0.0, 10.0),
            to: (100.0, 0.0),
        };
        assert_eq!(
            [scale.at(0.0), scale.at(5.0), scale.at(99.0)],
            [100.0, 50.0, 0.0]
        );
        let empty = Scale {
            from: (0.0, 0.0),
            to: (3.0, 9.0),
        };
        assert_eq!(empty.at(1.0), 3.0, "nothing to divide");
    }

    #[test]
    fn axes_have_round_numbers() {
        assert_eq!(distance(187.0, 5, 0.0), 50.0);
        assert_eq!(distance(200.0, 4, 0.0), 50.0);
        assert_eq!(distance(0.23, 4, 0.0), 0.1);
        assert_eq!(distance(3.0, 5, 1.0), 1.0, "no fractions of pods");
        assert_eq!(distance(0.0, 5, 0.0), 1e-9, "no division by zero");
        assert_eq!(
            ticks(200.0, 50.0).collect::<Vec<_>>(),
            [0.0, 50.0, 100.0, 150.0, 200.0]
        );
        assert_eq!(time_distance(330.0, 12), 30.0);
        assert_eq!(time_distance(1e9, 3), 3600.0);
    }

    #[test]
    fn times_are_minutes_and_seconds() {
        assert_eq!(
            [clock(0.0), clock(65.4), clock(600.0)],
            ["0:00", "1:05", "10:00"]
        );
    }
}
