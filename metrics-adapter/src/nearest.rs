//! Names that may have been meant.

/// Names of which one is the beginning of the other are related, if it has so many characters.
const STEM: usize = 5;

/// Those of the candidates that are near to a name, the nearest first.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Vec<&'a str> {
    let near = candidates
        .into_iter()
        .filter(|candidate| *candidate != name);
    let near = near.filter_map(|candidate| {
        let distance = strsim::damerau_levenshtein(name, candidate);
        let slip = distance <= (name.len() / 4).max(2) && distance < name.len();
        let shorter = name.len().min(candidate.len());
        let related =
            shorter >= STEM && (candidate.starts_with(name) || name.starts_with(candidate));
        (slip || related).then_some((distance, candidate))
    });
    let mut near: Vec<(usize, &str)> = near.collect();
    near.sort_unstable();
    near.into_iter().map(|(_, candidate)| candidate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised() {
        let names = [
            "go_threads",
            "http_requests_total",
            "http_requests_failed_total",
            "up",
        ];
        for (name, expected) in [
            ("http_request_total", Some("http_requests_total")),
            ("http_requets_total", Some("http_requests_total")),
            ("http_requests", Some("http_requests_total")),
            ("http_requests_totals", Some("http_requests_total")),
            ("queue_length", None),
            ("ab", None),
            ("up", None),
        ] {
            assert_eq!(nearest(name, names).first().copied(), expected, "{name}");
        }
    }
}
