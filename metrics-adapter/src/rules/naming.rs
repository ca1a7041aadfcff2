//! `name`: from series name to API metric name.

use super::pattern::Pattern;
use super::{RuleError, filter};
use crate::config::NameMapping;

/// A compiled `name` mapping.
#[derive(Debug)]
pub(super) struct Naming {
    matches: Pattern,
    replacement: String,
}

impl Naming {
    pub(super) fn compile(rule: &str, mapping: &NameMapping) -> Result<Self, RuleError> {
        let pattern = if mapping.matches.is_empty() {
            ".*"
        } else {
            &mapping.matches
        };
        let matches = filter::pattern(rule, || "name.matches".to_owned(), pattern)?;
        let replacement = match (mapping.r#as.as_str(), matches.groups()) {
            ("", 0) => "$0".to_owned(),
            ("", 1) => "$1".to_owned(),
            ("", _) => {
                return Err(RuleError::Field {
                    rule: rule.to_owned(),
                    field: "name.as",
                    message: "must be given when `matches` has more than one capture group"
                        .to_owned(),
                });
            }
            (given, _) => given.to_owned(),
        };
        Ok(Self {
            matches,
            replacement,
        })
    }

    /// `None` when `matches` does not match (an implicit filter) or nothing is left of the name.
    ///
    /// The match is expanded, not replaced inside the name, and `$1_x` means a group called
    /// `1_x`.
    pub(super) fn apply(&self, series: &str) -> Option<String> {
        let name = self.matches.expand(series, &self.replacement)?;
        (!name.is_empty()).then_some(name)
    }
}
