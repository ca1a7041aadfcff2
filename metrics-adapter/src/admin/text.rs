//! Numbers, times and long texts, for people.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Characters of a text that are shown.
const LONGEST: usize = 500;

/// A time span with two units at most: `3 s`, `4 min 10 s`, `2 h 5 min`, `12 d`.
pub(super) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600, seconds / 60);
    let two = |large: u64, unit: &str, small: u64, of: &str| match small {
        0 => format!("{large} {unit}"),
        _ => format!("{large} {unit} {small} {of}"),
    };
    match () {
        () if days >= 10 => format!("{days} d"),
        () if days >= 1 => two(days, "d", hours % 24, "h"),
        () if hours >= 1 => two(hours, "h", minutes % 60, "min"),
        () if minutes >= 1 => two(minutes, "min", seconds % 60, "s"),
        () => format!("{seconds} s"),
    }
}

/// The time from one moment to another; nothing if the other one is earlier.
pub(super) fn since(then: Timestamp, now: Timestamp) -> String {
    let age = Duration::try_from(now.duration_since(then)).unwrap_or_default();
    span(age)
}

/// `2026-01-31 12:00:00 UTC`.
pub(super) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A period in seconds: `15.0 s`.
pub(super) fn period(period: Duration) -> String {
    format!("{:.1} s", period.as_secs_f64())
}

/// How long a certificate is good, and whether that is less than a week.
pub(super) fn expiry(not_after: i64, now: Timestamp) -> (String, bool) {
    let Ok(end) = Timestamp::from_second(not_after) else {
        return ("never".to_owned(), false);
    };
    let left = end.duration_since(now);
    let text = match Duration::try_from(left) {
        Ok(left) => format!("in {}", span(left)),
        Err(_) => format!("{} ago", since(end, now)),
    };
    (text, left < SignedDuration::from_hours(7 * 24))
}

/// `1 rule`, `2 rules`.
pub(super) fn number(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// A text that may be long, cut.
pub(super) fn short(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units_at_most() {
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (250, "4 min 10 s"),
            (7500, "2 h 5 min"),
            (90_000, "1 d 1 h"),
            (1_000_000, "11 d"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn certificates_end_soon_or_have_ended() {
        let now = Timestamp::from_second(1_000_000_000).unwrap();
        for (seconds, expected) in [
            (90 * 86_400, ("in 90 d", false)),
            (6 * 86_400, ("in 6 d", true)),
            (-60, ("1 min ago", true)),
        ] {
            let (text, soon) = expiry(1_000_000_000 + seconds, now);
            assert_eq!((text.as_str(), soon), expected);
        }
        assert_eq!(expiry(i64::MAX, now), ("never".to_owned(), false));
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(short("é"), "é");
        let cut = short(&"é".repeat(LONGEST + 1));
        assert_eq!(cut.chars().count(), LONGEST + 1);
        assert!(cut.ends_with("é…"));
    }
}
