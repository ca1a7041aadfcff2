//! Kubernetes' quantities, as far as metrics' values need them.

/// The number that a quantity stands for: `"10"`, `"45m"`, `"1500"`, `"2k"`.
pub(super) fn parse(text: &str) -> Option<f64> {
    let (number, scale) = match text.char_indices().last()? {
        (at, 'n') => (&text[..at], 1e-9),
        (at, 'u') => (&text[..at], 1e-6),
        (at, 'm') => (&text[..at], 1e-3),
        (at, 'k') => (&text[..at], 1e3),
        (at, 'M') => (&text[..at], 1e6),
        _ => (text, 1.0),
    };
    number.parse::<f64>().ok().map(|number| number * scale)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn suffixes_scale() {
        for (text, value) in [("10", 10.0), ("0", 0.0), ("45m", 0.045), ("2k", 2000.0)] {
            assert_eq!(parse(text), Some(value), "{text}");
        }
        assert_eq!(parse(""), None);
        assert_eq!(parse("m"), None);
        assert_eq!(parse("<unknown>"), None);
    }
}
