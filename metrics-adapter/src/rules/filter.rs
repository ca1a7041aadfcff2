//! `seriesFilters`: unanchored regular expressions on series names.

use regex::Regex;

use super::RuleError;
use crate::config::SeriesFilter;

/// All filters of one rule.
#[derive(Debug)]
pub(super) struct SeriesFilters {
    filters: Vec<(Regex, Verdict)>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Verdict {
    MustMatch,
    MustNotMatch,
}

impl SeriesFilters {
    pub(super) fn compile(rule: &str, filters: &[SeriesFilter]) -> Result<Self, RuleError> {
        let compile = |(index, filter): (usize, &SeriesFilter)| {
            let (pattern, verdict, key) = match (filter.is.as_str(), filter.is_not.as_str()) {
                ("", "") => {
                    return Err(RuleError::Field {
                        rule: rule.to_owned(),
                        field: "seriesFilters",
                        message: format!("filter {index} must have either an `is` or an `isNot`"),
                    });
                }
                (pattern, "") => (pattern, Verdict::MustMatch, "is"),
                ("", pattern) => (pattern, Verdict::MustNotMatch, "isNot"),
                _ => {
                    return Err(RuleError::Field {
                        rule: rule.to_owned(),
                        field: "seriesFilters",
                        message: format!("filter {index} cannot have both `is` and `isNot`"),
                    });
                }
            };
            let regex = regex(rule, || format!("seriesFilters[{index}].{key}"), pattern)?;
            Ok((regex, verdict))
        };
        let filters = filters
            .iter()
            .enumerate()
            .map(compile)
            .collect::<Result<_, _>>()?;
        Ok(Self { filters })
    }

    /// Whether every filter lets the name pass.
    pub(super) fn accept(&self, series: &str) -> bool {
        self.filters
            .iter()
            .all(|(regex, verdict)| regex.is_match(series) == (*verdict == Verdict::MustMatch))
    }
}

/// Compiles a regular expression of the file; the error names its field.
pub(super) fn regex(
    rule: &str,
    field: impl Fn() -> String,
    pattern: &str,
) -> Result<Regex, RuleError> {
    Regex::new(pattern).map_err(|error| {
        // The crate draws the pattern over several lines; the last one says what is wrong.
        let text = error.to_string();
        let cause = text
            .lines()
            .last()
            .unwrap_or_default()
            .trim_start_matches("error: ");
        RuleError::Regex {
            rule: rule.to_owned(),
            field: field(),
            message: format!("invalid regular expression {pattern:?}: {cause}"),
        }
    })
}
