//! What can be judged without asking anybody.

use std::collections::BTreeMap;
use std::time::Duration;

use super::absence::{RELIST_HINT, told};
use super::example::Asked;
use super::facts::Facts;
use super::finding::{Check, Finding};
use super::report::RuleReport;
use super::world::World;
use super::{Options, Severity};
use crate::cli::UsageError;
use crate::discovery::Collision;
use crate::explain::{CommonKinds, style};
use crate::model::{QueryValue, Selector};
use crate::prometheus::PrometheusError;
use crate::rules::outline::{self, SeriesName, SeriesSelector};
use crate::rules::{Association, AssociationError, Objects, QueryError, QueryScope, Rule, RuleSet};

/// Fewer scrapes make rates that waver, and none when one is late: Prometheus' own advice.
const SCRAPES: u32 = 4;
/// Two samples make a rate.
const FEWEST: u32 = 2;
/// Scrapes are not exactly as far apart as they should be.
const TOLERANCE: f64 = 0.95;
/// More metrics of one rule are hardly meant: the page of all of them is what kubectl reads.
const MANY: usize = 200;
/// Names that are listed at most.
const LISTED: usize = 3;
/// The functions that are made for counters.
const OF_COUNTERS: [&str; 3] = ["increase", "irate", "rate"];

/// Adds the rule's place.
pub(super) fn about(rule: &Rule, findings: Vec<Finding>) -> Vec<Finding> {
    let place = rule.id().to_string();
    let with = |finding| Finding {
        rules: vec![place.clone()],
        ..finding
    };
    findings.into_iter().map(with).collect()
}

/// The server does not start with such flags.
pub(super) fn flags(rules: &RuleSet, options: &Options) -> Option<Finding> {
    let (max_age, interval) = (options.max_age, options.relist_interval);
    (!rules.custom.is_empty() && max_age < interval).then(|| {
        let error = UsageError::MaxAge { max_age, interval };
        Finding::error(Check::Flags, error.to_string())
    })
}

/// No name in the series query.
pub(super) fn breadth(rule: &Rule) -> Option<Finding> {
    is_broad(rule).then(|| {
        let message = "too broad: seriesQuery names no series, so that every series with these \
                       labels becomes a metric";
        Finding::warning(Check::TooBroad, message)
            .hint("a rule for each metric that an HPA needs keeps discovery small")
    })
}

/// Whether a rule names no series.
pub(super) fn is_broad(rule: &Rule) -> bool {
    let selector = SeriesSelector::parse(rule.series_query());
    selector.is_some_and(|selector| selector.name == SeriesName::Any)
}

/// Many metrics of one rule.
pub(super) fn cardinality(told: &RuleReport) -> Option<Finding> {
    let count = told.metrics.len();
    (count > MANY).then(|| {
        let message = format!("too broad: the rule makes {count} metrics");
        Finding::warning(Check::TooBroad, message)
            .hint("seriesQuery and seriesFilters choose those that HPAs need")
    })
}

/// An override that nobody serves.
pub(super) fn unknown_resource(error: &AssociationError) -> Finding {
    Finding::error(Check::UnknownResource, error.to_string())
        .hint("the rule makes no metric; --kubeconfig tells kinds that not every cluster has")
}

/// The result does not have the objects' label, whatever the series are.
pub(super) fn group_by(rule: &Rule, association: &Association<'_>) -> Option<Finding> {
    let kinds = ["Pod", "Namespace", "Service", "Node", "Deployment"];
    let mut kinds = kinds.into_iter().filter_map(CommonKinds::of_kind);
    let label = kinds.find_map(|kind| association.label(&kind).ok())?;
    let name = "name".into();
    let scope = QueryScope {
        series: "series",
        label: &label,
        namespace: None,
        metric_selector: &Selector::EVERYTHING,
        objects: Objects::Named(std::slice::from_ref(&name)),
    };
    let query = rule.query(association, &scope).ok()?;
    outline::loses(&query, &label).then(|| lost(&label))
}

/// The result cannot tell objects apart.
pub(super) fn lost(label: &str) -> Finding {
    let message = format!(
        "metricsQuery lacks `by (<<.GroupBy>>)`: its result has no label {label}, so that no value \
         belongs to an object and requests are answered 404"
    );
    Finding::error(Check::GroupBy, message)
        .hint("sum(rate(<<.Series>>{<<.LabelMatchers>>}[2m])) by (<<.GroupBy>>)")
}

/// Prometheus has no answer for the series query.
pub(super) fn refused_selector(error: &PrometheusError) -> Finding {
    match error {
        PrometheusError::Api {
            status: 400 | 422,
            message,
        } => {
            let message = format!("Prometheus refuses seriesQuery: {message}");
            Finding::error(Check::SeriesQuery, message)
        }
        error => Finding::error(Check::SeriesQuery, format!("seriesQuery: {error}")),
    }
}

/// All names are filtered.
pub(super) fn filtered(facts: &Facts) -> Finding {
    let names = facts.names();
    let message = format!(
        "seriesQuery finds {} series, but seriesFilters and name.matches let no name pass: {}",
        facts.set.count,
        list(&names)
    );
    Finding::error(Check::NoSeries, message)
}

/// The rule has no query.
pub(super) fn no_query(error: &QueryError) -> Finding {
    Finding::error(Check::Query, format!("every request fails: {error}"))
}

/// What one kind of query makes of another kind of series.
pub(super) fn rates(rule: &Rule, facts: &Facts, asked: &Asked, world: &World) -> Option<Finding> {
    let readings = outline::readings(&asked.query)?;
    let mut gauges: Vec<(String, &str)> = Vec::new();
    for reading in &readings {
        let (Some(function), Some(series)) = (&reading.function, &reading.series) else {
            continue;
        };
        if !OF_COUNTERS.contains(&function.as_str()) {
            continue;
        }
        // The same query is made of all series of the rule.
        let mut names = vec![series.as_str()];
        if *series == asked.series {
            names = facts.names();
            names.retain(|name| rule.metric_name(name).is_some());
        }
        let found = names.into_iter().filter(|name| world.is_gauge(name));
        gauges.extend(found.map(|name| (function.clone(), name)));
    }
    let (function, _) = gauges.first()?;
    let names: Vec<&str> = gauges.iter().map(|(_, name)| *name).collect();
    let message = format!(
        "{function} over a gauge, which means nothing: {}",
        list(&names)
    );
    let finding = Finding::warning(Check::Rate, message);
    Some(
        finding
            .hint("deriv or delta is for gauges; the type is what the target's # TYPE line says"),
    )
}

/// Ranges beside the time between two scrapes.
pub(super) fn ranges(asked: &Asked, told_of: &RuleReport) -> Option<Finding> {
    let interval = told_of
        .scrape_interval
        .filter(|interval| !interval.is_zero())?;
    let readings = outline::readings(&asked.query)?;
    let counted = |function: &Option<String>| {
        function
            .as_deref()
            .is_some_and(|function| OF_COUNTERS.contains(&function))
    };
    let ranges = readings.iter().filter(|reading| counted(&reading.function));
    let shortest = ranges.filter_map(|reading| reading.range).min()?;
    let fewer = |scrapes: u32| shortest < interval.mul_f64(f64::from(scrapes) * TOLERANCE);
    let message = |scrapes: u32| {
        format!(
            "the range [{}] has fewer than {scrapes} scrapes, one every {}",
            told(shortest),
            told(interval)
        )
    };
    let finding = match (fewer(FEWEST), fewer(SCRAPES)) {
        (true, _) => {
            let message = format!("{}: rates have no value most of the time", message(FEWEST));
            Finding::error(Check::Range, message)
        }
        (false, true) => {
            let message = format!("{}: one late scrape leaves no value", message(SCRAPES));
            Finding::warning(Check::Range, message)
        }
        (false, false) => return None,
    };
    let enough = interval.saturating_mul(SCRAPES);
    Some(finding.hint(format!("[{}] or more", told(enough))))
}

/// What an example query answers; what is known to be wrong with the rule already may be the cause.
pub(super) fn answer(
    asked: &Asked,
    answer: &Result<QueryValue, PrometheusError>,
    known: &[Finding],
) -> Option<Finding> {
    let has = |check| known.iter().any(|finding| finding.check == check);
    match (answer, asked.label.as_deref()) {
        (Err(PrometheusError::Api { message, .. }), _) => {
            let message = format!("Prometheus refuses the query of a request: {message}");
            Some(Finding::error(Check::Query, message))
        }
        (Err(error), _) => {
            let message = format!("the query of a request has no answer: {error}");
            Some(Finding::warning(Check::Query, message))
        }
        (Ok(QueryValue::Vector(samples)), _) if samples.is_empty() => {
            if known
                .iter()
                .any(|finding| finding.severity == Severity::Error)
            {
                return None;
            }
            let message = "the query of a request has no result, although the series has samples";
            Some(Finding::warning(Check::NoResult, message).hint(
                "metricsQuery looks back not far enough, or has matchers that these series do not \
                 pass",
            ))
        }
        (Ok(QueryValue::Vector(samples)), Some(label)) if !has(Check::GroupBy) => {
            let labelled = samples
                .iter()
                .any(|sample| sample.labels.get(label).is_some());
            (!labelled).then(|| lost(label))
        }
        (Ok(QueryValue::Scalar { .. }), Some(_)) => {
            let message = "metricsQuery makes a number that belongs to no object: requests fail";
            Some(Finding::error(Check::GroupBy, message))
        }
        (Ok(_), _) => None,
    }
}

/// Relists beside the longest time between two scrapes.
pub(super) fn relist(rules: &[RuleReport], options: &Options) -> Option<Finding> {
    let slowest = rules
        .iter()
        .filter_map(|rule| Some((rule.scrape_interval?, rule)));
    let (interval, rule) = slowest.max_by_key(|(interval, _)| *interval)?;
    let below = |length: Duration| length < interval.mul_f64(TOLERANCE);
    let scraped = format!("{} is scraped every {}", rule.rule, told(interval));
    let mut finding = if below(options.max_age) {
        let message = format!(
            "relists look back for --metrics-max-age {:?}, less than the scrape interval ({scraped}): \
             metrics vanish between two scrapes",
            options.max_age
        );
        Finding::error(Check::RelistInterval, message)
    } else if below(options.relist_interval) {
        let message = format!(
            "--metrics-relist-interval {:?} is shorter than the scrape interval ({scraped}): most \
             relists learn nothing",
            options.relist_interval
        );
        Finding::warning(Check::RelistInterval, message)
    } else {
        return None;
    };
    finding.rules.push(rule.rule.clone());
    Some(finding.hint(RELIST_HINT))
}

/// Metrics of more than one origin: one finding for each pair of rules. Rules that name no series
/// make metrics that nobody has asked for: that two of those have one name may harm nobody.
pub(super) fn collisions(collisions: &[Collision], rules: &RuleSet) -> Vec<Finding> {
    let broad = rules.discovered().filter(|rule| is_broad(rule));
    let broad: Vec<&str> = broad.map(|rule| rule.id().as_ref()).collect();
    let mut pairs: BTreeMap<(&str, &str), Vec<&Collision>> = BTreeMap::new();
    for collision in collisions {
        let pair = (place(&collision.loser), place(&collision.winner));
        pairs.entry(pair).or_default().push(collision);
    }
    let finding = |((loser, winner), hidden): ((&str, &str), Vec<&Collision>)| {
        let first = hidden.first()?;
        let mut message = format!(
            "collision: {} hides {}, both make {}",
            first.winner, first.loser, first.metric
        );
        if hidden.len() > 1 {
            message += &format!(" (and {} more)", hidden.len() - 1);
        }
        let mut finding = if broad.contains(&winner) && broad.contains(&loser) {
            Finding::warning(Check::Collision, message)
        } else {
            Finding::error(Check::Collision, message)
        };
        finding.rules.push(loser.to_owned());
        if winner != loser {
            finding.rules.push(winner.to_owned());
        }
        Some(finding.hint("other names by name.as, or seriesFilters that keep one of them out"))
    };
    pairs.into_iter().filter_map(finding).collect()
}

/// The rule's place in front of the series' name.
fn place(origin: &str) -> &str {
    origin.split(" (").next().unwrap_or(origin)
}

/// Half of what kubectl top shows.
pub(super) fn missing_query(field: &str) -> Finding {
    let message = format!("{field} is empty: kubectl top and Resource metrics lack that usage");
    Finding::warning(Check::MissingQuery, message)
}

fn list(names: &[&str]) -> String {
    style::listed(names, names.len(), LISTED)
}

#[cfg(test)]
mod tests;
