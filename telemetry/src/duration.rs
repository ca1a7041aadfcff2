//! Durations as Go writes them: `1m30s`, `1.5h`, `500ms`.
//!
//! Here because several programs take over flags and variables of Go programs, whose users write
//! durations so.

use std::time::Duration;

/// Why a text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a duration such as 30s, 1m30s or 500ms")]
pub struct Error(pub String);

/// The largest of Go's durations, in nanoseconds: 292 years. Whatever is added to the present
/// can be, then.
pub const LIMIT: u64 = i64::MAX as u64;

/// Parses Go's `time.ParseDuration` syntax without signs: decimal numbers with a unit each.
///
/// # Errors
/// [`Error`] for anything else, negative durations and more than 2^63 nanoseconds included.
pub fn parse(text: &str) -> Result<Duration, Error> {
    let nanoseconds = match text {
        "" => None,
        "0" => Some(0),
        text => go_nanoseconds(text),
    };
    nanoseconds
        .map(Duration::from_nanos)
        .ok_or_else(|| Error(text.to_owned()))
}

fn go_nanoseconds(text: &str) -> Option<u64> {
    let mut total = 0_u64;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, tail) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit() && c != '.')?);
        let unit_length = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_length);
        let scale = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        total = total
            .checked_add(scaled(number, scale)?)
            .filter(|sum| *sum <= LIMIT)?;
        rest = tail;
    }
    Some(total)
}

/// A decimal number of units; what is less than a nanosecond is cut off.
fn scaled(number: &str, scale: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let whole = match whole {
        "" => 0,
        digits => digits.parse::<u64>().ok()?,
    };
    whole
        .checked_mul(scale)?
        .checked_add(fraction_of(fraction, scale))
}

/// A part of a unit, in floating point as in Go: `0.1666666666666666666h` are ten minutes.
fn fraction_of(digits: &str, scale: u64) -> u64 {
    // Digits beyond these would not fit, and say nothing.
    let digits = &digits[..digits.len().min(19)];
    let number: f64 = digits.parse().unwrap_or_default();
    let places = (0..digits.len()).fold(1.0, |places, _| places * 10.0);
    // Less than one unit, which is less than 2^42.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss
    )]
    let part = (number * (scale as f64 / places)) as u64;
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_go_durations() {
        for (text, millis) in [
            ("0", 0),
            ("10m", 600_000),
            ("1m30s", 90_000),
            ("1.5h", 5_400_000),
            ("250ms", 250),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for (text, nanos) in [
            ("0.1s", 100_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("0.3ns", 0),
            ("1h0.000000000001h", 3_600_000_000_003),
            ("2562047h47m16.854775807s", i64::MAX as u64),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_nanos(nanos)), "{text}");
        }
    }

    #[test]
    fn refuses_the_rest() {
        for text in [
            "",
            "10",
            "-1m",
            "1x",
            "m",
            "1m ",
            "1..5s",
            "1d",
            "1e400h",
            ".",
            ".s",
            "2562047h47m16.854775808s",
            "5000000000000h",
            "99999999999999999999s",
        ] {
            assert!(parse(text).is_err(), "{text:?} was accepted");
        }
    }
}
