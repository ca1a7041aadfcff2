//! How flags name the metrics of an HPA: by the metric's name, or where several have it by the
//! qualified name that all output uses, such as `external/queue_length{queue=a}`.

use std::collections::BTreeMap;

use super::{Model, Options, SimulateError, flag};
use crate::explain::autoscaler::Source;

/// Splits `NAME=VALUE`; what is between braces belongs to the name.
pub fn split(text: &str) -> Option<(&str, &str)> {
    let place = outside(text, '=').next()?;
    Some((&text[..place], &text[place + 1..]))
}

/// The parts of a list with commas, but for those between braces.
pub(super) fn parts(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    for place in outside(text, ',') {
        parts.push(&text[start..place]);
        start = place + 1;
    }
    parts.push(&text[start..]);
    parts
}

/// Where a character stands outside braces. Names of labels and their values have none.
fn outside(text: &str, wanted: char) -> impl Iterator<Item = usize> {
    let mut depth = 0_usize;
    text.char_indices().filter_map(move |(place, character)| {
        match character {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        (depth == 0 && character == wanted).then_some(place)
    })
}

/// The place of the metric that is meant, among those that fit.
pub(super) fn find<'a>(
    name: &str,
    sources: impl IntoIterator<Item = (usize, &'a Source)>,
) -> Result<usize, String> {
    let sources: Vec<(usize, &Source)> = sources.into_iter().collect();
    if let Some((place, _)) = sources.iter().find(|(_, it)| it.to_string() == name) {
        return Ok(*place);
    }
    let same: Vec<&(usize, &Source)> = sources.iter().filter(|(_, it)| it.name() == name).collect();
    match same[..] {
        [(place, _)] => Ok(*place),
        [] => {
            let names: Vec<&str> = sources.iter().map(|(_, it)| it.name()).collect();
            let names = match names[..] {
                [] => "there is none".to_owned(),
                _ => format!("only {}", names.join(", ")),
            };
            Err(format!(
                "no metric it could be for is called {name:?}, {names}"
            ))
        }
        ref several => {
            let names: Vec<String> = several.iter().map(|(_, it)| it.to_string()).collect();
            Err(format!(
                "{name:?} may mean {}: say which",
                names.join(" or ")
            ))
        }
    }
}

/// What flags tell of the metrics, by their places.
#[derive(Debug)]
pub(super) struct Given<'a> {
    pub(super) queries: BTreeMap<usize, &'a str>,
    pub(super) models: Vec<Model>,
    /// Thousandths.
    pub(super) requests: Vec<Option<i64>>,
}

impl<'a> Given<'a> {
    /// Refuses names that no manifest has: a slip would go unnoticed.
    pub(super) fn new(options: &'a Options, sources: &[Source]) -> Result<Self, SimulateError> {
        let queries = by_place("--query", &options.queries, sources, |_| true)?;
        let models = by_place("--model", &options.models, sources, Source::is_per_pod)?;
        let is_resource = |source: &Source| matches!(source, Source::Resource { .. });
        let requests = by_place("--request", &options.requests, sources, is_resource)?;
        // Those of the whole are what was recorded.
        let model = |(place, source): (usize, &Source)| match models.get(&place) {
            Some(model) => **model,
            None if source.is_per_pod() => Model::Split,
            None => Model::Recorded,
        };
        Ok(Self {
            queries: queries
                .into_iter()
                .map(|(place, promql)| (place, promql.as_str()))
                .collect(),
            models: sources.iter().enumerate().map(model).collect(),
            requests: (0..sources.len())
                .map(|place| requests.get(&place).map(|request| **request))
                .collect(),
        })
    }
}

fn by_place<'a, T>(
    name: &'static str,
    given: &'a BTreeMap<String, T>,
    sources: &[Source],
    fits: impl Fn(&Source) -> bool,
) -> Result<BTreeMap<usize, &'a T>, SimulateError> {
    let mut by_place = BTreeMap::new();
    for (metric, value) in given {
        let fitting = sources.iter().enumerate().filter(|(_, it)| fits(it));
        let place = find(metric, fitting).map_err(|reason| flag(name, reason))?;
        if by_place.insert(place, value).is_some() {
            let twice = format!("{} is named in two ways", sources[place]);
            return Err(flag(name, twice));
        }
    }
    Ok(by_place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Selector;

    fn queue(selector: &str) -> Source {
        Source::External {
            metric: "queue".to_owned(),
            selector: Selector::parse(selector).unwrap(),
        }
    }

    fn cpu(container: Option<&str>) -> Source {
        Source::Resource {
            resource: "cpu".to_owned(),
            container: container.map(str::to_owned),
        }
    }

    #[test]
    fn braces_keep_a_name_together() {
        assert_eq!(
            split("external/q{a=b,c in (d,e)}=sum(x{y=\"z\"})"),
            Some(("external/q{a=b,c in (d,e)}", "sum(x{y=\"z\"})"))
        );
        assert_eq!(split("q{a=b}"), None);
        assert_eq!(
            parts("q{a=b,c=d}=1,minReplicas=2"),
            ["q{a=b,c=d}=1", "minReplicas=2"]
        );
    }

    #[test]
    fn a_name_of_several_metrics_is_refused() {
        let sources = [queue("a=b"), queue("a=c"), cpu(None), cpu(Some("app"))];
        let find = |name| find(name, sources.iter().enumerate());
        assert_eq!(find("external/queue{a=c}"), Ok(1));
        assert_eq!(find("resource/cpu"), Ok(2));
        assert_eq!(find("container/app/cpu"), Ok(3));
        let error = find("queue").unwrap_err();
        let both = "\"queue\" may mean external/queue{a=b} or external/queue{a=c}";
        assert!(error.contains(both), "{error}");
        assert!(find("cpu").unwrap_err().contains("container/app/cpu"));
        assert!(find("mem").unwrap_err().contains("only queue"));
    }
}
