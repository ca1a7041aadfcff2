//! What the text of PromQL shows, for whoever judges a rule before, or without, asking anybody.
//!
//! It is what the parser of `expression` understands: `None` says nothing about a query.

use std::time::Duration;

use super::expression::{self, Expression, Selector};
use crate::config::PrometheusDuration;

/// One selector in a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The name of the series; `None` where matchers alone select them.
    pub series: Option<String>,
    /// The labels that its matchers are about.
    pub labels: Vec<String>,
    /// The function that it is the argument of, in lower case.
    pub function: Option<String>,
    /// How far it looks back.
    pub range: Option<Duration>,
}

/// Everything that a query reads, from left to right.
pub fn readings(promql: &str) -> Option<Vec<Reading>> {
    let mut readings = Vec::new();
    collect(&expression::parse(promql)?, None, &mut readings);
    Some(readings)
}

fn collect(expression: &Expression<'_>, function: Option<&str>, readings: &mut Vec<Reading>) {
    match expression {
        Expression::Number | Expression::Text(_) => {}
        Expression::Selector(selector) => readings.push(reading(selector, function)),
        Expression::Call(function, arguments) => {
            for argument in arguments {
                collect(argument, Some(function), readings);
            }
        }
        Expression::Aggregation { parameter, of, .. } => {
            for part in parameter.iter().chain([of]) {
                collect(part, None, readings);
            }
        }
        Expression::Binary { operands, .. } => {
            collect(&operands.0, None, readings);
            collect(&operands.1, None, readings);
        }
    }
}

fn reading(selector: &Selector<'_>, function: Option<&str>) -> Reading {
    let range = selector.range.and_then(|range| {
        let range = PrometheusDuration::parse(range).ok()?;
        Some(range.get())
    });
    Reading {
        series: selector.name.map(str::to_owned),
        labels: selector
            .matchers
            .iter()
            .map(|matcher| matcher.label.to_owned())
            .collect(),
        function: function.map(str::to_owned),
        range,
    }
}

/// Whether no element of a query's result can have a label, because an aggregation leaves it out.
pub fn loses(promql: &str, label: &str) -> bool {
    expression::parse(promql).is_some_and(|query| fate(&query, label) == Fate::Lost)
}

/// What becomes of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// There are no elements, but one number.
    Scalar,
    /// No element has it.
    Lost,
    /// It may be there.
    Open,
}

fn fate(expression: &Expression<'_>, label: &str) -> Fate {
    match expression {
        Expression::Number | Expression::Text(_) => Fate::Scalar,
        Expression::Selector(_) => Fate::Open,
        Expression::Call(function, arguments) => match function.as_str() {
            "scalar" | "time" | "pi" => Fate::Scalar,
            "vector" => Fate::Lost,
            // These can write any label.
            "label_replace" | "label_join" | "info" => Fate::Open,
            _ => together(arguments.iter().map(|argument| fate(argument, label))),
        },
        Expression::Aggregation {
            operator,
            grouping,
            of,
            ..
        } => match operator.as_str() {
            // They pick elements, and leave them as they are.
            "topk" | "bottomk" => fate(of, label),
            "count_values" => Fate::Open,
            _ if grouping.keeps(label) => fate(of, label),
            _ => Fate::Lost,
        },
        Expression::Binary { operands, .. } => {
            together([fate(&operands.0, label), fate(&operands.1, label)])
        }
    }
}

/// Elements that come from several operands.
fn together(fates: impl IntoIterator<Item = Fate>) -> Fate {
    let elements = fates.into_iter().filter(|fate| *fate != Fate::Scalar);
    elements.fold(Fate::Scalar, |all, fate| match (all, fate) {
        (Fate::Open, _) | (_, Fate::Open) => Fate::Open,
        _ => Fate::Lost,
    })
}

/// A series query, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesSelector {
    /// Which names it is about.
    pub name: SeriesName,
    /// All matchers but those of the name.
    pub matchers: Vec<SeriesMatcher>,
}

/// Which names of series a selector is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SeriesName {
    /// One name.
    Exact(String),
    /// Those that match a regular expression, which Prometheus anchors.
    Pattern(String),
    /// All, or all but some.
    Any,
}

/// One matcher of a selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesMatcher {
    /// The label.
    pub label: String,
    /// `=`, `!=`, `=~` or `!~`.
    pub operator: String,
    /// The value as it stands between its quotes.
    pub value: String,
}

impl SeriesSelector {
    /// Takes a series query apart; `None` where it is not understood.
    pub fn parse(series_query: &str) -> Option<Self> {
        let Expression::Selector(selector) = expression::parse(series_query)? else {
            return None;
        };
        let mut name = match selector.name {
            Some(name) => SeriesName::Exact(name.to_owned()),
            None => SeriesName::Any,
        };
        let mut matchers = Vec::new();
        for matcher in selector.matchers {
            match (matcher.label, matcher.operator) {
                ("__name__", "=") => name = SeriesName::Exact(matcher.value.to_owned()),
                ("__name__", "=~") if name == SeriesName::Any => name = pattern(matcher.value),
                ("__name__", _) => {}
                (label, operator) => matchers.push(SeriesMatcher {
                    label: label.to_owned(),
                    operator: operator.to_owned(),
                    value: matcher.value.to_owned(),
                }),
            }
        }
        Some(Self { name, matchers })
    }
}

/// An expression that is a name means that name.
fn pattern(source: &str) -> SeriesName {
    let plain = source.strip_prefix('^').unwrap_or(source);
    let plain = plain.strip_suffix('$').unwrap_or(plain);
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
    match plain {
        "" | ".*" | ".+" => SeriesName::Any,
        name if name.chars().all(is_name) => SeriesName::Exact(name.to_owned()),
        _ => SeriesName::Pattern(source.to_owned()),
    }
}

impl std::fmt::Display for SeriesMatcher {
    /// As PromQL has it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            label,
            operator,
            value,
        } = self;
        write!(f, "{label}{operator}\"{value}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_tells_what_it_reads() {
        let readings = readings(
            "sum(rate(a_total{pod=~\"x\",job='y'}[2m])) by (pod) / on (pod) max_over_time(b[1h:5m]) > {c=\"d\"}",
        );
        let readings = readings.unwrap();
        let [rate, subquery, any] = &readings[..] else {
            panic!("{readings:?}")
        };
        assert_eq!(rate.series.as_deref(), Some("a_total"));
        assert_eq!(rate.function.as_deref(), Some("rate"));
        assert_eq!(rate.range, Some(Duration::from_secs(120)));
        assert_eq!(rate.labels, ["pod", "job"]);
        assert_eq!(
            (subquery.series.as_deref(), subquery.range),
            (Some("b"), None)
        );
        assert_eq!((&any.series, &any.function), (&None, &None));
        assert_eq!(super::readings("x # comment"), None);
    }

    #[test]
    fn an_aggregation_loses_labels() {
        for (promql, lost) in [
            ("sum(rate(x{pod=\"a\"}[1m]))", true),
            ("sum(x) by (namespace)", true),
            ("sum(x) by (pod)", false),
            ("sum by (pod, job) (x) / 1000", false),
            ("1000 * sum(x)", true),
            ("sum without (instance) (x)", false),
            ("sum without (pod) (x)", true),
            ("sum by (pod) (max by (job) (x))", true),
            ("sum by (pod) (x) / ignoring (pod) group_left sum(y)", false),
            ("sum(x) / sum(y)", true),
            ("clamp_min(sum(x), 0)", true),
            ("topk(3, x)", false),
            ("vector(1)", true),
            ("label_replace(sum(x), \"pod\", \"a\", \"\", \"\")", false),
            ("rate(x[1m])", false),
            ("not PromQL $", false),
        ] {
            assert_eq!(loses(promql, "pod"), lost, "{promql}");
        }
    }

    #[test]
    fn a_series_query_tells_its_names() {
        let exact = |name: &str| SeriesName::Exact(name.to_owned());
        for (query, name, matchers) in [
            ("up", exact("up"), ""),
            ("up{a=\"b\",c!=\"\"}", exact("up"), "a=\"b\",c!=\"\""),
            ("{__name__=~\"^up$\",c!=''}", exact("up"), "c!=\"\""),
            ("{__name__=\"a:b\"}", exact("a:b"), ""),
            ("{\"up\"}", exact("up"), ""),
            (
                "{__name__=~\"^c_.*\",c!~\"x\"}",
                SeriesName::Pattern("^c_.*".to_owned()),
                "c!~\"x\"",
            ),
            ("{n!=\"\",__name__!~\"^c_.*\"}", SeriesName::Any, "n!=\"\""),
            ("{__name__=~\".+\"}", SeriesName::Any, ""),
        ] {
            let selector = SeriesSelector::parse(query).unwrap();
            let shown: Vec<String> = selector.matchers.iter().map(ToString::to_string).collect();
            assert_eq!(
                (selector.name, shown.join(",")),
                (name, matchers.to_owned()),
                "{query}"
            );
        }
        assert_eq!(SeriesSelector::parse("sum(up)"), None);
    }
}
