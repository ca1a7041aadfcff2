//! An explanation for people. Law: what is wrong stands in the first lines.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::super::document::{Document, List, Query, Related, Rule};
use super::super::style::{Lines, Style, listed};
use super::Metric;

/// Names on one line.
const NAMES: usize = 10;
/// Lines of one list.
const LINES: usize = 20;

/// The whole.
pub fn text(metric: &Metric, document: &Document, style: Style) -> String {
    let mut out = Out(Lines::default());
    let (values, outcome) = (document.values.count, &document.outcome);
    let of = document
        .objects
        .as_ref()
        .map_or_else(String::new, |objects| {
            format!(" for {} {}", objects.names.count, objects.resource)
        });
    let headline = match &document.cause {
        None => style.good(&format!("{values} values{of}")),
        Some(cause) if outcome.code == 200 => {
            style.bad(&format!("{values} values{of}: {}", cause.message))
        }
        Some(cause) => style.bad(&cause.message),
    };
    out.0.headline(&metric.to_string(), &headline);
    if let Some(cause) = &document.cause {
        out.line(1, &format!("reason: {}", cause.reason));
    }
    out.line(
        1,
        &format!("the request gets: {} {}", outcome.code, outcome.message),
    );
    out.related(&document.related);
    if let Some(rule) = &document.rule {
        out.line(1, &format!("rule: {}", described(rule)));
    }
    out.list("rules of this API", &document.candidates, described);
    if let Some(objects) = &document.objects {
        let names = names(&objects.names);
        out.line(
            1,
            &format!(
                "objects: {} {}: {names}",
                objects.names.count, objects.resource
            ),
        );
    }
    for query in &document.queries {
        out.query(query);
    }
    out.list("samples", &document.samples, |sample| {
        let labels = sample.labels.as_ref().map(labels).unwrap_or_default();
        format!("{labels} {} at {}", sample.value, sample.timestamp)
    });
    out.list("values", &document.values, |value| {
        let object = value.object.clone();
        let name = object.or_else(|| value.labels.as_ref().map(labels));
        let name = name.unwrap_or_else(|| "-".to_owned());
        let instead = value.instead.as_ref();
        let instead = instead.map_or_else(String::new, |why| format!(" ({why})"));
        format!(
            "{name} = {}, {}{instead}",
            value.value,
            age(value.timestamp)
        )
    });
    out.list("left out", &document.dropped, |dropped| {
        let object = dropped.object.clone();
        let name = object.or_else(|| dropped.labels.as_ref().map(labels));
        format!("{}: {}", name.unwrap_or_default(), dropped.reason)
    });
    out.0.into_text()
}

struct Out(Lines);

impl Out {
    fn line(&mut self, depth: usize, text: &str) {
        self.0.add(depth, text);
    }

    fn list<T>(&mut self, title: &str, list: &List<T>, item: impl Fn(&T) -> String) {
        if list.is_empty() {
            return;
        }
        self.line(1, &format!("{title}: {}", list.count));
        for one in list.items.iter().take(LINES) {
            self.line(2, &item(one));
        }
        if list.count > LINES {
            self.line(2, &format!("and {} more", list.count - LINES));
        }
    }

    fn query(&mut self, query: &Query) {
        let purpose = match query.purpose.as_str() {
            "values" => "query",
            "ages" => "query for the newest samples' times",
            "namespaces" => "which namespaces have the series",
            "objects" => "which objects have the series",
            "present" => "how many series there are now",
            "lastSeen" => "when there was a sample last",
            other => other,
        };
        self.line(1, &format!("{purpose}: {}", query.promql));
        let age = query
            .age_seconds
            .map_or_else(String::new, |age| format!(", {age:.1} s old"));
        if query.purpose == "values" || query.purpose == "ages" {
            let source = match query.source.as_str() {
                "memory" => "from memory",
                "shared" => "somebody asks the same just now",
                _ => "asked just now",
            };
            let most = query.max_age_seconds;
            self.line(
                2,
                &format!("{source}{age}; served until it is {most} s old"),
            );
        }
        if let Some(error) = &query.error {
            self.line(2, &format!("fails: {error}"));
        }
    }

    fn related(&mut self, related: &Related) {
        for (title, list) in [
            ("a metric of that name is of", &related.elsewhere),
            ("metrics with a similar name", &related.similar),
        ] {
            if !list.is_empty() {
                self.line(1, &format!("{title}: {}", list.join(", ")));
            }
        }
        for (title, list) in [
            ("namespaces with the series", &related.namespaces),
            ("the series are of", &related.names),
        ] {
            if !list.is_empty() {
                self.line(1, &format!("{title}: {}", names(list)));
            }
        }
    }
}

fn described(rule: &Rule) -> String {
    let mut text = format!("{}, seriesQuery {}", rule.place, rule.series_query);
    if let Some(series) = &rule.series {
        text.push_str(&format!(", of the series {series}"));
    }
    match (&rule.series_found, &rule.error) {
        (_, Some(error)) => text.push_str(&format!(", fails: {error}")),
        (Some(found), None) => text.push_str(&format!(", {found} series found")),
        (None, None) => text.push_str(", not asked yet"),
    }
    text
}

fn names(list: &List<String>) -> String {
    listed(&list.items, list.count, NAMES)
}

fn labels(labels: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = labels
        .iter()
        .map(|(name, value)| format!("{name}={value:?}"))
        .collect();
    format!("{{{}}}", pairs.join(","))
}

fn age(timestamp: Timestamp) -> String {
    let age = Timestamp::now().duration_since(timestamp);
    format!("{} s old", age.as_secs().max(0))
}
