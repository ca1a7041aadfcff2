//! From values to places on a picture, and round numbers for an axis.

/// A linear scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    pub(super) from: (f64, f64),
    pub(super) to: (f64, f64),
}

impl Scale {
    /// The place of a value; what is outside stays at the edge.
    pub(super) fn at(&self, value: f64) -> f64 {
        let (low, high) = self.from;
        let length = high - low;
        let part = if length > 0.0 {
            ((value - low) / length).clamp(0.0, 1.0)
        } else {
            0.0
        };
        self.to.0 + part * (self.to.1 - self.to.0)
    }
}

/// The smallest of 1, 2 and 5 times a power of ten, not below `least`, of which at most `most`
/// reach `max`.
pub(super) fn distance(max: f64, most: f64, least: f64) -> f64 {
    let raw = (max / most).max(least).max(1e-9);
    let power = 10_f64.powf(raw.log10().floor());
    let factors = [1.0, 2.0, 5.0].into_iter();
    let mut round = factors.map(|factor| factor * power);
    round
        .find(|step| *step >= raw * 0.999_999)
        .unwrap_or(power * 10.0)
}

/// The same for seconds.
pub(super) fn time_distance(seconds: f64, most: f64) -> f64 {
    const ROUND: [f64; 13] = [
        5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 21_600.0, 43_200.0,
        86_400.0,
    ];
    let raw = seconds / most;
    let found = ROUND.into_iter().find(|step| *step >= raw);
    found.unwrap_or_else(|| (raw / 86_400.0).ceil() * 86_400.0)
}

/// Multiples of `step` from the first that is not below `from`, up to `to`.
pub(super) fn ticks(from: f64, to: f64, step: f64) -> impl Iterator<Item = f64> {
    let first = (from / step).ceil();
    let values = (0..100).map(move |index| (first + f64::from(index)) * step);
    values.take_while(move |value| *value <= to + step * 1e-6)
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
            [-1.0, 0.0, 5.0, 99.0].map(|it| scale.at(it)),
            [100.0, 100.0, 50.0, 0.0]
        );
    }

    #[test]
    fn axes_have_round_numbers() {
        assert_eq!(distance(187.0, 5.0, 0.0), 50.0);
        assert_eq!(distance(3.0, 5.0, 1.0), 1.0, "no fractions of pods");
        assert_eq!(distance(0.0, 5.0, 0.0), 1e-9, "no division by zero");
        assert_eq!(
            ticks(130.0, 200.0, 50.0).collect::<Vec<_>>(),
            [150.0, 200.0]
        );
        assert_eq!(time_distance(3600.0, 12.0), 300.0);
        assert_eq!(time_distance(86_400.0 * 30.0, 12.0), 86_400.0 * 3.0);
    }
}
