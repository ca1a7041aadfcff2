//! Durations in the rules file, in Prometheus' syntax (`1m30s`, `1d`), as prometheus-adapter takes
//! them. Those of flags are Go's: [`parse_duration`].

use std::time::Duration;

use telemetry::duration::LIMIT;
pub use telemetry::duration::{Error as DurationError, parse as parse_duration};

/// A duration in Prometheus' syntax: whole numbers with a unit each, from years to milliseconds,
/// each unit at most once and in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PrometheusDuration(Duration);

impl PrometheusDuration {
    /// The units with their nanoseconds; a year has 365 days.
    const UNITS: [(&'static str, u64); 7] = [
        ("y", 365 * 24 * 3_600_000_000_000),
        ("w", 7 * 24 * 3_600_000_000_000),
        ("d", 24 * 3_600_000_000_000),
        ("h", 3_600_000_000_000),
        ("m", 60_000_000_000),
        ("s", 1_000_000_000),
        ("ms", 1_000_000),
    ];

    /// Parses prometheus/common's `model.ParseDuration` syntax.
    ///
    /// # Errors
    /// [`DurationError`] for anything else, and for more than 2^63 nanoseconds (292 years).
    pub fn parse(text: &str) -> Result<Self, DurationError> {
        let parsed = match text {
            "" => None,
            "0" => Some(0),
            text => Self::nanoseconds(text),
        };
        match parsed {
            Some(nanoseconds) => Ok(Self(Duration::from_nanos(nanoseconds))),
            None => Err(DurationError(text.to_owned())),
        }
    }

    fn nanoseconds(text: &str) -> Option<u64> {
        let mut units = Self::UNITS.into_iter();
        let mut total = 0_u64;
        let mut rest = text;
        while !rest.is_empty() {
            let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
            let length = after
                .find(|c: char| c.is_ascii_digit())
                .unwrap_or(after.len());
            let (unit, after) = after.split_at(length);
            // Only the units behind the last one are left.
            let (_, scale) = units.find(|(name, _)| *name == unit)?;
            let part = number.parse::<u64>().ok()?.checked_mul(scale)?;
            total = total.checked_add(part).filter(|sum| *sum <= LIMIT)?;
            rest = after;
        }
        Some(total)
    }

    /// The duration.
    pub const fn get(self) -> Duration {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_prometheus_durations() {
        for (text, seconds) in [
            ("0", 0),
            ("0s", 0),
            ("5m", 300),
            ("1h30m", 5400),
            ("1d", 86_400),
            ("1w2d", 777_600),
            ("1y", 31_536_000),
        ] {
            let parsed = PrometheusDuration::parse(text).map(PrometheusDuration::get);
            assert_eq!(parsed, Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "", "00", "5", "m", "1.5m", "-1m", "30m1h", "1m1m", "5us", "5m ", "300y", "1s1",
        ] {
            assert!(
                PrometheusDuration::parse(text).is_err(),
                "{text:?} was accepted"
            );
        }
    }
}
