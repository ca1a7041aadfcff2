//! Lengths of time as people write them: `500ms`, `60s`, `5m`, `1h`.
//!
//! Law: a number needs a unit (except 0), and only one unit is given.

use std::time::Duration;

/// Not a length of time.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not a duration, expected a number and ms, s, m or h, for example 60s")]
pub struct Error(String);

/// Parses a whole number with a unit.
///
/// # Errors
///
/// If `text` has another form, or is too long a time to count.
pub fn parse(text: &str) -> Result<Duration, Error> {
    let error = || Error(text.to_owned());
    let digits = text
        .find(|symbol: char| !symbol.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| error())?;
    let millis = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1_000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        "" if number == 0 => Some(0),
        _ => None,
    };
    millis.map(Duration::from_millis).ok_or_else(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit() {
        let cases = [
            ("0", 0),
            ("500ms", 500),
            ("60s", 60_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
        ];
        for (text, millis) in cases {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_named() {
        for wrong in [
            "",
            "60",
            "s",
            "1.5s",
            "-1s",
            "1h30m",
            "1d",
            "99999999999999999999s",
        ] {
            assert_eq!(parse(wrong), Err(Error(wrong.to_owned())));
        }
        assert!(parse("18446744073709551615h").is_err());
    }
}
