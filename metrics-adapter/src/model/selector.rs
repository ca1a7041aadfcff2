//! Label selectors: the query-string form of apimachinery's `labels.Parse`, and matching.

mod parse;

use std::collections::BTreeSet;
use std::fmt;

pub use parse::ParseError;

/// What a requirement asks of its label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operator {
    /// `key=value` or `key==value`.
    Equals,
    /// `key!=value`; also true where the label is absent.
    NotEquals,
    /// `key in (a,b)`.
    In,
    /// `key notin (a,b)`; also true where the label is absent.
    NotIn,
    /// `key`.
    Exists,
    /// `!key`.
    DoesNotExist,
    /// `key>1`.
    GreaterThan,
    /// `key<1`.
    LessThan,
}

/// One condition of a selector.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Requirement {
    /// Label key.
    pub key: String,
    /// Operator.
    pub operator: Operator,
    /// Values, sorted; exactly one for the comparing operators, none for the existence ones.
    pub values: BTreeSet<String>,
}

/// All conditions together, sorted by key. The empty selector matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Selector {
    requirements: Vec<Requirement>,
}

impl Selector {
    /// Matches everything.
    pub const EVERYTHING: Self = Self {
        requirements: Vec::new(),
    };

    /// Parses the query-string form, for instance `app=web,tier in (a,b),!canary`.
    ///
    /// # Errors
    /// [`ParseError`] with apimachinery's wording.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let mut requirements = parse::parse(text)?;
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(Self { requirements })
    }

    /// Puts requirements together, as apimachinery's `LabelSelectorAsSelector` does.
    ///
    /// # Errors
    /// [`ParseError`] for a key, an operator or values that cannot be.
    pub fn new(mut requirements: Vec<Requirement>) -> Result<Self, ParseError> {
        requirements.iter().try_for_each(parse::check)?;
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(Self { requirements })
    }

    /// The conditions, sorted by key.
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// Whether every object matches.
    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Whether labels match; `get` looks a label up.
    pub fn matches<'a>(&self, get: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.requirements
            .iter()
            .all(|requirement| requirement.matches(get(&requirement.key)))
    }
}

impl Requirement {
    fn matches(&self, value: Option<&str>) -> bool {
        match (self.operator, value) {
            (Operator::Equals | Operator::In, Some(value)) => self.values.contains(value),
            (Operator::NotEquals | Operator::NotIn, Some(value)) => !self.values.contains(value),
            (Operator::Exists, Some(_))
            | (Operator::NotEquals | Operator::NotIn | Operator::DoesNotExist, None) => true,
            (Operator::GreaterThan, Some(value)) => self.compare(value, |have, want| have > want),
            (Operator::LessThan, Some(value)) => self.compare(value, |have, want| have < want),
            (Operator::DoesNotExist, Some(_)) | (_, None) => false,
        }
    }

    fn compare(&self, value: &str, holds: impl Fn(i64, i64) -> bool) -> bool {
        let want = self.values.first().and_then(|want| want.parse().ok());
        matches!((value.parse(), want), (Ok(have), Some(want)) if holds(have, want))
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, requirement) in self.requirements.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            requirement.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            key,
            operator,
            values,
        } = self;
        let joined = values
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(",");
        match operator {
            Operator::Equals => write!(f, "{key}={joined}"),
            Operator::NotEquals => write!(f, "{key}!={joined}"),
            Operator::In => write!(f, "{key} in ({joined})"),
            Operator::NotIn => write!(f, "{key} notin ({joined})"),
            Operator::Exists => f.write_str(key),
            Operator::DoesNotExist => write!(f, "!{key}"),
            Operator::GreaterThan => write!(f, "{key}>{joined}"),
            Operator::LessThan => write!(f, "{key}<{joined}"),
        }
    }
}

#[cfg(test)]
mod tests;
