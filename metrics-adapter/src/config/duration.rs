//! Durations of flags: Go's syntax (`1m30s`, `500ms`), as prometheus-adapter's flags take them.

use std::time::Duration;

/// Why a text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a duration such as 30s, 1m30s or 500ms")]
pub struct DurationError {
    text: String,
}

/// Parses Go's `time.ParseDuration` syntax without signs: decimal numbers with a unit each.
///
/// # Errors
/// [`DurationError`] for anything else, negative durations included.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let error = || DurationError {
        text: text.to_owned(),
    };
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text;
    let mut seconds = 0.0_f64;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(error)?;
        let (number, tail) = rest.split_at(digits);
        let unit_length = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_length);
        let scale = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(error()),
        };
        seconds += number.parse::<f64>().map_err(|_| error())? * scale;
        rest = tail;
    }
    if text.is_empty() {
        return Err(error());
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| error())
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
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_millis(millis)),
                "{text}"
            );
        }
    }

    #[test]
    fn refuses_the_rest() {
        for text in ["", "10", "-1m", "1x", "m", "1m ", "1..5s", "1d", "1e400h"] {
            assert!(parse_duration(text).is_err(), "{text:?} was accepted");
        }
    }
}
