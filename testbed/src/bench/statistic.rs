//! Numbers made of the same measurement several times over. Law: pure.

use serde::Serialize;

/// Some measurements of one thing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// Of at least one measurement; of none everything is 0.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = if values.is_empty() {
            0.0
        } else if values.len().is_multiple_of(2) {
            f64::midpoint(values[middle - 1], values[middle])
        } else {
            values[middle]
        };
        Self {
            median,
            least: values.first().copied().unwrap_or_default(),
            most: values.last().copied().unwrap_or_default(),
        }
    }

    /// Each measurement compared with its neighbour in time, so that what changes on the machine
    /// from minute to minute cancels out.
    pub(crate) fn paired(ours: &[f64], theirs: &[f64], compare: impl Fn(f64, f64) -> f64) -> Self {
        Self::of(
            ours.iter()
                .zip(theirs)
                .map(|(one, other)| compare(*one, *other)),
        )
    }
}

/// A quotient; of nothing it is 0.
pub(crate) fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_between_the_middle_ones() {
        let spread = |values: &[f64]| Spread::of(values.iter().copied());
        assert_eq!(spread(&[3.0, 1.0, 2.0]).median, 2.0);
        assert_eq!(spread(&[4.0, 1.0, 2.0, 3.0]).median, 2.5);
        assert_eq!(
            (spread(&[3.0, 1.0]).least, spread(&[3.0, 1.0]).most),
            (1.0, 3.0)
        );
        assert_eq!(spread(&[]).median, 0.0);
    }

    #[test]
    fn a_slow_minute_of_the_machine_cancels_out() {
        // Twice as slow in the second window, for both.
        let spread = Spread::paired(&[80.0, 40.0], &[100.0, 50.0], ratio);
        assert_eq!((spread.least, spread.median, spread.most), (0.8, 0.8, 0.8));
    }

    #[test]
    fn nothing_is_no_part_of_anything() {
        assert_eq!(ratio(1.0, 0.0), 0.0);
    }
}
