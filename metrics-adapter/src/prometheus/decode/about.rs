//! What Prometheus tells of itself.

use std::collections::BTreeMap;

use super::super::inspect::Target;
use super::{PrometheusError, envelope};

/// Decodes the answer of `/api/v1/label/NAME/values`.
///
/// # Errors
/// As [`super::series`].
pub fn names(status: u16, body: &[u8]) -> Result<Vec<String>, PrometheusError> {
    envelope(status, body)
}

/// Decodes the answer of `/api/v1/metadata`: the first type of each metric.
///
/// # Errors
/// As [`super::series`].
pub fn types(status: u16, body: &[u8]) -> Result<BTreeMap<String, String>, PrometheusError> {
    #[derive(serde::Deserialize)]
    struct Metadata {
        r#type: String,
    }
    let metadata: BTreeMap<String, Vec<Metadata>> = envelope(status, body)?;
    let first = metadata.into_iter().filter_map(|(name, mut known)| {
        let first = (!known.is_empty()).then(|| known.swap_remove(0))?;
        Some((name, first.r#type))
    });
    Ok(first.collect())
}

/// Decodes the answer of `/api/v1/targets`. Prometheus tells intervals since 2.28.
///
/// # Errors
/// As [`super::series`].
pub fn targets(status: u16, body: &[u8]) -> Result<Vec<Target>, PrometheusError> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Targets {
        active_targets: Vec<Active>,
    }
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Active {
        labels: BTreeMap<String, String>,
        #[serde(default)]
        scrape_interval: String,
    }
    let targets: Targets = envelope(status, body)?;
    let target = |mut active: Active| Target {
        job: active.labels.remove("job").unwrap_or_default(),
        scrape_interval: active.scrape_interval,
    };
    Ok(targets.active_targets.into_iter().map(target).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_prometheus_tells_of_itself() {
        let found = names(200, br#"{"status":"success","data":["a","b"]}"#);
        assert_eq!(found.unwrap(), ["a", "b"]);
        let found = types(
            200,
            br#"{"status":"success","data":{"a":[{"type":"gauge","help":"x","unit":""},
                {"type":"counter"}],"b":[]}}"#,
        );
        let expected = BTreeMap::from([("a".to_owned(), "gauge".to_owned())]);
        assert_eq!(found.unwrap(), expected);
        let found = targets(
            200,
            br#"{"status":"success","data":{"activeTargets":[
                {"labels":{"job":"a","instance":"b"},"scrapeInterval":"1m30s","health":"up"},
                {"labels":{}}],"droppedTargets":[]}}"#,
        );
        let expected = [("a", "1m30s"), ("", "")];
        let expected = expected.map(|(job, interval)| Target {
            job: job.to_owned(),
            scrape_interval: interval.to_owned(),
        });
        assert_eq!(found.unwrap(), expected);
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        let html = b"<html>";
        assert_eq!(names(200, html).unwrap_err().kind(), "decode");
        assert_eq!(types(404, html).unwrap_err().kind(), "api");
        assert_eq!(targets(502, html).unwrap_err().kind(), "api");
    }
}
