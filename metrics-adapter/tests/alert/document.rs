//! docs/metrics.md, beside what a running adapter exposes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use regex::Regex;

use crate::workspace;

/// Names with their types and labels.
type Metrics = BTreeMap<String, (String, BTreeSet<String>)>;

/// Fails unless the document has each metric that is scraped, with its type and its labels. Those of
/// which there is no series yet are known to `tests/it/own_metrics.rs`.
pub(crate) async fn names_what_is_scraped(admin: u16) {
    let url = format!("http://127.0.0.1:{admin}/metrics");
    let text = reqwest::get(url).await.unwrap().text().await.unwrap();
    let scraped = scraped(&text);
    assert!(scraped.len() > 50, "{text}");
    let document = fs::read_to_string(workspace().join("docs/metrics.md")).unwrap();
    let documented = documented(&document);
    for (name, (kind, labels)) in &scraped {
        let known = documented.get(name);
        let (known, names) = known.unwrap_or_else(|| panic!("docs/metrics.md lacks {name}"));
        assert_eq!(kind, known, "docs/metrics.md: {name}");
        assert!(
            labels.is_empty() || labels == names,
            "docs/metrics.md: {name} has labels {labels:?}, not {names:?}"
        );
    }
}

/// Rows `| name | type | labels | meaning |`.
fn documented(text: &str) -> Metrics {
    let row =
        Regex::new(r"(?m)^\| `((?:metrics_adapter|otlp)_\w+)` \| (\w+) \| ([^|]*) \|").unwrap();
    let word = Regex::new(r"`(\w+)`").unwrap();
    let rows = row.captures_iter(text).map(|row| {
        let labels = word.captures_iter(row.get(3).unwrap().as_str());
        let labels = labels.map(|label| label[1].to_owned()).collect();
        (row[1].to_owned(), (row[2].to_owned(), labels))
    });
    rows.collect()
}

/// Metrics as they are declared, with the labels of their series; `le` is the histogram's own.
fn scraped(text: &str) -> Metrics {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let mut metrics: Metrics = types
        .filter_map(|line| {
            let (name, kind) = line.split_once(' ')?;
            Some((name.to_owned(), (kind.to_owned(), BTreeSet::new())))
        })
        .collect();
    let label = Regex::new(r#"(\w+)="(?:[^"\\]|\\.)*""#).unwrap();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, _) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let suffixes = ["", "_bucket", "_sum", "_count"].into_iter();
        let name = suffixes.filter_map(|suffix| name.strip_suffix(suffix));
        let name = name.into_iter().find(|name| metrics.contains_key(*name));
        let (_, known) = metrics.get_mut(name.unwrap()).unwrap();
        let labels = label.captures_iter(labels).map(|label| label[1].to_owned());
        known.extend(labels.filter(|label| label != "le"));
    }
    metrics
}
