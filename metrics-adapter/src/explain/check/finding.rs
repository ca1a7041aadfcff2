//! What is wrong, how bad it is, and which comes first.

use std::path::Path;

use serde::Serialize;

use crate::rules::RuleError;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something does not work.
    Error,
    /// Something works, but perhaps not as it was meant.
    Warning,
}

impl Severity {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// What was looked at, causes before what they lead to: of two findings that are as bad, the first
/// one is told first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// The file is a rules file.
    File,
    /// Its rules mean something.
    Rule,
    /// The flags go together.
    Flags,
    /// Prometheus answers.
    Prometheus,
    /// The cluster has the resources that rules name.
    UnknownResource,
    /// Prometheus understands the series query.
    SeriesQuery,
    /// Relists see every scrape.
    RelistInterval,
    /// There are series.
    NoSeries,
    /// They have samples now.
    Stale,
    /// Their labels name resources.
    LabelNotMapped,
    /// The result tells objects apart.
    GroupBy,
    /// Every metric has one origin.
    Collision,
    /// Prometheus understands the query.
    Query,
    /// The query has a result.
    NoResult,
    /// It looks back far enough.
    Range,
    /// Rates are of counters.
    Rate,
    /// Prometheus' own label `job` names no Job.
    JobLabel,
    /// The series of one metric are of one kind.
    SeveralJobs,
    /// Both queries of a resource are there.
    MissingQuery,
    /// The rule makes the metrics that are wanted, and not all there could be.
    TooBroad,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What was looked at.
    pub check: Check,
    /// The rules that it is about, such as `rules[0]`; none where it is about all.
    pub rules: Vec<String>,
    /// What is wrong, on one line.
    pub message: String,
    /// What to do, on one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Finding {
    /// Something that does not work.
    pub(super) fn error(check: Check, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            check,
            rules: Vec::new(),
            message: message.into(),
            hint: None,
        }
    }

    /// Something that may not be as it was meant.
    pub(super) fn warning(check: Check, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(check, message)
        }
    }

    /// With what to do about it.
    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }
}

/// All findings; what is wrong with several rules alike is told once.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    pub(super) fn add(&mut self, finding: Finding) {
        let alike = |known: &&mut Finding| {
            (known.check, &known.message, &known.hint)
                == (finding.check, &finding.message, &finding.hint)
        };
        match self.0.iter_mut().find(alike) {
            Some(known) => {
                let new = finding.rules.into_iter();
                let new: Vec<String> = new.filter(|rule| !known.rules.contains(rule)).collect();
                known.rules.extend(new);
            }
            None => self.0.push(finding),
        }
    }

    /// The worst first, of those the causes.
    pub(super) fn sorted(mut self) -> Vec<Finding> {
        self.0
            .sort_by_key(|finding| (finding.severity, finding.check));
        self.0
    }
}

impl Extend<Finding> for Findings {
    fn extend<T: IntoIterator<Item = Finding>>(&mut self, findings: T) {
        findings.into_iter().for_each(|finding| self.add(finding));
    }
}

/// The file is no rules file; the parser draws the place on further lines, a caret below it.
pub(super) fn file(path: &Path, message: &str) -> Finding {
    let lines: Vec<&str> = message.lines().collect();
    let cause = lines.first().copied().unwrap_or_default();
    let message = format!("--config {}: {cause}", path.display());
    let is_caret = |line: &str| line.contains('^') && !line.contains(|c: char| c.is_ascii_digit());
    let place = lines.windows(2).skip(1).find(|pair| is_caret(pair[1]));
    let finding = Finding::error(Check::File, message);
    match place {
        Some(place) => finding.hint(place[0].trim()),
        None => finding,
    }
}

/// A rule means nothing.
pub(super) fn invalid(error: &RuleError) -> Finding {
    let place = match error {
        RuleError::Empty { rule, .. }
        | RuleError::Regex { rule, .. }
        | RuleError::Field { rule, .. } => rule,
    };
    let text = error.to_string();
    let message = text.strip_prefix(&format!("{place}.")).unwrap_or(&text);
    let mut finding = Finding::error(Check::Rule, message);
    finding.rules.push(place.clone());
    finding
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_come_first_and_repetitions_once() {
        let mut findings = Findings::default();
        for (rule, finding) in [
            ("rules[0]", Finding::warning(Check::TooBroad, "broad")),
            ("rules[0]", Finding::error(Check::GroupBy, "lost")),
            ("rules[1]", Finding::warning(Check::TooBroad, "broad")),
            ("rules[1]", Finding::warning(Check::TooBroad, "broad")),
            ("rules[2]", Finding::error(Check::NoSeries, "none")),
            ("rules[3]", Finding::warning(Check::NoSeries, "perhaps")),
        ] {
            findings.add(Finding {
                rules: vec![rule.to_owned()],
                ..finding
            });
        }
        let sorted = findings.sorted();
        let shown: Vec<String> = sorted
            .iter()
            .map(|finding| format!("{} {}", finding.message, finding.rules.join(",")))
            .collect();
        let expected = [
            "none rules[2]",
            "lost rules[0]",
            "perhaps rules[3]",
            "broad rules[0],rules[1]",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_broken_file_shows_the_line() {
        let error = crate::config::RuleFile::parse("rules:\n- seriesQueri: up\n").unwrap_err();
        let finding = file("r.yaml".as_ref(), &error);
        let begin = "--config r.yaml: unknown field `seriesQueri`";
        assert!(finding.message.starts_with(begin), "{finding:?}");
        assert_eq!(
            finding.hint.as_deref(),
            Some("2 | - seriesQueri: up"),
            "{error}"
        );
    }

    #[test]
    fn a_broken_rule_is_named_once() {
        let error = RuleError::Empty {
            rule: "rules[3]".to_owned(),
            field: "seriesQuery",
        };
        let finding = invalid(&error);
        assert_eq!(finding.rules, ["rules[3]"]);
        assert_eq!(finding.message, "seriesQuery must not be empty");
    }
}
