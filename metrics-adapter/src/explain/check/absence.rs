//! Why there are no series, or no samples.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::finding::{Check, Finding};
use super::world::World;
use super::{Options, facts::Facts, report::RuleReport};
use crate::explain::style::listed;
use crate::model::QueryValue;
use crate::nearest::nearest;
use crate::prometheus::QueryClient;
use crate::rules::Rule;
use crate::rules::outline::{SeriesMatcher, SeriesName, SeriesSelector};
use crate::rules::pattern::Pattern;

/// After so long without a sample a series has no value, unless Prometheus is told otherwise
/// (`--query.lookback-delta`).
const LOOKBACK: Duration = Duration::from_secs(300);
/// How far back series are looked for that have gone; the step is below the lookback, so that no
/// sample is overlooked.
const PAST: &str = "1d:4m";
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// Names and labels that are listed at most.
const LISTED: usize = 8;

/// Why a rule's series query finds nothing.
pub(super) async fn explain<C: QueryClient>(
    client: &C,
    rule: &Rule,
    world: &World,
    options: &Options,
) -> Finding {
    let query = rule.series_query();
    if let Some(age) = newest(client, query).await {
        return if age < LOOKBACK {
            let message = format!(
                "relists find no series: they look back for --metrics-max-age {:?}, and the newest \
                 sample was taken {} ago; the scrape interval is longer than that",
                options.max_age,
                told(age)
            );
            Finding::error(Check::RelistInterval, message).hint(RELIST_HINT)
        } else {
            gone(query, age)
        };
    }
    if world.names.as_ref().is_some_and(Vec::is_empty) {
        let message = "Prometheus has no series at all: it scrapes nothing, or has just started";
        return Finding::error(Check::NoSeries, message).hint("its page /targets tells why");
    }
    let none = || Finding::error(Check::NoSeries, format!("Prometheus has no series {query}"));
    let (Some(selector), Some(names)) = (SeriesSelector::parse(query), &world.names) else {
        return none();
    };
    let known = |name: &str| {
        names
            .binary_search_by(|known| known.as_str().cmp(name))
            .is_ok()
    };
    match &selector.name {
        SeriesName::Exact(name) if known(name) => matchers(client, name, name, &selector.matchers)
            .await
            .unwrap_or_else(none),
        SeriesName::Exact(name) => misspelt(name, name, names),
        SeriesName::Pattern(pattern) => {
            let anchored = Pattern::new(&format!("^(?:{pattern})$"));
            let mut fitting = names.iter().filter(|name| {
                let anchored = anchored.as_ref();
                anchored.is_ok_and(|anchored| anchored.is_match(name))
            });
            match fitting.next() {
                Some(name) => matchers(client, name, pattern, &selector.matchers)
                    .await
                    .unwrap_or_else(none),
                None => misspelt(pattern, &literal(pattern), names),
            }
        }
        SeriesName::Any => none(),
    }
}

pub(super) const RELIST_HINT: &str = "--metrics-relist-interval and --metrics-max-age of several scrape intervals keep metrics \
     from vanishing between two scrapes";

fn gone(query: &str, age: Duration) -> Finding {
    let message = format!(
        "stale: {query} has no sample now; the newest one was taken {} ago",
        told(age)
    );
    Finding::error(Check::Stale, message)
        .hint("what exposed it has gone, is no longer scraped, or exposes it under another name")
}

fn misspelt(written: &str, name: &str, names: &[String]) -> Finding {
    let message = format!("Prometheus has no series {written:?}");
    match nearest(name, names.iter().map(String::as_str)).first() {
        Some(nearest) => {
            let message = format!("{message}; did you mean {nearest:?}?");
            Finding::error(Check::NoSeries, message)
        }
        None => Finding::error(Check::NoSeries, message)
            .hint("seriesQuery has a name that nothing exposes, or Prometheus does not scrape it"),
    }
}

/// What remains of a regular expression without its operators.
fn literal(pattern: &str) -> String {
    let is_name = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
    pattern.chars().filter(is_name).collect()
}

/// The series are there, but for the matchers.
async fn matchers<C: QueryClient>(
    client: &C,
    name: &str,
    written: &str,
    matchers: &[SeriesMatcher],
) -> Option<Finding> {
    let end = client.present();
    let start = end.checked_sub(DAY).unwrap_or(Timestamp::UNIX_EPOCH);
    let set = client
        .series(&format!("{{__name__=\"{name}\"}}"), start, end)
        .await
        .ok()?;
    let labels: BTreeSet<&str> = set
        .shapes
        .iter()
        .flat_map(|shape| &shape.labels)
        .map(AsRef::as_ref)
        .collect();
    for matcher in matchers {
        let alone = format!("{{__name__=\"{name}\",{matcher}}}");
        let passing = client.series(&alone, start, end).await.ok()?;
        if passing.count > 0 {
            continue;
        }
        if labels.contains(matcher.label.as_str()) {
            let message = format!("{written} has series, but none of them with {matcher}");
            return Some(Finding::error(Check::NoSeries, message));
        }
        let present: Vec<&str> = labels.iter().copied().collect();
        let message = format!(
            "{written} has series, but they have no label {}; they have {}",
            matcher.label,
            listed(&present, present.len(), LISTED)
        );
        let finding = Finding::error(Check::NoSeries, message);
        let meant = nearest(&matcher.label, labels.iter().copied());
        return Some(match meant.first() {
            Some(meant) => finding.hint(format!("is {meant} meant?")),
            None => finding,
        });
    }
    let message = format!("{written} has series, but none of them passes all matchers together");
    Some(Finding::error(Check::NoSeries, message))
}

/// Series of a rule that have no sample now, or only old ones.
pub(super) async fn stale<C: QueryClient>(
    client: &C,
    rule: &Rule,
    facts: &Facts,
    told_of: &mut RuleReport,
) -> Option<Finding> {
    let live = facts.live.as_ref()?;
    let names = &told_of.names;
    let dead: Vec<&str> = names
        .iter()
        .map(|name| name.name.as_str())
        .filter(|name| !live.contains_key(*name))
        .collect();
    if dead.len() == names.len() {
        let age = newest(client, rule.series_query()).await;
        told_of.newest_sample = age;
        return age.map(|age| gone(rule.series_query(), age));
    }
    let selector = SeriesSelector::parse(rule.series_query());
    let is_any = selector.is_none_or(|selector| selector.name == SeriesName::Any);
    if !dead.is_empty() && !is_any {
        let message = format!(
            "stale: {} of {} names have no sample now: {}",
            dead.len(),
            names.len(),
            listed(&dead, dead.len(), LISTED)
        );
        return Some(Finding::warning(Check::Stale, message));
    }
    let max_age = rule.policy().max_age?;
    let age = newest(client, rule.series_query()).await?;
    (age > max_age).then(|| {
        let message = format!(
            "stale: the newest sample was taken {} ago, and maxAge is {max_age:?}: nothing has a \
             value",
            told(age)
        );
        Finding::error(Check::Stale, message)
    })
}

/// How long ago the newest sample of a selector was taken, by Prometheus' clock; `None` if it has
/// had none for a day.
async fn newest<C: QueryClient>(client: &C, selector: &str) -> Option<Duration> {
    for query in [
        format!("time() - max(timestamp({selector}))"),
        format!("time() - max(max_over_time(timestamp({selector})[{PAST}]))"),
    ] {
        if let Ok(QueryValue::Vector(samples)) = client.query(&query).await
            && let Some(sample) = samples.first()
        {
            return Duration::try_from_secs_f64(sample.value.max(0.0)).ok();
        }
    }
    None
}

/// Roughly, for people.
pub(super) fn told(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0..=1 if age.subsec_millis() > 0 => format!("{:.1}s", age.as_secs_f64()),
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        _ => format!("{}h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_roughly() {
        for (seconds, expected) in [(0.2, "0.2s"), (15.0, "15s"), (600.0, "10m"), (7300.0, "2h")] {
            assert_eq!(told(Duration::from_secs_f64(seconds)), expected);
        }
    }

    #[test]
    fn a_slip_in_a_pattern_is_recognised_too() {
        let names = ["http_requests_total".to_owned()];
        let pattern = "^http_request_total$|^$";
        let finding = misspelt(pattern, &literal(pattern), &names);
        assert!(
            finding
                .message
                .contains("did you mean \"http_requests_total\"?")
        );
        let finding = misspelt("queue", "queue", &names);
        assert!(
            finding
                .hint
                .is_some_and(|hint| hint.contains("nothing exposes"))
        );
    }
}
