//! The caller's deadline, header `grpc-timeout`.
//!
//! A call whose caller has given up must not hold a worker or a place in the queue. The caller's
//! reset usually says so first; the deadline covers callers that vanish.

use std::time::Duration;

use tonic::metadata::MetadataMap;

/// The header's name, from the gRPC protocol over HTTP/2.
const HEADER: &str = "grpc-timeout";

/// How long the caller is willing to wait; `None` if it does not say or says it wrongly, which
/// the protocol wants ignored.
#[must_use]
pub fn of(metadata: &MetadataMap) -> Option<Duration> {
    parse(metadata.get(HEADER)?.to_str().ok()?)
}

/// At most eight digits and a unit: H, M, S, m(illi), u (micro) or n(ano).
fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(value * 3_600)),
        "M" => Some(Duration::from_secs(value * 60)),
        "S" => Some(Duration::from_secs(value)),
        "m" => Some(Duration::from_millis(value)),
        "u" => Some(Duration::from_micros(value)),
        "n" => Some(Duration::from_nanos(value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit() {
        let cases = [
            ("1H", 3_600_000_000),
            ("2M", 120_000_000),
            ("3S", 3_000_000),
        ];
        let cases = cases
            .into_iter()
            .chain([("4m", 4_000), ("5u", 5), ("6000n", 6)]);
        for (text, micros) in cases {
            assert_eq!(parse(text), Some(Duration::from_micros(micros)), "{text}");
        }
    }

    #[test]
    fn malformed_is_ignored() {
        for text in ["", "S", "1", "1s", "+1S", "-1S", "123456789S", "1.5S", "1ä"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(of(&MetadataMap::new()), None);
    }
}
