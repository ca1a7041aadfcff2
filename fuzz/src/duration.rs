//! Durations of flags and `timeout=` (Go's), and of rules (Prometheus'). Go's have 2^63
//! nanoseconds at most.

use std::time::Duration;

use metrics_adapter::config::{PrometheusDuration, parse_duration};

use crate::{Target, seed};

pub(crate) const TARGET: Target = Target {
    name: "duration",
    run,
    seeds,
    words: &[
        "ns",
        "us",
        "µs",
        "μs",
        "ms",
        "s",
        "m",
        "h",
        "d",
        "w",
        "y",
        ".",
        "-",
        "+",
        "0",
        "1h",
        "1m30s",
        "999999999999",
        "9223372036854775807ns",
        "2562047h",
        "e9",
        "inf",
        "nan",
        "_",
    ],
    cases: 12000,
};

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = seed::golden("duration", "0", 5);
    seeds.extend(seed::all(&[
        "1.5h",
        "100ms",
        "1h2m3.5s",
        "2562047h47m16.854775807s",
        ".5s",
        "1.s",
        "0",
    ]));
    seeds
}

const LIMIT: Duration = Duration::from_nanos(i64::MAX as u64);

fn run(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else {
        return;
    };
    if let Ok(duration) = parse_duration(text) {
        assert!(duration <= LIMIT, "{text:?} is {duration:?}");
        let exact = exact(text).unwrap_or_else(|| panic!("Go refuses {text:?}"));
        assert!(
            duration.abs_diff(exact) < Duration::from_micros(1),
            "{text:?} is {duration:?}"
        );
    }
    if let Ok(duration) = PrometheusDuration::parse(text) {
        assert!(duration.get() <= LIMIT, "{text:?} is {duration:?}");
    }
}

/// What Go's `time.ParseDuration` makes of a text without a sign, a digit after the other.
fn exact(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let units: [(&str, u128); 8] = [
        ("ns", 1),
        ("us", 1_000),
        ("µs", 1_000),
        ("μs", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ];
    let (mut rest, mut total) = (text, 0_u128);
    loop {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.len() + fraction.len() == 0 || fraction.contains('.') {
            return None;
        }
        let end = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let (_, scale) = units.into_iter().find(|(name, _)| *name == unit)?;
        let whole: u128 = if whole.is_empty() {
            0
        } else {
            whole.parse().ok()?
        };
        total = total.checked_add(whole.checked_mul(scale)?)?;
        let mut place = scale;
        for digit in fraction.bytes() {
            place /= 10;
            total += u128::from(digit - b'0') * place;
        }
        rest = tail;
        if rest.is_empty() {
            return Some(Duration::from_nanos(u64::try_from(total).ok()?));
        }
    }
}
