//! `seriesFilters`: unanchored regular expressions on series names.

use super::RuleError;
use super::pattern::Pattern;
use crate::config::SeriesFilter;

/// All filters of one rule.
#[derive(Debug)]
pub(super) struct SeriesFilters {
    filters: Vec<(Pattern, Verdict)>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Verdict {
    MustMatch,
    MustNotMatch,
}

impl SeriesFilters {
    pub(super) fn compile(rule: &str, filters: &[SeriesFilter]) -> Result<Self, RuleError> {
        let compile = |(index, filter): (usize, &SeriesFilter)| {
            let (source, verdict, key) = match (filter.is.as_str(), filter.is_not.as_str()) {
                ("", "") => {
                    return Err(RuleError::Field {
                        rule: rule.to_owned(),
                        field: "seriesFilters",
                        message: format!("filter {index} must have either an `is` or an `isNot`"),
                    });
                }
                (source, "") => (source, Verdict::MustMatch, "is"),
                ("", source) => (source, Verdict::MustNotMatch, "isNot"),
                _ => {
                    return Err(RuleError::Field {
                        rule: rule.to_owned(),
                        field: "seriesFilters",
                        message: format!("filter {index} cannot have both `is` and `isNot`"),
                    });
                }
            };
            let field = || format!("seriesFilters[{index}].{key}");
            Ok((pattern(rule, field, source)?, verdict))
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
            .all(|(pattern, verdict)| pattern.is_match(series) == (*verdict == Verdict::MustMatch))
    }
}

/// Compiles a regular expression of the file; the error names its field.
pub(super) fn pattern(
    rule: &str,
    field: impl Fn() -> String,
    source: &str,
) -> Result<Pattern, RuleError> {
    Pattern::new(source).map_err(|error| RuleError::Regex {
        rule: rule.to_owned(),
        field: field(),
        message: format!("invalid regular expression {source:?}: {error}"),
    })
}
