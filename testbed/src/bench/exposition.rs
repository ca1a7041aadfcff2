//! Counters read from a text exposition. Law: pure.

/// The sum of a metric's samples that have all the given labels, as `name="value"`.
pub(crate) fn sum(text: &str, metric: &str, labels: &[&str]) -> f64 {
    text.lines()
        .filter_map(|line| {
            let rest = line.strip_prefix(metric)?;
            let (found, value) = match rest.strip_prefix('{') {
                Some(rest) => rest.rsplit_once("} ")?,
                None => ("", rest.strip_prefix(' ')?),
            };
            let all = labels.iter().all(|label| found.contains(label));
            let value = value.split(' ').next()?;
            all.then(|| value.parse::<f64>().ok()).flatten()
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# HELP queries_total Queries.\n\
queries_total{handler=\"/api/v1/query\",code=\"200\"} 5\n\
queries_total{handler=\"/api/v1/query\",code=\"503\"} 2\n\
queries_total{handler=\"/api/v1/series\",code=\"200\"} 1e3 1700000000\n\
queries_total_of_others{handler=\"/api/v1/query\"} 9\n\
plain 1.5\n";

    #[test]
    fn samples_with_all_labels_add_up() {
        assert_eq!(
            sum(TEXT, "queries_total", &["handler=\"/api/v1/query\""]),
            7.0
        );
        let both = ["handler=\"/api/v1/query\"", "code=\"200\""];
        assert_eq!(sum(TEXT, "queries_total", &both), 5.0);
        assert_eq!(
            sum(TEXT, "queries_total", &["handler=\"/api/v1/series\""]),
            1000.0
        );
        assert_eq!(sum(TEXT, "plain", &[]), 1.5);
        assert_eq!(sum(TEXT, "absent", &[]), 0.0);
    }
}
