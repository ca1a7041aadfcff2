//! `selectorValues`: what stands in a selector for label values that no selector can carry.
//!
//! Kubernetes allows 63 of `[A-Za-z0-9._-]`; labels of series hold anything. The client is told
//! its own selector back.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::RuleError;
use super::alternation::escape;
use crate::config;
use crate::model::{Operator, Requirement, Selector};

/// The rewritten labels of one rule.
#[derive(Debug, Default)]
pub(super) struct SelectorValues {
    labels: BTreeMap<String, Rewriting>,
}

#[derive(Debug)]
struct Rewriting {
    values: BTreeMap<String, String>,
    /// What to look for, and what to put there; in order.
    replace: Vec<(String, String)>,
}

impl SelectorValues {
    /// `rule` is the rule's place in its file.
    pub(super) fn compile(
        rule: &str,
        entries: &[config::SelectorValues],
    ) -> Result<Self, RuleError> {
        let mut labels = BTreeMap::new();
        for (index, entry) in entries.iter().enumerate() {
            let refused = |message: String| RuleError::Field {
                rule: rule.to_owned(),
                field: "selectorValues",
                message: format!("entry {index}: {message}"),
            };
            check(entry).map_err(refused)?;
            let replace = entry.replace.iter().map(|r| (r.from.clone(), r.to.clone()));
            let rewriting = Rewriting {
                values: entry.values.clone(),
                replace: replace.collect(),
            };
            if labels.insert(entry.label.clone(), rewriting).is_some() {
                let label = &entry.label;
                return Err(refused(format!("`label` {label:?} is in an entry before")));
            }
        }
        Ok(Self { labels })
    }

    /// The condition as the series' labels have its values. Where a label is rewritten, values
    /// are literal: what a regular expression would understand is escaped. Other labels keep
    /// prometheus-adapter's way.
    pub(super) fn apply<'a>(&self, requirement: &'a Requirement) -> Cow<'a, Requirement> {
        let Some(rewriting) = self.labels.get(&requirement.key) else {
            return Cow::Borrowed(requirement);
        };
        let pattern = matches!(requirement.operator, Operator::In | Operator::NotIn);
        let values = requirement.values.iter().map(|value| {
            let value = rewriting.apply(value);
            if pattern { escape(&value) } else { value }
        });
        Cow::Owned(Requirement {
            values: values.collect(),
            ..requirement.clone()
        })
    }
}

impl Rewriting {
    fn apply(&self, value: &str) -> String {
        if let Some(real) = self.values.get(value) {
            return real.clone();
        }
        let replace = |text: String, (from, to): &(String, String)| text.replace(from, to);
        self.replace.iter().fold(value.to_owned(), replace)
    }
}

fn check(entry: &config::SelectorValues) -> Result<(), String> {
    let label = &entry.label;
    if !super::promql::is_label_name(label) {
        return Err(format!("`label` {label:?} is not a Prometheus label name"));
    }
    if Selector::parse(label).is_err() {
        return Err(format!(
            "`label` {label:?} cannot be the key of a selector: it must begin and end with a \
             letter or digit, and have at most 63 characters"
        ));
    }
    if entry.values.is_empty() && entry.replace.is_empty() {
        return Err("there must be `values` or `replace`".to_owned());
    }
    for alias in entry.values.keys() {
        // The value is checked with the selector that would carry it.
        let carried = alias.bytes().all(is_value_byte)
            && Selector::parse(&format!("{label}={alias}")).is_ok();
        if alias.is_empty() || !carried {
            return Err(format!(
                "no selector can carry the value {alias:?}: 1 to 63 of A-Z, a-z, 0-9, `-`, `_` \
                 and `.`, the first and last a letter or digit"
            ));
        }
    }
    let mut seen = BTreeSet::new();
    for (index, replacement) in entry.replace.iter().enumerate() {
        let from = &replacement.from;
        if from.is_empty() {
            return Err(format!("replace[{index}]: `from` must not be empty"));
        }
        if !seen.insert(from) {
            return Err(format!("replace[{index}]: `from` {from:?} is there before"));
        }
    }
    Ok(())
}

/// Nothing that would end the value in a selector.
fn is_value_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(yaml: &str) -> Result<SelectorValues, String> {
        let text = format!("rules: [{{selectorValues: {yaml}}}]");
        let file = config::RuleFile::parse(&text).unwrap();
        let entries = &file.rules[0].selector_values;
        SelectorValues::compile("rules[0]", entries).map_err(|error| error.to_string())
    }

    fn applied(values: &SelectorValues, selector: &str) -> String {
        let selector = Selector::parse(selector).unwrap();
        let shown = |requirement: &Requirement| values.apply(requirement).to_string();
        let shown: Vec<String> = selector.requirements().iter().map(shown).collect();
        shown.join(",")
    }

    #[test]
    fn whole_values_win_over_pieces_which_go_in_order() {
        let values = compile(
            r##"[{label: path, values: {checkout: "/api/v1/checkout#eu"},
                 replace: [{from: __slash__, to: /}, {from: //, to: /}, {from: "..", to: ?}]}]"##,
        )
        .unwrap();
        for (selector, expected) in [
            ("path=checkout", "path=/api/v1/checkout#eu"),
            ("path!=checkout", "path!=/api/v1/checkout#eu"),
            ("path=a__slash____slash__b", "path=a/b"),
            ("path=a..b", "path=a?b"),
            // Inside a regular expression a value is literal.
            (
                "path in (a..b,checkout)",
                "path in (/api/v1/checkout#eu,a[?]b)",
            ),
            ("path notin (a.b)", "path notin (a[.]b)"),
            ("path,!path", "path,!path"),
            // prometheus-adapter's way.
            ("other in (a.b)", "other in (a.b)"),
            ("other=a__slash__b", "other=a__slash__b"),
        ] {
            assert_eq!(applied(&values, selector), expected, "{selector}");
        }
    }

    #[test]
    fn what_cannot_be_asked_is_refused() {
        let long = format!("[{{label: a, values: {{{}: b}}}}]", "x".repeat(64));
        for (yaml, expected) in [
            (
                "[{values: {a: b}}]",
                "entry 0: `label` \"\" is not a Prometheus label name",
            ),
            (
                "[{label: a.b, values: {a: b}}]",
                "`label` \"a.b\" is not a Prometheus label name",
            ),
            (
                "[{label: __name__, values: {a: b}}]",
                "cannot be the key of a selector",
            ),
            ("[{label: a}]", "there must be `values` or `replace`"),
            (
                "[{label: a, values: {a/b: c}}]",
                "no selector can carry the value \"a/b\"",
            ),
            (
                "[{label: a, values: {'a,b': c}}]",
                "no selector can carry the value \"a,b\"",
            ),
            (
                "[{label: a, values: {-a: c}}]",
                "no selector can carry the value \"-a\"",
            ),
            (
                "[{label: a, values: {'': c}}]",
                "no selector can carry the value \"\"",
            ),
            (long.as_str(), "no selector can carry the value \"xxx"),
            (
                "[{label: a, replace: [{to: b}]}]",
                "replace[0]: `from` must not be empty",
            ),
            (
                "[{label: a, replace: [{from: x}, {from: x}]}]",
                "replace[1]: `from` \"x\" is there before",
            ),
            (
                "[{label: a, values: {a: b}}, {label: a, values: {a: b}}]",
                "rules[0].selectorValues: entry 1: `label` \"a\" is in an entry before",
            ),
        ] {
            let error = compile(yaml).map(|_| ()).unwrap_err();
            assert!(error.contains(expected), "{yaml} gave {error}");
        }
    }
}
