//! From how many scrape jobs the series of one query come.

use super::example::Asked;
use super::finding::{Check, Finding};
use crate::explain::style::listed;
use crate::model::QueryValue;
use crate::prometheus::QueryClient;
use crate::rules::outline;

/// Jobs that are listed at most.
const LISTED: usize = 5;

/// A client and a server may count the same requests under one name, and one pod may be scraped
/// twice: either doubles what a query adds up, unless its matchers choose one job.
pub(super) async fn judge<C: QueryClient>(client: &C, asked: &Asked) -> Option<Finding> {
    let readings = outline::readings(&asked.query)?;
    let mut own = readings
        .iter()
        .filter(|reading| reading.series.as_ref() == Some(&asked.series));
    if !own.any(|reading| !reading.labels.iter().any(|label| label == "job")) {
        return None;
    }
    let query = format!("count by (job) ({{__name__=\"{}\"}})", asked.series);
    let Ok(QueryValue::Vector(jobs)) = client.query(&query).await else {
        return None;
    };
    if jobs.len() < 2 {
        return None;
    }
    let job = |sample: &crate::model::Sample| {
        let job = sample.labels.get("job").map_or("none", AsRef::as_ref);
        format!("{job} ({})", sample.value)
    };
    let named: Vec<String> = jobs.iter().map(job).collect();
    let message = format!(
        "{} has series of {} jobs: {}; client and server, or one pod scraped twice, are added up",
        asked.series,
        jobs.len(),
        listed(&named, named.len(), LISTED)
    );
    let finding = Finding::warning(Check::SeveralJobs, message);
    Some(
        finding
            .hint("a matcher such as job=\"...\" in seriesQuery and in metricsQuery chooses one"),
    )
}
